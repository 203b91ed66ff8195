package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// fanOutBatch is how many events are read at once.
const fanOutBatch = 100

// delayed is how long an event waits that could not be put into queues; others go on.
const delayed = time.Minute

// fanOut puts events into the queues of the streams that are for them, and returns how many it
// did. Each is a transaction of its own, in which it leaves the events. Of one person, the next
// event is only read when the one before is gone, so that they stay in order, whichever replica
// does it.
func (t *Transmitter) fanOut(ctx context.Context) (done int, err error) {
	events, err := t.Store.Streams.Next(ctx, fanOutBatch)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	all, err := t.Store.Streams.List(ctx) // in the order of ids, as Add wants it
	if err != nil {
		return 0, err
	}
	trusted, err := t.Tokens.TrustedPairwise(ctx)
	if err != nil {
		return 0, err
	}
	for i := range events {
		err := t.enqueue(ctx, &events[i], all, trusted)
		switch {
		case err == nil:
			done++
		case errors.Is(err, store.ErrNotFound): // another replica was faster
		case errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil:
			return done, err
		default:
			t.Log.ErrorContext(ctx, "cannot put an event into the queues of streams; it is tried again",
				"event", events[i].ID, "type", events[i].Type, "error", err)
			if err := t.Store.Streams.Delay(ctx, events[i].ID, t.Now().Add(delayed)); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// enqueue puts one event into queues.
func (t *Transmitter) enqueue(ctx context.Context, e *streams.Event, all []streams.Stream, trusted []client.Client) error {
	var full []string
	err := t.Store.Tx(ctx, func(ctx context.Context) error {
		full = nil
		if err := t.Store.Streams.Spend(ctx, e.ID); err != nil {
			return err
		}
		for i := range all {
			stream := &all[i]
			if !stream.Wants(e.Type) {
				continue
			}
			sets, err := t.setsFor(ctx, e, stream, trusted)
			if err != nil {
				return err
			}
			err = t.Store.Streams.Add(ctx, stream.ID, sets...)
			if errors.Is(err, streams.ErrFull) {
				full = append(full, stream.ID)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, id := range full {
			t.metrics.sets.WithLabelValues(droppedOutcome).Inc()
			t.Log.ErrorContext(ctx, "an event was dropped: too many wait for the stream, which is paused; "+
				"'stream enable' has it go on", "stream", id, "type", e.Type)
		}
	}
	return err
}

func (t *Transmitter) setsFor(ctx context.Context, e *streams.Event, stream *streams.Stream, trusted []client.Client) ([]streams.Set, error) {
	if stream.Own() {
		return t.forService(ctx, e, trusted)
	}
	return t.forClient(ctx, e, stream)
}
