package providertest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Browser is a person's browser. It follows no redirects: tests look at each.
type Browser struct {
	*http.Client
	Fixture *Fixture
	SID     string // of the session that LogIn made
}

// Browser returns a browser in which nobody is logged in.
func (f *Fixture) Browser() *Browser {
	f.T.Helper()
	jar, err := cookiejar.New(nil)
	f.must(err)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Browser{Client: &http.Client{Jar: jar, CheckRedirect: stay}, Fixture: f}
}

// LogIn gives the browser a session of the person, as the log-in page does.
func (b *Browser) LogIn(user accounts.User) *Browser {
	f := b.Fixture
	f.T.Helper()
	session := accounts.Session{UserID: user.ID, ACR: "1", AMR: []string{"pwd"}}
	session, cookie, err := f.Store.Sessions.CreateSession(f.T.Context(), session, user.PasswordHash)
	f.must(err)
	b.SetSession(cookie)
	b.SID = session.ID
	return b
}

// SetSession gives the browser the cookie of a session.
func (b *Browser) SetSession(cookie string) {
	u, err := url.Parse(b.Fixture.Issuer)
	b.Fixture.must(err)
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "maru-session", Value: cookie, Path: "/"}})
}

// Send sends a request with the browser's cookies.
func (b *Browser) Send(r *http.Request) Answer {
	b.Fixture.T.Helper()
	return b.Fixture.DoWith(b.Client, r)
}

// Get opens an address.
func (b *Browser) Get(path string) Answer {
	b.Fixture.T.Helper()
	return b.Send(b.Fixture.Request("GET", path, nil))
}

// Post posts a form as the server's own page does.
func (b *Browser) Post(path string, form url.Values) Answer {
	b.Fixture.T.Helper()
	return b.Send(b.Fixture.Request("POST", path, form, "Origin", b.Fixture.Issuer, "Sec-Fetch-Site", "same-origin"))
}

// PostFromElsewhere posts a form as another site's page makes a browser do: without the cookies,
// which are SameSite=Lax. It follows the redirect that this must lead to, which has them.
func (b *Browser) PostFromElsewhere(path string, form url.Values) Answer {
	f := b.Fixture
	f.T.Helper()
	bare := &http.Client{CheckRedirect: b.CheckRedirect}
	a := f.DoWith(bare, f.Request("POST", path, form, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"))
	if a.Status != http.StatusSeeOther || a.Location == nil || a.Location.Path != path || len(a.Location.Query()) != 1 {
		f.T.Fatalf("posted from elsewhere: %d %v %s", a.Status, a.Location, a.Body)
	}
	if len(a.Header.Values("Set-Cookie")) > 0 { // it would take the place of the browser's own
		f.T.Errorf("a browser that brought no cookies gets %v", a.Header.Values("Set-Cookie"))
	}
	return b.Get(a.Location.String())
}

// Parameters are those of a good authorization request of "app", with pairs of names and values
// changed; an empty value takes a parameter out.
func Parameters(changes ...string) url.Values {
	return changed(url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {Callback},
		"scope": {"openid profile email user:read board:read"}, "state": {"s-" + rand.Text()}, "nonce": {"n-1"},
		"code_challenge": {Challenge(Verifier)}, "code_challenge_method": {"S256"},
	}, changes)
}

// changed sets pairs of names and values; an empty value takes one out.
func changed(form url.Values, changes []string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return form
}

// Challenge is the code_challenge of a verifier, by S256.
func Challenge(verifier string) string { return hash(verifier) }

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Authorize sends the request of [Parameters], with these changes.
func (b *Browser) Authorize(changes ...string) Answer {
	b.Fixture.T.Helper()
	return b.AuthorizeForm(Parameters(changes...))
}

// AuthorizeForm sends an authorization request.
func (b *Browser) AuthorizeForm(form url.Values) Answer {
	b.Fixture.T.Helper()
	return b.Get("/oauth2/authorize?" + form.Encode())
}

// Code returns a new authorization code for the person logged in.
func (b *Browser) Code(changes ...string) string {
	b.Fixture.T.Helper()
	a := b.Authorize(changes...)
	code := a.Parameter("code")
	if code == "" {
		b.Fixture.T.Fatalf("no code: status %d, %v, %s", a.Status, a.Location, a.Body)
	}
	return code
}

// Push pushes the request of [Parameters], with these changes.
func (f *Fixture) Push(changes ...string) Answer {
	f.T.Helper()
	return f.PushForm(Parameters(changes...))
}

// PushForm pushes an authorization request, as its client, with [Secret].
func (f *Fixture) PushForm(form url.Values) Answer {
	f.T.Helper()
	return f.PostAs(form.Get("client_id"), "/oauth2/par", form)
}
