package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// serveUserinfo gives the service's issuer a userinfo endpoint.
func serveUserinfo(p *servicetest.Service, handler http.HandlerFunc) {
	p.Issuer.Handle("/oauth2/userinfo", handler)
}

// says is a userinfo endpoint that says the claims of everybody.
func says(claims map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(claims)
	}
}

func TestParallelFirstCallsMakeOneProfileFilledByTheIssuer(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := user.Start(t, jwkstest.NewIssuer(t), databaseURL)
		token := p.Person("사용자|1", "openid user:read")
		var asked atomic.Int64
		claims := says(map[string]any{
			"sub": "사용자|1", "name": " 김\u0000지수 ", "picture": "https://img.example/1.png",
			"website": "javascript:alert(1)", "email": "jisu@example.org",
		})
		serveUserinfo(p, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.Header.Get("Authorization") != "Bearer "+token {
				t.Error("the issuer was asked with another token")
			}
			claims(w, r)
		})
		answers := make([]servicetest.Response, 32)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = p.Call("GET", "/v1/me", token, "").Want(200) })
		}
		wg.Wait()
		first := answers[0]
		for name, want := range map[string]any{
			"id": "사용자|1", "display_name": "김지수", "avatar_url": "https://img.example/1.png", "website": "", "email": nil,
		} {
			if first.Member(name) != want {
				t.Errorf("%s is %v, want %v", name, first.Member(name), want)
			}
		}
		for _, r := range answers {
			if r.Body != first.Body || r.ETag() != first.ETag() {
				t.Errorf("two answers differ: %v and %v", first, r)
			}
		}
		n := asked.Load()
		p.Call("GET", "/v1/me", token, "").Want(200)
		if asked.Load() != n {
			t.Error("the issuer is asked about a profile that is filled")
		}
		r := p.Call("GET", "/v1/users/%EC%82%AC%EC%9A%A9%EC%9E%90%7C1", token, "").Want(200)
		if r.Text("display_name") != "김지수" || r.Member("created_at") != nil {
			t.Error(r)
		}
	})
}

func TestAProfileStaysEmptyWhenTheIssuerIsOfNoUse(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"another subject": says(map[string]any{"sub": "b", "name": "B"}),
		"no subject":      says(map[string]any{"name": "B"}),
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"sub":"a","name":"B"}`, http.StatusInternalServerError)
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "<html>")
		},
		"another type": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"sub":"a","name":"B"}`) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"too much":              says(map[string]any{"sub": "a", "name": "B", "padding": strings.Repeat("x", 1<<20)}),
		"nothing, for too long": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := user.StartNew(t)
			p.Issuer.Handle("/elsewhere", says(map[string]any{"sub": "a", "name": "B"}))
			serveUserinfo(p, handler)
			token := p.Person("a", "openid "+readWrite)
			for range 2 {
				began := time.Now()
				if r := p.Call("GET", "/v1/me", token, "").Want(200); r.Text("id") != "a" || r.Text("display_name") != "" {
					t.Fatal(r)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			}
		})
	}
}

func TestAnEmptyProfileIsFilledLater(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	serveUserinfo(p, says(map[string]any{"sub": "a", "name": "A"}))
	// Without openid the token is no good at userinfo.
	if r := p.Call("GET", "/v1/me", p.Person("a", "user:read"), "").Want(200); r.Text("display_name") != "" {
		t.Fatal(r)
	}
	if r := p.Call("GET", "/v1/me", p.Person("a", "openid user:read"), "").Want(200); r.Text("display_name") != "A" {
		t.Error(r)
	}
}

func TestANewNameOfTheAccountReachesAProfileThatWasNeverEdited(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	var asked atomic.Int64
	var name atomic.Value
	name.Store("김지수")
	serveUserinfo(p, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		says(map[string]any{"sub": "a", "name": name.Load()})(w, r)
	})
	issued := func(ago time.Duration) string {
		return p.Issuer.AccessToken(t, jwkstest.Token{Subject: "a", Audience: user.Audience(), Scope: "openid " + readWrite,
			Mutate: func(_, claims map[string]any) { claims["iat"] = time.Now().Add(-ago).Unix() }})
	}
	me := func(token string) servicetest.Response { return p.Call("GET", "/v1/me", token, "").Want(200) }

	first := issued(5 * time.Minute)
	before := me(first)
	name.Store("김지수 (서울)")
	if r := me(first); r.Text("display_name") != "김지수" || asked.Load() != 1 {
		t.Errorf("%v, asked %d times by one token", r, asked.Load())
	}

	second := issued(4 * time.Minute)
	after := me(second)
	if after.Text("display_name") != "김지수 (서울)" || after.ETag() == before.ETag() {
		t.Errorf("the new name did not arrive: %v", after)
	}
	if r := me(issued(3 * time.Minute)); r.ETag() != after.ETag() {
		t.Errorf("the same name made a new version: %v", r)
	}

	p.Call("PATCH", "/v1/me", second, `{"bio": "mine"}`, "If-Match", after.ETag()).Want(200)
	name.Store("another")
	n := asked.Load()
	if r := me(issued(time.Minute)); r.Text("display_name") != "김지수 (서울)" || asked.Load() != n {
		t.Errorf("the issuer wrote over an edited profile: %v, asked %d times more", r, asked.Load()-n)
	}
}
