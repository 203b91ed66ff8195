package peopletest

import (
	"encoding/json"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/passkeys/passkeytest"
)

// PostJSON posts JSON as a script of the server's own page does.
func (b *Browser) PostJSON(path, body string) Answer {
	b.t.Helper()
	r := b.Request(http.MethodPost, path, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", b.Server.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(r)
}

// PasskeyAuthenticator makes an authenticator for the site. See [NewNamed].
func (s *Site) PasskeyAuthenticator() *passkeytest.Authenticator {
	s.t.Helper()
	a, err := passkeytest.New(s.Server.URL, "localhost", passkeytest.ES256)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// AddPasskey makes the authenticator's passkey that of the person who is logged in.
func (b *Browser) AddPasskey(a *passkeytest.Authenticator) {
	b.t.Helper()
	answer, err := a.Register([]byte(b.PostJSON("/account/passkeys/begin", "{}").Body))
	if err != nil {
		b.t.Fatal(err)
	}
	if to := b.PostJSON("/account/passkeys/finish", string(answer)).Reply(b).Location; to != "/account/security?done=passkey" {
		b.t.Fatalf("no passkey was added: %q", to)
	}
}

// UsePasskey has the authenticator answer at a page, such as /login; query is the page's.
func (b *Browser) UsePasskey(a *passkeytest.Authenticator, page, query string) Answer {
	b.t.Helper()
	return b.PostJSON(page+"/passkey/finish"+query, b.Assertion(a, page, query))
}

// Assertion is the authenticator's answer to new options of a page.
func (b *Browser) Assertion(a *passkeytest.Authenticator, page, query string) string {
	b.t.Helper()
	options := b.PostJSON(page+"/passkey/begin"+query, "{}")
	options.Want(b.t, http.StatusOK)
	answer, err := a.Assert([]byte(options.Body))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(answer)
}

// Reply is what a script is told.
type Reply struct{ Location, Problem, Forget string }

// Reply reads the answer to a script.
func (a Answer) Reply(b *Browser) (r Reply) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &r); err != nil || a.Header.Get("Content-Type") != "application/json" {
		b.t.Errorf("%d %q: %v", a.Status, a.Body, err)
	}
	return r
}
