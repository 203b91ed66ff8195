package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/jwks/jwkstest"
)

const audience = "https://api.example/test"

var discard = slog.New(slog.DiscardHandler)

// fixture is a service with one operation, for people with the scope test:read.
type fixture struct {
	handler http.Handler
	issuer  *jwkstest.Issuer
	metrics *prometheus.Registry
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := fixture{issuer: jwkstest.NewIssuer(t), metrics: prometheus.NewRegistry()}
	api, err := New(Config{Issuer: f.issuer.URL(), Audience: audience, Verifier: f.issuer.Verifier(t, audience), Metrics: f.metrics, Log: discard},
		Resource{Name: "Test", Scopes: []Scope{{Name: "test:read", People: true}}})
	if err != nil {
		t.Fatal(err)
	}
	Route(api, Access{Scopes: []string{"test:read"}, Person: true}, huma.Operation{OperationID: "get-thing", Method: http.MethodGet, Path: "/v1/thing"},
		func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	if f.handler, err = api.Handler(); err != nil {
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

func TestAGoodTokenPasses(t *testing.T) {
	f := newFixture(t)
	if w := f.get("/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "test:read"})); w.Code != http.StatusNoContent {
		t.Error(w.Code, w.Body)
	}
	// Subjects that no database should see.
	for _, subject := range []string{"a\x00b", strings.Repeat("x", 256)} {
		if w := f.get("/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{Subject: subject, Audience: audience, Scope: "test:read"})); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", subject, w.Code)
		}
	}
}

func TestRefusedTokensAreCounted(t *testing.T) {
	f := newFixture(t)
	bad := f.issuer.BadTokens(audience, jwkstest.Token{Scope: "test:read"})
	want := map[string]float64{"no_token": 1, "client_token": 1, "insufficient_scope": 1}
	f.get("/v1/thing", "")
	f.get("/v1/thing", f.issuer.ClientToken(t, jwkstest.Token{Audience: audience, Scope: "test:read"}))
	f.get("/v1/thing", f.issuer.AccessToken(t, jwkstest.Token{Audience: audience}))
	for _, b := range bad {
		f.get("/v1/thing", b.Token)
		want[refusalReason(b.Want)]++
	}
	families, err := f.metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "tokens_refused_total" {
		t.Fatal(families, err)
	}
	counted := families[0].GetMetric()
	if len(counted) != len(refusalReasons) {
		t.Errorf("%d reasons are counted, want all %d from the start and no other", len(counted), len(refusalReasons))
	}
	for _, metric := range counted {
		reason := metric.GetLabel()[0].GetValue()
		if got := metric.GetCounter().GetValue(); got != want[reason] {
			t.Errorf("%s: %v, want %v", reason, got, want[reason])
		}
	}
}

// A new sentinel of jwks would be counted as "other" until it has a label.
func TestEveryReasonHasALabelOfItsOwn(t *testing.T) {
	labels := make(map[string]bool)
	for _, r := range refusalReasons {
		if labels[r.label] || refusalReason(fmt.Errorf("wrapped: %w", r.err)) != r.label {
			t.Errorf("%s", r.label)
		}
		labels[r.label] = true
	}
	if got := refusalReason(errors.New("something else")); got != "other" {
		t.Error(got)
	}
}

func TestWhereTheMetadataIs(t *testing.T) {
	for audience, want := range map[string]string{
		"http://localhost:8000/user":    "http://localhost:8000/.well-known/oauth-protected-resource/user",
		"https://api.example":           "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example/":          "https://api.example/.well-known/oauth-protected-resource",
		"https://api.example:8443/a/b/": "https://api.example:8443/.well-known/oauth-protected-resource/a/b",
	} {
		api, err := New(Config{Issuer: "https://auth.example", Audience: audience}, Resource{})
		if err != nil || api.metadata.URL() != want {
			t.Errorf("%s: %v, want %s", audience, err, want)
		}
	}
	for _, wrong := range []string{"", "user", "localhost:8000", "ftp://a.example", "https://", "https://u:p@a.example", "https://a.example?x", "https://a.example/#f", "https://a.example/?"} {
		if _, err := New(Config{Issuer: "https://auth.example", Audience: wrong}, Resource{}); err == nil {
			t.Errorf("the audience %q was accepted", wrong)
		}
		if _, err := New(Config{Issuer: wrong, Audience: "https://api.example"}, Resource{}); err == nil {
			t.Errorf("the issuer %q was accepted", wrong)
		}
	}
}

func TestEntityTags(t *testing.T) {
	for header, want := range map[string]string{
		`"a"`: `a`, ` "a" `: `a`, `"a", "b"`: `a b`, `"a","b"`: `a b`, `W/"a"`: `~a`, `"a,b"`: `a,b`, `""`: ``, `,, "a" ,`: `a`, "\"a\"\t,\"é\"": `a é`,
	} {
		list, anything, err := parseTags(header)
		var got []string
		for _, tag := range list {
			if tag.weak {
				tag.opaque = "~" + tag.opaque
			}
			got = append(got, tag.opaque)
		}
		if err != nil || anything || strings.Join(got, " ") != want {
			t.Errorf("%s: %q %v %v, want %s", header, got, anything, err, want)
		}
	}
	if list, anything, err := parseTags(" * "); err != nil || !anything || list != nil {
		t.Error(list, anything, err)
	}
	for _, header := range []string{"", " ", ",", "a", `"a`, `a"`, `"a" "b"`, `"a"b`, `w/"a"`, `W/ "a"`, `W/a`, `*, "a"`, `"a", *`, `"a b"`, "\"a\x00\"", `'a'`, strings.Repeat(`"a",`, 11)} {
		if list, anything, err := parseTags(header); err == nil {
			t.Errorf("%q was read as %v %v", header, list, anything)
		}
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{"*", `"7"`, `W/"7"`, `"1", "7" ,W/"3"`, `"`, `""`, `,,"x",`} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if RequireMatch(header, int64(7)) == nil && strings.Trim(header, " \t") != "*" && !strings.Contains(header, `"7"`) {
			t.Errorf("%q matches version 7", header)
		}
	})
}

func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, `*`, `"`, `,`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		list, anything, err := parseTags(header)
		if err != nil {
			return
		}
		if anything != (len(list) == 0) || len(list) > maxTags {
			t.Fatalf("%q: %v %v", header, list, anything)
		}
		var again []string // what was read, written as it should be, reads as the same
		for _, tag := range list {
			text := ETag(tag.opaque)
			if tag.weak {
				text = "W/" + text
			}
			again = append(again, text)
		}
		if !anything {
			if reread, _, err := parseTags(strings.Join(again, ", ")); err != nil || fmt.Sprint(reread) != fmt.Sprint(list) {
				t.Fatalf("%q: %v, then %v %v", header, list, reread, err)
			}
		}
	})
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"", " a ", "a\r\nb", "a\rb", norm.NFD.String("한글"), "\u3164", "\u202e", "\x00", "\xff", "e\u0301", "👩‍👩‍👧", "\r\r\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string) (string, error){"line": Length{1, 50}.Line, "lines": Length{1, 50}.Lines} {
			got, err := clean(text)
			if err != nil {
				if got != "" {
					t.Errorf("%s: text with an error", name)
				}
				continue
			}
			n := utf8.RuneCountInString(got)
			control := strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && (name == "line" || r != '\n' && r != '\t') })
			if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || control || n < 1 || n > 50 || got != strings.TrimSpace(got) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
			if again, err := clean(got); again != got || err != nil {
				t.Errorf("%s: %q becomes %q when cleaned again: %v", name, got, again, err)
			}
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"title":"a\r\nb","body":"\u1112\u1161\u11ab"}`))
	f.Add([]byte(`[1]`))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		var generic any
		if unmarshal(data, &generic) != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Errorf("%q was taken", data)
		}
		if object, ok := generic.(map[string]any); ok {
			for _, value := range object {
				if text, ok := value.(string); ok && (!norm.NFC.IsNormalString(text) || strings.Contains(text, "\r\n")) {
					t.Errorf("%q is not normalized", text)
				}
			}
		}
	})
}
