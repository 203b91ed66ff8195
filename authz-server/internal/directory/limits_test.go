package directory_test

import (
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
	"github.com/maru-auth/maru/internal/testenv"
)

// useUp makes the sender of the tests' requests use up what it may have fetched in this minute.
// When the minute is over, it stands for somebody else, who has used nothing.
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
	t.Parallel()
	f := one(t)
	id := f.site.URL + "/c.json"
	f.pages.Set("/c.json", f.document("/c.json", nil))
	f.useUp(t)
	f.clock.Advance(59 * time.Second)
	if _, _, err := f.Client(t.Context(), id); !fetch.NotTried(err) {
		t.Fatalf("beyond the limit: %v", err)
	}
	f.clock.Advance(time.Second)
	if _, _, err := f.Client(t.Context(), id); err != nil {
		t.Errorf("another's limit is remembered: %v", err)
	}

	// A known client goes on, for a while, as it was read last.
	f.clock.Advance(2 * time.Minute)
	f.useUp(t)
	if c, _, err := f.Client(t.Context(), id); err != nil || c.Name != "Agent" {
		t.Errorf("a known document: %v", err)
	}

	// But one that is gone does not come back by a limit.
	f.pages.Delete("/c.json")
	f.clock.Advance(time.Minute)
	if _, _, err := f.Client(t.Context(), id); err == nil || fetch.NotTried(err) {
		t.Fatalf("it is gone: %v", err)
	}
	f.useUp(t)
	f.clock.Advance(30 * time.Second)
	if _, _, err := f.Client(t.Context(), id); err == nil {
		t.Error("a document that is gone lives on by its user's limit")
	}
}

func TestOnesOwnLimitSpendsNoReadingOfKeys(t *testing.T) {
	t.Parallel()
	for _, unvouched := range []bool{false, true} {
		f := one(t)
		f.pages.CacheControl("max-age=86400")
		c := &client.Client{ID: "app", JWKSURI: f.site.URL + "/jwks", Unvouched: unvouched}
		oldJWT := sign(t, "RS256", rsaKey, map[string]any{"kid": "old"}, `{}`)
		newJWT := sign(t, "RS256", rsaKey2, map[string]any{"kid": "new"}, `{}`)
		junk := sign(t, "RS256", rsaKey2, map[string]any{"kid": "junk"}, `{}`)
		verify := func(jwt string) error {
			_, _, err := f.Verify(t.Context(), c, jwt, directory.Rule{})
			return err
		}
		// Before anything is known.
		f.pages.Set("/jwks", set(t, jwk("old", "", rsaKey)))
		f.useUp(t)
		f.clock.Advance(59 * time.Second)
		if err := verify(oldJWT); !fetch.NotTried(err) || !errors.Is(err, directory.ErrInvalid) {
			t.Fatalf("beyond the limit: %v", err)
		}
		f.clock.Advance(time.Second)
		if err := verify(oldJWT); err != nil {
			t.Errorf("another's limit is remembered: %v", err)
		}
		// A rotation.
		f.clock.Advance(time.Minute)
		f.useUp(t)
		f.pages.Set("/jwks", set(t, jwk("new", "", rsaKey2)))
		f.clock.Advance(59 * time.Second)
		if err := verify(junk); err == nil {
			t.Fatal("junk is taken")
		}
		f.clock.Advance(time.Second)
		if err := verify(newJWT); err != nil {
			t.Errorf("junk of one sender hides the rotation from another: %v", err)
		}
		// The end of their time.
		f.clock.Advance(58 * time.Minute)
		f.useUp(t)
		f.pages.Set("/jwks", set(t, jwk("old", "", rsaKey)))
		f.clock.Advance(2*time.Minute - time.Second)
		f.useUp(t)
		f.clock.Advance(59 * time.Second)
		if err := verify(newJWT); err != nil {
			t.Errorf("the last good keys: %v", err)
		}
		f.clock.Advance(time.Second)
		if err := verify(newJWT); err == nil {
			t.Error("the set was not read again after one sender could not")
		}
	}
}

func TestAReadThatWaitsForAPlaceHoldsUpNoGoodKeys(t *testing.T) {
	t.Parallel()
	f := one(t)
	f.pages.CacheControl("max-age=86400")
	uri := f.site.URL + "/jwks"
	f.pages.Set("/jwks", set(t, jwk("k", "", rsaKey)))
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
	ctx := testenv.Watch(t.Context())
	var ended sync.WaitGroup
	over := make(chan struct{})
	ended.Go(func() { f.Verify(ctx, stranger, junk, directory.Rule{}); close(over) })
	<-ctx.Waiting()
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
