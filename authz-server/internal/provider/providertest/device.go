package providertest

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

var (
	userCode   = regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)
	tickedWord = regexp.MustCompile(`name="scope" value="([^"]+)" checked>`)
)

// AddTV registers a public client for devices, which needs consent, with what change says.
func (f *Fixture) AddTV(id string, change func(c *client.Client)) {
	f.T.Helper()
	f.AddClient(id, func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.RedirectURIs, c.Trusted = "none", nil, false
		c.GrantTypes = []string{client.DeviceCode, client.RefreshToken}
		if change != nil {
			change(c)
		}
	})
}

// DeviceCodes are what a device gets to begin with.
type DeviceCodes struct{ Device, User, Complete string }

// StartDevice begins a device flow, with pairs of header names and values. The answer must be as
// every one is.
func (f *Fixture) StartDevice(id string, form url.Values, header ...string) DeviceCodes {
	f.T.Helper()
	form.Set("client_id", id)
	a := f.PostForm("/oauth2/device_authorization", form, header...)
	object := a.JSON(f.T)
	if a.Status != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" ||
		object["expires_in"] != float64(600) || object["interval"] != float64(5) || object["verification_uri"] != f.Issuer+"/device" {
		f.T.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
	}
	codes := DeviceCodes{object["device_code"].(string), object["user_code"].(string), object["verification_uri_complete"].(string)}
	if !userCode.MatchString(codes.User) || codes.Complete != f.Issuer+"/device?user_code="+codes.User {
		f.T.Errorf("%+v", codes)
	}
	return codes
}

// Poll asks for the tokens of a device, with pairs of header names and values.
func (f *Fixture) Poll(id, code string, header ...string) Answer {
	f.T.Helper()
	form := url.Values{"client_id": {id}, "grant_type": {client.DeviceCode}, "device_code": {code}}
	return f.PostForm("/oauth2/token", form, header...)
}

// PollInTime is [Fixture.Poll] after the interval.
func (f *Fixture) PollInTime(id, code string, header ...string) Answer {
	f.T.Helper()
	f.Clock.Advance(5 * time.Second)
	return f.Poll(id, code, header...)
}

// Decide types a device's code and decides as the page lets a person: with all that is ticked on
// it.
func (b *Browser) Decide(code, decision string) Answer {
	b.Fixture.T.Helper()
	page := b.Post("/device", url.Values{"user_code": {code}})
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `id="allow"`) || !strings.Contains(page.Body, `id="deny"`) {
		b.Fixture.T.Fatalf("%d %s", page.Status, page.Body)
	}
	form := HiddenFields(page.Body)
	for _, box := range tickedWord.FindAllStringSubmatch(page.Body, -1) {
		form.Add("scope", box[1])
	}
	form.Set("decision", decision)
	return b.Post("/device", form)
}
