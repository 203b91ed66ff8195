package keys

import (
	"container/heap"
	"context"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jose"
)

// seedVariable repeats a simulation that failed.
const seedVariable = "KEYS_SIMULATION_SEED"

// A year of four replicas on one database, whose clocks differ by up to the five seconds that a
// replica is ready with, and one of which drifts; they restart, and once all are away. Keys rotate
// by schedule, and one is withdrawn. Every token is shown, at random times of its life, in its
// first and last seconds and after it, to every replica and to two services with cached key sets.
func TestAYearOfRotationsInWhichEveryTokenVerifiesAllItsLife(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		days := 365
		if strings.HasPrefix(databaseURL, "postgres") {
			days = 75 // two rotations and the withdrawal: each statement takes longer
		}
		seed := rand.Uint64()
		if text := os.Getenv(seedVariable); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("repeat with %s=%d", seedVariable, seed)
			}
		})
		w := newWorld(t, databaseURL, seed)
		w.run(time.Duration(days) * day)
		w.checkRotations(days)
	})
}

// What the simulated servers are set to. It is the proportions that matter: a reload takes place
// several times while a key set may be cached, and that several times in a token's life.
const (
	simReload   = 2 * time.Hour
	simMaxAge   = 3 * time.Hour
	simLifetime = 5 * time.Hour
	simRefresh  = 45 * day
	simRotation = 30 * day
	simSkew     = 5 * time.Second
	simCooldown = 10 * time.Second // of a service, between two fetches for unknown keys

	simLead = simMaxAge + 2*simReload + slack       // a key is made so long before it signs
	simLate = 8*time.Hour + simReload + 8*time.Hour // while all are away, until the next look, and the lead
)

// world is the simulation. Events follow one another in one goroutine; its time is the true one,
// which no clock shows.
type world struct {
	t        *testing.T
	ctx      context.Context
	random   *rand.Rand
	now      time.Time
	end      time.Time
	events   events
	replicas []*simReplica
	services []*simService
	operator *Ring
	primes   []*big.Int // an odd number of them
	pairs    int        // that were taken

	mu         sync.Mutex             // guards what follows, events and pairs while replicas tend together
	made       map[string][]time.Time // when the next keys sign from, as the replicas log it
	withdrawn  string
	noticed    time.Time // when every replica has noticed
	early      time.Time // when the key that waited took over from the withdrawn one; zero: none waited
	shown      int
	verified   int
	issuedBy   map[string]bool // kids
	everPublic map[string]bool
}

// event is something that happens at a time.
type event struct {
	at time.Time
	do func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(one any)      { *e = append(*e, one.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// simReplica is an authorization server: what it has on disk, and its ring while it runs.
type simReplica struct {
	name string
	cfg  Config
	ring *Ring // nil: it is down
}

func newWorld(t *testing.T, databaseURL string, seed uint64) *world {
	w := &world{
		t: t, ctx: t.Context(), random: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		primes: findPrimes(t, 21), made: map[string][]time.Time{}, issuedBy: map[string]bool{}, everPublic: map[string]bool{},
	}
	start := w.now
	for i, skew := range []func() time.Duration{
		func() time.Duration { return 0 },
		func() time.Duration { return simSkew },
		func() time.Duration { return -simSkew },
		func() time.Duration { // it drifts, from one end to the other in five weeks
			return time.Duration(float64(simSkew) * math.Sin(w.now.Sub(start).Hours()/24/35*math.Pi))
		},
	} {
		w.replicas = append(w.replicas, &simReplica{name: fmt.Sprint("replica ", i), cfg: w.config(databaseURL, skew)})
	}
	for i, skew := range []time.Duration{simSkew, -simSkew} {
		w.services = append(w.services, &simService{
			name: fmt.Sprint("service ", i), refetch: i == 0, now: func() time.Time { return w.now.Add(skew) },
		})
	}
	for _, r := range w.replicas {
		w.start(r)
	}
	var err error
	if w.operator, err = Open(w.ctx, w.config(databaseURL, func() time.Duration { return -simSkew / 2 })); err != nil {
		t.Fatal(err)
	}
	return w
}

// generate makes RSA keys out of a few primes, since to find primes takes most of the time. The
// keys are as long as verifiers demand.
func (w *world) generate(alg string, bits int) (*key, error) {
	if alg != RS256 && alg != PS256 {
		return generate(alg, bits)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p, q := w.primes[w.pairs%len(w.primes)], w.primes[(w.pairs+1+w.pairs/len(w.primes))%len(w.primes)]
	w.pairs++
	one := big.NewInt(1)
	e := big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	return newKey(alg, private)
}

func findPrimes(t *testing.T, count int) (primes []*big.Int) {
	for range count {
		prime, err := cryptorand.Prime(cryptorand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		primes = append(primes, prime)
	}
	return primes
}

func (w *world) config(databaseURL string, skew func() time.Duration) Config {
	clock := func() time.Time { return w.now.Add(skew()) }
	s, err := store.Open(w.ctx, databaseURL, clock)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return Config{
		Store: s.Keys, KEK: testKEK(w.t, 1), Now: clock, Log: slog.New(madeKeys{w}), generate: w.generate,
		Rotation: simRotation, MaxAge: simMaxAge, TokenLifetime: simLifetime, RefreshLifetime: simRefresh, Reload: simReload,
	}
}

// madeKeys is a log that counts the keys that were made.
type madeKeys struct{ w *world }

func (madeKeys) Enabled(context.Context, slog.Level) bool { return true }
func (l madeKeys) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l madeKeys) WithGroup(string) slog.Handler          { return l }
func (l madeKeys) Handle(_ context.Context, r slog.Record) error {
	if !strings.HasPrefix(r.Message, "made the next") {
		return nil
	}
	var alg string
	var from time.Time
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "alg":
			alg = a.Value.String()
		case "signs_from":
			from = a.Value.Time()
		}
		return true
	})
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.made[alg] = append(l.w.made[alg], from)
	if alg == RS256 { // the others' turn is at the same time
		l.w.watchTakeover(from)
		l.w.at(from.Add(simRotation-simLead+2*simSkew), l.w.tendTogether)
	}
	return nil
}

func (w *world) at(t time.Time, do func()) { heap.Push(&w.events, event{t, do}) }

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// between is a random time from one to the other.
func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.random.Int64N(int64(to-from)))
}

func (w *world) run(length time.Duration) {
	w.end = w.now.Add(length)
	for _, s := range w.services {
		w.after(w.between(0, simMaxAge), func() { w.keepFresh(s) })
	}
	w.after(w.between(0, 8*time.Hour), w.issueNow)
	w.after(w.between(0, day), w.issueRefresh)
	w.after(w.between(0, 5*day), w.restartOne)
	w.after(w.between(length/5, length/4), w.blackout)
	w.after(w.between(length/3, length/2), w.withdraw)
	for len(w.events) > 0 && w.events[0].at.Before(w.end) && !w.t.Failed() {
		next := heap.Pop(&w.events).(event)
		w.now = next.at
		next.do()
	}
}

// start starts a replica, which then tends its ring as Run does.
func (w *world) start(r *simReplica) {
	if r.ring != nil {
		return
	}
	ring, err := Open(w.ctx, r.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	r.ring = ring
	var tend func()
	tend = func() {
		if r.ring != ring {
			return // it has ended
		}
		if err := ring.tend(w.ctx); err != nil {
			w.t.Errorf("%s: %v", r.name, err)
		}
		w.checkKeySet(r)
		w.after(simReload, tend)
	}
	tend()
}

// tendTogether has all replicas find at once that it is time for the next keys.
func (w *world) tendTogether() {
	var group sync.WaitGroup
	for _, r := range w.up() {
		group.Go(func() {
			if err := r.ring.tend(w.ctx); err != nil {
				w.t.Errorf("%s: %v", r.name, err)
			}
		})
	}
	group.Wait()
}

func (w *world) up() (up []*simReplica) {
	for _, r := range w.replicas {
		if r.ring != nil {
			up = append(up, r)
		}
	}
	return up
}

func (w *world) any() *simReplica {
	up := w.up()
	if len(up) == 0 {
		return nil
	}
	return up[w.random.IntN(len(up))]
}

func (w *world) restartOne() {
	if up := w.up(); len(up) > 1 {
		r := up[w.random.IntN(len(up))]
		r.ring = nil
		w.after(w.between(time.Second, 2*day), func() { w.start(r) })
	}
	w.after(w.between(time.Hour, 6*day), w.restartOne)
}

// blackout has all replicas away for less than services go on with an old key set.
func (w *world) blackout() {
	for _, r := range w.replicas {
		r.ring = nil
		w.after(w.between(time.Hour, 8*time.Hour), func() { w.start(r) })
	}
}

// withdraw has an operator withdraw the current key. A replica notices within half a second.
func (w *world) withdraw() {
	if len(w.up()) == 0 {
		w.after(time.Hour, w.withdraw)
		return
	}
	if err := w.operator.reload(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	_, kid, err := w.operator.Sign(w.ctx, "at+jwt", []byte(`{}`))
	if err != nil {
		w.t.Fatal(err)
	}
	for range 20 { // tokens for the thief to have
		w.issue(w.any(), RS256, simLifetime)
	}
	if err := w.operator.Withdraw(w.ctx, Withdrawal{KIDs: []string{kid}, Reason: "leaked"}); err != nil {
		w.t.Fatal(err)
	}
	if made := w.made[RS256]; len(made) > 0 && made[len(made)-1].After(w.operator.cfg.Now()) {
		w.early = w.operator.cfg.Now()
		made[len(made)-1] = w.early
	}
	w.withdrawn, w.noticed = kid, w.now.Add(noticeWithin)
	for _, r := range w.replicas {
		w.after(w.between(0, noticeWithin), func() {
			if r.ring != nil {
				if _, err := r.ring.ReadWithdrawn(w.ctx); err != nil {
					w.t.Error(err)
				}
			}
		})
	}
	w.at(w.noticed, func() {
		for _, r := range w.up() {
			w.issue(r, RS256, simLifetime)
		}
	})
}

// checkKeySet looks at what a replica publishes and has.
func (w *world) checkKeySet(r *simReplica) {
	set, err := jose.ParseKeySet(r.ring.jwks())
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := set.Keys(w.ctx, "")
	if err != nil {
		w.t.Fatal(err)
	}
	count := map[string]int{}
	for _, key := range all {
		w.everPublic[key.ID()] = true
		if count[key.Algorithm()]++; count[key.Algorithm()] > 2 {
			w.t.Errorf("%s: %s publishes more than two keys for %s", w.now, r.name, key.Algorithm())
		}
	}
	for alg, line := range r.ring.snapshot.Load().lines {
		waiting := 0
		current := line.current(r.cfg.Now())
		for _, one := range line {
			if one.generation > current.generation {
				waiting++
			}
		}
		if waiting > 1 || len(line) > 4 {
			w.t.Errorf("%s: %s has %d next keys of %d for %s", w.now, r.name, waiting, len(line), alg)
		}
	}
}

// periods returns how many keys are made in that time, if a key signs as it begins: the last may wait
// already as it ends, and one may have been late.
func periods(length time.Duration) (least, most int) {
	return int((length - simLate) / simRotation), int((length + simLead + 2*simSkew) / simRotation)
}

// checkRotations compares the keys that were made with the schedule.
func (w *world) checkRotations(days int) {
	start := w.end.Add(-time.Duration(days) * day)
	for _, alg := range algorithms {
		made := w.made[alg]
		least, most := periods(w.end.Sub(start))
		if alg == RS256 { // the schedule began anew with the key that took over
			least, most = periods(w.noticed.Sub(start))
			leastSince, mostSince := periods(w.end.Sub(w.noticed))
			least, most = least+leastSince, most+mostSince
		}
		if len(made) < least || len(made) > most {
			w.t.Errorf("%d keys for %s were made by all replicas together, not one in each of %d to %d periods", len(made), alg, least, most)
		}
		for i := 1; i < len(made); i++ {
			period, shortest := made[i].Sub(made[i-1]), simRotation-2*simSkew
			if restarted := alg == RS256 && made[i-1].Before(w.noticed) && made[i].After(w.noticed); restarted {
				period = made[i].Sub(w.noticed)
			}
			if alg == RS256 && made[i].Equal(w.early) { // it did not wait for the end of the period
				shortest -= simLead
			}
			if period < shortest || period > simRotation+simLate {
				w.t.Errorf("a key for %s signs %s after the one before", alg, period)
			}
		}
	}
	for kid := range w.issuedBy {
		if !w.everPublic[kid] {
			w.t.Errorf("key %s signs, and was never published", kid)
		}
	}
	if w.withdrawn == "" || w.verified == 0 || w.verified == w.shown {
		w.t.Errorf("nothing happened: %d of %d verified", w.verified, w.shown)
	}
	w.t.Logf("tokens of %d keys were shown %d times, and accepted %d times", len(w.issuedBy), w.shown, w.verified)
}
