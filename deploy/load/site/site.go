// Package site is Maru with people in it, to be measured: a stack of its own on SQLite or on a
// Postgres that writes through to the disk, people who are logged in, and what they have: codes,
// tokens and posts.
package site

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Engines of the databases.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// ErrNoPostgres is what [Start] returns for [Postgres] where this machine has none, and the
// environment names none.
var ErrNoPostgres = sqldbtest.ErrNoPostgres

// Config says what to start.
type Config struct {
	Root     string // the repository's folder
	Dir      string // for databases and keys
	Programs stack.Programs
	Engine   string
	Replicas int       // authorization servers; more than one needs Postgres
	Workers  int       // how many workers there will be, see [Scenario.Step]
	Env      []string  // settings of the programs, on top of this process's
	Log      io.Writer // what the programs print; nil: nowhere
}

// Site is a running stack. [Scenarios] says what can be asked of it.
type Site struct {
	*stack.Stack
	cfg      Config
	ports    stack.Ports
	postgres int // process id; 0: none that this site started
	stopDB   func() error

	people []*person // one a worker, logged in: they have codes, grants and tokens
	guests []*person // one a worker: they log in again and again
	codes  chan string
	grants [][]string // refresh tokens of each worker, in turn
	turn   []int

	service, someone atomic.Pointer[string] // access tokens: of a service, of the first person
	statusPath       string
	senders          atomic.Uint32 // how many addresses have been used
	titles           atomic.Int64
}

const (
	password = "as-long-as-a-load-test-needs"
	verifier = "a-verifier-that-all-codes-share-because-it-is-never-guessed"
	appScope = "openid profile email offline_access user:read board:read board:write"
	grantsOf = 4 // refresh tokens of each worker
)

var (
	demoAuth    = basic("demo", "demo-secret-for-development-only")
	serviceAuth = basic("sample-service", "sample-secret-for-development-only")
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// Start starts the stack, and has people arrive.
func Start(ctx context.Context, cfg Config) (_ *Site, err error) {
	s := &Site{cfg: cfg, codes: make(chan string, 1<<17)}
	env := append(os.Environ(),
		"GATEWAY_TRUSTED_PROXIES=127.0.0.1/32", // we stand for a load balancer: senders are in X-Forwarded-For
		"BOARD_DAILY_CHARACTERS=0")             // one person writes for all
	if cfg.Engine == Postgres && os.Getenv("AUTHZ_DATABASE_URL") == "" {
		databases, err := s.startPostgres(ctx)
		if err != nil {
			return nil, err
		}
		env = append(env, databases...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.ports, err = stack.FreePorts(cfg.Replicas); err != nil {
		return nil, err
	}
	s.ports.Inbox = 0 // no letters
	s.Stack, err = stack.New(stack.Config{
		Root: cfg.Root, Dir: cfg.Dir, Programs: cfg.Programs, Ports: s.ports, Env: append(env, cfg.Env...), Log: cfg.Log, Metrics: true,
	})
	if err != nil {
		return nil, err
	}
	if err := s.Stack.Start(ctx); err != nil {
		return nil, err
	}
	return s, s.populate(ctx)
}

// Stop ends the stack, and the cluster if Start has made one.
func (s *Site) Stop() error {
	if s.Stack != nil {
		s.Stack.Stop()
	}
	if s.stopDB == nil {
		return nil
	}
	return s.stopDB()
}

// startPostgres starts a cluster with a database for each service, and returns the settings that
// use it.
func (s *Site) startPostgres(ctx context.Context) (env []string, err error) {
	admin, stop, err := sqldbtest.StartDurable()
	if err != nil {
		return nil, err
	}
	s.stopDB = stop
	for _, name := range []string{"authz", "user", "board"} {
		u, failed := sqldbtest.Create(ctx, admin, "maru_"+name)
		err = errors.Join(err, failed)
		env = append(env, strings.ToUpper(name)+"_DATABASE_URL="+u)
	}
	if err == nil {
		s.postgres, err = Postmaster(admin)
	}
	if err != nil {
		return nil, errors.Join(err, s.stopDB())
	}
	return env, nil
}

// Postmaster returns the process id of the cluster that listens in the folder of the URL's host.
func Postmaster(admin string) (int, error) {
	u, err := url.Parse(admin)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(u.Query().Get("host"), "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// Databases are the process ids of those who write to the databases: the services on SQLite, and
// Postgres, if it is the site's own.
func (s *Site) Databases() (pids []int, err error) {
	if s.postgres != 0 {
		return usage.Tree(s.postgres)
	}
	for _, part := range s.Parts() {
		if part.Prefix == "AUTHZ_" || part.Prefix == "BOARD_" {
			pid, err := s.PID(part.Name)
			if err != nil {
				return nil, err
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Usage returns what each process has taken: "authz-server" (all replicas), "user", "board",
// "demo", "gateway", and "postgres" if it is the site's own.
func (s *Site) Usage() (map[string]usage.Usage, error) {
	all := make(map[string]usage.Usage)
	for _, part := range s.Parts() {
		pid, err := s.PID(part.Name)
		if err != nil {
			continue // it is being started again
		}
		u, err := usage.Of(pid)
		if err != nil {
			return nil, err
		}
		name := part.Name
		if part.Prefix == "AUTHZ_" {
			name = "authz-server"
		}
		if before, ok := all[name]; ok {
			u = u.Add(before)
		}
		all[name] = u
	}
	if s.postgres == 0 {
		return all, nil
	}
	u, err := usage.Family(s.postgres)
	all["postgres"] = u
	return all, err
}

// Replicas returns the names of the authorization servers.
func (s *Site) Replicas() (names []string) {
	for _, part := range s.Parts() {
		if part.Prefix == "AUTHZ_" {
			names = append(names, part.Name)
		}
	}
	return names
}

// sender is an X-Forwarded-For header of somebody who has not come before.
func (s *Site) sender() string {
	n := s.senders.Add(1)
	return fmt.Sprintf("10.%d.%d.%d", byte(n>>16), byte(n>>8), byte(n))
}

// populate makes accounts, sessions, tokens and posts.
func (s *Site) populate(ctx context.Context) error {
	lines, hash := new(strings.Builder), passwordHash()
	add := func(kind string, i int) *person {
		p := &person{email: fmt.Sprintf("%s-%d@load.example", kind, i), sender: s.sender(), cookies: map[string]string{}}
		fmt.Fprintf(lines, `{"email":%q,"name":"%s %d","password_hash":%q,"email_verified":true}`+"\n", p.email, kind, i, hash)
		return p
	}
	for i := range s.cfg.Workers {
		s.people = append(s.people, add("person", i))
		s.guests = append(s.guests, add("guest", i))
	}
	if _, err := s.Stack.Authz(ctx, lines.String(), "user", "import", "-"); err != nil {
		return err
	}
	way := s.Direct()
	if err := each(ctx, s.cfg.Workers, func(ctx context.Context, i int) error {
		c := driver.NewConn(way.authz)
		defer c.Close()
		for _, p := range []*person{s.people[i], s.guests[i]} {
			if err := p.logIn(ctx, c, way); err != nil {
				return fmt.Errorf("the log-in of %s: %w", p.email, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := s.renewGrants(ctx); err != nil {
		return err
	}
	if err := s.Renew(ctx); err != nil {
		return err
	}
	return s.writePosts(ctx, 40)
}

// each runs do for each of n at once.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(ctx, i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// passwordHash is that of the password, as the server makes it.
func passwordHash() string {
	salt := make([]byte, 16)
	rand.Read(salt)
	encode := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=19456,t=2,p=1$" + encode(salt) + "$" + encode(Hash(salt))
}

// Hash is the work of checking one password, with the server's parameters.
func Hash(salt []byte) []byte { return argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32) }

// Renew gets new access tokens: the old ones are valid for ten minutes.
func (s *Site) Renew(ctx context.Context) error {
	way := s.Direct()
	c := driver.NewConn(way.authz)
	defer c.Close()
	t, err := way.token(ctx, c, serviceAuth, "grant_type=client_credentials&scope=user%3Alookup+board%3Aread")
	if err != nil {
		return err
	}
	s.service.Store(&t.Access)
	if err := s.makeCodes(ctx, 1); err != nil {
		return err
	}
	t, err = way.token(ctx, c, demoAuth, s.codeForm(<-s.codes))
	if err != nil {
		return err
	}
	s.someone.Store(&t.Access)
	s.statusPath, err = statusPath(t.Access)
	return err
}

// statusPath is that of the list that an access token's state is in.
func statusPath(token string) (string, error) {
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err != nil {
		return "", err
	}
	var claims struct {
		Status struct {
			List struct{ URI string } `json:"status_list"`
		}
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return "", err
	}
	u, err := url.Parse(claims.Status.List.URI)
	if err != nil || u.Path == "" {
		return "", fmt.Errorf("the token names no status list: %w", err)
	}
	return u.RequestURI(), nil
}

func (s *Site) writePosts(ctx context.Context, n int) error {
	step := s.boardPost(s.Direct(), 0)
	for range n {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// renewGrants gives each worker grants of its own, and forgets those of before: an answer that got lost
// with the end of a loop makes a token one that was used, and its grant revoked.
func (s *Site) renewGrants(ctx context.Context) error {
	way := s.Direct()
	s.grants, s.turn = make([][]string, s.cfg.Workers), make([]int, s.cfg.Workers)
	if err := s.makeCodes(ctx, grantsOf*s.cfg.Workers); err != nil {
		return err
	}
	return each(ctx, s.cfg.Workers, func(ctx context.Context, i int) error {
		c := driver.NewConn(way.authz)
		defer c.Close()
		for range grantsOf {
			t, err := way.token(ctx, c, demoAuth, s.codeForm(<-s.codes))
			if err != nil {
				return err
			}
			s.grants[i] = append(s.grants[i], t.Refresh)
			if i == 0 {
				s.someone.Store(&t.Access)
			}
		}
		return nil
	})
}

// makeCodes gets n codes for people who are logged in.
func (s *Site) makeCodes(ctx context.Context, n int) error {
	way := s.Direct()
	var left atomic.Int64
	left.Store(int64(n))
	return each(ctx, len(s.people), func(ctx context.Context, i int) error {
		c := driver.NewConn(way.authz)
		defer c.Close()
		for left.Add(-1) >= 0 {
			code, err := s.authorize(ctx, c, way, s.people[i])
			if err != nil {
				return err
			}
			s.codes <- code
		}
		return nil
	})
}

// Way is how requests get there: past the gateway or through it.
type Way struct {
	Name         string
	authz, board string // host:port to connect to
	issuer, api  string // the Host header
	boardPath    string // before the paths of the board
}

// Direct leads past the gateway, to the first replica.
func (s *Site) Direct() Way {
	o := s.Origins()
	return Way{
		Name: "direct", authz: loopback(s.ports.Authz[0]), board: loopback(s.ports.Board),
		issuer: strings.TrimPrefix(o.Issuer, "http://"), api: strings.TrimPrefix(o.API, "http://"),
	}
}

// Gateway leads through it.
func (s *Site) Gateway() Way {
	w := s.Direct()
	w.Name, w.authz, w.board, w.boardPath = "gateway", loopback(s.ports.Issuer), loopback(s.ports.API), "/board"
	return w
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// token calls the token endpoint.
func (w Way) token(ctx context.Context, c *driver.Conn, auth, form string) (t tokens, err error) {
	a, err := c.Do(ctx, w.tokenRequest(auth, form))
	if err != nil {
		return t, err
	}
	if err := a.Want(http.StatusOK); err != nil {
		return t, err
	}
	return t, json.Unmarshal(a.Body, &t)
}

func (w Way) tokenRequest(auth, form string) driver.Request {
	return driver.NewRequest(http.MethodPost, w.issuer, "/oauth2/token", form, "Authorization", auth,
		"Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
}

// person is somebody with a browser.
type person struct {
	email, sender string
	cookies       map[string]string
}

// do sends a request with the person's cookies, and keeps those of the answer. Pairs are more
// headers.
func (p *person) do(ctx context.Context, c *driver.Conn, w Way, method, path, body string, pairs ...string) (driver.Answer, error) {
	a, err := c.Do(ctx, driver.NewRequest(method, w.issuer, path, body, append(pairs, "Cookie", p.cookieHeader(), "X-Forwarded-For", p.sender,
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) load", "Accept", "text/html", "Accept-Language", "ko")...))
	if err != nil {
		return a, err
	}
	for _, line := range a.Header["Set-Cookie"] {
		if cookie, err := http.ParseSetCookie(line); err == nil {
			p.cookies[cookie.Name] = cookie.Value
		}
	}
	return a, nil
}

func (p *person) cookieHeader() string {
	var pairs []string
	for name, value := range p.cookies {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "; ")
}

// logIn opens the page of the log-in and sends its form.
func (p *person) logIn(ctx context.Context, c *driver.Conn, w Way) error {
	a, err := p.do(ctx, c, w, http.MethodGet, "/login", "")
	if err == nil {
		err = a.Want(http.StatusOK)
	}
	if err == nil {
		_, err = p.postLogIn(ctx, c, w, "/login")
	}
	return err
}

// postLogIn sends the form of the log-in, and returns where that leads.
func (p *person) postLogIn(ctx context.Context, c *driver.Conn, w Way, path string) (next string, err error) {
	form := url.Values{"email": {p.email}, "password": {password}}.Encode()
	a, err := p.do(ctx, c, w, http.MethodPost, path, form, "Content-Type", "application/x-www-form-urlencoded")
	if err != nil {
		return "", err
	}
	return redirect(a)
}

// redirect returns the path, with its query, that an answer leads to.
func redirect(a driver.Answer) (string, error) {
	if a.Status != http.StatusFound {
		if err := a.Want(http.StatusSeeOther); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

// TokenEndpoint is where and as whom to ask for tokens, for those who compare it with others.
type TokenEndpoint struct {
	Address, Host, Path string // host:port to connect to, the Host header, and the path
	Service, App        string // Authorization headers of a client for itself, and of one for people
	CodeForm            string // what a code is exchanged with, up to the code itself
}

// TokenEndpoint returns that of the first replica.
func (s *Site) TokenEndpoint() TokenEndpoint {
	w := s.Direct()
	return TokenEndpoint{w.authz, w.issuer, "/oauth2/token", serviceAuth, demoAuth, s.codeForm("")}
}

// Authorize makes the steps of a worker whose person is logged in and gets code after code.
func (s *Site) Authorize(worker int) driver.Step { return s.authorizeStep(s.Direct(), worker) }

// Codes returns n codes of people who are logged in.
func (s *Site) Codes(ctx context.Context, n int) (codes []string, err error) {
	if err := s.makeCodes(ctx, n); err != nil {
		return nil, err
	}
	for range n {
		codes = append(codes, <-s.codes)
	}
	return codes, nil
}
