package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/tracing"
)

// How SETs are pushed.
const (
	pushAtOnce = 4                // to one stream; each is about another person
	streamsMax = 32               // streams at once
	leaseFor   = time.Minute      // a replica pushes a stream for so long; if it dies, another one does then
	leaveAfter = 30 * time.Second // of that, new pushes begin for so long

	blockedFor = time.Second

	retryFirst = time.Second // after a receiver failed; then about twice as long each time
	retryMost  = 5 * time.Minute

	// A receiver that refuses a SET may not know a new key yet, or have a mishap of its own.
	refusedFirst = 5 * time.Second
	refusedMost  = 15 * time.Minute
	refusedFor   = 2 * time.Hour // then it is given up, and an operator sees it
)

// startPushes begins to push what waits, a stream at a time, and returns how many it began.
func (t *Transmitter) startPushes(ctx context.Context) (started int, err error) {
	due, err := t.Store.Streams.Pushable(ctx)
	if err != nil {
		return 0, err
	}
	for _, stream := range due {
		if !t.begin(stream.ID) {
			continue
		}
		until := t.Now().Add(leaseFor).Truncate(time.Microsecond)
		err := t.Store.Streams.Lease(ctx, stream.ID, until)
		if err != nil {
			t.end(stream.ID)
			if errors.Is(err, store.ErrNotFound) { // another replica was faster
				continue
			}
			return started, err
		}
		started++
		t.pushes.Go(func() {
			defer t.end(stream.ID)
			t.push(context.WithoutCancel(ctx), ctx.Done(), stream.ID, until)
		})
	}
	return started, nil
}

func (t *Transmitter) begin(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pushing[id] || len(t.pushing) >= streamsMax {
		return false
	}
	t.pushing[id] = true
	return true
}

func (t *Transmitter) end(id string) {
	t.mu.Lock()
	delete(t.pushing, id)
	t.mu.Unlock()
	select {
	case t.freed <- struct{}{}:
	default:
	}
}

// push pushes what waits for a stream until nothing is left, the receiver fails, or the lease is
// about to end.
func (t *Transmitter) push(ctx context.Context, stop <-chan struct{}, id string, until time.Time) {
	stream, sent, err := t.pushAll(ctx, stop, id)
	if errors.Is(err, store.ErrNotFound) { // it was removed
		return
	}
	if err == nil {
		next := time.Time{}
		if sent == 0 { // what waits, waits behind a set that was refused
			next = t.Now().Add(blockedFor)
		}
		if err := t.Store.Streams.Release(ctx, id, until, next); err != nil {
			t.Log.ErrorContext(ctx, "cannot note that events were delivered", "stream", id, "error", err)
		}
		return
	}
	next := t.Now().Add(backoff(stream.Attempts, retryFirst, retryMost))
	t.Log.WarnContext(ctx, "a receiver does not take events; they wait", "stream", id, "audience", stream.Audience,
		"attempts", stream.Attempts+1, "next", next, "error", err)
	t.metrics.sets.WithLabelValues(failedOutcome).Inc()
	if err := t.Store.Streams.Failed(ctx, id, until, err.Error(), next); err != nil {
		t.Log.ErrorContext(ctx, "cannot note that events were not delivered", "stream", id, "error", err)
	}
}

func (t *Transmitter) pushAll(ctx context.Context, stop <-chan struct{}, id string) (stream streams.Stream, sent int, err error) {
	began := time.Now()
	if stream, err = t.mayPush(ctx, id); err != nil {
		return stream, 0, err
	}
	for time.Since(began) < leaveAfter {
		// It is read again each time: it may be paused, or have another endpoint.
		if stream, err = t.Store.Streams.Stream(ctx, id); err != nil {
			return stream, sent, err
		}
		most := pushAtOnce
		if stream.Attempts > 0 { // a receiver that failed is tried with one
			most = 1
		}
		ready, _, err := t.Store.Streams.Ready(ctx, stream, most)
		if err != nil || len(ready) == 0 || !stream.Push() {
			return stream, sent, err
		}
		if err := t.pushSome(ctx, &stream, ready); err != nil {
			return stream, sent, err
		}
		if sent += len(ready); stream.Attempts > 0 {
			return stream, sent, nil // Release notes that it is well again
		}
		select {
		case <-stop:
			return stream, sent, nil
		default:
		}
	}
	return stream, sent, nil
}

// mayPush returns a stream, and makes sure that its client may still have one.
func (t *Transmitter) mayPush(ctx context.Context, id string) (streams.Stream, error) {
	stream, err := t.Store.Streams.Stream(ctx, id)
	if err != nil || stream.Own() {
		return stream, err
	}
	c, err := t.Store.Clients.Client(ctx, stream.ClientID)
	if err == nil && !MayReceive(&c) {
		err = errors.New("the client has no scope of streams any more")
	}
	return stream, err
}

// pushSome pushes sets of different subjects at the same time. The error says that the receiver
// failed.
func (t *Transmitter) pushSome(ctx context.Context, stream *streams.Stream, sets []streams.Set) error {
	errs := make([]error, len(sets))
	var pushes sync.WaitGroup
	for i := range sets {
		pushes.Go(func() { errs[i] = t.pushOne(ctx, stream, &sets[i]) })
	}
	pushes.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// pushOne pushes one set (RFC 8935 §2). The error says that the receiver failed; that it refused
// the set is noted with the set.
func (t *Transmitter) pushOne(ctx context.Context, stream *streams.Stream, set *streams.Set) (err error) {
	ctx, span := tracing.Begin(ctx, "push event")
	defer func() { span.End(err) }()
	token, err := t.Sign(ctx, stream, set)
	if err != nil {
		return err
	}
	status, answer, err := t.post(ctx, stream, token)
	if err != nil {
		return err
	}
	switch {
	case status == http.StatusAccepted || status == http.StatusOK || status == http.StatusNoContent:
		t.metrics.sets.WithLabelValues(deliveredOutcome).Inc()
		return t.Store.Streams.Done(ctx, stream.ID, set.ID)
	case status != http.StatusBadRequest: // 401, 403, 404, 429 and 5xx are about the receiver; 3xx is not followed
		return fmt.Errorf("it answers with status %d", status)
	}
	// RFC 8935 §2.3: the receiver cannot use this SET.
	var refusal struct {
		Code        string `json:"err"`
		Description string `json:"description"`
	}
	if json.Unmarshal(answer, &refusal) != nil || refusal.Code == "" {
		refusal.Code = "status 400"
	}
	return t.refused(ctx, set, refusal.Code+": "+refusal.Description)
}

// refused has a set tried again later that the receiver refused; other sets go on.
func (t *Transmitter) refused(ctx context.Context, set *streams.Set, reason string) error {
	now := t.Now()
	next := now.Add(backoff(set.Attempts, refusedFirst, refusedMost))
	if !set.RefusedAt.IsZero() && now.Sub(set.RefusedAt) >= refusedFor {
		next = time.Time{}
		t.metrics.sets.WithLabelValues(refusedOutcome).Inc()
		t.Log.ErrorContext(ctx, "a receiver refuses an event, which was given up; 'stream retry' tries it again",
			"stream", set.StreamID, "set", set.ID, "type", set.Type, "error", reason)
	}
	return t.Store.Streams.Refuse(ctx, set.StreamID, set.ID, reason, next)
}

// post sends a SET to the receiver of a stream. A service of this server's own is the operator's:
// it may be anywhere.
func (t *Transmitter) post(ctx context.Context, stream *streams.Stream, token string) (status int, answer []byte, err error) {
	if stream.Own() {
		return t.Services.PushEvent(ctx, stream.Endpoint, token)
	}
	header, _, err := OpenHeader(t.KEK, stream)
	if err != nil {
		return 0, nil, fmt.Errorf("the authorization_header %w", err)
	}
	return t.Fetch.PushEvent(ctx, stream.Endpoint, token, header, fetch.Cause{Client: stream.ClientID})
}

// backoff is how long to wait after this many failures before the one just now, plus or minus a
// fifth to spread retries.
func backoff(before int64, first, most time.Duration) time.Duration {
	wait := most
	if before < 16 {
		wait = min(first<<max(before, 0), most)
	}
	return wait*4/5 + rand.N(wait*2/5) //nolint:gosec // G404: spreads the load, keeps no secret
}
