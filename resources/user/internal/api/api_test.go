package api

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

const audience = "https://api.example/user"

// fixture is the interface without a server of its own.
type fixture struct {
	handler http.Handler
	issuer  *jwkstest.Issuer
	store   *store.Store
	metrics *prometheus.Registry
	log     *bytes.Buffer
	now     *atomic.Int64 // seconds since the epoch, by userinfo's clock
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{issuer: jwkstest.NewIssuer(t), metrics: prometheus.NewRegistry(), log: new(bytes.Buffer), now: new(atomic.Int64)}
	var err error
	if f.store, err = store.Open(t.Context(), sqldbtest.SQLite(t), time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.handler, err = New(Config{Store: f.store, Now: func() time.Time { return time.Unix(f.now.Load(), 0) }, Config: rest.Config{
		Issuer: f.issuer.URL(), Audience: audience, Verifier: f.issuer.Verifier(t, audience), Metrics: f.metrics,
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) get(path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

func TestRefusedTokensAreCounted(t *testing.T) {
	f := newFixture(t)
	f.get("/v1/me", "")
	families, err := f.metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "tokens_refused_total" {
		t.Error(families, err)
	}
}

func TestAFailingDatabaseIsAGeneric500AndAFullLineInTheLog(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	w := f.get("/v1/me", f.issuer.AccessToken(t, jwkstest.Token{Subject: "person-7", Audience: audience, Scope: "user:read"}))
	if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "closed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "closed") || strings.Contains(log, "person-7") {
		t.Errorf("the log: %s", log)
	}
}

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
		if w := f.get("/v1/me", token); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"display_name":"`+wantName+`"`) || asked.Load() != wantAsked {
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

// TestWhatTheIssuerSaysToOneTokenSilencesItForNobodyElse has the answers that one app, or one person, can bring about.
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
	u := newUserinfo(issuer.URL(), time.Now)
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

func TestAnAnswerIsNotMuchLongerThanTheRequestThatIsWrong(t *testing.T) {
	f := newFixture(t)
	token := f.issuer.AccessToken(t, jwkstest.Token{Subject: "a", Audience: audience, Scope: "user:write"})
	for name, body := range map[string]string{
		"30,000 tags that are none":     `{"tags":[` + strings.Repeat("0,", 30_000) + `0]}`,
		"12,000 null tags":              `{"tags":[` + strings.Repeat("null,", 12_000) + `"a"]}`,
		"15,000 tags that are the same": `{"tags":[` + strings.Repeat(`"a",`, 15_000) + `"a"]}`,
	} {
		r := httptest.NewRequest(http.MethodPut, "/v1/me/interests", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("If-Match", "*")
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnprocessableEntity || w.Body.Len() > 4<<10 {
			t.Errorf("%s: %d, %d bytes", name, w.Code, w.Body.Len())
		}
	}
}

func TestDiscoveryMustBeTheIssuersAndSendTokensNowhereElse(t *testing.T) {
	document := func(issuer, endpoint string) []byte {
		return fmt.Appendf(nil, `{"issuer": %q, "userinfo_endpoint": %q}`, issuer, endpoint)
	}
	const issuer = "https://auth.example"
	if got, err := parseDiscovery(document(issuer, "https://auth.example/me"), issuer); err != nil || got != "https://auth.example/me" {
		t.Error(got, err)
	}
	for name, body := range map[string][]byte{
		"another issuer":  document("https://other.example", "https://auth.example/me"),
		"not encrypted":   document(issuer, "http://auth.example/me"),
		"no endpoint":     document(issuer, ""),
		"another scheme":  document(issuer, "file:///etc/passwd"),
		"not absolute":    document(issuer, "/me"),
		"with a password": document(issuer, "https://u:p@auth.example/me"),
		"not JSON":        []byte("<html>"),
	} {
		if got, err := parseDiscovery(body, issuer); err == nil {
			t.Errorf("%s: %s was accepted", name, got)
		}
	}
}

func TestTexts(t *testing.T) {
	syllables := strings.Repeat("가", 80)
	decomposed := strings.Repeat("\u1100\u1161", 80) // as some keyboards send it
	for _, tc := range []struct {
		name     string
		clean    func(string) (string, error)
		in, want string // an empty want: refused, but for texts that may be empty
	}{
		{"display name", displayName, "  Jisu Kim\n", "Jisu Kim"},
		{"display name", displayName, syllables, syllables},
		{"display name", displayName, decomposed, syllables},
		{"display name", displayName, syllables + "가", ""},
		{"display name", displayName, "👩‍👩‍👧", "👩‍👩‍👧"},
		{"display name", displayName, "a\nb", ""},
		{"display name", displayName, "a\u2028b", ""},
		{"display name", displayName, "admin\u202egnp.exe", ""},
		{"display name", displayName, "\u3164\u3164", ""},
		{"display name", displayName, "\u200b\u200d", ""},
		{"display name", displayName, "\u0301", ""},
		{"bio", bio, " one\r\n\ttwo ", "one\n\ttwo"},
		{"bio", bio, "bell\a", ""},
		{"bio", bio, "a\rb", ""},
		{"bio", bio, strings.Repeat("가", 501), ""},
		{"URL", webURL, " https://a.example ", "https://a.example"},
		{"URL", webURL, "https://A.Example:8443/B?c=d#e", "https://a.example:8443/B?c=d#e"},
		{"URL", webURL, "https://한글.kr/한글?q=한글", "https://xn--bj0bj06e.kr/%ED%95%9C%EA%B8%80?q=한글"},
		{"URL", webURL, "javascript:alert(1)", ""},
		{"URL", webURL, "JaVaScRiPt://a.example/%0aalert(1)", ""},
		{"URL", webURL, "data:text/html,x", ""},
		{"URL", webURL, "//a.example", ""},
		{"URL", webURL, "https:a.example", ""},
		{"URL", webURL, "https:///path", ""},
		{"URL", webURL, "https://:80/", ""},
		{"URL", webURL, "https://user@a.example/", ""},
		{"URL", webURL, "https://a.example\\@b.example", ""},
		{"URL", webURL, "https://a.example/\u202ex", ""},
		{"URL", webURL, "https://a b.example/", ""},
		{"URL", webURL, "https://[fe80::1%25eth0]/", ""},
		{"URL", webURL, "https://a_b.example:x/", ""},
		{"URL", webURL, "https://a.example/" + strings.Repeat("x", 483), ""},
		{"locale", locale, "KO-kr", "ko-KR"},
		{"locale", locale, "zh-Hant-TW", "zh-Hant-TW"},
		{"locale", locale, "korean", ""},
		{"locale", locale, "ko;q=1", ""},
		{"locale", locale, "x" + strings.Repeat("-a", 50), ""},
		{"time zone", timeZone, "Asia/Seoul", "Asia/Seoul"},
		{"time zone", timeZone, "UTC", "UTC"},
		{"time zone", timeZone, "Etc/GMT+9", "Etc/GMT+9"},
		{"time zone", timeZone, "Local", ""},
		{"time zone", timeZone, "posix/Asia/Seoul", ""},
		{"time zone", timeZone, "/etc/localtime", ""},
		{"time zone", timeZone, "Asia/../Asia/Seoul", ""},
		{"time zone", timeZone, "Asia/Seoul\x00", ""},
		{"time zone", timeZone, "Asia", ""},
	} {
		got, err := tc.clean(tc.in)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s %q: %q %v, want %q", tc.name, tc.in, got, err, tc.want)
		}
	}
	for _, clean := range []func(string) (string, error){bio, webURL, locale, timeZone} {
		if got, err := clean(""); got != "" || err != nil {
			t.Errorf("an empty text: %q %v", got, err)
		}
	}
}

func TestTagsCountOnceWhateverTheirCase(t *testing.T) {
	got, err := tags([]string{"Straße", "STRASSE", " é ", "e\u0301", "Go", "go"})
	if err != nil || strings.Join(got, " ") != "Straße é Go" {
		t.Errorf("%q %v", got, err)
	}
	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprint("tag ", i/2)
	}
	if got, err := tags(many); err != nil || len(got) != 30 {
		t.Errorf("30 tags, each twice: %d %v", len(got), err)
	}
	if _, err := tags(append(many, "one more")); err == nil {
		t.Error("31 tags were accepted")
	}
}

func FuzzTexts(f *testing.F) {
	for _, seed := range []string{"지수", "\u1100\u1161", "a\r\nb", "https://한글.kr/", "http://[::1]:80", "ko-KR", "Asia/Seoul", "\x00", "\u202e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string) (string, error){"display name": displayName, "bio": bio, "URL": webURL, "locale": locale, "time zone": timeZone} {
			kept, err := clean(text)
			if err != nil {
				if kept != "" {
					t.Fatalf("%s: %q came with the error", name, kept)
				}
				continue
			}
			// What is kept is clean: sent again, it stays as it is.
			if again, err := clean(kept); err != nil || again != kept {
				t.Fatalf("%s: %q became %q, and then %q: %v", name, text, kept, again, err)
			}
			if strings.ContainsRune(kept, 0) {
				t.Fatalf("%s: a NUL is left in %q", name, kept)
			}
			if name == "URL" && kept != "" {
				if u, err := url.Parse(kept); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsAny(u.Host, "@\\/ ") {
					t.Fatalf("%q became %q: %v", text, kept, err)
				}
			}
		}
	})
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

func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer": "https://auth.example", "userinfo_endpoint": "https://auth.example/me"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		endpoint, err := parseDiscovery(body, "https://auth.example")
		if err != nil {
			return
		}
		if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Fatalf("a token would go to %q", endpoint)
		}
	})
}

func FuzzPatchBody(f *testing.F) {
	f.Add([]byte(`{"display_name": "A", "bio": null}`))
	f.Add([]byte(`{"bio": "\ud800", "website": "https://a.example"}`))
	f.Add([]byte(`[[[[`))
	issuer := jwkstest.NewIssuer(f)
	people, err := store.Open(f.Context(), sqldbtest.SQLite(f), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { people.Close() })
	handler, err := New(Config{Store: people, Config: rest.Config{Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(f, audience), Log: slog.New(slog.DiscardHandler)}})
	if err != nil {
		f.Fatal(err)
	}
	token := issuer.AccessToken(f, jwkstest.Token{Audience: audience, Scope: "user:write", Lifetime: 24 * time.Hour})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest(http.MethodPatch, "/v1/me", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("If-Match", "*")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
