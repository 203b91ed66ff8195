package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/clock"
)

// replica is a server's queue, with what came of its attempts.
type replica struct {
	*Worker
	t       *testing.T
	store   *store.Store
	clock   *clock.Clock
	metrics *prometheus.Registry
}

func newReplica(t *testing.T, databaseURL string, at *clock.Clock) *replica {
	t.Helper()
	s, err := store.Open(t.Context(), databaseURL, at.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &replica{t: t, store: s, clock: at, metrics: prometheus.NewRegistry()}
	r.Worker, err = New(Config{Outbox: s.Outbox, Log: slog.New(slog.DiscardHandler), Now: at.Now, Metrics: r.metrics})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *replica) add(items ...outbox.Item) {
	r.t.Helper()
	for _, i := range items {
		if err := r.store.Outbox.Add(r.t.Context(), i); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *replica) deliver() (attempts int) {
	r.t.Helper()
	n, err := r.Deliver(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *replica) list(kind string) []outbox.Item {
	r.t.Helper()
	items, err := r.store.Outbox.List(r.t.Context(), kind, "", 1000)
	if err != nil {
		r.t.Fatal(err)
	}
	return items
}

// metric is the value of a counter or gauge with these label values.
func (r *replica) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && strings.Join(values, " ") == strings.Join(labels, " ") {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	r.t.Fatalf("there is no metric %s %v", name, labels)
	return 0
}

func one(t *testing.T) *replica { return newReplica(t, sqldbtest.SQLite(t), clock.At(time.Now())) }

// calls are those of a handler.
type calls struct {
	mu    sync.Mutex
	items []outbox.Item
}

func (c *calls) take(_ context.Context, i outbox.Item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, i)
	return nil
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}

func TestReplicasDeliverEachItemOnce(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		at := clock.At(time.Now())
		var got calls
		var replicas []*replica
		for range 3 {
			r := newReplica(t, databaseURL, at)
			r.Handle(Handler{Kind: "k", Deliver: got.take, PerLane: 2})
			replicas = append(replicas, r)
		}
		const items = 60
		for i := range items {
			replicas[0].add(outbox.Item{Kind: "k", Lane: fmt.Sprint(i % 7), Topic: fmt.Sprint(i)})
		}
		var running sync.WaitGroup
		for _, r := range replicas {
			running.Go(func() { r.deliver() })
		}
		running.Wait()
		replicas[0].deliver() // what one left because others were taking it
		seen := map[string]bool{}
		for _, i := range got.items {
			if seen[i.ID] || i.Attempts != 1 {
				t.Errorf("again: %+v", i)
			}
			seen[i.ID] = true
		}
		if len(seen) != items || len(replicas[0].list("k")) != 0 {
			t.Errorf("%d of %d were delivered, %d are left", len(seen), items, len(replicas[0].list("k")))
		}
	})
}

// A crash between the commit and the delivery, or during the delivery, loses nothing.
func TestWhatADeadReplicaTookIsDeliveredByAnother(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		at := clock.At(time.Now())
		dead, alive := newReplica(t, databaseURL, at), newReplica(t, databaseURL, at)
		var got calls
		alive.Handle(Handler{Kind: "k", Deliver: got.take})
		dead.add(outbox.Item{Kind: "k", Lane: "l", UserID: "u", Payload: []byte{0, 255}})
		lease := defaultTimeout + noteFor
		taken, err := dead.store.Outbox.Take(t.Context(), "k", lease, 10, func(string) int { return 10 })
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		at.Advance(lease - time.Second)
		if n := alive.deliver(); n != 0 {
			t.Fatalf("%d attempts while the lease lasts", n)
		}
		at.Advance(time.Second)
		if n := alive.deliver(); n != 1 || got.items[0].ID != taken[0].ID || got.items[0].Attempts != 2 ||
			got.items[0].UserID != "u" || string(got.items[0].Payload) != "\x00\xff" {
			t.Errorf("%d attempts: %+v", n, got.items)
		}
		// It was not dead after all, and late: what it notes does no harm.
		if err := dead.store.Outbox.Postpone(t.Context(), taken[0], "late", time.Time{}); err != nil || len(alive.list("k")) != 0 {
			t.Error(err, alive.list("k"))
		}
	})
}

func TestAnItemOfATransactionIsDeliveredAfterItsCommit(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newReplica(t, databaseURL, clock.At(time.Now()))
		var got calls
		r.Handle(Handler{Kind: "k", Deliver: got.take})
		woken := func() bool {
			select {
			case <-r.store.Outbox.Due("k"):
				return true
			default:
				return false
			}
		}
		failure := errors.New("its cause failed")
		for _, outcome := range []error{failure, nil} {
			err := r.store.Tx(t.Context(), func(ctx context.Context) error {
				return errors.Join(r.store.Tx(ctx, func(ctx context.Context) error {
					return r.store.Outbox.Add(ctx, outbox.Item{Kind: "k"})
				}), outcome)
			})
			if !errors.Is(err, outcome) || woken() != (outcome == nil) {
				t.Errorf("after %v: %v", outcome, err)
			}
		}
		if n := r.deliver(); n != 1 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestASlowKindAndSlowLanesLeaveOthersAlone(t *testing.T) {
	t.Parallel()
	r := one(t)
	let := make(chan struct{})
	var quick, other calls
	r.Handle(Handler{Kind: "dead", Slots: 2, Deliver: func(context.Context, outbox.Item) error { <-let; return nil }})
	r.Handle(Handler{Kind: "mixed", Slots: 3, PerLane: 2, Deliver: func(ctx context.Context, i outbox.Item) error {
		if i.Lane == "a-slow" {
			<-let
			return nil
		}
		return quick.take(ctx, i)
	}})
	r.Handle(Handler{Kind: "other", Deliver: other.take})
	for range 10 {
		r.add(outbox.Item{Kind: "dead", Lane: "x"}, outbox.Item{Kind: "mixed", Lane: "a-slow"}, outbox.Item{Kind: "mixed", Lane: "quick"},
			outbox.Item{Kind: "other", Lane: "x"})
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	// A slot that is free is filled again, while others of the batch are still thinking.
	testenv.Eventually(t, "the others are delivered", func() bool { return quick.count() == 10 && other.count() == 10 })
	stop()
	close(let)
	running.Wait()
}

func TestLanesThatFailHaveHalfOfTheSlots(t *testing.T) {
	t.Parallel()
	r := one(t)
	begun, let := make(chan string, 100), make(chan error)
	r.Handle(Handler{Kind: "k", Slots: 4, PerLane: 4, Deliver: func(_ context.Context, i outbox.Item) error {
		begun <- i.Lane
		return <-let
	}})
	for i := range 8 {
		r.add(outbox.Item{Kind: "k", Lane: fmt.Sprint("dead", i)}, outbox.Item{Kind: "k", Lane: fmt.Sprint("dead", i)})
	}
	var running sync.WaitGroup
	running.Go(func() { r.deliver() })
	for range 16 {
		let <- errors.New("it times out")
		<-begun
	}
	running.Wait()
	r.clock.Advance(time.Minute)
	for range 2 {
		r.add(outbox.Item{Kind: "k", Lane: "good"})
	}
	running.Go(func() { r.deliver() })
	first := map[string]int{}
	for range 4 {
		first[<-begun]++
	}
	if first["good"] != 2 || len(first) != 3 {
		t.Errorf("the slots went to %v", first)
	}
	for range 18 {
		let <- nil
	}
	running.Wait()
	if left := r.list("k"); len(left) > 0 {
		t.Errorf("%d are left", len(left))
	}
}

func TestWhatComesOfAnAttempt(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newReplica(t, databaseURL, clock.At(time.Now()))
		r.Handle(Handler{Kind: "k", Deliver: func(_ context.Context, i outbox.Item) error {
			switch i.Topic {
			case "gone":
				return fmt.Errorf("the account is deleted: %w", ErrUnwanted)
			case "refused":
				return fmt.Errorf("deliver: %w", GiveUp(errors.New("550 no such\x1b[2J mailbox\xff\x00")))
			case "busy":
				return errors.New(strings.Repeat("길", 600))
			case "broken":
				panic("a bug")
			}
			return nil
		}})
		for _, topic := range []string{"good", "gone", "refused", "busy", "broken"} {
			r.add(outbox.Item{Kind: "k", Lane: topic, Topic: topic})
		}
		if n := r.deliver(); n != 5 {
			t.Errorf("%d attempts", n)
		}
		left := map[string]outbox.Item{}
		for _, i := range r.list("k") {
			left[i.Topic] = i
		}
		if len(left) != 3 || left["refused"].GivenUpAt.IsZero() || left["refused"].LastError != "deliver: 550 no such [2J mailbox\uFFFD " ||
			!left["busy"].GivenUpAt.IsZero() || left["busy"].LastError != strings.Repeat("길", 500)+"…" ||
			!strings.Contains(left["broken"].LastError, "a bug") {
			t.Errorf("left: %+v", left)
		}
		for outcome, want := range map[string]float64{"delivered": 1, "unwanted": 1, "given_up": 1, "failed": 2} {
			if got := r.metric("authz_queue_attempts_total", "k", outcome); got != want {
				t.Errorf("%s: %v", outcome, got)
			}
		}
		r.clock.Advance(time.Hour)
		r.measureOnce(t.Context())
		if waiting, oldest := r.metric("authz_queue_waiting", "k"), r.metric("authz_queue_oldest_seconds", "k"); waiting != 2 || int(oldest) != 3600 {
			t.Errorf("%v wait, for %v s", waiting, oldest)
		}
	})
}

func TestARetryByAnOperatorHasADayAgain(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		r := newReplica(t, databaseURL, clock.At(time.Now()))
		r.Handle(Handler{Kind: "k", Deliver: func(context.Context, outbox.Item) error { return errors.New("no route") }})
		later := r.clock.Now().Add(7 * 24 * time.Hour)
		r.add(outbox.Item{Kind: "k", DueAt: later}, outbox.Item{Kind: "another"})
		if n := r.deliver(); n != 0 {
			t.Fatalf("%d attempts before it is due", n)
		}
		r.clock.Advance(7 * 24 * time.Hour)
		untilGivenUp := func() (attempts int) {
			began := r.clock.Now()
			for {
				attempts += r.deliver()
				i := r.list("k")[0]
				if !i.GivenUpAt.IsZero() {
					if after := i.GivenUpAt.Sub(began); after < 20*time.Hour || after > 24*time.Hour {
						t.Errorf("given up after %v", after)
					}
					return attempts
				}
				r.clock.Advance(i.DueAt.Sub(r.clock.Now()))
			}
		}
		if n := untilGivenUp(); n < 15 || n > 40 {
			t.Errorf("%d attempts", n)
		}
		r.clock.Advance(48 * time.Hour)
		if n, err := r.store.Outbox.RetryGivenUp(t.Context(), "k"); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if n := untilGivenUp(); n < 15 {
			t.Errorf("%d attempts", n)
		}
		id := r.list("k")[0].ID
		if err := r.store.Outbox.Retry(t.Context(), "another", id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("by another kind's command: %v", err)
		}
		if err := r.store.Outbox.Retry(t.Context(), "k", id); err != nil || r.deliver() != 1 {
			t.Error(err)
		}
	})
}

func TestAWorkerThatStopsFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	r := one(t)
	begun, let := make(chan struct{}), make(chan struct{})
	r.Handle(Handler{Kind: "k", Deliver: func(ctx context.Context, _ outbox.Item) error {
		close(begun)
		<-let
		return ctx.Err()
	}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	r.add(outbox.Item{Kind: "k"})
	<-begun
	stop()
	select {
	case <-done:
		t.Error("it did not wait for the attempt")
	default:
	}
	close(let)
	<-done
	if left := r.list("k"); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}
