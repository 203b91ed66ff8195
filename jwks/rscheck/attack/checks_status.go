package attack

import (
	"time"
)

var statusChecks = []Check{
	{"status-list", Info, "OAuth Status List §8.3", "a token whose status is in a list of the issuer", "the server fetches the list", func(r *run) outcome {
		if r.followsLists() {
			return pass("fetched")
		}
		return skip("the server does not follow status lists")
	}},
	{"status-revoked", Must, "OAuth Status List §8.3", "a token that was good, after its bit is set; and its neighbours", "refused within the bound; its neighbours accepted", ifLists(statusRevoked)},
	{"status-out-of-range", Must, "OAuth Status List §8.3", "a token whose index is beyond the list", refused401, ifLists(func(r *run) outcome {
		return r.refused([]variant{
			{"beyond the end", bearer(r.token(r.status(statusSize)))}, {"far beyond", bearer(r.token(r.status(1 << 40)))}, {"negative", bearer(r.token(r.status(-1)))},
		})
	})},
	{"status-replay", Must, "OAuth Status List §8.3", "an older list, with the issuer's signature, in which the token is not revoked yet", "the token stays refused", ifLists(func(r *run) outcome {
		r.issuer.saveList()
		// iat counts seconds: the next list must be a later one for everybody.
		select {
		case <-r.ctx.Done():
		case <-time.After(2100 * time.Millisecond):
		}
		return r.staysRevoked(listReplayed)
	})},
	{"status-forged", Must, "OAuth Status List §8.3", "a list by an attacker's key under the issuer's kid, in which the token is not revoked", "the token stays refused", ifLists(func(r *run) outcome {
		return r.staysRevoked(listForged)
	})},
	{"status-other-list", Must, "OAuth Status List §8.3", "a list of the issuer with another sub, and one with another typ", "the token stays refused", ifLists(func(r *run) outcome {
		if o := r.staysRevoked(listOtherURI); o.verdict != Pass {
			return o
		}
		return r.staysRevoked(listOtherType)
	})},
	{"status-bomb", Must, "CWE-409", "a list that decompresses to 256 MiB", "good tokens go on being answered, the revoked one stays refused", ifLists(func(r *run) outcome {
		bomb() // now, and not while the server waits for the list
		o := r.staysRevoked(listDecompresses)
		if o.verdict != Pass {
			return o
		}
		if a := r.send(r.good()); !a.accepted() || a.took > r.cfg.Timeout/2 {
			return fail("a good token got %v after %v", a, a.took.Round(time.Millisecond))
		}
		return o
	})},
	{"status-outage", Must, "OAuth Status List §8.3", "a revoked token, and another, while the list cannot be had", "the revoked one stays refused", ifLists(func(r *run) outcome {
		o := r.staysRevoked(listDown)
		if o.verdict != Pass {
			return o
		}
		r.issuer.setListMode(listDown)
		a := r.send(bearer(r.token(r.status(11))))
		return pass("refused; another token of the list got %v", a)
	})},
}

// status says which bit of the list is a token's. The first one's is never set:
// it is that of all tokens that are about something else.
func (r *run) status(index int) change { return set("status", r.issuer.status(index)) }

func (i *Issuer) status(index int) map[string]any {
	return map[string]any{"status_list": map[string]any{"idx": index, "uri": i.statusURI()}}
}

// followsLists says whether the server fetches the list that a token names.
func (r *run) followsLists() bool {
	if r.lists == nil {
		follows, _ := eventually(r.ctx, min(r.cfg.Revocation, 5*time.Second), 250*time.Millisecond, func() bool {
			r.send(bearer(r.token(r.status(1))))
			return r.issuer.listFetches() > 0
		})
		if follows { // and accepts the token then
			follows, _ = eventually(r.ctx, r.cfg.Wait, 100*time.Millisecond, func() bool { return r.send(bearer(r.token(r.status(1)))).accepted() })
		}
		r.lists = &follows
	}
	return *r.lists
}

func ifLists(check func(*run) outcome) func(*run) outcome {
	return func(r *run) outcome {
		if !r.followsLists() {
			return skip("the server does not follow status lists")
		}
		return check(r)
	}
}

func statusRevoked(r *run) outcome {
	revoked, took := r.revoke(2)
	if revoked == "" {
		return fail("still accepted after %v", took.Round(time.Millisecond))
	}
	for _, index := range []int{1, 3, 10, 18} {
		if a := r.send(bearer(r.token(r.status(index)))); !a.accepted() {
			o := fail("refused after %v, and a token beside it (%d) too: %v", took.Round(time.Millisecond), index, a)
			o.lower = true
			return o
		}
	}
	return pass("refused after %v", took.Round(time.Millisecond))
}

// revoke sets a token's bit, and returns the token once it is refused. Empty:
// it was not refused within the bound.
func (r *run) revoke(index int) (token string, took time.Duration) {
	r.issuer.setStatus(index, false)
	token = r.token(r.status(index))
	eventually(r.ctx, r.cfg.Wait, 100*time.Millisecond, func() bool { return r.send(bearer(token)).accepted() })
	r.issuer.setStatus(index, true)
	refused, took := eventually(r.ctx, r.cfg.Revocation, 50*time.Millisecond, func() bool { return !r.send(bearer(token)).accepted() })
	if !refused {
		return "", took
	}
	return token, took
}

// staysRevoked has the issuer answer otherwise for some times of the list's ttl:
// the revoked token must not come to life again.
func (r *run) staysRevoked(m listMode) outcome {
	if r.revoked == "" {
		token, took := r.revoke(5)
		if token == "" {
			return unclear("the token was still accepted after %v", took.Round(time.Millisecond))
		}
		r.revoked = token
	}
	r.issuer.setListMode(m)
	defer r.issuer.setListMode(listHealthy)
	before := r.issuer.listFetches()
	fetches := func() int { return r.issuer.listFetches() - before }
	accepted := func() bool { return r.send(bearer(r.revoked)).accepted() }
	eventually(r.ctx, 3*statusTTL, 100*time.Millisecond, func() bool { return fetches() > 1 || accepted() })
	// What it fetched last may take a moment to count.
	alive, _ := eventually(r.ctx, 500*time.Millisecond, 100*time.Millisecond, accepted)
	switch n := fetches(); {
	case alive:
		return fail("the revoked token was accepted again")
	case n == 0:
		return unclear("the server did not fetch the list")
	default:
		return pass("refused; the list was fetched %d times", n)
	}
}
