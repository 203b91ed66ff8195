package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/outbound"
	"github.com/maru-auth/maru/internal/httpd"
)

func token(context.Context, string) (string, error) { return "the-token", nil }

func serve(t *testing.T, h http.HandlerFunc) Boards {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b := NewBoards(server.URL, httpd.Calls{}, time.Now)
	t.Cleanup(b.Close)
	return b
}

func TestAnAnswerThatIsNoneMeansDown(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a gateway's page": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"a redirect":       func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"no JSON":          func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`"` + strings.Repeat("x", int(limits.Answer)) + `"`))
		},
		"a broken connection":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"the wrong JSON types": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"items": 5}`)) },
	} {
		_, err := serve(t, h).List(t.Context(), token)
		var down *DownError
		if !errors.Is(err, ErrDown) || !errors.As(err, &down) || down.Service != "board" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The reason is logged, and a log has no queries.
func TestThatAServiceIsDownDoesNotTellWhatPeopleSearchFor(t *testing.T) {
	t.Parallel()
	b := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := b.Search(t.Context(), token, "a-private-word", "", "")
	if !errors.Is(err, ErrDown) || strings.Contains(err.Error(), "private") || !strings.Contains(err.Error(), "GET /posts") {
		t.Errorf("%v", err)
	}
}

func TestTheTokenGoesToTheServiceAlone(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was called, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-token" {
			t.Errorf("called with %q", r.Header.Get("Authorization"))
		}
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if _, err := b.Write(t.Context(), token, "free", "k", PostText{}); !errors.Is(err, ErrDown) {
		t.Errorf("got %v", err)
	}
}

func TestARefusalNamesFields(t *testing.T) {
	t.Parallel()
	b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		w.Write([]byte(`{"title":"Unprocessable Entity","detail":"no","errors":[` +
			`{"location":"body.title","message":"too long"},{"location":"body.tags[3]","message":"x"},{"location":"query.q"}]}`))
	})
	_, err := b.Write(t.Context(), token, "free", "k", PostText{})
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity || refused.Detail != "no" ||
		len(refused.Fields) != 2 || refused.Fields["title"] != "too long" || refused.Fields["tags"] != "x" {
		t.Errorf("got %#v", err)
	}
}

func TestAnIDIsOnePartOfAPathOrNone(t *testing.T) {
	t.Parallel()
	var path string
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		w.Write([]byte("{}"))
	})
	for _, id := range []string{"", ".", "..", strings.Repeat("x", 300)} {
		path = ""
		if _, _, err := b.Post(t.Context(), token, id); !errors.Is(err, &Error{Status: http.StatusNotFound}) || path != "" {
			t.Errorf("%q: %v, called %q", id, err, path)
		}
	}
	for id, want := range map[string]string{"a/b": "/v1/posts/a%2Fb", "../../v1/me": "/v1/posts/..%2F..%2Fv1%2Fme",
		"a?b#c": "/v1/posts/a%3Fb%23c", "글": "/v1/posts/%EA%B8%80"} {
		if _, _, err := b.Post(t.Context(), token, id); err != nil || path != want {
			t.Errorf("%q: %v, called %q, want %q", id, err, path, want)
		}
	}
}

func TestOneStrangerDoesNotUseUpWhatAllStrangersShare(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var calls int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	b := NewBoards(server.URL, httpd.Calls{}, func() time.Time { return now })
	defer b.Close()
	read := func(times, status int) {
		t.Helper()
		for i := range times {
			if _, _, err := b.Post(t.Context(), nil, strconv.Itoa(i)); !errors.Is(err, &Error{Status: status}) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
	}
	read(strangersAtOnce, http.StatusNotFound)
	read(5, http.StatusTooManyRequests)
	if calls != strangersAtOnce {
		t.Errorf("%d calls", calls)
	}
	if _, _, err := b.Post(t.Context(), token, "x"); !errors.Is(err, &Error{Status: http.StatusNotFound}) {
		t.Errorf("who is logged in: %v", err)
	}
	now = now.Add(2 * strangersEvery)
	read(2, http.StatusNotFound)
	read(1, http.StatusTooManyRequests)
	now = now.Add(time.Hour)
	read(strangersAtOnce, http.StatusNotFound)
	read(1, http.StatusTooManyRequests)

	for _, other := range []string{"192.0.2.1", "2001:db8::1"} {
		if !b.admits(netip.MustParseAddr(other)) {
			t.Errorf("%s waits for another", other)
		}
	}
	for i := range strangersAtOnce - 1 {
		if !b.admits(netip.MustParseAddr(fmt.Sprintf("2001:db8::2:%x", i))) {
			t.Fatal("within bounds")
		}
	}
	if b.admits(netip.MustParseAddr("2001:db8::3")) {
		t.Error("a customer's /64 counts as many")
	}
}

func TestARefusedTokenIsTriedAnewOnce(t *testing.T) {
	t.Parallel()
	var calls []string
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls = append(calls, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, err := b.List(t.Context(), func(_ context.Context, refused string) (string, error) {
		if refused == "" {
			return "old", nil
		}
		return "new", nil
	})
	if !errors.Is(err, &Error{Status: http.StatusUnauthorized}) || strings.Join(calls, ",") != "Bearer old,Bearer new" {
		t.Errorf("%v after %v", err, calls)
	}
}

func TestCallsToASlowServiceDoNotPileUp(t *testing.T) {
	t.Parallel()
	called, hold := make(chan struct{}), make(chan struct{})
	b := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		called <- struct{}{}
		<-hold
		w.Write([]byte(`{"items": []}`))
	})
	b.http.Timeout = 0 // the calls below last as long as the test wants
	var calls sync.WaitGroup
	for range limits.AtOnce {
		calls.Go(func() {
			if _, err := b.List(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
		<-called
	}
	if _, err := b.List(t.Context(), token); !errors.Is(err, ErrDown) || !errors.Is(err, outbound.ErrCrowded) {
		t.Errorf("one call too many: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := b.List(gone, token); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	close(hold)
	calls.Wait()
	go func() { <-called }()
	if _, err := b.List(t.Context(), token); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
