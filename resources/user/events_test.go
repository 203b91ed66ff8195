package main

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const (
	claimsChanged = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	accountPurged = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
)

func rename(subject, name string) jwkstest.SET {
	return jwkstest.SET{Type: claimsChanged, Subject: subject, Event: map[string]any{"claims": map[string]any{"name": name}}}
}

func TestAPurgedAccountTakesItsProfileWithIt(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := user.Start(t, jwkstest.NewIssuer(t), databaseURL)
		token, service := p.Person("c/d", readWrite), p.Client("board", "user:lookup")
		p.Call("PATCH", "/v1/me", token, `{"display_name": "Cee"}`, "If-Match", "*").Want(200)
		purge := p.Event(jwkstest.SET{Type: accountPurged, Subject: "c/d"})
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if r := p.Push(purge); r.Status == 202 {
					accepted.Add(1)
				}
			})
		}
		wg.Wait()
		if accepted.Load() != 8 {
			t.Errorf("%d of 8 were acknowledged", accepted.Load())
		}
		p.Tell(jwkstest.SET{Type: accountPurged, Subject: "c/d"}) // another event about the same
		p.Tell(jwkstest.SET{Type: accountPurged, Subject: "never-seen"})
		p.Call("GET", "/v1/users/c%2Fd", service, "").Want(404)
		p.Call("GET", "/v1/me", token, "").Want(410)
		p.Call("GET", "/v1/me/export", token, "").Want(410)
		for call, body := range bodies {
			method, path, _ := strings.Cut(call, " ")
			p.Call(method, path, token, body, "If-Match", "*").Want(410)
		}
		// A token that was issued before does not bring anybody back, nor does a late event.
		p.Call("GET", "/v1/me", p.Person("never-seen", readWrite), "").Want(410)
		p.Tell(rename("c/d", "Dee"))
		p.Call("GET", "/v1/users/c%2Fd", service, "").Want(404)
	})
}

func TestANewNameOfTheAccountReachesItsProfile(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	a, b := p.Person("a", readWrite), p.Person("b", readWrite)
	named := func(token, want string) servicetest.Response {
		t.Helper()
		r := p.Call("GET", "/v1/me", token, "").Want(200)
		if r.Text("display_name") != want {
			t.Errorf("%v, want the name %q", r, want)
		}
		return r
	}
	named(a, "")
	p.Tell(rename("a", "  김\u202e지수  "))
	named(a, "김지수")
	for _, useless := range []any{"", " ", nil, 1, []string{"x"}} {
		event := rename("a", "")
		event.Event["claims"] = map[string]any{"name": useless}
		p.Tell(event)
	}
	named(a, "김지수")
	p.Call("PATCH", "/v1/me", b, `{"display_name": "Own"}`, "If-Match", "*").Want(200)
	p.Tell(rename("b", "Account"))
	named(b, "Own")
	if r := p.Call("GET", "/v1/me/export", a, "").Want(200); r.Text("name_told_at") == "" {
		t.Error(r)
	}
	p.Tell(rename("nobody", "x"))
	p.Call("GET", "/v1/users/nobody", p.Client("board", "user:lookup"), "").Want(404)
}
