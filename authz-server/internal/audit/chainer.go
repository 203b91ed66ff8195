package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

const (
	chainEvery = time.Second // how long an entry waits for its place, about
	batch      = 200         // entries of one transaction
	trimEvery  = time.Hour
)

// Config is what a [Chainer] needs.
type Config struct {
	Store *store.Store
	Key   []byte           // of the chain, KeySize bytes: the same at all replicas
	Log   *slog.Logger     // nil: slog.Default()
	Now   func() time.Time // nil: time.Now

	Retention time.Duration // how long entries are kept; 0: for ever
	File      string        // where all entries are written too; empty: nowhere

	Metrics prometheus.Registerer // nil: none
}

// Chainer gives entries their places in the chain, writes them to the log and the file, and removes
// those that are old. Each replica has one: the row of the chain's ends is locked by who works.
type Chainer struct {
	cfg     Config
	log     *Log
	file    *file
	metrics metrics
	trimmed time.Time // when old entries were last looked for

	failing, fileFailing bool // said so in the log already
}

// NewChainer returns a chainer. It fails if the file cannot be written.
func NewChainer(cfg Config) (*Chainer, error) {
	if len(cfg.Key) != KeySize {
		return nil, fmt.Errorf("audit: the key has %d bytes, not %d", len(cfg.Key), KeySize)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	c := &Chainer{cfg: cfg, log: New(cfg.Store)}
	var err error
	if c.metrics, err = newMetrics(cfg.Metrics); err != nil {
		return nil, err
	}
	if cfg.File != "" {
		if c.file, err = openFile(cfg.File); err != nil {
			return nil, fmt.Errorf("setting --audit-file: %w", err)
		}
	}
	return c, nil
}

// Run works until ctx ends. What fails is tried again: it stops nobody, since entries are safe in
// the database.
func (c *Chainer) Run(ctx context.Context) {
	if c.file != nil {
		defer c.file.close()
	}
	ticker := time.NewTicker(chainEvery)
	defer ticker.Stop()
	for {
		c.turn(ctx)
		select {
		case <-ctx.Done():
			c.end(ctx)
			return
		case <-ticker.C:
		}
	}
}

// end records what was counted and has no entry yet. The next program gives them their places.
func (c *Chainer) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := c.log.TellCounted(ctx, true); err != nil {
		c.cfg.Log.WarnContext(ctx, "the audit log lacks numbers of what happened too often to be recorded one by one", "error", err)
	}
}

func (c *Chainer) turn(ctx context.Context) {
	err := errors.Join(c.log.TellCounted(ctx, false), c.Chain(ctx))
	if err == nil && c.cfg.Retention > 0 && c.cfg.Now().Sub(c.trimmed).Abs() >= trimEvery {
		if err = c.Trim(ctx); err == nil {
			c.trimmed = c.cfg.Now()
		}
	}
	c.tell(ctx, &c.failing, err, "audit entries wait for their place in the chain, or old ones to be removed")
	if c.file == nil {
		return
	}
	err = c.Follow(ctx)
	if err != nil {
		c.metrics.fileFailures.Inc()
	}
	c.tell(ctx, &c.fileFailing, err, "the audit file is behind, and catches up when it can be written; nothing is lost")
}

// tell logs that something begins to fail, and that it is over.
func (c *Chainer) tell(ctx context.Context, failing *bool, err error, what string) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !*failing:
		*failing = true
		c.cfg.Log.ErrorContext(ctx, what, "error", err)
	case err == nil && *failing:
		*failing = false
		c.cfg.Log.InfoContext(ctx, "over: "+what)
	}
}

// Chain gives all entries that wait their places, and logs them.
func (c *Chainer) Chain(ctx context.Context) error {
	for {
		since, err := c.cfg.Store.Audit.Backlog(ctx)
		if err != nil {
			return err
		}
		c.metrics.measure(c.cfg.Now(), since)
		if since.IsZero() {
			return nil
		}
		chained, err := c.cfg.Store.Audit.Chain(ctx, batch, func(before auditlog.Link, e auditlog.Entry) []byte {
			return chainMAC(c.cfg.Key, before, e)
		})
		if err != nil {
			return err
		}
		c.report(ctx, chained)
	}
}

// report logs entries, without what names people beyond their ids, and the head after them.
func (c *Chainer) report(ctx context.Context, chained []auditlog.Entry) {
	c.metrics.entries.Add(float64(len(chained)))
	for _, row := range chained {
		e, err := ofRow(row)
		if err != nil {
			c.cfg.Log.ErrorContext(ctx, "an audit entry cannot be read", "error", err)
			continue
		}
		c.cfg.Log.InfoContext(ctx, "audit", "kind", e.Kind, "position", e.Position, "at", e.At, "actor", e.Actor.Kind, "actor_id", e.Actor.ID,
			"target", e.Target.Kind, "target_id", e.Target.ID, "person", e.Person, "from", e.From, "proof", e.Proof)
	}
	if n := len(chained); n > 0 {
		c.cfg.Log.InfoContext(ctx, "audit head", "head", Head{chained[n-1].Position, chained[n-1].MAC}.String())
	}
}

// Trim removes what is older than the retention, and records that it did. It removes nothing while
// the clock is not to be trusted: by one that is ahead, everything is old.
func (c *Chainer) Trim(ctx context.Context) error {
	if err := c.cfg.Store.CheckClock(ctx); err != nil {
		return err
	}
	seal := func(at auditlog.Link) []byte { return anchorSeal(c.cfg.Key, at) }
	for {
		var rows int64
		err := c.cfg.Store.Tx(ctx, func(ctx context.Context) (err error) {
			if rows, err = c.cfg.Store.Audit.Trim(ctx, c.cfg.Now().Add(-c.cfg.Retention), batch, seal); err != nil || rows == 0 {
				return err
			}
			_, anchor, err := c.cfg.Store.Audit.Ends(ctx)
			if err != nil {
				return err
			}
			return c.log.Record(ctx, Entry{Kind: LogTrimmed, Detail: map[string]any{"entries": rows, "up_to": anchor.Position}})
		})
		if err != nil || rows == 0 {
			return err
		}
	}
}

type metrics struct {
	entries      prometheus.Counter
	waiting      prometheus.Gauge
	fileFailures prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (metrics, error) {
	m := metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "authz_audit_entries_total",
			Help: "Audit entries to which this replica gave their places in the chain.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "authz_audit_oldest_seconds",
			Help: "How long the oldest audit entry has waited for its place in the chain; 0 if none does.",
		}),
		fileFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "authz_audit_file_failures_total",
			Help: "Turns, one a second, in which the file of --audit-file could not be written.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	return m, errors.Join(registry.Register(m.entries), registry.Register(m.waiting), registry.Register(m.fileFailures))
}

func (m metrics) measure(now, since time.Time) {
	age := 0.0
	if !since.IsZero() {
		age = max(now.Sub(since).Seconds(), 0)
	}
	m.waiting.Set(age)
}
