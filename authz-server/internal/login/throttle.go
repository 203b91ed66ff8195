package login

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// clientAddr is the address that r came from; outside of httpd.Server the one of the connection.
func clientAddr(r *http.Request) netip.Addr {
	if addr := httpd.ClientAddr(r.Context()); addr.IsValid() {
		return addr
	}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return ap.Addr().Unmap()
	}
	return netip.Addr{}
}

// Networks returns what r's sender is counted as; see [httpd.Networks].
func Networks(r *http.Request) []string { return httpd.Networks(clientAddr(r)) }

// addressQuotas bound what r's sender may do of one kind.
func addressQuotas(r *http.Request, kind string, limit int, window time.Duration) []store.Quota {
	return store.QuotasOf(Networks(r), kind, limit, window)
}

// accountSubject is under what tries for an account are counted, whether it exists or not. The address is hashed, so that
// what people mistype, which at times is their password, is not kept.
func accountSubject(email string) string {
	return "account:" + hex.EncodeToString(store.Hash(store.EmailKey(email)))
}

// addressSubjects are under what the tries of r's sender are counted.
func addressSubjects(r *http.Request, kind string, limit int) (subjects []limited) {
	for _, q := range addressQuotas(r, kind, limit, 0) {
		subjects = append(subjects, limited{q.Subject, q.Limit})
	}
	return subjects
}

// passwordSubject counts wrong present passwords where one is to be changed. It is the session's own count: whoever guesses
// at /login cannot keep the owner from changing the password.
func passwordSubject(session string) string { return "session:" + session }

// tries is the right to check one password, taken for each thing that is counted.
type tries struct {
	s        *Service
	attempts []store.Attempt
}

// reserve takes a try of each subject with its limit, or none and tells how long to wait. Where every try that is left is
// held by others who may yet succeed, it waits for one: until ctx ends, or errBusy when too many wait already.
func (s *Service) reserve(ctx context.Context, subjects ...limited) (t tries, wait time.Duration, ok bool, err error) {
	t.s = s
	for _, subject := range subjects {
		attempt, wait, ok, err := s.reserveOne(ctx, subject)
		if err != nil || !ok {
			t.release(ctx)
			return tries{}, wait, false, err
		}
		t.attempts = append(t.attempts, attempt)
	}
	return t, 0, true, nil
}

func (s *Service) reserveOne(ctx context.Context, subject limited) (attempt store.Attempt, wait time.Duration, ok bool, err error) {
	waits := false
	for {
		attempt, wait, ok, err = s.cfg.Store.ReserveAttempt(ctx, subject.name, subject.limit, s.cfg.Limits.Window)
		if err != nil || ok || wait > 0 {
			return attempt, wait, ok, err
		}
		if !waits {
			select {
			case s.held <- struct{}{}:
				waits = true
				defer func() { <-s.held }()
			default:
				return store.Attempt{}, 0, false, errBusy
			}
		}
		select {
		case <-ctx.Done():
			return store.Attempt{}, 0, false, ctx.Err()
		case <-time.After(heldPoll/2 + rand.N(heldPoll)): //nolint:gosec // G404: spreads the load, keeps no secret
		}
	}
}

// How many wait for tries that others hold, and how often each of them looks.
const (
	maxHeld  = 256
	heldPoll = 100 * time.Millisecond
)

type limited struct {
	name  string
	limit int
}

// release gives the tries back: they succeeded, or the password was not checked.
func (t tries) release(ctx context.Context) {
	t.end(ctx, func(ctx context.Context) error { return t.each(ctx, t.s.cfg.Store.ReleaseAttempt) })
}

// succeed gives the tries back, and forgets the failures of subject.
func (t tries) succeed(ctx context.Context, subject string) {
	t.end(ctx, func(ctx context.Context) error {
		return errors.Join(t.each(ctx, t.s.cfg.Store.ReleaseAttempt), t.s.cfg.Store.ClearAttempts(ctx, subject))
	})
}

// fail counts the tries as failed.
func (t tries) fail(ctx context.Context) {
	t.end(ctx, func(ctx context.Context) error { return t.each(ctx, t.s.cfg.Store.FailAttempt) })
}

func (t tries) each(ctx context.Context, do func(context.Context, store.Attempt) error) error {
	for _, attempt := range t.attempts {
		if err := do(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

func (t tries) end(ctx context.Context, do func(context.Context) error) {
	if len(t.attempts) == 0 {
		return
	}
	// Whether or not the person still waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := t.s.cfg.Store.Tx(ctx, do); err != nil {
		t.s.cfg.Log.ErrorContext(ctx, "cannot note how a try ended", "request", httpd.RequestID(ctx), "error", err)
	}
}
