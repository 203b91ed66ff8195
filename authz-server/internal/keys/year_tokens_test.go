package keys

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// simService is a resource service that caches the key set for as long as it may.
type simService struct {
	name    string
	now     func() time.Time
	refetch bool // fetches for unknown keys as well, as jwks does; others need not
	set     *jose.KeySet
	fetched time.Time
	forced  time.Time
	refused []string // withdrawn keys, by the status list
}

func (w *world) issueNow() {
	if r := w.any(); r != nil {
		w.issue(r, algorithms[w.random.IntN(len(algorithms))], simLifetime)
	}
	w.after(w.between(2*time.Hour, day), w.issueNow)
}

func (w *world) issueRefresh() {
	if r := w.any(); r != nil {
		w.issue(r, RS256, simRefresh)
	}
	w.after(w.between(6*time.Hour, 2*day), w.issueRefresh)
}

// watchTakeover issues tokens at every replica around the moment from which a new key signs.
func (w *world) watchTakeover(from time.Time) {
	for offset := -2 * simSkew; offset <= 2*simSkew; offset += simSkew / 2 {
		w.at(from.Add(offset), func() {
			for _, r := range w.up() {
				w.issue(r, RS256, simLifetime)
				w.issue(r, algorithms[1+w.random.IntN(len(algorithms)-1)], simLifetime)
			}
		})
	}
}

// issued is a token, for the services as well unless it is a refresh token.
type issued struct {
	jwt, kid string
	expiry   time.Time // by the issuer's clock
	refresh  bool
}

// issue has a replica sign a token, and plans when it is shown.
func (w *world) issue(r *simReplica, alg string, lifetime time.Duration) {
	expiry := r.cfg.Now().Add(lifetime).Truncate(time.Microsecond)
	claims, err := json.Marshal(map[string]int64{"exp": expiry.UnixMicro()})
	if err != nil {
		w.t.Fatal(err)
	}
	one := issued{expiry: expiry, refresh: lifetime == simRefresh}
	if one.jwt, one.kid, err = r.ring.SignAs(w.ctx, alg, "at+jwt", claims); err != nil {
		w.t.Fatal(err)
	}
	w.issuedBy[one.kid] = true
	times := []time.Duration{0, lifetime - 2*simSkew - time.Millisecond, lifetime + 2*simSkew}
	for range 2 {
		times = append(times, w.between(0, lifetime))
	}
	for _, after := range times {
		w.after(after, func() { w.show(one) })
	}
	if !one.refresh {
		return
	}
	// When all that the key signed has expired, the key itself is gone. A rotation can be late by a
	// blackout, and a key is removed and forgotten when the database is read the next time.
	w.after(simRotation+simRefresh+day, func() {
		for _, r := range w.up() {
			if _, _, err := r.ring.Verify(w.ctx, one.jwt, "at+jwt"); !errors.Is(err, ErrInvalid) {
				w.t.Errorf("%s: %s still has key %s: %v", w.now, r.name, one.kid, err)
			}
		}
	})
}

// show shows a token to everybody, sometimes after others that nobody knows.
func (w *world) show(one issued) {
	flood := w.random.IntN(4) == 0
	for _, r := range w.up() {
		if flood {
			_, _, _ = r.ring.Verify(w.ctx, w.unknown(one.jwt), "at+jwt")
		}
		claims, _, err := r.ring.Verify(w.ctx, one.jwt, "at+jwt")
		if err != nil && !errors.Is(err, ErrInvalid) {
			w.t.Error(err)
		}
		w.judge(r.name, one, r.cfg.Now(), err == nil && r.cfg.Now().Before(expiryOf(w.t, claims)))
	}
	if one.refresh {
		return
	}
	for _, s := range w.services {
		w.followStatus(s)
		if flood && !w.settling() {
			w.verifyAt(s, w.unknown(one.jwt))
		}
		good := w.verifyAt(s, one.jwt)
		if !good && one.kid != w.withdrawn && w.settling() && (!s.refetch || w.now.Before(w.noticed.Add(simCooldown))) {
			continue // the key set that it has is of before the withdrawal
		}
		w.judge(s.name, one, s.now(), good)
	}
}

// settling: services may have a key set that is older than the withdrawal.
func (w *world) settling() bool {
	return !w.noticed.IsZero() && w.now.Sub(w.noticed) <= simMaxAge+2*simSkew
}

// judge compares what somebody, whose clock shows now, says of a token with what is right.
func (w *world) judge(who string, one issued, now time.Time, accepted bool) {
	if w.withdrawn != "" && w.now.Before(w.noticed) {
		return // some have noticed
	}
	want := now.Before(one.expiry) && one.kid != w.withdrawn
	w.shown++
	if accepted {
		w.verified++
	}
	if accepted != want {
		w.t.Errorf("%s: %s says %t of a token of key %s that expires %s", w.now, who, accepted, one.kid, one.expiry)
	}
}

func expiryOf(t *testing.T, claims []byte) time.Time {
	var one struct{ Exp int64 }
	if err := json.Unmarshal(claims, &one); err != nil {
		t.Fatal(err)
	}
	return time.UnixMicro(one.Exp)
}

// unknown is the token under the name of a key that there is none of.
func (w *world) unknown(jwt string) string {
	header := fmt.Sprintf(`{"alg":"RS256","kid":"%043d","typ":"at+jwt"}`, w.random.Int64())
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + jwt[strings.IndexByte(jwt, '.'):]
}

// followStatus has a service read the withdrawn keys, as it does every few seconds.
func (w *world) followStatus(s *simService) {
	if r := w.any(); r != nil && w.withdrawn != "" {
		s.refused = r.ring.Withdrawn(r.cfg.Now())
	}
}

// verifyAt is what a service does with a token, with no leeway.
func (w *world) verifyAt(s *simService, jwt string) bool {
	if s.set == nil || s.now().Sub(s.fetched) > simMaxAge {
		w.fetch(s)
	}
	token, err := jose.Parse(jwt)
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := s.set.Keys(w.ctx, token.KeyID)
	if err != nil && s.refetch && s.now().Sub(s.forced) >= simCooldown {
		s.forced = s.now()
		w.fetch(s)
		found, err = s.set.Keys(w.ctx, token.KeyID)
	}
	if err != nil || len(found) != 1 || slices.Contains(s.refused, token.KeyID) || found[0].Algorithm() != token.Algorithm {
		return false
	}
	claims, ok := token.VerifiedBy(found[0])
	return ok && s.now().Before(expiryOf(w.t, claims))
}

// keepFresh has a busy service use its key set for exactly as long as it may, so that it learns of
// a new key as late as possible.
func (w *world) keepFresh(s *simService) {
	w.fetch(s)
	w.after(simMaxAge, func() { w.keepFresh(s) })
}

// fetch replaces a service's key set by that of some replica. While all are away it keeps its own.
func (w *world) fetch(s *simService) {
	r := w.any()
	if r == nil {
		return
	}
	set, err := jose.ParseKeySet(r.ring.jwks())
	if err != nil {
		w.t.Fatal(err)
	}
	s.set, s.fetched = set, s.now()
}
