package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

type serveCommand struct{}

// Run serves until ctx ends.
func (serveCommand) Run(ctx context.Context, p *program) error {
	cfg := p.settings
	if err := cfg.check(); err != nil {
		return err
	}
	log := cfg.Logger()
	return p.withStore(ctx, func(s *store.Store) error {
		if warning := s.Warning(); warning != "" {
			log.Warn(warning)
		}
		ring, err := p.openRing(ctx, s, log)
		if err != nil {
			return err
		}
		router := mux.NewRouter()
		router.HandleFunc("/.well-known/jwks.json", ring.ServeJWKS)

		// What runs in the background ends before the database closes.
		ctx, stop := context.WithCancel(ctx)
		var background sync.WaitGroup
		defer background.Wait()
		defer stop()
		background.Go(func() { ring.Run(ctx) })
		background.Go(func() {
			sweep(ctx, log,
				s.SweepClientSecrets,
			)
		})

		log.Info("authorization server", "issuer", cfg.Issuer)
		server := &httpd.Server{Config: cfg.Config, Log: log, Handler: router, Ready: s.Ping, Serving: p.serving}
		return server.Run(ctx)
	})
}

// sweepEvery is how often expired rows are removed. They count as gone from the moment when they expire.
const sweepEvery = time.Minute

// sweep removes what has expired, again and again until ctx ends. Every replica does; the statements do not mind.
func sweep(ctx context.Context, log *slog.Logger, sweeps ...func(context.Context) (int64, error)) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		for _, one := range sweeps {
			if _, err := one(ctx); err != nil && ctx.Err() == nil {
				log.Error("remove expired rows", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
