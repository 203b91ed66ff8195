package api_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
	"github.com/maru-auth/maru/resources/board/internal/api"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

const audience = "https://api.example/board"

func TestAFailureOfTheDatabaseIsInTheLogAndNowhereElse(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	s, err := store.Open(t.Context(), sqldbtest.SQLite(t), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	names, err := authors.New(authors.Config{Store: s, Now: time.Now, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Store: s, Names: names, Config: rest.Config{
		Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Keys: issuer.KeySet(), Log: logger,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	token := issuer.AccessToken(t, jwkstest.Token{Audience: audience, Scope: "board:read board:write"})
	// Whoever reads without a token is not sent to log in, which would not help.
	for _, path := range []string{
		"/v1/boards?public_read=true", "/v1/boards/notice", "/v1/boards/notice/posts", "/v1/posts/" + strings.Repeat("a", 26),
	} {
		log.Reset()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusInternalServerError || w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(log.String(), "closed") {
			t.Errorf("%s without a token: status %d, %v, log %s", path, w.Code, w.Header(), &log)
		}
	}
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/v1/boards", nil),
		httptest.NewRequest("GET", "/v1/posts?q=words-of-a-person", nil),
		httptest.NewRequest("GET", "/v1/comments/"+strings.Repeat("a", 26), nil),
		httptest.NewRequest("POST", "/v1/posts/"+strings.Repeat("a", 26)+"/comments", strings.NewReader(`{"body":"words-of-a-person"}`)),
	} {
		log.Reset()
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusInternalServerError || w.Header().Get("Content-Type") != "application/problem+json" ||
			strings.Contains(w.Body.String(), "detail") || strings.Contains(w.Body.String(), "sql") {
			t.Errorf("%s: status %d, %s", r.URL.Path, w.Code, w.Body)
		}
		if text := log.String(); !strings.Contains(text, "closed") || strings.Contains(text, token) ||
			strings.Contains(text, "words-of-a-person") {
			t.Errorf("%s: log %s", r.URL.Path, text)
		}
	}
}

func TestTheMetadataURLFollowsTheAudience(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	// RFC 9728 §3.1: the well-known part goes between host and path.
	for audience, want := range map[string]string{
		"https://api.example/board":  "https://api.example/.well-known/oauth-protected-resource/board",
		"https://api.example/board/": "https://api.example/.well-known/oauth-protected-resource/board",
		"https://board.example":      "https://board.example/.well-known/oauth-protected-resource",
	} {
		handler, err := api.New(api.Config{Config: rest.Config{Issuer: issuer.URL(), Audience: audience, Verifier: issuer.Verifier(t, audience), Keys: issuer.KeySet()}})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/v1/boards", nil))
		if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer resource_metadata="`+want+`", DPoP `) {
			t.Errorf("%s: %s", audience, got)
		}
		w = httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", want[strings.Index(want, "/."):], nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"resource":"`+audience+`"`) {
			t.Errorf("%s: %d %s", want, w.Code, w.Body)
		}
	}
	for _, wrong := range []string{
		"", "api.example/board", "ftp://api.example", "https://u@api.example", "https://api.example/#f",
		"https://api.example/?q",
	} {
		if _, err := api.Document("https://auth.example", wrong); err == nil || !strings.Contains(err.Error(), "--audience") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
