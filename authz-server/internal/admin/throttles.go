package admin

import (
	"context"
	"net/netip"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// Throttled is what was counted lately, and may hold somebody back.
type Throttled struct {
	What  string    `json:"what"` // "log-ins"
	Of    string    `json:"of"`   // what it is counted under
	Count int64     `json:"count"`
	Last  time.Time `json:"last,omitzero"`  // of tries: the last that failed, or is under way
	Until time.Time `json:"until,omitzero"` // of quotas: when it is counted anew
}

// look returns what is counted under the subjects.
func (a *Admin) look(ctx context.Context, subjects []throttle.Subject) ([]Throttled, error) {
	all := []Throttled{}
	for _, s := range subjects {
		one := Throttled{What: s.What, Of: s.Name}
		if s.Quota {
			used, err := a.Store.Quotas.UsedOf(ctx, s.Name)
			if err != nil {
				return nil, err
			}
			one.Count, one.Until = used.Count, used.Until
		} else {
			failed, err := a.Store.Attempts.FailuresOf(ctx, s.Name)
			if err != nil {
				return nil, err
			}
			one.Count, one.Last = int64(failed.Count), failed.Last
		}
		if one.Count > 0 {
			all = append(all, one)
		}
	}
	return all, nil
}

func (a *Admin) subjectsOf(ctx context.Context, user accounts.User) ([]throttle.Subject, error) {
	browsers, err := a.Store.Browsers.KnownBrowsers(ctx, user.ID)
	var ids []string
	for _, one := range browsers {
		ids = append(ids, one.ID)
	}
	return throttle.OfAccount(user, ids), err
}

func (a *Admin) heldBack(ctx context.Context, user accounts.User) ([]Throttled, error) {
	subjects, err := a.subjectsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	return a.look(ctx, subjects)
}

// HeldBack returns what counts against a network address, and against the networks that it is in.
func (a *Admin) HeldBack(ctx context.Context, actor Actor, address string) ([]Throttled, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	addr, err := readAddr(address)
	if err != nil {
		return nil, err
	}
	return a.look(ctx, throttle.OfSender(addr))
}

func readAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return addr, wrong("address", "must be a network address, such as 203.0.113.7 or 2001:db8::1")
	}
	return addr.Unmap(), nil
}

// LatestFailures returns who has failed to log in, or to prove something else, within the last
// quarter of an hour: the newest thousand tries, by what they are counted under. Names of accounts
// are hashes.
func (a *Admin) LatestFailures(ctx context.Context, actor Actor) ([]Throttled, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	return a.latestFailures(ctx)
}

func (a *Admin) latestFailures(ctx context.Context) ([]Throttled, error) {
	tries, err := a.Store.Attempts.Latest(ctx, a.Now().Add(-15*time.Minute), 1000)
	if err != nil {
		return nil, err
	}
	all, at := []Throttled{}, map[string]int{}
	for _, one := range tries {
		i, ok := at[one.Subject]
		if !ok {
			i = len(all)
			at[one.Subject] = i
			all = append(all, Throttled{What: throttle.WhatOf(one.Subject), Of: one.Subject, Last: one.Last})
		}
		all[i].Count++
	}
	return all, nil
}

// Unlock forgets what counts against an account, so that its person can try again at once. Whoever
// guessed its password can, too.
func (a *Admin) Unlock(ctx context.Context, actor Actor, id, reason string) (lifted []Throttled, err error) {
	err = a.onPerson(ctx, actor, Change, id, reason, func(ctx context.Context, user accounts.User) error {
		subjects, err := a.subjectsOf(ctx, user)
		if err != nil {
			return err
		}
		if lifted, err = a.lift(ctx, subjects); err != nil {
			return err
		}
		return a.note(ctx, audit.ThrottleLifted, user, nil)
	})
	return lifted, err
}

// UnlockAddress is Unlock for a network address, and for the networks that it is in.
func (a *Admin) UnlockAddress(
	ctx context.Context, actor Actor, address, reason string,
) (lifted []Throttled, err error) {
	addr, err := readAddr(address)
	if err != nil {
		return nil, err
	}
	err = a.change(ctx, actor, Change, reason, func(ctx context.Context) error {
		if lifted, err = a.lift(ctx, throttle.OfSender(addr)); err != nil {
			return err
		}
		return a.Audit.Record(ctx, audit.Entry{
			Kind: audit.ThrottleLifted, Target: audit.Target{Kind: "address", Label: addr.String()},
		})
	})
	return lifted, err
}

func (a *Admin) lift(ctx context.Context, subjects []throttle.Subject) ([]Throttled, error) {
	lifted, err := a.look(ctx, subjects)
	if err != nil {
		return nil, err
	}
	for _, s := range subjects {
		forget := a.Store.Attempts.ForgetAttempts
		if s.Quota {
			forget = a.Store.Quotas.ForgetQuota
		}
		if _, err := forget(ctx, s.Name); err != nil {
			return nil, err
		}
	}
	return lifted, nil
}
