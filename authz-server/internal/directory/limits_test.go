package directory_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/internal/httpd"
)

// useUp makes the sender of the tests' requests use up what it may have fetched in this minute. When the minute is over, it
// stands for somebody else, who has used nothing.
func (f *fixture) useUp(t *testing.T) {
	t.Helper()
	cause := fetch.Cause{Client: "attacker", Networks: httpd.Networks(httpd.ClientAddr(t.Context()))}
	for n := range 1000 {
		if _, _, err := f.fetcher.Get(t.Context(), fmt.Sprint(f.site.URL, "/junk/", n), cause); fetch.NotTried(err) {
			return
		}
	}
	t.Fatal("there is no limit")
}

func TestOnesOwnLimitShutsNobodyElseOutOfADocument(t *testing.T) {
	f := one(t)
	id := f.site.URL + "/c.json"
	f.page("/c.json", f.document("/c.json", nil))
	f.useUp(t)
	f.advance(59 * time.Second)
	if _, _, err := f.Client(t.Context(), id); !fetch.NotTried(err) {
		t.Fatalf("beyond the limit: %v", err)
	}
	f.advance(time.Second)
	if _, _, err := f.Client(t.Context(), id); err != nil {
		t.Errorf("another's limit is remembered: %v", err)
	}

	// A known client goes on, for a while, as it was read last.
	f.advance(2 * time.Minute)
	f.useUp(t)
	if c, _, err := f.Client(t.Context(), id); err != nil || c.Name != "Agent" {
		t.Errorf("a known document: %v", err)
	}

	// But one that is gone does not come back by a limit.
	f.mu.Lock()
	delete(f.pages, "/c.json")
	f.mu.Unlock()
	f.advance(time.Minute)
	if _, _, err := f.Client(t.Context(), id); err == nil || fetch.NotTried(err) {
		t.Fatalf("it is gone: %v", err)
	}
	f.useUp(t)
	f.advance(30 * time.Second)
	if _, _, err := f.Client(t.Context(), id); err == nil {
		t.Error("a document that is gone lives on by its user's limit")
	}
}

func TestOnesOwnLimitSpendsNoReadingOfKeys(t *testing.T) {
	for _, unvouched := range []bool{false, true} {
		f := one(t)
		f.cache = "max-age=86400"
		c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks", Unvouched: unvouched}
		oldJWT := sign(t, "RS256", rsaKey, map[string]any{"kid": "old"}, `{}`)
		newJWT := sign(t, "RS256", rsaKey2, map[string]any{"kid": "new"}, `{}`)
		junk := sign(t, "RS256", rsaKey2, map[string]any{"kid": "junk"}, `{}`)
		verify := func(jwt string) error {
			_, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{})
			return err
		}
		// Before anything is known.
		f.page("/jwks", set(t, jwk("old", "", rsaKey)))
		f.useUp(t)
		f.advance(59 * time.Second)
		if err := verify(oldJWT); !fetch.NotTried(err) || !errors.Is(err, directory.ErrInvalid) {
			t.Fatalf("beyond the limit: %v", err)
		}
		f.advance(time.Second)
		if err := verify(oldJWT); err != nil {
			t.Errorf("another's limit is remembered: %v", err)
		}
		// A rotation.
		f.advance(time.Minute)
		f.useUp(t)
		f.page("/jwks", set(t, jwk("new", "", rsaKey2)))
		f.advance(59 * time.Second)
		if err := verify(junk); err == nil {
			t.Fatal("junk is taken")
		}
		f.advance(time.Second)
		if err := verify(newJWT); err != nil {
			t.Errorf("junk of one sender hides the rotation from another: %v", err)
		}
		// The end of their time.
		f.advance(58 * time.Minute)
		f.useUp(t)
		f.page("/jwks", set(t, jwk("old", "", rsaKey)))
		f.advance(2*time.Minute - time.Second)
		f.useUp(t)
		f.advance(59 * time.Second)
		if err := verify(newJWT); err != nil {
			t.Errorf("the last good keys: %v", err)
		}
		f.advance(time.Second)
		if err := verify(newJWT); err == nil {
			t.Error("the set was not read again after one sender could not")
		}
	}
}

// watched tells when somebody begins to wait for it.
type watched struct {
	context.Context

	once  sync.Once
	waits chan struct{}
}

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waits) })
	return w.Context.Done()
}

func TestAReadThatWaitsForAPlaceHoldsUpNoGoodKeys(t *testing.T) {
	f := one(t)
	f.cache = "max-age=86400"
	uri := f.site.URL + "/jwks"
	f.page("/jwks", set(t, jwk("k", "", rsaKey)))
	stranger, vouched := &client.Client{ID: "stranger", JWKSURI: uri, Unvouched: true}, &client.Client{ID: "app", JWKSURI: uri}
	good := sign(t, "RS256", rsaKey, map[string]any{"kid": "k"}, `{}`)
	junk := sign(t, "RS256", rsaKey2, map[string]any{"kid": "junk"}, `{}`)
	if _, _, err := f.Verify(t.Context(), stranger, good, directory.Rule{}); err != nil {
		t.Fatal(err)
	}

	// Slow addresses take all places that strangers have at the host.
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer slow.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	for n := range 4 {
		wg.Go(func() {
			f.fetcher.Get(t.Context(), fmt.Sprint(slow.URL, "/", n), fetch.Cause{Client: "slow", Stranger: true})
		})
		<-arrived
	}
	ctx := &watched{Context: t.Context(), waits: make(chan struct{})}
	var ended sync.WaitGroup
	over := make(chan struct{})
	ended.Go(func() { f.Verify(ctx, stranger, junk, directory.Rule{}); close(over) })
	<-ctx.waits
	for _, c := range []*client.Client{stranger, vouched} {
		if _, _, err := f.Verify(t.Context(), c, good, directory.Rule{}); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
	}
	select {
	case <-over:
		t.Error("good keys waited for a stranger's read")
	default:
	}
	free()
	ended.Wait()
}
