package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAnAnswerIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	defer server.Close()
	client := NewClient(Limits{Timeout: time.Minute, AtOnce: 1, Answer: 10})
	defer client.CloseIdleConnections()
	for text, large := range map[string]bool{"": false, "ten bytes!": false, "eleven byte": true, strings.Repeat("x", 5000): true} {
		resp, err := client.Get(server.URL + "/" + text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if errors.Is(err, ErrTooLarge) != large || len(got) != min(len(text), 10) {
			t.Errorf("of %d bytes: %d, %v", len(text), len(got), err)
		}
	}
}

func TestACallKeepsItsPlaceUntilItsAnswerIsClosed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	client := NewClient(Limits{Timeout: time.Minute, AtOnce: 1, Answer: 10})
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(server.URL); !errors.Is(err, ErrCrowded) {
		t.Errorf("one call too many: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	r, err := http.NewRequestWithContext(gone, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	resp.Body.Close()
	resp.Body.Close() // as the standard library's bodies allow
	for range 3 {
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/", http.StatusTemporaryRedirect))
	defer server.Close()
	client := NewClient(Limits{Timeout: time.Minute, AtOnce: 1, Answer: 10})
	defer client.CloseIdleConnections()
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("status %d", resp.StatusCode)
	}
}
