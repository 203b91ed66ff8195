package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAfterAFailureTheIssuerIsLeftAloneForAWhile(t *testing.T) {
	f := newFixture(t)
	var asked, broken atomic.Int64
	broken.Store(1)
	f.issuer.Handle("/oauth2/userinfo", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if broken.Load() == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"sub": "a", "name": "A"}`)
	}))
	token := f.issuer.AccessToken(t, jwkstest.Token{Subject: "a", Audience: audience, Scope: "openid user:read"})
	check := func(wantName string, wantAsked int64) {
		t.Helper()
		if w := f.get("/v1/me", token); w.Code != http.StatusOK ||
			!strings.Contains(w.Body.String(), `"display_name":"`+wantName+`"`) || asked.Load() != wantAsked {
			t.Errorf("%d %s, asked %d times, want %d", w.Code, w.Body, asked.Load(), wantAsked)
		}
	}
	check("", 1)
	broken.Store(0)
	check("", 1)
	f.now.Add(29)
	check("", 1)
	f.now.Add(1)
	check("A", 2)
	check("A", 2)
}

func TestATokenThatUserinfoRefusesHoldsUpNobodyElse(t *testing.T) {
	f := newFixture(t)
	mint := func(subject string) string {
		return f.issuer.AccessToken(t, jwkstest.Token{Subject: subject, Audience: audience, Scope: "openid user:read"})
	}
	refused := mint("a")
	f.issuer.Handle("/oauth2/userinfo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+refused {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"sub": "b", "name": "B"}`)
	}))
	if w := f.get("/v1/me", refused); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	if w := f.get("/v1/me", mint("b")); !strings.Contains(w.Body.String(), `"display_name":"B"`) {
		t.Error(w.Body)
	}
}

// TestWhatTheIssuerSaysToOneTokenSilencesItForNobodyElse has the answers that one app, or one
// person, can bring about.
func TestWhatTheIssuerSaysToOneTokenSilencesItForNobodyElse(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"signed, as the app registered": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwt")
			fmt.Fprint(w, "e30.e30.AA")
		},
		"longer than a profile needs": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"sub": "a", "name": %q}`, strings.Repeat("a", userinfoMost))
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"sub"`)
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{`)
		},
		"about another": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"sub": "x"}`)
		},
		"status 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"status 400": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"status 401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"status 429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"status 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			mint := func(subject, id string) string {
				return f.issuer.AccessToken(t, jwkstest.Token{Subject: subject, Audience: audience, Scope: "openid user:read", ClientID: id})
			}
			strange, good, sameperson := mint("a", "1"), mint("b", "2"), mint("a", "3")
			var asked atomic.Int64
			f.issuer.Handle("/oauth2/userinfo", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "Bearer "+strange {
					asked.Add(1)
					answer(w, r)
					return
				}
				subject := "b"
				if r.Header.Get("Authorization") == "Bearer "+sameperson {
					subject = "a"
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"sub": %q, "name": "the name of %s"}`, subject, subject)
			}))
			for range 3 {
				if w := f.get("/v1/me", strange); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"display_name":""`) {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			if asked.Load() != 1 {
				t.Errorf("the issuer was asked %d times with the token that it told nothing", asked.Load())
			}
			f.now.Add(30)
			f.get("/v1/me", strange)
			if asked.Load() != 2 {
				t.Error("the token is not tried again")
			}
			for subject, token := range map[string]string{"a": sameperson, "b": good} {
				if w := f.get("/v1/me", token); !strings.Contains(w.Body.String(), `"display_name":"the name of `+subject+`"`) {
					t.Errorf("another token of %s: %s", subject, w.Body)
				}
			}
		})
	}
}

func TestFewWaitForASlowIssuer(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	asked, hold := make(chan struct{}), make(chan struct{})
	issuer.Handle("/oauth2/userinfo", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-hold
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"sub": "a"}`)
	}))
	u := newUserinfo(issuer.URL(), httpd.Calls{}, time.Now)
	u.timeout = time.Hour
	ask := func(token string) error {
		_, err := u.ask(t.Context(), "a", token)
		return err
	}
	var waiting sync.WaitGroup
	for i := range userinfoPlaces {
		waiting.Go(func() {
			if err := ask(fmt.Sprint("token-", i)); err != nil {
				t.Error(err)
			}
		})
		<-asked
	}
	if err := ask("one too many"); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	close(hold)
	waiting.Wait()
	go func() { <-asked }()
	if err := ask("one too many"); err != nil {
		t.Errorf("having been too many at once is remembered: %v", err)
	}
}

func FuzzUserinfo(f *testing.F) {
	f.Add([]byte(`{"sub": "a", "name": "A", "picture": "https://a.example/", "website": 7}`))
	f.Add([]byte(`{"sub": "a", "name": "\u202e\u3164"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		patch, err := parseUserinfo(body, "a")
		if err != nil {
			return
		}
		// Whatever the issuer says, a profile holds only what its person could have written.
		for _, field := range []struct {
			text  *string
			clean func(string) (string, error)
		}{{patch.DisplayName, displayName}, {patch.AvatarURL, webURL}, {patch.Website, webURL}} {
			if field.text == nil {
				continue
			}
			if kept, err := field.clean(*field.text); err != nil || kept != *field.text {
				t.Fatalf("%q was taken: %v", *field.text, err)
			}
		}
	})
}
