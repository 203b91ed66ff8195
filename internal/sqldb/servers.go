package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// servers is what a process knows of the servers of Postgres that its database URL leads to: which
// of them was promoted last, and which connections are from before that.
//
// A promotion begins a new timeline. A primary of an older one is a zombie: it came back, or is cut
// off, after another server took its place. Synchronous replication keeps it from acknowledging
// writes, but not from answering with what was true before, such as a session that has ended since.
// So no connection to it is used.
type servers struct {
	connection *pgx.ConnConfig // as the URL says, without what is checked here
	*history                   // shared with the database's replica

	epoch   atomic.Int64 // grows when all connections are to be made anew
	grownAt atomic.Int64 // unix nanoseconds
}

// A history is what is known of promotions.
type history struct {
	mu     sync.Mutex
	newest place
}

// A place is a server's in the history of its cluster.
type place struct {
	system   string // of the cluster, which its replicas share
	timeline uint64 // 0: it is a standby, or does not say
}

// What is kept with a connection.
const (
	placeKey = "maru.place"
	epochKey = "maru.epoch"
)

// staleError says that a server is a primary no more.
type staleError struct{ here, newest place }

func (e *staleError) Error() string {
	return fmt.Sprintf("this server is on timeline %d, and another one was promoted to timeline %d: it must not be used; "+
		"rebuild it as a standby", e.here.timeline, e.newest.timeline)
}

// placeQuery asks a primary for its timeline, which is in the name of the file that it writes to.
const placeQuery = `SELECT (pg_control_system()).system_identifier,
	CASE WHEN pg_is_in_recovery() THEN '0' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END`

// ask asks a server for its place. One that must not or cannot tell has none, and is not judged.
func ask(ctx context.Context, c *pgconn.PgConn) (place, error) {
	results, err := c.Exec(ctx, placeQuery).ReadAll()
	var refused *pgconn.PgError
	if errors.As(err, &refused) && !c.IsClosed() {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return place{}, nil
	}
	row := results[0].Rows[0]
	timeline, err := strconv.ParseUint(string(row[1]), 16, 32)
	if err != nil {
		return place{}, nil //nolint:nilerr // see above
	}
	return place{string(row[0]), timeline}, nil
}

// learn notes a server's place. An error says that it is not the newest.
func (h *history) learn(p place) error {
	if p.timeline == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.stale(p); err != nil {
		return err
	}
	h.newest = p
	return nil
}

func (h *history) stale(p place) error {
	if p.timeline != 0 && p.system == h.newest.system && p.timeline < h.newest.timeline {
		return &staleError{p, h.newest}
	}
	return nil
}

// admit decides about a new connection, after what the URL demands of its server
// (target_session_attrs). Of several hosts, pgx then tries the next one.
func (s *servers) admit(ctx context.Context, c *pgconn.PgConn) error {
	if demanded := s.connection.ValidateConnect; demanded != nil {
		if err := demanded(ctx, c); err != nil {
			return err
		}
	}
	epoch := s.epoch.Load()
	at, err := ask(ctx, c)
	if err != nil {
		return err
	}
	if err := s.learn(at); err != nil {
		return err
	}
	c.CustomData()[placeKey], c.CustomData()[epochKey] = at, epoch
	return nil
}

// fits decides whether a connection of the pool may be used again.
func (s *servers) fits(_ context.Context, c *pgx.Conn) error {
	kept := c.PgConn().CustomData()
	if epoch, ok := kept[epochKey].(int64); ok && epoch < s.epoch.Load() {
		return driver.ErrBadConn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := kept[placeKey].(place); ok && s.stale(at) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// demotedEvery bounds how often all connections are made anew.
const demotedEvery = time.Second

// demoted has all connections made anew: the server of one takes no writes any more, so that those
// of the pool must look for the one that does.
func (s *servers) demoted() {
	now, last := time.Now().UnixNano(), s.grownAt.Load()
	if now-last >= int64(demotedEvery) && s.grownAt.CompareAndSwap(last, now) {
		s.epoch.Add(1)
	}
}

// look asks all servers for their places, if the URL names several, so that a process that meets a
// zombie first does not take it for the primary. Servers that do not answer are left out.
func (s *servers) look(ctx context.Context) {
	hosts := hostsOf(s.connection)
	if len(hosts) < 2 {
		return
	}
	var all sync.WaitGroup
	for _, one := range hosts {
		all.Go(func() {
			if one.ConnectTimeout == 0 {
				one.ConnectTimeout = 3 * time.Second
			}
			c, err := pgconn.ConnectConfig(ctx, one)
			if err != nil {
				return
			}
			defer c.Close(ctx)
			limited, cancel := context.WithTimeout(ctx, one.ConnectTimeout)
			defer cancel()
			if at, err := ask(limited, c); err == nil {
				_ = s.learn(at) // an older one teaches nothing
			}
		})
	}
	all.Wait()
}

// hostsOf returns settings that lead to one host each, whatever it is.
func hostsOf(connection *pgx.ConnConfig) []*pgconn.Config {
	var hosts []*pgconn.Config
	seen := map[string]bool{}
	add := func(fallback *pgconn.FallbackConfig) {
		_, address := pgconn.NetworkAddress(fallback.Host, fallback.Port)
		one := connection.Config.Copy()
		one.Host, one.Port, one.TLSConfig, one.Fallbacks = fallback.Host, fallback.Port, fallback.TLSConfig, nil
		one.ValidateConnect = nil
		if !seen[address] { // sslmode=prefer names a host twice
			hosts = append(hosts, one)
		}
		seen[address] = true
	}
	add(&pgconn.FallbackConfig{Host: connection.Host, Port: connection.Port, TLSConfig: connection.TLSConfig})
	for _, fallback := range connection.Fallbacks {
		add(fallback)
	}
	return hosts
}
