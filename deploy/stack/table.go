package stack

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/internal/freeport"
)

// Part is one process of the stack.
type Part struct {
	Name    string   // as it stands before its log lines; "authz-server", the next ones "authz-server-2" and so on
	Program string   // path of the executable
	Args    []string // what follows it
	Env     []string // NAME=value, added to what [Environment] lets through
	Prefix  string   // of the program's own settings, such as "AUTHZ_": only these reach it from outside
	Ready   []string // URLs that answer 200 once it can do its work
}

// Ports are the TCP ports of the stack, all on loopback. [DevelopmentPorts] are those that the
// documentation names.
type Ports struct {
	Issuer, API, App  int   // the gateway's public origins
	Authz             []int // one a replica
	User, Board, Demo int
	User2, Board2     int // second replicas of the resource services; 0: there are none, as they need Postgres
	Inbox             int // page of the mail that arrives; 0: there is no inbox, and no mail is sent
	Redirect          int // with Config.TLS: where the gateway leads http:// to https://; else unused
}

// DevelopmentPorts returns the ports of the documented addresses.
func DevelopmentPorts() Ports {
	return Ports{Issuer: 9000, API: 8000, App: 8080, Authz: []int{9100}, User: 9200, Board: 9300, Demo: 9400, Inbox: 8025}
}

// FreePorts returns ports that nothing listens on, with the given number of authorization servers.
// They stay reserved for as long as this process runs, see [freeport.Reserve].
func FreePorts(replicas int) (Ports, error) {
	free := make([]int, 8+replicas)
	for i := range free {
		port, _, err := freeport.Reserve()
		if err != nil {
			return Ports{}, err
		}
		free[i] = port
	}
	return Ports{
		Issuer: free[0], API: free[1], App: free[2], User: free[3], Board: free[4], Demo: free[5],
		Redirect: free[6], Inbox: free[7], Authz: free[8:],
	}, nil
}

// DoubleServices adds free ports for second replicas of the resource services.
func (p *Ports) DoubleServices() (err error) {
	for _, port := range []*int{&p.User2, &p.Board2} {
		if *port, _, err = freeport.Reserve(); err != nil {
			return err
		}
	}
	return nil
}

// named pairs each port with what a person calls it and with the dev runner's flag that changes it.
func (p Ports) named() []namedPort {
	named := []namedPort{
		{p.Issuer, "the issuer's origin", "--issuer-port"},
		{p.API, "the API's origin", "--api-port"},
		{p.App, "the demo app's origin", "--app-port"},
		{p.User, "the user service", "--user-port"},
		{p.Board, "the board service", "--board-port"},
		{p.Demo, "the demo app", "--demo-port"},
	}
	if p.Inbox != 0 {
		named = append(named, namedPort{p.Inbox, "the inbox", "--inbox-port"})
	}
	if p.User2 != 0 {
		named = append(named, namedPort{p.User2, "the second user service", "--user-port"})
	}
	if p.Board2 != 0 {
		named = append(named, namedPort{p.Board2, "the second board service", "--board-port"})
	}
	for _, port := range p.Authz {
		named = append(named, namedPort{port, "the authorization server", "--authz-port"})
	}
	return named
}

type namedPort struct {
	port       int
	what, flag string
}

// variable is the environment variable that does what the flag does.
func (n namedPort) variable() string {
	return "DEV_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(n.flag, "--"), "-", "_"))
}

// Check tells in one line which ports are taken, all of them, and by which settings they can be
// changed.
func (p Ports) Check() error {
	var taken []string
	var errs []error
	for _, n := range p.named() {
		l, err := net.Listen("tcp", address(n.port))
		if err != nil {
			taken = append(taken, fmt.Sprintf("port %d for %s (%s, %s)", n.port, n.what, n.flag, n.variable()))
			errs = append(errs, err)
			continue
		}
		l.Close()
	}
	if len(taken) == 0 {
		return nil
	}
	return fmt.Errorf("cannot listen on %s (%w): stop what listens there, choose another by the setting named, "+
		"or let DEV_PORTS=free choose all", strings.Join(taken, ", "), errs[0])
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Origins are the public addresses.
type Origins struct{ Issuer, API, App string }

// Origins of these ports, under the name localhost.
func (p Ports) Origins() Origins { return p.origins("http") }

func (p Ports) origins(scheme string) Origins {
	at := func(port int) string { return scheme + "://localhost:" + strconv.Itoa(port) }
	return Origins{Issuer: at(p.Issuer), API: at(p.API), App: at(p.App)}
}

// table is the list of the stack's processes, in the order of their start.
func (cfg *Config) table() ([]Part, error) {
	clients, err := cfg.clients()
	if err != nil {
		return nil, err
	}
	origin := cfg.origins()
	issuer := origin.Issuer + cfg.IssuerPath
	userAPI, boardAPI := origin.API+"/user", origin.API+"/board"
	var parts []Part
	for i, port := range cfg.Ports.Authz {
		parts = append(parts, Part{
			Name: replica("authz-server", i), Program: cfg.Programs.AuthzServer, Args: []string{"serve"}, Prefix: "AUTHZ_",
			Env: append([]string{
				"AUTHZ_LISTEN=" + address(port),
				"AUTHZ_DATABASE_URL=" + cfg.database("AUTHZ_DATABASE_URL", "authz.db"),
				"AUTHZ_ISSUER=" + issuer,
				"AUTHZ_API_ORIGIN=" + origin.API,
				"AUTHZ_KEY_ENCRYPTION_KEY_FILE=" + cfg.kekFile(),
				"AUTHZ_INSECURE_OUTGOING_LOOPBACK=true", // the demo app is told of log-outs here
			}, cfg.mail()...),
			Ready: []string{"http://" + address(port) + "/readyz"},
		})
	}
	for i, port := range services(cfg.Ports.User, cfg.Ports.User2) {
		parts = append(parts, cfg.service("user", "USER_", i, cfg.Programs.User, port, issuer, userAPI))
	}
	for i, port := range services(cfg.Ports.Board, cfg.Ports.Board2) {
		board := cfg.service("board", "BOARD_", i, cfg.Programs.Board, port, issuer, boardAPI)
		board.Env = append(board.Env, "BOARD_USER_API="+userAPI, "BOARD_CLIENT_ID=board", "BOARD_CLIENT_SECRET="+clients["board"])
		parts = append(parts, board)
	}
	parts = append(parts, Part{
		Name: "demo", Program: cfg.Programs.Demo, Prefix: "DEMO_",
		Env: []string{
			"DEMO_LISTEN=" + address(cfg.Ports.Demo),
			"DEMO_ORIGIN=" + origin.App,
			"DEMO_ISSUER=" + issuer,
			"DEMO_CLIENT_ID=demo",
			"DEMO_CLIENT_SECRET=" + clients["demo"],
			"DEMO_USER_API=" + userAPI,
			"DEMO_BOARD_API=" + boardAPI,
			"DEMO_API_DOCS=true",
		},
		Ready: []string{"http://" + address(cfg.Ports.Demo) + "/readyz"},
	}, Part{
		Name: "gateway", Program: cfg.Programs.Caddy, Prefix: "GATEWAY_",
		Args: []string{"run", "--config", filepath.Join(cfg.Root, "deploy", "Caddyfile"), "--adapter", "caddyfile"},
		Env: []string{
			"OTEL_SERVICE_NAME=gateway",
			"GATEWAY_ISSUER=" + origin.Issuer,
			"GATEWAY_API=" + origin.API,
			"GATEWAY_APP=" + origin.App,
			"GATEWAY_OTHERS=" + cfg.others(),
			"GATEWAY_AUTHZ=" + addresses(cfg.Ports.Authz),
			"GATEWAY_USER=" + addresses(services(cfg.Ports.User, cfg.Ports.User2)),
			"GATEWAY_BOARD=" + addresses(services(cfg.Ports.Board, cfg.Ports.Board2)),
			"GATEWAY_DEMO=" + address(cfg.Ports.Demo),
			"GOGC=400", // as in production: less is lost to collecting what little there is
			"XDG_CONFIG_HOME=" + filepath.Join(cfg.Dir, "gateway"),
			"XDG_DATA_HOME=" + filepath.Join(cfg.Dir, "gateway"),
		},
		Ready: []string{ // through the gateway, so that the whole way is known to be open
			strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration",
			strings.TrimSuffix(issuer, "/") + "/.well-known/jwks.json",
			origin.API + "/.well-known/oauth-protected-resource/user",
			origin.API + "/.well-known/oauth-protected-resource/board",
			origin.App + "/",
		},
	})
	if cfg.TLS {
		gateway := &parts[len(parts)-1]
		gateway.Env = append(gateway.Env, "GATEWAY_HTTP_PORT="+strconv.Itoa(cfg.Ports.Redirect))
	}
	if cfg.Metrics {
		err = cfg.planMetrics(parts[:len(parts)-1])
	}
	return parts, err
}

// planMetrics gives each part a port for its metrics.
func (cfg *Config) planMetrics(parts []Part) error {
	cfg.metrics = make(map[string]int)
	for i := range parts {
		port, _, err := freeport.Reserve()
		if err != nil {
			return err
		}
		cfg.metrics[parts[i].Name] = port
		parts[i].Env = append(parts[i].Env, parts[i].Prefix+"METRICS_LISTEN="+address(port))
	}
	return nil
}

// service is a replica of a resource service, counted from 0. Each has files of its own for what it
// remembers of the issuer.
func (cfg *Config) service(name, prefix string, i int, program string, port int, issuer, audience string) Part {
	numbered := replica(name, i)
	return Part{
		Name: numbered, Program: program, Prefix: prefix,
		Env: []string{
			prefix + "LISTEN=" + address(port),
			prefix + "DATABASE_URL=" + cfg.database(prefix+"DATABASE_URL", name+".db"),
			prefix + "ISSUER=" + issuer,
			prefix + "AUDIENCE=" + audience,
			prefix + "DOCS_CLIENT_ID=api-docs",
			prefix + "JWKS_CACHE_FILE=" + filepath.Join(cfg.Dir, numbered+"-keys.json"),
			prefix + "STATUS_CACHE_FILE=" + filepath.Join(cfg.Dir, numbered+"-status.json"),
		},
		Ready: []string{"http://" + address(port) + "/readyz"},
	}
}

// services is the ports of a service's replicas.
func services(first, second int) []int {
	if second == 0 {
		return []int{first}
	}
	return []int{first, second}
}

// replica is the name of a part's replica, counted from 0.
func replica(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(i+1)
}

func addresses(ports []int) string {
	var all []string
	for _, port := range ports {
		all = append(all, address(port))
	}
	return strings.Join(all, " ")
}

// GatewayLog is the value of GATEWAY_LOG that has the gateway write its log to a file, with no more
// than four files of 20 MiB.
func GatewayLog(path string) string {
	return fmt.Sprintf("file %q {\n\troll_size 20MiB\n\troll_keep 3\n}", path)
}

func (cfg *Config) origins() Origins {
	if cfg.TLS {
		return cfg.Ports.origins("https")
	}
	return cfg.Ports.Origins()
}

// others is where the gateway refuses what comes under another name.
func (cfg *Config) others() string {
	if cfg.TLS {
		return "http://" // with TLS, another name has no certificate
	}
	return fmt.Sprintf("http://:%d http://:%d http://:%d", cfg.Ports.Issuer, cfg.Ports.API, cfg.Ports.App)
}

// database returns the URL that the environment gives under name, or that of a SQLite file in the
// data folder.
func (cfg *Config) database(name, file string) string {
	if u := cfg.getenv(name); u != "" {
		return u
	}
	return "sqlite:" + filepath.Join(cfg.Dir, file)
}

func (cfg *Config) kekFile() string     { return filepath.Join(cfg.Dir, "authz.kek") }
func (cfg *Config) clientsFile() string { return filepath.Join(cfg.Dir, "clients.json") }

// clientsJSON is development's list of OAuth clients, with the origins of the demo app and of the
// API in place of the documented ones.
func (cfg *Config) clientsJSON() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(cfg.Root, "deploy", "dev", "clients.json"))
	if err != nil {
		return nil, err
	}
	documented, actual := DevelopmentPorts().Origins(), cfg.origins()
	return []byte(strings.NewReplacer(documented.App, actual.App, documented.API, actual.API).Replace(string(text))), nil
}

// clients returns the secrets of development's clients by client id.
func (cfg *Config) clients() (map[string]string, error) {
	text, err := cfg.clientsJSON()
	if err != nil {
		return nil, err
	}
	var clients []struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal(text, &clients); err != nil {
		return nil, fmt.Errorf("deploy/dev/clients.json: %w", err)
	}
	secrets := make(map[string]string)
	for _, c := range clients {
		secrets[c.ID] = c.Secret
	}
	for _, id := range []string{"demo", "board"} {
		if secrets[id] == "" {
			return nil, fmt.Errorf("deploy/dev/clients.json: no client_secret for the client %q", id)
		}
	}
	return secrets, nil
}

// Environment is what a part of the stack gets to see of the environment env: what every program
// needs to run at all, where traces go, and the settings of its own prefix, so that no program sees another's
// secrets. What the part's own list sets wins.
func (p Part) Environment(env []string) []string {
	common := []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG", "GOCOVERDIR"}
	var seen []string
	for _, pair := range env {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(common, name) || strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, p.Prefix) {
			seen = append(seen, pair)
		}
	}
	return append(seen, p.Env...)
}
