package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Reader returns what answers reads that may lag behind the latest commits, by
// Options.DatabaseReadMaxLag at most: the database's replica while it is there, and the database
// itself while it is not. Without a replica it is db. Choose it statement by statement, and never
// for what is good once, for sessions, grants, revocations and secrets, or for what a decision to
// write depends on.
//
// In a transaction of db it is that transaction. In the context of a request ([Asking]) it answers
// with what the same person wrote before, unless the database is away.
func (db *DB) Reader() *DB {
	if db.reader == nil {
		return db
	}
	return db.reader
}

// OrReplica returns what answers reads that must not lag, but are better answered late than never:
// the database itself, and its replica while the database is away. In a request that changes
// something, and in a transaction, it is the database alone.
func (db *DB) OrReplica() *DB {
	if db.orReplica == nil {
		return db
	}
	return db.orReplica
}

type askingKey struct{}

type asking struct {
	who     string
	changes bool
}

// Asking returns a context for the request of somebody. Whoever wrote something within
// Options.DatabaseReadMaxLag is answered by the database itself, as this process remembers; and a
// request that changes something reads nothing that lags.
func Asking(ctx context.Context, who string, changes bool) context.Context {
	return context.WithValue(ctx, askingKey{}, asking{who, changes})
}

// A replica is a copy of the database that follows it.
type replica struct {
	db      *DB // its own connections
	of      *DB
	maxLag  time.Duration
	writers writers

	stop    context.CancelFunc
	looking sync.WaitGroup
	first   chan struct{} // closed once it was looked at

	mu      sync.Mutex
	samples []sample // of the database, the oldest first
	lag     time.Duration
	why     error // why it is not used; nil: it is
}

// A sample is a position in the database's log that it had reached at that time.
type sample struct {
	at       time.Time
	position int64
}

// addReplica opens the replica of opts.DatabaseReadURL. It need not be there.
func (db *DB) addReplica() error {
	opts := db.opts
	opts.DatabaseURL, opts.DatabaseReadURL = opts.DatabaseReadURL, ""
	of, err := newPostgres(opts, db.servers.history)
	if err != nil {
		return err
	}
	if !opts.DatabaseTransactionPooling {
		of.postgres.RuntimeParams["default_transaction_read_only"] = "on" // also once it is promoted
	}
	if of.warning != "" {
		db.warning = strings.Join(compact(db.warning, of.warning), "; ")
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &replica{db: of, of: db, maxLag: db.opts.maxLag(), stop: stop, first: make(chan struct{}),
		why: errors.New("it was not looked at yet")}
	db.replica, db.reader = r, &DB{engine: Postgres, primary: db}
	db.orReplica = &DB{engine: Postgres, primary: db, second: true}
	r.looking.Go(func() { r.watch(ctx) })
	return nil
}

func compact(texts ...string) (all []string) {
	for _, text := range texts {
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

func (r *replica) close() error {
	r.stop()
	r.looking.Wait()
	return r.db.Close()
}

const replicaEvery = time.Second

func (r *replica) watch(ctx context.Context) {
	ticker := time.NewTicker(replicaEvery)
	defer ticker.Stop()
	for first := true; ; first = false {
		r.look(ctx)
		if first {
			close(r.first)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// positionQuery asks a server how far its log has been written or, on a standby, replayed; and how
// old the newest commit is that a standby has, in microseconds.
const positionQuery = `SELECT CAST(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
		- CAST('0/0' AS pg_lsn) AS BIGINT),
	COALESCE(CAST(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000 AS BIGINT), -1)`

// look finds out whether the replica is fit to be used: it is if it has what the database had
// maxLag ago. While the database does not answer, the verdict stays what it was, as long as the
// replica answers.
func (r *replica) look(ctx context.Context) {
	var ours, theirs, age int64
	before := time.Now()
	ofErr := r.ask(ctx, r.of, &ours, &age)
	err := r.ask(ctx, r.db, &theirs, &age)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.why = fmt.Errorf("it does not answer: %w", err)
		return
	case ofErr != nil:
		if r.lag <= r.maxLag && len(r.samples) > 0 {
			r.why = nil
		}
		return
	}
	r.sample(sample{before, ours})
	r.lag = r.behind(theirs, age)
	r.why = nil
	if r.lag > r.maxLag {
		r.why = fmt.Errorf("it is %s behind", r.lag.Round(time.Millisecond))
	}
}

func (r *replica) ask(ctx context.Context, db *DB, position, age *int64) error {
	ctx, cancel := db.limit(ctx)
	defer cancel()
	return db.checks.QueryRowContext(ctx, positionQuery).Scan(position, age)
}

// sample keeps what behind needs: positions of the last maxLag, some of them.
func (r *replica) sample(s sample) {
	const most = 64
	if n := len(r.samples); n > 1 && s.at.Sub(r.samples[n-2].at) < r.maxLag/most {
		r.samples = r.samples[:n-1]
	}
	r.samples = append(r.samples, s)
	for len(r.samples) > 2 && s.at.Sub(r.samples[1].at) > r.maxLag {
		r.samples = r.samples[1:]
	}
}

// behind is how far a replica with that position is behind. If it has none of the positions that
// are known, its newest commit tells; an idle database has old ones, so this comes second.
func (r *replica) behind(position, ageMicros int64) time.Duration {
	now := time.Now()
	for i := len(r.samples) - 1; i >= 0; i-- {
		if s := r.samples[i]; position >= s.position {
			if i == len(r.samples)-1 {
				return 0
			}
			return now.Sub(s.at)
		}
	}
	age := time.Duration(ageMicros) * time.Microsecond
	if ageMicros < 0 { // it has replayed nothing since its start
		age = r.maxLag + time.Second
	}
	if len(r.samples) == 0 {
		return max(age, 0)
	}
	return max(age, now.Sub(r.samples[0].at)) // whatever the replica's clock says
}

// state is how far the replica is behind, and why it is not used, or nil.
func (r *replica) state() (time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lag, r.why
}

func (r *replica) fits() bool {
	_, err := r.state()
	return err == nil
}

// failed keeps requests from the replica until it was looked at again.
func (r *replica) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why = err
}

// sendToReader is send for a reader.
func (db *DB) sendToReader(ctx context.Context, writes bool, f func(ctx context.Context, on querier) error) (func() error, error) {
	primary, r := db.primary, db.primary.replica
	if writes {
		return nil, errors.New("sqldb: a reader does not write")
	}
	a, _ := ctx.Value(askingKey{}).(asking)
	switch {
	case primary.transaction(ctx) != nil || a.changes:
	case db.second || r.writers.has(a.who):
		done, err := primary.send(ctx, primary.read, false, f)
		if errors.Is(err, ErrUnavailable) && ctx.Err() == nil && r.fits() {
			return r.db.send(ctx, r.db.read, false, f)
		}
		return done, err
	case r.ready(ctx):
		done, err := r.db.send(ctx, r.db.read, false, f)
		if err == nil || ctx.Err() != nil {
			return done, err
		}
		// Whatever it is, such as a table that the replica does not have yet, the database itself
		// knows better.
		if errors.Is(err, ErrUnavailable) {
			r.failed(err)
		}
	}
	return primary.send(ctx, primary.read, false, f)
}

// ready is fits, but waits until the replica was looked at for the first time.
func (r *replica) ready(ctx context.Context) bool {
	select {
	case <-r.first:
	case <-ctx.Done():
	}
	return r.fits()
}

// noteWriter remembers whose request wrote, or may have.
func (db *DB) noteWriter(ctx context.Context) {
	if a, ok := ctx.Value(askingKey{}).(asking); ok && db.replica != nil && a.who != "" {
		db.replica.writers.note(a.who, db.replica.maxLag)
	}
}

// writers are those who wrote lately.
type writers struct {
	mu    sync.Mutex
	until map[string]time.Time // when the replica has what they wrote
	all   time.Time            // until then, everybody counts: there were too many
}

const maxWriters = 10_000

func (w *writers) note(who string, lag time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if len(w.until) >= maxWriters {
		for one, until := range w.until {
			if now.After(until) {
				delete(w.until, one)
			}
		}
		if len(w.until) >= maxWriters {
			w.until, w.all = nil, now.Add(lag)
		}
	}
	if w.until == nil {
		w.until = map[string]time.Time{}
	}
	w.until[who] = now.Add(lag)
}

// has tells whether somebody wrote lately.
func (w *writers) has(who string) bool {
	if who == "" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	return now.Before(w.all) || now.Before(w.until[who])
}
