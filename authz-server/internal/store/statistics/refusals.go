package statistics

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Refusals are kept in pieces of RefusalWidth, for KeepRefusals.
const (
	RefusalWidth = 10 * time.Minute
	KeepRefusals = 26 * time.Hour
)

// Bounds of what is kept of refusals, however many clients are named.
const (
	refusalsCounted = 1000 // clients between two calls of Keep
	refusalsKept    = 200  // clients of a piece, of a process
	longestName     = 512  // bytes; a client with a longer one is not counted
)

// Refusals counts token requests that were refused or put off, by the client that they name. It finds
// the clients of which there are many, and knows little of others. It is safe for concurrent use.
type Refusals struct {
	db  *sqldb.DB
	now func() time.Time

	mutex sync.Mutex
	fresh map[string]int64
	piece int64           // the present one
	known map[string]bool // whose rows there are in it
}

// NewRefusals returns the refusals in db.
func NewRefusals(db *sqldb.DB, now func() time.Time) *Refusals {
	return &Refusals{db: db, now: now, fresh: map[string]int64{}, known: map[string]bool{}}
}

// Count counts a request that names a client, whether there is one or not. A nil Refusals counts
// nothing.
//
// Where too many are named, all lose one (Misra and Gries): whoever is named in more than one of a
// thousand requests stays, and nobody can push them out by other names.
func (r *Refusals) Count(client string) {
	if r == nil || client == "" || len(client) > longestName {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if _, there := r.fresh[client]; there || len(r.fresh) < refusalsCounted {
		r.fresh[client]++
		return
	}
	for name := range r.fresh {
		if r.fresh[name]--; r.fresh[name] == 0 {
			delete(r.fresh, name)
		}
	}
}

// Keep adds what was counted since the last call to the database, of clients that there are. What
// could not be added is lost: it is not worth a second try.
func (r *Refusals) Keep(ctx context.Context) error {
	if r == nil {
		return nil
	}
	start := start(r.now(), Width(RefusalWidth))
	names, counts := r.take(start)
	if len(names) == 0 {
		return nil
	}
	return r.db.Tx(ctx, func(ctx context.Context) error {
		for _, name := range names {
			rows, err := r.db.Exec(ctx, `INSERT INTO client_refusals (client_id, start, count)
				SELECT id, $2, $3 FROM clients WHERE id = $1 AND removed_at = 0
				ON CONFLICT (client_id, start) DO UPDATE SET count = client_refusals.count + excluded.count`,
				name, start, counts[name])
			if err != nil {
				return err
			}
			if rows > 0 {
				r.mutex.Lock()
				r.known[name] = true
				r.mutex.Unlock()
			}
		}
		return nil
	})
}

// take takes what was counted, in one order, so that replicas do not wait for one another in a circle.
func (r *Refusals) take(start int64) (names []string, counts map[string]int64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.piece != start {
		r.piece, r.known = start, map[string]bool{}
	}
	counts, r.fresh = r.fresh, map[string]int64{}
	names = slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	left := refusalsKept - len(r.known)
	names = slices.DeleteFunc(names, func(name string) bool {
		if r.known[name] {
			return false
		}
		left--
		return left < 0
	})
	slices.Sort(names)
	return names, counts
}

// Refused is how often token requests of a client were refused.
type Refused struct {
	ClientID string
	Count    int64
	Last     time.Time // the piece in which it was, as it began
}

// maxRefusals is how many rows one look reads: an hour's, of several replicas.
const maxRefusals = 10_000

// Since returns the clients whose requests were refused since then, the most refused first.
func (r *Refusals) Since(ctx context.Context, since time.Time) ([]Refused, error) {
	rows, err := sqldb.All(ctx, r.db, func(rows *sql.Rows) (one Refused, err error) {
		var at int64
		err = rows.Scan(&one.ClientID, &at, &one.Count)
		one.Last = sqldb.Time(at)
		return one, err
	}, `SELECT client_id, start, count FROM client_refusals WHERE start >= $1
		ORDER BY start, client_id LIMIT $2`, start(since, Width(RefusalWidth)), maxRefusals)
	sums := map[string]Refused{}
	for _, one := range rows {
		one.Count += sums[one.ClientID].Count
		sums[one.ClientID] = one
	}
	all := slices.Collect(maps.Values(sums))
	slices.SortFunc(all, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ClientID, b.ClientID))
	})
	return all, err
}

// Of returns how often a client's requests were refused from one time up to before another one.
func (r *Refusals) Of(ctx context.Context, client string, since, before time.Time) (total int64, err error) {
	counts, err := sqldb.All(ctx, r.db, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) },
		`SELECT count FROM client_refusals WHERE client_id = $1 AND start >= $2 AND start < $3
		ORDER BY client_id, start LIMIT $4`, client, start(since, Width(RefusalWidth)), start(before, Width(RefusalWidth)), maxRefusals)
	for _, n := range counts {
		total += n
	}
	return total, err
}

// Sweeps lists refusals that are too old.
func (r *Refusals) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{{Name: "refusals of clients", Keep: KeepRefusals, Rows: sqldb.Rows{
		Table: "client_refusals", Key: "client_id, start", Where: "start <= $1", Order: "start"}}}
}
