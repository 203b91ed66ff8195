package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/clock"
)

// slowSite answers what is below /slow when it is released, and everything else at once.
func slowSite(t *testing.T) (s *counted, arrived chan string, release func()) {
	t.Helper()
	arrived = make(chan string, 100)
	wait := make(chan struct{})
	release = sync.OnceFunc(func() { close(wait) })
	s = newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			arrived <- r.URL.Path
			<-wait
		}
		io.WriteString(w, "ok")
	})
	t.Cleanup(release)
	return s, arrived, release
}

func TestSlowAddressesOfOneClientDelayNobodyElse(t *testing.T) {
	t.Parallel()
	s, arrived, release := slowSite(t)
	c := s.client(t)
	c.timeout, c.wait = time.Minute, time.Minute
	slow := Cause{Client: "slow", Stranger: true, Networks: []string{"192.0.2.1"}}
	var under sync.WaitGroup
	var crowded atomic.Int64
	for n := range 48 {
		under.Go(func() {
			_, _, err := c.Get(t.Context(), fmt.Sprintf("%s/slow/%d", s.URL, n), slow)
			if errors.Is(err, errCrowded) {
				crowded.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	for range atOnceOfClient {
		<-arrived
	}
	// By another name of the host, for a host has a bound as well.
	other := strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)
	for name, cause := range map[string]Cause{
		"a stranger":           {Client: "other", Stranger: true, Networks: []string{"192.0.2.2"}},
		"an operator's client": {Client: "app", Networks: []string{"192.0.2.1"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if _, _, err := c.Get(ctx, other+"/quick/"+cause.Client, cause); err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if _, err := c.Post(t.Context(), other+"/quick", nil, Cause{Client: "app"}); err != nil && !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	select {
	case path := <-arrived:
		t.Errorf("%s is one too many", path)
	default:
	}
	testenv.Eventually(t, "those are told for whom there is no room to wait", func() bool {
		return crowded.Load() == 48-atOnceOfClient*(1+waitingPerPlace)
	})
	release()
	under.Wait()
	for name, p := range map[string]*places{"gets": c.gets, "strange": c.strange, "posts": c.posts} {
		if len(p.taken)+len(p.waiting) != 0 {
			t.Errorf("%s: %v %v", name, p.taken, p.waiting)
		}
	}
}

func TestPlacesAreBoundedForEachAndForAll(t *testing.T) {
	t.Parallel()
	host := func(n int) string { return fmt.Sprintf("host%d.example", n) }
	for what, test := range map[string]struct {
		cause func(n int) Cause
		host  func(n int) string
		most  int
	}{
		"a client": {func(int) Cause { return Cause{Client: "a"} }, host, atOnceOfClient},
		"a host":   {func(n int) Cause { return Cause{Client: fmt.Sprint(n)} }, func(int) string { return "Host.example" }, atOnceOfHost},
		"a network": {func(n int) Cause {
			return Cause{Client: fmt.Sprint(n), Networks: []string{"a", fmt.Sprint("wide", n)}}
		}, host, atOnceOfNetwork},
		"a wider one": {func(n int) Cause {
			return Cause{Client: fmt.Sprint(n), Networks: []string{fmt.Sprint("narrow", n), "a"}}
		}, host, min(2*atOnceOfNetwork, atOnce)},
		"all": {func(n int) Cause { return Cause{Client: fmt.Sprint(n)} }, host, atOnce},
	} {
		p, gone := newPlaces(), 0
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for n := range 2 * atOnce {
			if p.take(ctx, test.cause(n).bounds(test.host(n))) != nil {
				gone++
			}
		}
		if gone != 2*atOnce-test.most {
			t.Errorf("%s had %d places, not %d", what, 2*atOnce-gone, test.most)
		}
	}
}

func TestWhatFailedIsNotTriedAgainForAWhile(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(500)
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	c := s.client(t)
	now := clock.At(time.Unix(1e9, 0))
	c.now = now.Now
	get := func() error {
		_, _, err := c.Get(t.Context(), s.URL, Cause{})
		return err
	}
	for range 10 {
		if err := get(); !strings.Contains(fmt.Sprint(err), "status 500") {
			t.Fatal(err)
		}
	}
	if _, err := c.GetVersion(t.Context(), s.URL, "x", Cause{}); err == nil {
		t.Error("GetVersion got something")
	}
	if s.hits.Load() != 1 {
		t.Errorf("it was tried %d times", s.hits.Load())
	}
	status.Store(200)
	now.Advance(failureAge)
	if err := get(); err != nil || s.hits.Load() != 2 {
		t.Errorf("%v after %d tries", err, s.hits.Load())
	}
	s.Close()
	for range 10 {
		if err := get(); err == nil {
			t.Fatal("it is not there any more")
		}
	}
	now.Advance(unreachableAge - 1)
	if f, ok := c.failures.Get(s.URL); !ok || !now.Now().Before(f.until) {
		t.Error("a server that is away is forgotten too early")
	}
	for n := range 20_000 { // the memory of failures is bounded
		c.remember(fmt.Sprintf("https://app.example/%d", n), &Error{Reason: "x"})
	}
	if c.failures.Bytes() > failureBytes {
		t.Errorf("%d bytes", c.failures.Bytes())
	}
}

func TestOneNetworkMayCauseSoManyFetches(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	c := s.client(t)
	now := clock.At(time.Unix(1e9, 0))
	c.now = now.Now
	get := func(n int, networks ...string) error {
		_, _, err := c.Get(t.Context(), fmt.Sprintf("%s/%d", s.URL, n), Cause{Client: fmt.Sprint(n), Stranger: true, Networks: networks})
		return err
	}
	for n := range fetchesOfNetwork {
		if err := get(n, "narrow", "wide"); err != nil {
			t.Fatal(err)
		}
	}
	if err := get(1, "narrow", "wide"); !errors.Is(err, errTooMany) {
		t.Errorf("one too many: %v", err)
	}
	if err := get(1, "neighbour", "wide"); err != nil {
		t.Errorf("another network, and the failure is not the address's: %v", err)
	}
	now.Advance(fetchesPer)
	if err := get(1, "narrow", "wide"); err != nil {
		t.Error(err)
	}
}

func TestAnotherFragmentIsFetchedOnlySoOften(t *testing.T) {
	t.Parallel()
	body := "object"
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		io.WriteString(w, body)
	})
	c := s.client(t)
	now := clock.At(time.Unix(1e9, 0))
	c.now = now.Now
	get := func(fragment string) error {
		got, err := c.GetVersion(t.Context(), s.URL, fragment, Cause{Client: "a", Stranger: true})
		if err == nil && string(got) != body {
			t.Errorf("%q", got)
		}
		return err
	}
	sum := sha256.Sum256([]byte(body))
	hash := base64.RawURLEncoding.EncodeToString(sum[:])
	if err := errors.Join(get("1"), get("1"), get(hash), get(hash)); err != nil || s.hits.Load() != 1 {
		t.Fatalf("%d fetches, %v", s.hits.Load(), err)
	}
	refused := 0
	for n := range 100 {
		if get(fmt.Sprint("made up ", n)) != nil {
			refused++
		}
	}
	// That is the limit of who makes them up.
	for _, network := range []string{"another", "a third"} {
		cause := Cause{Client: "a", Stranger: true, Networks: []string{network}}
		if _, err := c.GetVersion(t.Context(), s.URL, "new for "+network, cause); err != nil {
			t.Errorf("one network keeps %s from a client's request objects: %v", network, err)
		}
	}
	if s.hits.Load() != versionsMost+2 || refused != 101-versionsMost {
		t.Errorf("%d fetches, %d refused", s.hits.Load(), refused)
	}
	if err := get(hash); err != nil { // who names what is there is not kept from it
		t.Error(err)
	}
	body = "another"
	now.Advance(versionsPer)
	if err := get("new"); err != nil {
		t.Error(err)
	}
}

// fill takes all places that strangers have at a host, and returns what gives one back.
func fill(t *testing.T, c *Client, host string) (giveBack func()) {
	t.Helper()
	bounds := []bound{{"host " + host, atOnceOfHost}}
	for range atOnceOfHost {
		if err := c.strange.take(t.Context(), bounds); err != nil {
			t.Fatal(err)
		}
	}
	return func() { c.strange.giveBack(bounds) }
}

// await waits until so many wait for a place of a stranger.
func await(t *testing.T, c *Client, n int) {
	t.Helper()
	testenv.Eventually(t, fmt.Sprintf("%d wait for a place", n), func() bool {
		c.strange.mu.Lock()
		defer c.strange.mu.Unlock()
		return c.strange.waiting[""] == n
	})
}

func TestAWaitForAPlaceIsNoFailureOfTheAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	c := s.client(t)
	giveBack := fill(t, c, "127.0.0.1")
	stranger := Cause{Client: "a", Stranger: true}

	// Who waits in vain is told, and nobody else.
	c.wait = 10 * time.Millisecond
	if _, _, err := c.Get(t.Context(), s.URL, stranger); !NotTried(err) {
		t.Fatalf("a wait in vain: %v", err)
	}
	if c.failures.Bytes() != 0 {
		t.Error("a wait is remembered as a failure")
	}

	// A long wait leaves the request its whole time.
	c.wait = time.Minute
	var deadline time.Time
	inner := c.http.Transport
	c.http.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		deadline, _ = r.Context().Deadline()
		return inner.RoundTrip(r)
	})
	done := make(chan error)
	go func() {
		_, _, err := c.Get(t.Context(), s.URL, stranger)
		done <- err
	}()
	await(t, c, 1)
	place := time.Now()
	giveBack()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if deadline.Before(place.Add(c.timeout)) {
		t.Errorf("%s are left after the wait", deadline.Sub(place))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAStrangersFailureIsNotThatOfVouchedClients(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	status.Store(500)
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	c := s.client(t)
	c.now = clock.At(time.Unix(1e9, 0)).Now
	for range 2 {
		if _, _, err := c.Get(t.Context(), s.URL, Cause{Client: "stranger", Stranger: true}); err == nil {
			t.Fatal("status 500 is no error")
		}
	}
	if s.hits.Load() != 1 {
		t.Errorf("%d tries", s.hits.Load())
	}
	status.Store(200)
	if _, _, err := c.Get(t.Context(), s.URL, Cause{Client: "app"}); err != nil {
		t.Errorf("a vouched client pays for it: %v", err)
	}
}

func TestWhoJoinsARequestThatAnothersLimitKeepsBackSendsItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	c := s.client(t)
	refuse := make(chan struct{})
	c.flights.DoChan("stranger "+s.URL, func() (any, error) { // of one whose network has no place, or none left
		<-refuse
		return answer{}, &Error{URL: s.URL, Cause: errCrowded}
	})
	ctx := testenv.Watch(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := c.Get(ctx, s.URL, Cause{Client: "a", Stranger: true, Networks: []string{"free"}})
		done <- err
	}()
	<-ctx.Waiting()
	close(refuse)
	if err := <-done; err != nil {
		t.Errorf("another's limit: %v", err)
	}
}
