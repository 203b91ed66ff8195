// Package httpd is what every Maru service shares about serving HTTP: listen, serve, shut down,
// health, logs, metrics, request ids, limits and problem documents (RFC 9457). It knows nothing of
// tokens or of any service.
package httpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/maru-auth/maru/internal/tracing"
)

// Config is the part of a program's settings that is the same in every service. Its tags are
// kong's; embed it.
type Config struct {
	Listen          string        `shown:"" help:"Address to serve on, host:port." placeholder:"ADDR"`
	MetricsListen   string        `shown:"" help:"Address to serve Prometheus metrics on, host:port. Empty: no metrics." placeholder:"ADDR"`
	LogLevel        slog.Level    `help:"Least severe level to log: debug, info, warn or error." default:"info"`
	LogFormat       string        `help:"Form of the log on standard error: text or json." enum:"text,json" default:"text"`
	TrustedProxies  []string      `shown:"" help:"Addresses or networks (CIDR) of proxies whose X-Forwarded-For is believed, separated by commas." default:"127.0.0.0/8,::1/128"`
	RequestTimeout  time.Duration `help:"How long answering a request may take; after that, whatever it waits for is given up. 0: the connection's own limit only." default:"15s"`
	ShutdownDelay   time.Duration `help:"How long the program goes on serving once it is told to stop, while /readyz fails, so that the load balancer sends requests elsewhere first. 0: it stops at once." default:"3s"`
	ShutdownTimeout time.Duration `help:"How long requests under way may then take to finish." default:"10s"`
}

// Logger makes the program's log on standard error, as cfg says.
func (cfg Config) Logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(traced{slog.NewJSONHandler(os.Stderr, options)})
	}
	return slog.New(traced{slog.NewTextHandler(os.Stderr, options)})
}

// Server is a service that [Server.Run] serves.
type Server struct {
	Config  Config
	Log     *slog.Logger
	Handler http.Handler         // the service's routes, without the parts that Run adds
	Metrics *prometheus.Registry // nil: a registry of Run's own
	Tracing *tracing.Tracing     // nil: no traces
	RSA     string               // what computes RSA in this program, for its metrics. Empty: go

	// Ready is what /readyz asks, within two seconds. It checks only what most requests need: while
	// it returns an error, the service gets no requests at all. Nil: always ready.
	Ready func(context.Context) error

	// MaxBody is the largest request body in bytes. Zero: 1 MiB.
	MaxBody int64
	// MaxBodyBelow is the same for paths that begin so, where it is another.
	MaxBodyBelow map[string]int64

	// Serving, if not nil, is called with the address once the service listens: tests listen on
	// port 0.
	Serving func(addr net.Addr)

	stopping atomic.Bool         // set while the shutdown delay runs, and after
	sleep    func(time.Duration) // for the shutdown delay. Nil: time.Sleep
}

// Run listens and serves until ctx ends, and then stops so that no request is lost: /readyz fails
// at once, and every answer closes its connection, while Run goes on serving for the shutdown
// delay; then it stops accepting, waits for requests under way for up to the shutdown timeout, and
// returns nil. It returns an error if it cannot listen, if serving fails, or if requests had to be
// cut off. What the handler needs must outlive ctx until Run has returned.
func (s *Server) Run(ctx context.Context) error {
	listening, err := s.listen()
	if err != nil {
		return err
	}
	group, serving := errgroup.WithContext(ctx)
	drained := make(chan struct{}) // closed when the shutdown delay is over
	group.Go(func() error {
		defer close(drained)
		<-serving.Done()
		if ctx.Err() != nil { // otherwise a listener failed, and there is nothing to wait for
			s.stopping.Store(true)
			s.Log.Info("stopping", "delay", s.Config.ShutdownDelay)
			sleep := s.sleep
			if sleep == nil {
				sleep = time.Sleep
			}
			sleep(s.Config.ShutdownDelay)
		}
		return nil
	})
	for _, one := range listening {
		group.Go(one.serve)
		group.Go(func() error {
			<-drained
			return one.stop(context.WithoutCancel(serving), s.Config.ShutdownTimeout)
		})
	}
	addr := listening[0].listener.Addr()
	s.Log.Info("serving", "addr", addr.String())
	if s.Serving != nil {
		s.Serving(addr)
	}
	return group.Wait()
}

// listen listens on the addresses of the settings, the service's first.
func (s *Server) listen() ([]listening, error) {
	proxies, err := parseNetworks(s.Config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	registry := s.Metrics
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	handler := s.wrap(s.Handler, proxies, registry, cmp.Or(s.MaxBody, 1<<20))
	service, err := net.Listen("tcp", s.Config.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (setting --listen): %w", s.Config.Listen, err)
	}
	all := []listening{{newServer(handler, s.Log), service}}
	if s.Config.MetricsListen != "" {
		metrics, err := net.Listen("tcp", s.Config.MetricsListen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot listen on %s (setting --metrics-listen): %w", s.Config.MetricsListen, err), service.Close())
		}
		all = append(all, listening{newServer(metricsHandler(registry), s.Log), metrics})
	}
	return all, nil
}

// listening is an HTTP server and where it listens.
type listening struct {
	server   *http.Server
	listener net.Listener
}

func (l listening) serve() error {
	if err := l.server.Serve(l.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stop stops accepting, and waits for requests under way for timeout at most.
func (l listening) stop(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were still running after %s", timeout), l.server.Close())
	}
	return nil
}

// newServer sets the limits of time and size that keep a slow or greedy peer from holding up the
// service.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
