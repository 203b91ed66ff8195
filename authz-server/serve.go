package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/charts"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/adminapi"
	"github.com/maru-auth/maru/authz-server/internal/adminpages"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/closing"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/doctor"
	"github.com/maru-auth/maru/authz-server/internal/factors"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/scim"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/tracing"
)

type serveCommand struct{}

// Run serves until ctx ends.
func (serveCommand) Run(ctx context.Context, p *program) error {
	ctx = audit.With(ctx, audit.Entry{Actor: audit.Actor{Kind: audit.System}})
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	if err := p.settings.checkPages(); err != nil { // before the database is touched
		return cli.Usage(err)
	}
	if _, err := p.settings.sender(); err != nil {
		return cli.Usage(err)
	}
	log := p.settings.Logger()
	opts := p.settings.Options
	opts.Create = true
	return p.withDatabase(ctx, opts, func(s *store.Store) error {
		p.prepare(s, log)
		metrics := prometheus.NewRegistry()
		libcrypto.Announce(log)
		traces, err := tracing.Start(ctx, "authz-server", log, metrics)
		if err != nil {
			return cli.Usage(err)
		}
		defer traces.Stop()
		ring, err := p.openRing(ctx, s, log, metrics)
		if err != nil {
			return err
		}
		chainer, err := p.chainer(ctx, s, ring, log, metrics)
		if err != nil {
			return cli.Usage(err)
		}
		if err := p.recordStart(ctx, s); err != nil {
			return err
		}
		outgoing, err := queue.New(queue.Config{Outbox: s.Outbox, Log: log, Now: p.now, Metrics: metrics})
		if err != nil {
			return err
		}
		handler, runs, err := p.assemble(ctx, s, ring, outgoing, log, metrics)
		if err != nil {
			return err
		}
		// What runs in the background ends before the database closes, and after the last request
		// that may need it.
		working, stop := context.WithCancel(traces.With(context.WithoutCancel(ctx)))
		var background sync.WaitGroup
		defer background.Wait()
		defer stop()
		background.Go(func() { s.Watch(working, log, metrics) })
		background.Go(func() { ring.Run(working) })
		background.Go(func() { outgoing.Run(working) })
		background.Go(func() { chainer.Run(working) })
		for _, run := range runs {
			background.Go(func() { run(working) })
		}
		background.Go(func() { s.SweepEvery(working, sweepEvery, log) })
		background.Go(func() { updateEmailKeys(working, s, log) })
		background.Go(func() { s.Users.Index(working, log) })
		background.Go(func() { charts.Keep(working, s, metrics, log) })

		log.Info("authorization server", "issuer", p.settings.Issuer)
		server := &httpd.Server{
			Config: p.settings.Config, Log: log, Handler: handler, Ready: s.Ready, MaxBody: maxBody, Metrics: metrics, Tracing: traces,
			MaxBodyBelow: p.largeBodies(),
			RSA:          libcrypto.Name(), Serving: p.serving,
		}
		return server.Run(ctx)
	})
}

// prepare tells the store the settings, and logs what the operator should know.
func (p *program) prepare(s *store.Store, log *slog.Logger) {
	if warning := s.Warning(); warning != "" {
		log.Warn(warning)
	}
	// Development's own issuer is on loopback.
	if u, err := url.Parse(p.settings.Issuer); p.settings.InsecureOutgoingLoopback && (err != nil || !loopback(u.Hostname())) {
		log.Warn("--insecure-outgoing-loopback is on: clients can make the server call addresses of this machine")
	}
	if networks := p.settings.InsecureUpstreamPrivateNetworks; len(networks) > 0 {
		log.Warn("--insecure-upstream-private-networks is on: whoever sets up upstreams can make the server call addresses there",
			"networks", strings.Join(networks, ", "))
	}
	s.Sessions.LimitSessions(accounts.SessionLimits{Idle: p.settings.SessionIdle, Absolute: p.settings.SessionAbsolute})
	s.Clients.KeepUnused(p.settings.RegistrationUnused)
}

// updateEmailKeys brings the keys of addresses beyond ASCII up to date. There can be millions of
// them, so it runs beside requests: until then, each account is found by its own spelling.
func updateEmailKeys(ctx context.Context, s *store.Store, log *slog.Logger) {
	doubles, err := s.Users.UpdateEmailKeys(ctx)
	if err != nil && ctx.Err() == nil {
		log.Error("accounts with addresses beyond ASCII are found by their own spelling alone, until the next start", "error", err)
	}
	if len(doubles) > 0 {
		log.Warn("accounts have the e-mail address of another in a second spelling, such as bücher.example and "+
			"xn--bcher-kva.example; each logs in by its own spelling", "accounts", doubles)
	}
}

// assemble puts the rooms together, and returns what answers all requests and what runs in the
// background. The rooms give worker what they know how to deliver.
func (p *program) assemble(
	ctx context.Context, s *store.Store, ring *keys.Ring, worker *queue.Worker, log *slog.Logger, metrics *prometheus.Registry,
) (handler http.Handler, runs []func(context.Context), err error) {
	cfg := p.settings
	at, err := issuer.Parse(cfg.Issuer)
	if err != nil {
		return nil, nil, err
	}
	resources, err := cfg.resources()
	if err != nil {
		return nil, nil, err
	}
	look, err := cfg.brand()
	if err != nil {
		return nil, nil, err
	}
	rendered, err := pages.New(pages.Config{Issuer: at, Log: log, Brand: look})
	if err != nil {
		return nil, nil, err
	}
	calls := httpd.NewCalls(metrics)
	breaches, err := cfg.breaches(log, metrics, calls, p.now)
	if err != nil {
		return nil, nil, err
	}
	entry, err := cfg.signup()
	if err != nil {
		return nil, nil, err
	}
	mailer, err := p.mailer(s, ring.KEK(), rendered)
	if err != nil {
		return nil, nil, err
	}
	if mailer.Enabled() {
		worker.Handle(mailer.Handler())
	}
	secondStepKey, err := ring.Secret(ctx, "second steps", factors.KeySize)
	if err != nil {
		return nil, nil, err
	}
	outgoing, err := fetch.New(fetch.Config{CAFile: cfg.OutgoingCAFile, InsecureLoopback: cfg.InsecureOutgoingLoopback, Now: p.now, Calls: calls})
	if err != nil {
		return nil, nil, err
	}
	toUpstreams, err := cfg.upstreamFetch(fetch.Config{CAFile: cfg.OutgoingCAFile, Now: p.now, Calls: calls})
	if err != nil {
		return nil, nil, err
	}
	people, err := people.New(people.Config{
		Store: s, Pages: rendered, Mail: mailer, Issuer: cfg.Issuer, Now: p.now, Log: log, Breaches: breaches, Signup: entry,
		Metrics:       metrics,
		SecondStepKey: secondStepKey, Fetch: toUpstreams, KEK: ring.KEK(),
		AccessToken: cfg.AccessTokenLifetime, InsecureLegacyResponseTypes: cfg.InsecureLegacyResponseTypes,
	})
	if err != nil {
		return nil, nil, err
	}
	operators, err := cfg.policy()
	if err != nil {
		return nil, nil, err
	}
	clients, err := directory.New(directory.Config{
		Store: s, Fetch: outgoing, Policy: cfg.registrationPolicy(), OperatorPolicy: operators,
		MetadataDocuments: cfg.ClientMetadataDocuments, Administration: admin.AdministrationAt(at), Now: p.now, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	salt, err := ring.Secret(ctx, "pairwise", 32)
	if err != nil {
		return nil, nil, err
	}
	statusSecret, err := ring.Secret(ctx, "status lists", status.SecretSize)
	if err != nil {
		return nil, nil, err
	}
	endpoints, err := provider.New(provider.Config{
		Issuer: cfg.Issuer, Resources: resources, Store: s, Clients: clients, Fetch: outgoing,
		Keys: ring, People: people, Pages: rendered, Log: log, Now: p.now, Queue: worker,
		Lifetimes: cfg.lifetimes(), PairwiseSalt: salt, StatusSecret: statusSecret, Metrics: metrics,
		Registration: registration.Mode(cfg.Registration),
		DPoPNonces:   cfg.DPoPNonces, ProfileTokenAlg: cfg.FAPI2TokenAlg, StrictAuthMethod: cfg.StrictAuthMethod,
		InsecureLegacyResponseTypes: cfg.InsecureLegacyResponseTypes,
	})
	if err != nil {
		return nil, nil, err
	}
	called, err := services.New(services.Config{
		Origin: cfg.APIOrigin, Names: cfg.dataServices(), Tokens: endpoints.Tokens, CAFile: cfg.OutgoingCAFile, Log: log, Calls: calls,
	})
	if err != nil {
		return nil, nil, err
	}
	closer := &closing.Closer{Store: s, Tokens: endpoints.Tokens, Services: called, Log: log, Mail: mailer}
	people.Account.Services = closer.Collect
	events, err := delivery.New(delivery.Config{
		Issuer: cfg.Issuer, Tokens: endpoints.Tokens, Store: s, Fetch: outgoing, Services: called, KEK: ring.KEK(), Log: log, Now: p.now,
		Metrics: metrics,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(events.EnsureServices(ctx), events.Adopt(ctx)); err != nil {
		return nil, nil, err
	}
	streams := ssf.New(ssf.Config{
		Common: endpoints.Common(), Tokens: endpoints.Tokens, Store: s, Transmitter: events, Now: p.now, Closing: ctx,
	})
	administered := p.administration(s, at, ring, clients, mailer, people.Passwords, resources, toUpstreams)
	access, err := p.adminTokens(ctx, s, at, ring, endpoints.Tokens, log)
	if err != nil {
		return nil, nil, err
	}
	people.Account.Administrator = administered.IsAdministrator
	administration, err := adminpages.New(adminpages.Config{
		Admin: administered, Pages: rendered, Sessions: people.Sessions, Guard: people.Guard, Now: p.now, NotFound: endpoints.NotFound(),
		DataServices: cfg.dataServices(), Streams: ssf.Rules{Issuer: at, KEK: ring.KEK(), Fetch: outgoing},
	})
	if err != nil {
		return nil, nil, err
	}
	repeatKey, err := ring.Secret(ctx, "repeated requests", 32)
	if err != nil {
		return nil, nil, err
	}
	operating, err := adminapi.New(adminapi.Config{
		Issuer: at, Admin: administered, Access: access, Log: log, Metrics: metrics, Services: cfg.dataServices(), Docs: cfg.DocsClientID,
		RepeatKey: repeatKey,
		Streams:   ssf.Rules{Issuer: at, KEK: ring.KEK(), Fetch: outgoing},
	})
	if err != nil {
		return nil, nil, err
	}
	directories := scim.New(scim.Config{Issuer: at, Operations: provisioning.New(administered), Log: log, Now: p.now, Actor: access.Actor, Refused: access.Refused})
	router := mux.NewRouter().SkipClean(true) // whose redirect to the clean path would lack the issuer's path
	rendered.Routes(router)
	people.Routes(router)
	endpoints.Routes(router)
	streams.Routes(router)
	administration.Routes(router) // after all else that is below /admin
	directories.Routes(router)
	router.Handle("/", http.RedirectHandler(at.Path("/account"), http.StatusSeeOther)).Methods("GET", "HEAD")
	return doctor.Answering(ring.KEK(), at, p.now, at.Mount(withOperators(router, operating), endpoints.NotFound())), []func(context.Context){
		closer.Run, events.Run, endpoints.Status.Run, endpoints.Catalog.Run,
		func(ctx context.Context) { <-ctx.Done(); people.Login.Later.Wait() },
	}, nil
}

// withOperators serves the interface for operators beside everything else. It has a router of its own,
// whose answers are problem documents.
func withOperators(next, operating http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if adminapi.Ours(r.URL.Path) {
			operating.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxBody is the largest body that any request to the server has, in bytes: an account's profile,
// every character of it escaped. Most endpoints take less.
const maxBody = 64 << 10

// largeBodies are the paths that take more than maxBody: directories send groups with all members.
func (p *program) largeBodies() map[string]int64 {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return nil // which assemble tells
	}
	return map[string]int64{at.Path(scim.Path + scim.Groups): scim.MaxGroup}
}

// lifetimes returns how long what is issued lives.
func (s *settings) lifetimes() tokens.Lifetimes {
	l := tokens.Lifetimes{
		AccessToken: s.AccessTokenLifetime, IDToken: s.IDTokenLifetime, Code: s.CodeLifetime,
		RefreshIdle: s.RefreshIdle, RefreshAbsolute: s.RefreshAbsolute, RefreshGrace: s.RefreshGrace,
	}
	if l.RefreshGrace == 0 { // the operator wants none, not the default
		l.RefreshGrace = -1
	}
	return l
}

// sweepEvery is how often expired rows are removed. They count as gone from the moment when they
// expire.
const sweepEvery = time.Minute
