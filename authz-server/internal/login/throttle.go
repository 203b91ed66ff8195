package login

import (
	"context"
	"encoding/hex"
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

// network is what counts as one address: of IPv6 the /64, which one household or machine has to itself.
func network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, err := addr.Prefix(64)
		if err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// accountSubject is under what tries for an account are counted, whether it exists or not. The address is hashed, so that
// what people mistype, which at times is their password, is not kept.
func accountSubject(email string) string {
	return "account:" + hex.EncodeToString(store.Hash(store.EmailKey(email)))
}

func addressSubject(r *http.Request) string { return "address:" + network(clientAddr(r)) }
func signupSubject(r *http.Request) string  { return "signup:" + network(clientAddr(r)) }

// passwordSubject counts wrong present passwords where one is to be changed. It is the session's own count: whoever guesses
// at /login cannot keep the owner from changing the password.
func passwordSubject(session string) string { return "session:" + session }

// tries is the right to check one password, taken for each thing that is counted.
type tries struct {
	s        *Service
	attempts []store.Attempt
}

// reserve takes a try of each subject with its limit, or none and tells how long to wait.
func (s *Service) reserve(ctx context.Context, subjects ...limited) (t tries, wait time.Duration, ok bool, err error) {
	t.s = s
	for _, subject := range subjects {
		attempt, wait, ok, err := s.cfg.Store.ReserveAttempt(ctx, subject.name, subject.limit, s.cfg.Limits.Window)
		if err != nil || !ok {
			t.release(ctx)
			return tries{}, wait, false, err
		}
		t.attempts = append(t.attempts, attempt)
	}
	return t, 0, true, nil
}

type limited struct {
	name  string
	limit int
}

// release gives the tries back: they succeeded, or the password was not checked.
func (t tries) release(ctx context.Context) {
	// Whether or not the person still waits for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, attempt := range t.attempts {
		if err := t.s.cfg.Store.ReleaseAttempt(ctx, attempt); err != nil {
			t.s.cfg.Log.ErrorContext(ctx, "cannot give a try back", "request", httpd.RequestID(ctx), "error", err)
		}
	}
}
