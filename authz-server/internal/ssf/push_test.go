package ssf_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/testenv"
)

// people makes some accounts.
func (w *world) people(n int) (ids []string) {
	w.t.Helper()
	for i := range n {
		u, err := w.Store.Users.CreateUser(w.t.Context(), accounts.User{Email: fmt.Sprintf("p%d@example.org", i)})
		ok(w.t, err)
		ids = append(ids, u.ID)
	}
	return ids
}

// name gives a person the name of a number, which is an event.
func (w *world) name(id string, number int) {
	w.t.Helper()
	ok(w.t, w.Store.Users.SetName(w.t.Context(), id, fmt.Sprint(number)))
}

// inOrder checks that each person's names came in order, each once, from 0 to n-1.
func inOrder(t *testing.T, got []told, ids []string, n int) {
	t.Helper()
	names := map[string][]string{}
	for _, one := range got {
		sub := one.Subject["sub"].(string)
		names[sub] = append(names[sub], one.Event["claims"].(object)["name"].(string))
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	for _, id := range ids {
		if !slices.Equal(names[id], want) {
			t.Errorf("%s: %v", id, names[id])
		}
	}
	if len(got) != n*len(ids) {
		t.Errorf("%d events, not %d", len(got), n*len(ids))
	}
}

func TestAReceiverThatIsDownForADayLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))
		ids := w.people(3)
		w.receiver.answers(http.StatusInternalServerError, "")
		const changes = 24
		for hour := range changes {
			for _, id := range ids {
				w.name(id, hour)
			}
			for range 12 { // five minutes each
				w.deliver()
				w.Clock.Advance(5 * time.Minute)
			}
		}
		if tries := w.receiver.tries; tries < 100 || tries > 24*12+20 {
			t.Errorf("a receiver that is down was tried %d times in a day", tries)
		}
		stream, err := w.Store.Streams.StreamOf(t.Context(), "security")
		ok(t, err)
		depth, err := w.Store.Streams.Depth(t.Context(), stream.ID)
		if err != nil || depth.Waiting != changes*3 || !strings.Contains(stream.LastError, "500") || stream.FailingSince.IsZero() {
			t.Errorf("the operator sees %+v %+v %v", stream, depth, err)
		}
		w.receiver.answers(0, "")
		w.Clock.Advance(10 * time.Minute)
		w.deliver()
		inOrder(t, w.take(), ids, changes)
		if stream, err = w.Store.Streams.StreamOf(t.Context(), "security"); err != nil || stream.LastError != "" || !stream.FailingSince.IsZero() {
			t.Errorf("afterwards %+v %v", stream, err)
		}
	})
}

// What a receiver refuses does not keep it from the rest, nor is it lost unseen.
func TestARefusedEventHoldsBackItsSubjectAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))
		ids := w.people(2)
		refuse := true
		w.receiver.mu.Lock()
		w.receiver.answer = func(out http.ResponseWriter, token string) bool {
			if one := w.read(token); refuse && one.Subject["sub"] == ids[0] && one.Event["claims"].(object)["name"] == "0" {
				out.WriteHeader(http.StatusBadRequest)
				out.Write([]byte(`{"err":"invalid_request","description":"no"}`))
				return false
			}
			return true
		}
		w.receiver.mu.Unlock()
		for i := range 2 {
			for _, id := range ids {
				w.name(id, i)
			}
		}
		w.deliver()
		inOrder(t, w.take(), ids[1:], 2)
		for range 40 { // two hours and more
			w.Clock.Advance(4 * time.Minute)
			w.deliver()
		}
		if got := w.take(); len(got) != 1 || got[0].Event["claims"].(object)["name"] != "1" {
			t.Errorf("after it was given up: %+v", got)
		}
		stream, err := w.Store.Streams.StreamOf(t.Context(), "security")
		ok(t, err)
		sets, err := w.Store.Streams.Sets(t.Context(), stream.ID, "", 10)
		if err != nil || len(sets) != 1 || sets[0].GivenUpAt.IsZero() || sets[0].LastError != "invalid_request: no" || stream.Attempts != 0 {
			t.Errorf("%+v %v", sets, err)
		}
		refuse = false
		if n, err := w.Store.Streams.Retry(t.Context(), stream.ID); n != 1 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		w.deliver()
		if got := w.take(); len(got) != 1 || got[0].Event["claims"].(object)["name"] != "0" {
			t.Errorf("retried: %+v", got)
		}
	})
}

func TestNoAnswerButAnAcceptanceEndsAnEvent(t *testing.T) {
	w := one(t)
	w.addReceiver("security", nil)
	w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))
	w.name(w.User.ID, 0)
	for _, status := range []int{301, 302, 307, 308, 401, 403, 404, 405, 408, 413, 429, 500, 502, 503} {
		w.receiver.mu.Lock()
		w.receiver.answer = func(out http.ResponseWriter, _ string) bool {
			out.Header().Set("Location", w.receiver.URL+"/elsewhere")
			out.WriteHeader(status)
			return false
		}
		w.receiver.mu.Unlock()
		w.deliver()
		w.Clock.Advance(10 * time.Minute)
	}
	w.receiver.answers(0, "")
	w.deliver()
	inOrder(t, w.take(), []string{w.User.ID}, 1)
	if w.receiver.tries != 15 || slices.Contains(w.receiver.paths, "/elsewhere") {
		t.Errorf("%d tries at %q", w.receiver.tries, w.receiver.paths)
	}
}

// A stream whose client may have none any more waits longer each time, as that of a receiver which is
// down.
func TestAClientThatMayHaveNoStreamIsTriedLessAndLess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))
		w.receiver.answers(http.StatusInternalServerError, "")
		w.name(w.User.ID, 0)
		w.deliver() // it waits for the receiver from now on
		w.receiver.answers(0, "")
		c, err := w.Store.Clients.Client(t.Context(), "security")
		ok(t, err)
		c.Scope = "openid"
		ok(t, w.Store.Clients.UpdateClient(t.Context(), c))
		tries := func() (n int64) {
			for range 60 {
				w.deliver()
				stream, err := w.Store.Streams.StreamOf(t.Context(), "security")
				ok(t, err)
				n = stream.Attempts
				w.Clock.Advance(2 * time.Second)
			}
			return n
		}
		if n := tries(); n < 3 || n > 10 {
			t.Errorf("%d tries within two minutes", n)
		}
		c, err = w.Store.Clients.Client(t.Context(), "security")
		ok(t, err)
		c.Scope = "ssf.read ssf.manage"
		ok(t, w.Store.Clients.UpdateClient(t.Context(), c))
		w.Clock.Advance(10 * time.Minute)
		w.deliver()
		inOrder(t, w.take(), []string{w.User.ID}, 1)
	})
}

// In production nobody can have events pushed into the server's own network, whatever a name
// resolves to at the moment.
func TestNoEventIsPushedIntoTheServersOwnNetwork(t *testing.T) {
	w := one(t)
	strict, err := fetch.New(fetch.Config{})
	ok(t, err)
	w.addReceiver("security", nil)
	id := w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))["stream_id"].(string)
	production := w.transmitter(nil, strict)
	for _, endpoint := range []string{w.receiver.URL + "/in", strings.Replace(w.receiver.URL, "http://127.0.0.1", "https://localhost", 1),
		"https://[::1]:1/", "https://0.0.0.0/", "https://169.254.169.254/"} {
		_, err := w.Store.Streams.Edit(t.Context(), id, func(s *streams.Stream) error { s.Endpoint = endpoint; return nil })
		ok(t, err)
		w.name(w.User.ID, 0)
		ok(t, production.Deliver(t.Context()))
		stream, err := w.Store.Streams.Stream(t.Context(), id)
		if err != nil || stream.Attempts != 1 || w.receiver.tries != 0 {
			t.Errorf("%s: %+v, the receiver was tried %d times", endpoint, stream, w.receiver.tries)
		}
	}
}

// A receiver that takes its time keeps nobody else waiting.
func TestASlowReceiverDelaysNoOther(t *testing.T) {
	w := one(t)
	w.addReceiver("slow", nil)
	w.addReceiver("fast", nil)
	slow := newReceiver(t)
	release, asked := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow.answer = func(http.ResponseWriter, string) bool {
		once.Do(func() { close(asked) })
		<-release
		return true
	}
	wish := w.push(streams.TokenClaimsChange)
	wish["delivery"].(object)["endpoint_url"] = slow.URL
	w.create(w.token("slow", "ssf.manage"), wish)
	w.create(w.token("fast", "ssf.manage"), w.push(streams.TokenClaimsChange))
	stop := w.run()
	defer stop()
	w.name(w.User.ID, 0)
	<-asked
	began := time.Now()
	w.name(w.User.ID, 1)
	w.eventually("the fast receiver has both", func() bool { return w.received() == 2 })
	t.Logf("an event arrived after %v", time.Since(began).Round(time.Millisecond))
	close(release)
	w.eventually("the slow receiver has both", func() bool {
		slow.mu.Lock()
		defer slow.mu.Unlock()
		return len(slow.got) == 2
	})
}

// run has the transmitter work as in a server.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.events.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// eventually waits as [testenv.Eventually] does, while the clock goes on: whoever takes a stream and
// finds that another has pushed everything leaves it alone for a second.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	last := time.Now()
	testenv.Eventually(w.t, what, func() bool {
		now := time.Now()
		w.Clock.Advance(now.Sub(last))
		last = now
		return ok()
	})
}

func (w *world) received() int {
	w.receiver.mu.Lock()
	defer w.receiver.mu.Unlock()
	return len(w.receiver.got)
}

// Two replicas put each event into the queue once, push it once, and keep each person's in order,
// while people go on.
func TestReplicasPushEachEventOnceAndInOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		outgoing, err := fetch.New(fetch.Config{InsecureLoopback: true})
		ok(t, err)
		w.addReceiver("security", nil)
		w.create(w.token("security", "ssf.manage"), w.push(streams.TokenClaimsChange))
		ids := w.people(4)
		other := w.transmitter(nil, outgoing)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, one := range []func(context.Context){w.events.Run, other.Run} {
			running.Go(func() { one(ctx) })
		}
		const changes = 15
		for i := range changes {
			for _, id := range ids {
				w.name(id, i)
			}
		}
		w.eventually("all have arrived", func() bool { return w.received() >= changes*len(ids) })
		cancel()
		running.Wait()
		inOrder(t, w.take(), ids, changes)
	})
}
