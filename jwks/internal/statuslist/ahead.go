package statuslist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
	"github.com/maru-auth/maru/jwks/internal/fetch"
)

const (
	// aheadEvery is how often the issuer is asked which lists there are.
	aheadEvery = time.Minute
	// maxAhead bounds how many of them are followed before a token refers to
	// them.
	maxAhead = 8
	// maxAggregation bounds the answer, in bytes.
	maxAggregation = 128 << 10
)

var (
	errNotAnnounced = errors.New("the issuer is not known to publish lists")
	errNone         = errors.New("there are no lists yet")
	errElsewhere    = errors.New("not an address of the issuer's")
)

// lookAhead is the one goroutine that follows the issuer's newest lists before
// a token refers to them, by its Status List Aggregation (§9). So a service
// that no token has called yet can decide when the issuer goes away, and learns
// of withdrawn keys.
func (f *Follower) lookAhead() {
	for failures := 0; ; {
		pause := aheadEvery
		err := f.followNewest()
		switch {
		case err == nil:
			failures = 0
		case f.ctx.Err() != nil:
			return
		default:
			failures++
			pause = retryPause(failures)
		}
		if failures == 1 && !errors.Is(err, errNotAnnounced) && !errors.Is(err, errNone) {
			f.cfg.Log.Warn("the issuer does not tell which status lists there are; those that tokens refer to are followed",
				"error", err)
		}
		select {
		case <-f.ctx.Done():
			return
		case <-time.After(jitter(pause)):
		}
	}
}

// followNewest follows the lists that the issuer names, or the last of them if
// they are many.
func (f *Follower) followNewest() error {
	uris, err := f.aggregation()
	if err != nil {
		return err
	}
	if len(uris) == 0 {
		return errNone
	}
	for _, uri := range uris[max(0, len(uris)-maxAhead):] {
		if !f.allows(uri) {
			return errElsewhere
		}
		l, err := f.find(uri)
		if err != nil { // those that tokens refer to have all the room
			return nil
		}
		l.use(f.cfg.Now())
		if l.held.Load() == nil {
			_, _ = l.want(true) // nobody waits for it
		}
	}
	return nil
}

// aggregation returns the addresses of all lists (§9.3).
func (f *Follower) aggregation() ([]string, error) {
	at := f.cfg.Aggregation()
	if at == "" {
		return nil, errNotAnnounced
	}
	if !f.allows(at) {
		return nil, errElsewhere
	}
	ctx, cancel := context.WithTimeout(f.ctx, fetchTimeout)
	defer cancel()
	_, body, err := fetch.Request{URL: at, Accept: "application/json", Max: maxAggregation}.Get(ctx, f.client)
	if err != nil {
		return nil, err
	}
	var uris []string
	err = exactjson.Members(string(body), func(name, value string) error {
		if name != "status_lists" {
			return nil
		}
		return json.Unmarshal([]byte(value), &uris)
	})
	if err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	return uris, nil
}
