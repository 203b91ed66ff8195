// Package stack runs the whole of Maru as separate processes on this machine, from one table: the
// authorization server (one or several), the two resource services, the demo app, and the gateway
// before them.
//
// The dev runner (deploy/dev), the end-to-end tests (deploy/e2e) and what measures (deploy/load) use it.
package stack

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config says what to run, and where.
type Config struct {
	Root     string    // the repository's folder
	Dir      string    // the folder of databases and keys, made when missing
	Programs Programs  // from [Build]
	Ports    Ports     // one authorization server for each of Ports.Authz
	Env      []string  // the environment, NAME=value: database URLs and settings of the programs; see [Part.Environment]
	Log      io.Writer // where the parts' output goes; nil: nowhere

	// IssuerPath is what the issuer has after its origin, such as /id or a slash. Empty: nothing.
	IssuerPath string

	// TLS makes the origins https, with certificates of a CA that the gateway makes for itself in
	// [Stack.RootCA].
	TLS bool

	// Metrics has each program serve its metrics on a port of its own: see [Stack.MetricsURL].
	Metrics bool

	smtpPort int            // where mail is taken; 0: nowhere
	metrics  map[string]int // ports by the part's name
}

func (cfg *Config) getenv(name string) string {
	for _, pair := range slices.Backward(cfg.Env) {
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return value
		}
	}
	return ""
}

// Account is a person's account that development has from the start.
type Account struct{ Email, Name, Password, Role string }

// Accounts are the demo accounts. Their passwords are public: they exist on a stack that listens on
// loopback alone.
var Accounts = []Account{
	{Email: "demo@maru.example", Name: "마루 Demo", Password: "wooden-floor-in-autumn-light"},
	{Email: "moderator@maru.example", Name: "Moderator", Password: "keeper-of-the-quiet-courtyard", Role: "moderator"},
}

// Stack is a set of running processes. Its methods may be called concurrently.
type Stack struct {
	cfg   Config
	parts []Part
	log   *lines
	exits chan Exit

	transport http.RoundTripper // how WaitReady reaches the parts; nil: as usual

	mu         sync.Mutex
	running    map[string]*process
	closeInbox func() // nil: it is not open
}

// New plans the stack and prepares its data folder. Nothing runs yet.
func New(cfg Config) (*Stack, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	cfg.Env = append(promptStop(), cfg.Env...)
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := cfg.planInbox(); err != nil {
		return nil, err
	}
	parts, err := cfg.table()
	if err != nil {
		return nil, err
	}
	if err := makeKey(cfg.kekFile()); err != nil {
		return nil, err
	}
	clients, err := cfg.clientsJSON()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(cfg.clientsFile(), clients, 0o600); err != nil {
		return nil, err
	}
	s := &Stack{cfg: cfg, parts: parts, log: &lines{to: cfg.Log}, exits: make(chan Exit, 64), running: make(map[string]*process)}
	if cfg.TLS {
		if err := s.trustGateway(); err != nil {
			return nil, err
		}
	}
	for _, part := range s.parts {
		s.log.width = max(s.log.width, len(part.Name))
	}
	return s, nil
}

// promptStop is the settings by which the programs stop at once, unless cfg.Env says otherwise:
// most stacks have no second replica to which the gateway could send requests meanwhile.
func promptStop() []string {
	var env []string
	for _, prefix := range []string{"AUTHZ_", "USER_", "BOARD_", "DEMO_"} {
		env = append(env, prefix+"SHUTDOWN_DELAY=0s")
	}
	return env
}

// trustGateway lets the gateway make its CA, by a first short run, and has every part trust it,
// this one included.
func (s *Stack) trustGateway() error {
	if err := s.Launch("gateway"); err != nil {
		return err
	}
	gateway := s.running["gateway"]
	defer func() {
		s.Stop()
		<-s.exits //nolint:errcheck // this end was asked for
	}()
	roots := x509.NewCertPool()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		root, err := os.ReadFile(s.RootCA())
		if err == nil && roots.AppendCertsFromPEM(root) {
			break
		}
		if gateway.ended() {
			return gateway.exit
		}
		if time.Now().After(end) {
			return fmt.Errorf("the gateway made no CA that can be read: %w", err)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	s.transport = transport
	s.cfg.Env = append(slices.Clone(s.cfg.Env), "SSL_CERT_FILE="+s.RootCA())
	return nil
}

// Transport is how to reach the origins: with Config.TLS it trusts the gateway's CA and no other.
func (s *Stack) Transport() http.RoundTripper {
	if s.transport == nil {
		return http.DefaultTransport
	}
	return s.transport
}

// makeKey writes a new key-encryption key to path, readable by this user alone. A key that is there
// already stays.
func makeKey(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	return errors.Join(err, f.Close())
}

// Parts returns the table, in the order of the start.
func (s *Stack) Parts() []Part { return slices.Clone(s.parts) }

// Origins returns the public addresses.
func (s *Stack) Origins() Origins { return s.cfg.origins() }

// RootCA is the path of the certificate of the gateway's own CA. The gateway writes it when it
// first starts with Config.TLS.
func (s *Stack) RootCA() string {
	return filepath.Join(s.cfg.Dir, "gateway", "caddy", "pki", "authorities", "local", "root.crt")
}

// Exits delivers how each part ended, also those that were stopped or killed by this Stack.
func (s *Stack) Exits() <-chan Exit { return s.exits }

// Start starts every part in the order in which they need each other, waits until all are ready,
// and prepares clients and accounts. When it returns an error, everything it started has been
// stopped. The error is an [Exit] if it is one of the parts that ended.
func (s *Stack) Start(ctx context.Context) error {
	if err := s.cfg.Ports.Check(); err != nil {
		return err
	}
	closing, err := s.openInbox()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.closeInbox = closing
	s.mu.Unlock()
	if err := s.launchAll(ctx); err != nil {
		s.Stop()
		return err
	}
	if err := s.prepare(ctx); err != nil { // now, for the server has made the database
		s.Stop()
		return err
	}
	return nil
}

// launchAll starts the issuer and the way to it before the services, which ask for its keys when
// they start: in the other order each would warn that it cannot reach it.
func (s *Stack) launchAll(ctx context.Context) error {
	for _, group := range [][]string{{"AUTHZ_"}, {"GATEWAY_"}, {"USER_", "BOARD_", "DEMO_"}} {
		for _, part := range s.parts {
			if !slices.Contains(group, part.Prefix) {
				continue
			}
			if err := s.launch(part); err != nil {
				return err
			}
			if part.Prefix == "GATEWAY_" { // ready as far as the issuer; the services are not there yet
				part.Ready = slices.DeleteFunc(slices.Clone(part.Ready),
					func(url string) bool { return !strings.HasPrefix(url, s.Origins().Issuer+"/") })
			}
			if slices.Contains(group, "USER_") {
				continue // these may start at once
			}
			if err := s.partReady(ctx, part); err != nil {
				return err
			}
		}
	}
	return s.WaitReady(ctx)
}

// prepare registers development's clients and accounts; those that are there already are brought up
// to date or left alone.
func (s *Stack) prepare(ctx context.Context) error {
	if _, err := s.Authz(ctx, "", "client", "import", s.cfg.clientsFile()); err != nil {
		return err
	}
	for _, account := range Accounts {
		args := []string{"user", "create", "--email", account.Email, "--name", account.Name, "--password-stdin", "--if-missing"}
		if account.Role != "" {
			args = append(args, "--role", account.Role)
		}
		if _, err := s.Authz(ctx, account.Password, args...); err != nil {
			return err
		}
	}
	return nil
}

// Authz runs a command of the authorization server, such as "keys", "rotate", with the settings of
// the running one, and returns what it prints.
func (s *Stack) Authz(ctx context.Context, stdin string, args ...string) (string, error) {
	return s.AuthzFrom(ctx, s.cfg.Programs, stdin, args...)
}

// AuthzFrom is [Stack.Authz] with other programs than the stack's own, such as those of another
// version.
func (s *Stack) AuthzFrom(ctx context.Context, programs Programs, stdin string, args ...string) (string, error) {
	part := s.parts[0]
	cmd := exec.CommandContext(ctx, programs.AuthzServer, args...)
	cmd.Env = part.Environment(s.cfg.Env)
	cmd.Stdin = strings.NewReader(stdin)
	var out, log strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.SysProcAttr = childAttributes()
	if err := startFromLastingThread(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), Exit{
			Part: "authz-server " + strings.Join(args[:min(2, len(args))], " "), Code: exitCode(err),
			Err: fmt.Errorf("%w: %s", err, strings.TrimSpace(log.String())),
		}
	}
	return out.String(), nil
}

// Launch starts the named part again after it ended.
func (s *Stack) Launch(name string) error {
	part, err := s.part(name)
	if err != nil {
		return err
	}
	return s.launch(part)
}

// LaunchFrom starts the named part again from other programs than the stack's own, such as those of
// another version. The gateway has no version.
func (s *Stack) LaunchFrom(name string, programs Programs) error {
	part, err := s.part(name)
	if err != nil {
		return err
	}
	switch part.Prefix {
	case "AUTHZ_":
		part.Program = programs.AuthzServer
	case "USER_":
		part.Program = programs.User
	case "BOARD_":
		part.Program = programs.Board
	case "DEMO_":
		part.Program = programs.Demo
	}
	return s.launch(part)
}

func (s *Stack) launch(part Part) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.running[part.Name]; p != nil && !p.ended() {
		return fmt.Errorf("%s is running already", part.Name)
	}
	p, err := start(part, s.cfg.Env, s.log)
	if err != nil {
		return err
	}
	s.running[part.Name] = p
	go func() {
		<-p.done
		select {
		case s.exits <- p.exit:
		default: // nobody reads, and so many have ended that one more tells nothing
		}
	}()
	return nil
}

// Kill ends the named part as a power failure would (SIGKILL), and returns when it is gone.
func (s *Stack) Kill(name string) error {
	s.mu.Lock()
	p := s.running[name]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("%s is not running", name)
	}
	p.kill()
	return nil
}

// StopPart asks the named part to end, as an orchestrator would, and returns when it has. The error
// is an [Exit] if it did not end well. Other parts go on.
func (s *Stack) StopPart(name string) error {
	s.mu.Lock()
	p := s.running[name]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("%s is not running", name)
	}
	p.stop(time.After(stopLimit))
	if p.exit.Err != nil {
		return p.exit
	}
	return nil
}

// PID returns the process id of the named part.
func (s *Stack) PID(name string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.running[name]
	if p == nil || p.ended() {
		return 0, fmt.Errorf("%s is not running", name)
	}
	return p.cmd.Process.Pid, nil
}

// MetricsURL is where the named part serves its metrics, with Config.Metrics. The gateway has none.
func (s *Stack) MetricsURL(name string) string {
	return "http://" + address(s.cfg.metrics[name]) + "/metrics"
}

func (s *Stack) part(name string) (Part, error) {
	for _, part := range s.parts {
		if part.Name == name {
			return part, nil
		}
	}
	return Part{}, fmt.Errorf("no part is called %q", name)
}

// WaitReady returns when every part that runs answers at its readiness URLs, or with the [Exit] of
// one that ended instead.
func (s *Stack) WaitReady(ctx context.Context) error {
	for _, part := range s.parts {
		if err := s.partReady(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) partReady(ctx context.Context, part Part) error {
	s.mu.Lock()
	p := s.running[part.Name]
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	for _, url := range part.Ready {
		if err := s.waitReady(ctx, p, url); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) waitReady(ctx context.Context, p *process, url string) error {
	// No redirect is followed: the demo app's front page may send a visitor elsewhere, and is ready
	// all the same.
	client := http.Client{Timeout: 5 * time.Second, Transport: s.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	last := errors.New("no answer yet")
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-p.done:
			return p.exit
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %s: %w", p.part.Name, url, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stopLimit bounds the whole stop; a program ends its own requests within 10 seconds.
const stopLimit = 20 * time.Second

// Stop ends every part, the last started first, and kills what has not ended in time.
func (s *Stack) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	limit := make(chan time.Time)
	done := make(chan struct{})
	defer close(done)
	go func() { // once the time is over it is over for all that are left
		select {
		case <-timer.C:
			close(limit)
		case <-done:
		}
	}()
	for _, part := range slices.Backward(s.parts) {
		if p := s.running[part.Name]; p != nil {
			p.stop(limit)
		}
	}
	if s.closeInbox != nil {
		s.closeInbox()
		s.closeInbox = nil
	}
}
