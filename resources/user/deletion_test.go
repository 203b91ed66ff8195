package main

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAPersonGetsEverythingThatIsKeptOfThem(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := p.Person("지수/1", readWrite)
	for call, body := range bodies {
		method, path, _ := strings.Cut(call, " ")
		p.Call(method, path, token, body, "If-Match", "*").Want(200)
	}
	r := p.Call("GET", "/v1/me/export", token, "").Want(200)
	for _, want := range []string{
		`"service":"` + user.Audience() + `"`, `"id":"지수/1"`, `"bio":"hello"`, `"locale":"ko"`, `"time_zone":"Asia/Seoul"`, `"theme":"dark"`,
		`"tags":["go"]`, `"follows_issuer":false`, `"exported_at":"`, `"created_at":"`, `"notify_email":true`,
	} {
		if !strings.Contains(r.Body, want) {
			t.Errorf("%v has no %s", r, want)
		}
	}
	if got := r.Header.Get("Content-Disposition"); got != `attachment; filename="maru-user.json"` || r.Header.Get("Cache-Control") != "private, no-store" {
		t.Error(r.Header)
	}
}

func TestTheExportNeedsALogInOfTheLastTenMinutes(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := func(since time.Duration) string {
		return p.Issuer.AccessToken(t, jwkstest.Token{
			Subject: "a", Audience: user.Audience(), Scope: readWrite, AuthTime: time.Now().Add(-since)})
	}
	p.Call("GET", "/v1/me/export", token(9*time.Minute), "").Want(200)
	old := token(11 * time.Minute)
	r := p.Call("GET", "/v1/me/export", old, "").Want(401)
	if got := r.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) ||
		!strings.Contains(got, `max_age="600"`) || strings.Contains(got, "acr_values") {
		t.Errorf("challenge %s", got)
	}
	p.Call("GET", "/v1/me", old, "").Want(200)
}
