package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/internal/freeport"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// The pages for log-in and consent are the operator's own at Hydra. Here nobody serves them: the
// driver says what they would, at the interface for administration.
const hydraLogin, hydraConsent = "http://localhost:1/login", "http://localhost:1/consent"

// hydra is a server of Ory Hydra with its settings as they come, but for JWTs as access tokens and
// keys of 2048 bits, for it makes some of 4096.
type hydra struct {
	admin string // the address of its interface for administration
}

// startHydra compiles Hydra, a module of its own, unless an executable is named, and runs it on a
// Postgres that writes through to the disk.
func startHydra(ctx context.Context, b base) (_ *contestant, err error) {
	program, version, err := hydraProgram(ctx, b)
	if err != nil {
		return nil, err
	}
	var ports [3]int // of the database, and of its two interfaces
	for i := range ports {
		if ports[i], _, err = freeport.Reserve(); err != nil {
			return nil, err
		}
	}
	cluster, stopDatabase, err := sqldbtest.StartDurable("listen_addresses=127.0.0.1", "port="+strconv.Itoa(ports[0]))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stopDatabase())
		}
	}()
	host := "localhost:" + strconv.Itoa(ports[1])
	secret := rand.Text() + rand.Text()
	env := []string{
		"DSN=postgres://postgres:x@127.0.0.1:" + strconv.Itoa(ports[0]) + "/postgres?sslmode=disable&max_conns=" + strconv.Itoa(b.cfg.Connections+4),
		"SECRETS_SYSTEM=" + secret, "URLS_SELF_ISSUER=http://" + host, "URLS_LOGIN=" + hydraLogin, "URLS_CONSENT=" + hydraConsent,
		"SERVE_PUBLIC_HOST=127.0.0.1", "SERVE_PUBLIC_PORT=" + strconv.Itoa(ports[1]), "SERVE_ADMIN_HOST=127.0.0.1", "SERVE_ADMIN_PORT=" + strconv.Itoa(ports[2]),
		"STRATEGIES_ACCESS_TOKEN=jwt", "LOG_LEVEL=error", "SQA_OPT_OUT=true", "TTL_AUTH_CODE=10m",
	}
	migrate := exec.CommandContext(ctx, program, "migrate", "sql", "-e", "--yes")
	migrate.Env = append(os.Environ(), env...)
	if said, err := migrate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("its migrations: %w: %s", err, lastLine(said))
	}
	p, err := background(program, []string{"serve", "all", "--dev"}, b.Dir, env)
	if err != nil {
		return nil, err
	}
	h := &hydra{admin: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[2]))}
	c := &contestant{
		Name: strings.TrimSpace("Hydra " + version), Store: "durable (Postgres)", address: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1])), host: host,
		path: "/oauth2/token", service: login{basic(serviceID, serviceSecret), ""}, app: login{basic(appID, appSecret), ""}, codeForm: codeForm(),
		usage: func() (usage.Usage, error) {
			own, err := usage.Family(p.Process.Pid)
			database, databaseErr := usageOfCluster(cluster)
			return own.Add(database), errors.Join(err, databaseErr)
		},
	}
	if err := p.ready(ctx, "http://"+c.address+"/.well-known/openid-configuration", 2*time.Minute); err != nil {
		return nil, err
	}
	c.stop = func() error { return errors.Join(p.stop(), stopDatabase()) }
	if err := h.prepare(ctx); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	all := &people{address: c.address, host: host, get: h.code}
	c.codes, c.authorize = all.codes, all.step
	return c, nil
}

func hydraProgram(ctx context.Context, b base) (program, version string, err error) {
	if b.cfg.Hydra != "" {
		return b.cfg.Hydra, "", nil
	}
	program = filepath.Join(b.keep, "hydra")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(b.Root, "deploy", "load", "peers", "hydra")
	if said, err := build.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("%w: it cannot be built: %s", errLeftOut, lastLine(said))
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/ory/hydra/v2")
	list.Dir = build.Dir
	out, err := list.Output()
	return program, strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), err
}

// prepare gives it keys of 2048 bits in place of its own, and two clients.
func (h *hydra) prepare(ctx context.Context) error {
	for _, set := range []string{"hydra.openid.id-token", "hydra.jwt.access-token"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		keys := map[string]any{"keys": []any{jwk(key)}}
		if err := h.ask(ctx, http.MethodPut, "/admin/keys/"+set, keys, nil); err != nil {
			return fmt.Errorf("its keys: %w", err)
		}
	}
	for _, client := range []map[string]any{
		{"client_id": serviceID, "client_secret": serviceSecret, "grant_types": []string{"client_credentials"}},
		{"client_id": appID, "client_secret": appSecret, "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			"redirect_uris": []string{redirectURI}, "scope": hydraScope},
	} {
		client["token_endpoint_auth_method"] = "client_secret_basic"
		if err := h.ask(ctx, http.MethodPost, "/admin/clients", client, nil); err != nil {
			return fmt.Errorf("its client: %w", err)
		}
	}
	return nil
}

// jwk is a private key as RFC 7518, section 6.3 writes it.
func jwk(key *rsa.PrivateKey) map[string]string {
	text := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	return map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": rand.Text(), "n": text(key.N), "e": text(big.NewInt(int64(key.E))), "d": text(key.D),
		"p": text(key.Primes[0]), "q": text(key.Primes[1]), "dp": text(key.Precomputed.Dp), "dq": text(key.Precomputed.Dq), "qi": text(key.Precomputed.Qinv),
	}
}

const hydraScope = "openid profile email offline_access"

// ask calls the interface for administration, and reads its answer into into, unless that is nil.
func (h *hydra) ask(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.admin+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := adminClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode/100 != 2 {
		err = &driver.Failure{Kind: "administration", Err: fmt.Errorf("%s: %.300s", resp.Status, said)}
	}
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(said, into)
}

// adminClient keeps as many connections as there are workers.
var adminClient = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 200}}

// code gets a code as apps and their people do at Hydra: three requests of the browser, and two by
// which the pages for log-in and consent say yes. With a session the pages are asked just the same.
func (h *hydra) code(ctx context.Context, b *browser) (string, error) {
	at, err := b.step(ctx, "/oauth2/auth?"+authorization(hydraScope))
	if err != nil {
		return "", err
	}
	at, err = h.accept(ctx, b, "login", at, map[string]any{"subject": "somebody", "remember": true, "remember_for": 36000})
	if err != nil {
		return "", err
	}
	at, err = h.accept(ctx, b, "consent", at, map[string]any{"grant_scope": strings.Fields(hydraScope), "remember": true, "remember_for": 36000})
	if err != nil {
		return "", err
	}
	return codeIn(at)
}

// accept says yes to what the page at an address would be shown for, and goes on.
func (h *hydra) accept(ctx context.Context, b *browser, what string, at *url.URL, answer map[string]any) (*url.URL, error) {
	asked := at.Query().Get(what + "_challenge")
	if asked == "" {
		return nil, fmt.Errorf("no page for %s: %s", what, at)
	}
	var next struct {
		To string `json:"redirect_to"`
	}
	path := "/admin/oauth2/auth/requests/" + what + "/accept?" + url.Values{what + "_challenge": {asked}}.Encode()
	if err := h.ask(ctx, http.MethodPut, path, answer, &next); err != nil {
		return nil, err
	}
	to, err := url.Parse(next.To)
	if err != nil {
		return nil, err
	}
	return b.step(ctx, to.RequestURI())
}
