package authorize_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// stateFor is the session_state as the script of the check_session_iframe computes it, with the
// browser's cookie.
func stateFor(b *providertest.Browser, clientID, origin, sessionState string) string {
	_, salt, _ := strings.Cut(sessionState, ".")
	u, err := url.Parse(b.Fixture.Issuer)
	if err != nil {
		b.Fixture.T.Fatal(err)
	}
	state := ""
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name == "maru-browser-state" {
			state = cookie.Value
		}
	}
	sum := sha256.Sum256([]byte(clientID + " " + origin + " " + state + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

func TestSessionStateChangesWithTheLogIn(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser()
	const origin = "https://app.example"
	check := func(when string, a providertest.Answer) string {
		t.Helper()
		got := a.Parameter("session_state")
		if got == "" || got != stateFor(b, "app", origin, got) {
			t.Errorf("%s: session_state %q, %v", when, got, a.Location)
		}
		return got
	}
	nobody := check("nobody logged in", b.Authorize("prompt", "none"))
	b.LogIn(f.User)
	first := check("logged in", b.Authorize())
	if nobody == stateFor(b, "app", origin, nobody) {
		t.Error("a log-in changed nothing")
	}
	check("an error", b.Authorize("response_type", "nonsense"))
	if a := b.Authorize("scope", "user:read"); a.Parameter("code") == "" || a.Parameter("session_state") != "" {
		t.Errorf("without openid: %v", a.Location)
	}
	_, claims := providertest.Decode(t, b.Authorize("response_mode", "jwt").Parameter("response"))
	if got := fmt.Sprint(claims["session_state"]); got != stateFor(b, "app", origin, got) {
		t.Errorf("JARM: %v", claims)
	}

	// Another site's frame or form comes without the session cookie: that is no log-out.
	u, err := url.Parse(f.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	foreign := f.Browser()
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name != "maru-session" {
			foreign.Jar.SetCookies(u, []*http.Cookie{cookie})
		}
	}
	if a := foreign.Authorize("prompt", "none"); a.Parameter("error") != "login_required" || first != stateFor(foreign, "app", origin, first) {
		t.Errorf("another site changed the state: %v", a.Location)
	}

	if first != stateFor(b, "app", origin, first) {
		t.Error("it changed while the log-in lasted")
	}
	b.Post("/oauth2/logout", url.Values{})
	if first == stateFor(b, "app", origin, first) {
		t.Error("a log-out changed nothing")
	}

	b.LogIn(f.User)
	again := check("again", b.Authorize())
	if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil { // elsewhere
		t.Fatal(err)
	}
	check("ended elsewhere", b.Authorize("prompt", "none"))
	if again == stateFor(b, "app", origin, again) {
		t.Error("the end of the session changed nothing")
	}
}

func TestCheckSessionMayBeFramedByEverybody(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	a := f.Browser().Get("/oauth2/check_session")
	if a.Status != 200 || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors *") ||
		strings.Contains(a.Header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := f.Browser().Get("/login"); !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the log-in page may be framed: %v", a.Header)
	}
	document := f.Browser().Get("/.well-known/openid-configuration").JSON(t)
	for _, name := range []string{
		"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported",
		"frontchannel_logout_session_supported",
	} {
		if document[name] != true {
			t.Errorf("%s is %v", name, document[name])
		}
	}
	if document["end_session_endpoint"] != f.Issuer+"/oauth2/logout" || document["check_session_iframe"] != f.Issuer+"/oauth2/check_session" {
		t.Error(document)
	}
}
