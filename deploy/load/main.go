// Command load drives a stack of its own, on free ports of this machine and with an empty database,
// at a bounded rate by vegeta, and prints what it measured. `make load` calls it. It fails if a
// request fails.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/stack"
)

type config struct {
	Rate     int           `help:"Requests a second, 1 to 2000." default:"100"`
	Duration time.Duration `help:"How long each scenario runs, at most a minute." default:"5s"`
	Replicas int           `help:"How many authorization servers. More than one needs Postgres in AUTHZ_DATABASE_URL." default:"1"`
}

func main() {
	var cfg config
	kong.Parse(&cfg, kong.Name("load"), kong.DefaultEnvars("LOAD"),
		kong.Description("Runs a load test against a stack of its own. Set AUTHZ_DATABASE_URL, USER_DATABASE_URL "+
			"and BOARD_DATABASE_URL to use other databases than temporary SQLite files."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// scenario is one kind of request, made again and again.
type scenario struct {
	name, method, url string
	header            map[string]string
	body              string
}

func run(ctx context.Context, cfg config, out io.Writer) error {
	if cfg.Rate < 1 || cfg.Rate > 2000 || cfg.Duration <= 0 || cfg.Duration > time.Minute || cfg.Replicas < 1 {
		return errors.New("the rate must be 1 to 2000, the duration at most 1m, and the replicas at least 1")
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "maru-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	vegeta, err := stack.Tool(ctx, root, "vegeta")
	if err != nil {
		return err
	}
	programs, err := stack.Build(ctx, root, filepath.Join(dir, "bin"), false)
	if err != nil {
		return err
	}
	ports, err := stack.FreePorts(cfg.Replicas)
	if err != nil {
		return err
	}
	s, err := stack.New(stack.Config{Root: root, Dir: filepath.Join(dir, "data"), Programs: programs,
		Ports: ports, Env: os.Environ()})
	if err != nil {
		return err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.Start(starting); err != nil {
		return err
	}
	defer s.Stop()

	scenarios, err := plan(ctx, s.Origins())
	if err != nil {
		return err
	}
	var failed []string
	for _, one := range scenarios {
		fmt.Fprintf(out, "\n%s: %d/s for %s\n", one.name, cfg.Rate, cfg.Duration)
		success, err := attack(ctx, vegeta, filepath.Join(dir, "results"), cfg, one, out)
		if err != nil {
			return err
		}
		if success < 1 {
			failed = append(failed, one.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("requests failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

func plan(ctx context.Context, o stack.Origins) ([]scenario, error) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("sample-service:sample-secret-for-development-only"))
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup board:read"}}.Encode()
	token := scenario{"a token by client credentials", http.MethodPost, o.Issuer + "/oauth2/token",
		map[string]string{"Authorization": basic, "Content-Type": "application/x-www-form-urlencoded"}, form}

	req, err := http.NewRequestWithContext(ctx, token.method, token.url, strings.NewReader(token.body))
	if err != nil {
		return nil, err
	}
	for name, value := range token.header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&granted); err != nil || granted.AccessToken == "" {
		return nil, fmt.Errorf("no access token from the issuer: %s (%w)", resp.Status, err)
	}
	bearer := map[string]string{"Authorization": "Bearer " + granted.AccessToken}
	return []scenario{
		token,
		{"the key set", http.MethodGet, o.Issuer + "/.well-known/jwks.json", nil, ""},
		{"profiles in bulk", http.MethodGet, o.API + "/user/v1/users?ids=one,two,three", bearer, ""},
		{"the posts of a board", http.MethodGet, o.API + "/board/v1/boards/free/posts", bearer, ""},
	}, nil
}

// attack runs one scenario and prints vegeta's report. It returns the part of requests that
// succeeded, 0 to 1.
func attack(ctx context.Context, vegeta, results string, cfg config, one scenario, out io.Writer) (float64, error) {
	target := map[string]any{"method": one.method, "url": one.url, "body": []byte(one.body)}
	header := http.Header{}
	for name, value := range one.header {
		header.Set(name, value)
	}
	target["header"] = header
	line, err := json.Marshal(target)
	if err != nil {
		return 0, err
	}
	if _, err := tool(ctx, bytes.NewReader(append(line, '\n')), vegeta, "attack", "-format=json",
		"-rate="+strconv.Itoa(cfg.Rate), "-duration="+cfg.Duration.String(), "-timeout=10s",
		"-output="+results); err != nil {
		return 0, err
	}
	report, err := tool(ctx, nil, vegeta, "report", results)
	if err != nil {
		return 0, err
	}
	if _, err := out.Write(report); err != nil {
		return 0, err
	}
	numbers, err := tool(ctx, nil, vegeta, "report", "-type=json", results)
	if err != nil {
		return 0, err
	}
	var measured struct{ Success float64 }
	err = json.Unmarshal(numbers, &measured)
	return measured.Success, err
}

func tool(ctx context.Context, stdin io.Reader, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = stdin
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w %s", filepath.Base(program), args[0], err, log.Bytes())
	}
	return out, nil
}
