// Package httpd is what every Maru service shares about serving HTTP: listen, serve, shut down, health, logs, metrics,
// request ids, limits and problem documents (RFC 9457). It knows nothing of tokens or of any service.
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
)

// Config is the part of a program's settings that is the same in every service. Its tags are kong's; embed it.
type Config struct {
	Listen          string        `help:"Address to serve on, host:port." placeholder:"ADDR"`
	MetricsListen   string        `help:"Address to serve Prometheus metrics on, host:port. Empty: no metrics." placeholder:"ADDR"`
	LogLevel        slog.Level    `help:"Least severe level to log: debug, info, warn or error." default:"info"`
	LogFormat       string        `help:"Form of the log on standard error: text or json." enum:"text,json" default:"text"`
	TrustedProxies  []string      `help:"Addresses or networks (CIDR) whose X-Forwarded-For is believed, separated by commas." default:"127.0.0.0/8,::1/128"`
	RequestTimeout  time.Duration `help:"How long answering a request may take, after which what it waits for is given up. 0: no limit but that of the connection." default:"15s"`
	ShutdownDelay   time.Duration `help:"How long a program that was told to stop goes on serving while /readyz fails, so that whoever balances the load sends its requests elsewhere first. 0: stops at once." default:"3s"`
	ShutdownTimeout time.Duration `help:"How long requests under way may take to finish at a stop, after the delay." default:"10s"`
}

// Logger makes the program's log on standard error, as cfg says.
func (cfg Config) Logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// Server is a service that [Server.Run] serves.
type Server struct {
	Config  Config
	Log     *slog.Logger
	Handler http.Handler                // the service's routes, without the parts that Run adds
	Ready   func(context.Context) error // what /readyz asks, within two seconds; nil: always ready. It asks what most requests need, for an answer other than nil takes all of them away
	Metrics *prometheus.Registry        // nil: a registry of Run's own

	// MaxBody is the largest request body in bytes. Zero: 1 MiB.
	MaxBody int64

	// Serving, when not nil, is told the address once the service listens: tests listen on port 0.
	Serving func(addr net.Addr)

	stopping atomic.Bool // set while the shutdown delay runs, and after
}

// Run listens and serves until told ends, and then stops so that no request is lost: /readyz fails at once, and every answer
// closes its connection, while Run goes on serving for the shutdown delay; then it stops accepting, waits for requests under
// way up to the shutdown timeout, and returns nil. It returns an error when it cannot listen, when serving fails, or when
// requests had to be cut off. What the handler needs must therefore outlive told, until Run has returned.
func (s *Server) Run(told context.Context) error {
	listening, err := s.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(told)
	drained := make(chan struct{}) // closed when the shutdown delay is over
	group.Go(func() error {
		defer close(drained)
		<-ctx.Done()
		if told.Err() != nil { // otherwise a listener failed, and waiting would help nobody
			s.stopping.Store(true)
			s.Log.Info("stopping", "delay", s.Config.ShutdownDelay)
			time.Sleep(s.Config.ShutdownDelay)
		}
		return nil
	})
	for _, one := range listening {
		group.Go(one.serve)
		group.Go(func() error {
			<-drained
			return one.stop(context.WithoutCancel(ctx), s.Config.ShutdownTimeout)
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

// newServer sets the limits of time and size that keep one slow or greedy peer from holding the service.
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
