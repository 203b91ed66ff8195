package flow

import (
	"context"
	"errors"
	"sync"
	"time"
)

// fetchWait is how long a request waits for a newer document than the one at hand.
const fetchWait = 3 * time.Second

var errSlow = errors.New("it takes too long to answer")

// fetched is a document of the issuer's, fetched once for all who need it and kept. It is safe for
// concurrent use.
type fetched[T any] struct {
	client *Client
	name   string // for the log
	fetch  func(context.Context) (T, error)

	mu     sync.Mutex
	value  T // the zero T: none was fetched yet
	tried  time.Time
	err    error         // of the last fetch
	flight chan struct{} // not nil: a fetch is under way; closed when it ends
}

// held returns the last document that was fetched, and the error of the last fetch.
func (f *fetched[T]) held() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value, f.err
}

// flying tells whether a fetch is under way.
func (f *fetched[T]) flying() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flight != nil
}

// again fetches the document unless the last try was less than pause ago, and waits for a fetch
// under way, but no longer than wait. It returns the document that is held then, and why that is
// not a newer one: the last fetch's error, errSlow, or ctx's error.
func (f *fetched[T]) again(ctx context.Context, pause, wait time.Duration) (T, error) {
	f.mu.Lock()
	if now := f.client.now(); f.flight == nil && (f.tried.IsZero() || now.Sub(f.tried) >= pause) {
		f.tried, f.flight = now, make(chan struct{})
		f.client.renewals.Go(f.fly)
	}
	flight := f.flight
	f.mu.Unlock()
	if flight == nil {
		return f.held()
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	err := errSlow
	select {
	case <-flight:
		return f.held()
	case <-timeout.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	value, _ := f.held()
	return value, err
}

// fly fetches the document. It does not end with the request that caused it, because others wait
// for it too.
func (f *fetched[T]) fly() {
	ctx, cancel := f.client.issuerContext(context.Background())
	defer cancel()
	value, err := f.fetch(ctx)
	if err != nil {
		err = briefly(err)
		f.client.log.Warn("cannot read the issuer's "+f.name, "issuer", f.client.cfg.Issuer, "error", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil {
		f.value = value
	}
	close(f.flight)
	f.flight = nil
}
