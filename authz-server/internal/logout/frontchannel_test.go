package logout_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestFrontChannelLogoutComesBeforeGoingOn(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("framed", func(c *client.Client) { c.FrontchannelLogoutURI = "https://app.example/front?a=b" })
	b := f.Browser().LogIn(f.User)
	b.Code("client_id", "framed")
	id := f.Tokens(f.Redeem(b.Code())).ID
	bye := "/oauth2/logout?" + url.Values{
		"id_token_hint": {id}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"s"},
	}.Encode()
	a := b.Get(bye)
	frame := "https://app.example/front?a=b&amp;iss=" + url.QueryEscape(f.Issuer) + "&amp;sid=" + b.SID
	if a.Status != 200 || !strings.Contains(a.Body, `<iframe src="`+frame+`"`) ||
		!strings.Contains(a.Body, `id="next" href="https://app.example/bye?state=s"`) ||
		a.Header.Get("Refresh") != "" || !strings.Contains(a.Body,
		`<noscript><meta http-equiv="refresh" content="5; url=https://app.example/bye?state=s"></noscript>`) ||
		!strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-src https://app.example;") ||
		!strings.Contains(a.Body, "logged_out-") {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := b.Get(bye); a.Status != 303 || a.Location.String() != "https://app.example/bye?state=s" {
		t.Errorf("again, with nobody to tell: %d %s", a.Status, a.Body)
	}
	if a := b.Authorize("prompt", "none"); a.Parameter("error") != "login_required" {
		t.Errorf("after the log-out: %v", a.Location)
	}
}
