package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/internal/freeport"
)

// What the small servers of this folder know as well.
const (
	appID, appSecret         = "app", "app-secret-of-the-comparison"
	serviceID, serviceSecret = "service", "service-secret-of-the-comparison"
	redirectURI              = "http://localhost:1/callback"
	verifier                 = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge                = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

func codeForm() string {
	return url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}.Encode() + "&code="
}

// startNode installs node-oidc-provider as package-lock.json pins it, and runs it.
func startNode(ctx context.Context, b base) (*contestant, error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: no %s", errLeftOut, program)
		}
	}
	dir := filepath.Join(b.keep, "node")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"package.json", "package-lock.json", "server.mjs"} {
		text, err := os.ReadFile(filepath.Join(b.Root, "deploy", "load", "peers", "node", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: npm cannot install it, most likely for want of a registry: %s", errLeftOut, lastLine(said))
	}
	c := &contestant{Name: "node-oidc-provider " + npmVersion(dir), Store: "in memory", path: "/token",
		service: login{basic(serviceID, serviceSecret), "&scope=api%3Aread"}, authorizePath: "/auth"}
	return c.start(ctx, "node", []string{"server.mjs"}, dir)
}

// npmVersion is that of the installed package.
func npmVersion(dir string) string {
	var found struct{ Version string }
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "oidc-provider", "package.json"))
	if err != nil || json.Unmarshal(text, &found) != nil {
		return ""
	}
	return found.Version
}

// startZitadel compiles the server of folder zitadel, a module of its own, and runs it.
func startZitadel(ctx context.Context, b base) (*contestant, error) {
	program := filepath.Join(b.keep, "zitadel")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(b.Root, "deploy", "load", "peers", "zitadel")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: it cannot be built: %s", errLeftOut, lastLine(said))
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "github.com/zitadel/oidc/v3")
	list.Dir = build.Dir
	version, err := list.Output()
	if err != nil {
		return nil, err
	}
	c := &contestant{Name: "zitadel/oidc " + strings.TrimPrefix(strings.TrimSpace(string(version)), "v"), Store: "in memory", path: "/oauth/token",
		service: login{basic("sid1", "verysecret"), "&scope=openid"}, authorizePath: "/authorize"} // the service of its example
	return c.start(ctx, program, nil, b.Dir)
}

// start runs a small server of this folder, which takes its port as the last argument and makes
// codes at /prepare.
func (c *contestant) start(ctx context.Context, program string, args []string, dir string) (*contestant, error) {
	port, _, err := freeport.Reserve()
	if err != nil {
		return nil, err
	}
	cmd, err := background(program, append(args, strconv.Itoa(port)), dir, nil)
	if err != nil {
		return nil, err
	}
	c.stop = cmd.stop
	c.usage = func() (usage.Usage, error) { return usage.Family(cmd.Process.Pid) }
	c.address, c.host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), "localhost:"+strconv.Itoa(port)
	c.app, c.codeForm = login{basic(appID, appSecret), ""}, codeForm()
	c.codes = func(ctx context.Context, n int) ([]string, error) {
		text, err := get(ctx, "http://"+c.address+"/prepare?n="+strconv.Itoa(n))
		return strings.Fields(text), err
	}
	all := &people{address: c.address, host: c.host, get: func(ctx context.Context, b *browser) (string, error) {
		return b.code(ctx, c.authorizePath+"?"+authorization("openid profile email"))
	}}
	c.authorize = all.step
	return c, cmd.ready(ctx, "http://"+c.address+"/.well-known/openid-configuration", time.Minute)
}

// process is a server in the background.
type process struct {
	*exec.Cmd
	said  bytes.Buffer
	ended chan struct{}
}

func background(program string, args []string, dir string, env []string) (*process, error) {
	p := &process{Cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.Dir, p.Env = dir, append(os.Environ(), env...)
	p.Stdout, p.Stderr = &p.said, &p.said
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.WaitDelay = 5 * time.Second
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Wait() // it is told to end, and its status says no more
		close(p.ended)
	}()
	return p, nil
}

// stop ends it and whatever it started.
func (p *process) stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.Process.Pid, signal) // it fails when it has ended
		select {
		case <-p.ended:
			return nil
		case <-time.After(15 * time.Second):
		}
	}
	return fmt.Errorf("%s does not end", p.Path)
}

// ready waits until it answers.
func (p *process) ready(ctx context.Context, at string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		_, err := get(ctx, at)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %s", p.said.Bytes())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", errors.Join(err, p.stop()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, at string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	return string(text), err
}

// lastLine is what a command said last.
func lastLine(said []byte) string {
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	return lines[len(lines)-1]
}
