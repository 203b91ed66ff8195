// Command revocation measures how long it takes until both resource services refuse an access token
// that was revoked: two authorization servers on a Postgres of its own (or one on SQLite where there
// is no Postgres), the gateway, and default settings. `make revocation` calls it. It fails if one
// token in a hundred takes longer than five seconds.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/deploy/load/command"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

type config struct {
	Tokens int           `help:"How many tokens are revoked, 10 to 2000." default:"300"`
	Spread time.Duration `help:"In which time they are revoked, each at a random moment." default:"45s"`
	machine.Output
}

const (
	bound = 5 * time.Second // what 99 % must be within
	most  = 30 * time.Second
	// pollEvery is how often a token is shown to a service, which is also how exact the figures are.
	pollEvery = 25 * time.Millisecond
)

func main() {
	var cfg config
	command.Main("revocation", "Measures the time from a token's revocation to its refusal by both services.", &cfg,
		func(ctx context.Context, r command.Run) error { return run(ctx, cfg, r) })
}

// summary is what is measured. Times are in seconds.
type summary struct {
	Database string             `json:"database"`
	Replicas int                `json:"replicas"`
	Tokens   int                `json:"tokens"`
	Services map[string]figures `json:"services"`
	Bound    float64            `json:"bound"`
	Within   float64            `json:"within_bound"` // of 1
}

type figures struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func run(ctx context.Context, cfg config, r command.Run) (err error) {
	if cfg.Tokens < 10 || cfg.Tokens > 2000 || cfg.Spread <= 0 || cfg.Spread > 10*time.Minute {
		return errors.New("there must be 10 to 2000 tokens, in at most 10m")
	}
	databases, stopDatabases, err := postgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopDatabases()) }()
	result := summary{Database: "postgres", Replicas: 2, Tokens: cfg.Tokens, Bound: bound.Seconds()}
	if databases == nil {
		result.Database, result.Replicas = "sqlite", 1
	}
	programs, err := stack.Build(ctx, r.Root, filepath.Join(r.Dir, "bin"))
	if err != nil {
		return err
	}
	ports, err := stack.FreePorts(result.Replicas)
	if err != nil {
		return err
	}
	s, err := stack.New(stack.Config{
		Root: r.Root, Dir: filepath.Join(r.Dir, "data"), Programs: programs, Ports: ports, Env: append(os.Environ(), databases...),
	})
	if err != nil {
		return err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.Start(starting); err != nil {
		return err
	}
	defer s.Stop()

	user, board, err := measure(ctx, cfg, s.Origins())
	if err != nil {
		return err
	}
	result.Services = map[string]figures{"user": of(user), "board": of(board)}
	all := slices.Concat(user, board)
	within := len(slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d > bound }))
	result.Within = float64(within) / float64(len(all))
	text := result.markdown(machine.This())
	fmt.Fprint(r.Out, "\n", text)
	if err := cfg.Write("revocation", result, text); err != nil {
		return err
	}
	if result.Within < 0.99 {
		return fmt.Errorf("only %.1f %% were refused within %v", 100*result.Within, bound)
	}
	return nil
}

// postgres starts a cluster with a database for each service, and returns the settings that use it:
// none where this machine has no Postgres.
func postgres(ctx context.Context) (env []string, stop func() error, err error) {
	admin, stop, err := sqldbtest.Start()
	if errors.Is(err, sqldbtest.ErrNoPostgres) {
		return nil, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	for _, name := range []string{"authz", "user", "board"} {
		u, err := sqldbtest.Create(ctx, admin, "maru_"+name)
		if err != nil {
			return nil, nil, err
		}
		env = append(env, strings.ToUpper(name)+"_DATABASE_URL="+u)
	}
	return env, stop, nil
}

// measure revokes the tokens, and returns how long each service took to refuse each.
func measure(ctx context.Context, cfg config, o stack.Origins) (user, board []time.Duration, err error) {
	user, board = make([]time.Duration, cfg.Tokens), make([]time.Duration, cfg.Tokens)
	failures := make([]error, cfg.Tokens)
	var all sync.WaitGroup
	for i := range cfg.Tokens {
		at := rand.N(cfg.Spread) //nolint:gosec // G404: a moment, and no secret
		all.Go(func() {
			select {
			case <-time.After(at):
				user[i], board[i], failures[i] = one(ctx, o)
			case <-ctx.Done():
				failures[i] = ctx.Err()
			}
		})
	}
	all.Wait()
	return user, board, errors.Join(failures...)
}

// one gets a token, sees that both services take it, revokes it, and waits until both refuse it.
func one(ctx context.Context, o stack.Origins) (user, board time.Duration, err error) {
	token, err := issue(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	places := []string{o.API + "/user/v1/users?ids=one", o.API + "/board/v1/boards?limit=1"}
	for _, place := range places {
		if status, err := show(ctx, place, token); err != nil || status != http.StatusOK {
			return 0, 0, fmt.Errorf("a new token at %s: %d %w", place, status, err)
		}
	}
	status, err := send(ctx, o.Issuer+"/oauth2/revoke", url.Values{"token": {token}}, nil)
	if err != nil || status != http.StatusOK {
		return 0, 0, fmt.Errorf("the revocation: %d %w", status, err)
	}
	revoked := time.Now()
	took, failures := make([]time.Duration, len(places)), make([]error, len(places))
	var both sync.WaitGroup
	for i, place := range places {
		both.Go(func() { took[i], failures[i] = refusal(ctx, place, token, revoked) })
	}
	both.Wait()
	return took[0], took[1], errors.Join(failures...)
}

// refusal waits until a service refuses a token.
func refusal(ctx context.Context, place, token string, revoked time.Time) (time.Duration, error) {
	for {
		status, err := show(ctx, place, token)
		since := time.Since(revoked)
		switch {
		case err != nil:
			return 0, err
		case status == http.StatusUnauthorized:
			return since, nil
		case status != http.StatusOK:
			return 0, fmt.Errorf("%s: %d", place, status)
		case since > most:
			return 0, fmt.Errorf("%s takes a token %v after its revocation", place, most)
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// The client of development that gets tokens for both services.
const clientID, clientSecret = "sample-service", "sample-secret-for-development-only"

func issue(ctx context.Context, o stack.Origins) (string, error) {
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	status, err := send(ctx, o.Issuer+"/oauth2/token",
		url.Values{"grant_type": {"client_credentials"}, "scope": {"user:lookup board:read"}}, &granted)
	if err != nil || granted.AccessToken == "" {
		return "", fmt.Errorf("no access token: %d %w", status, err)
	}
	return granted.AccessToken, nil
}

// send posts a form as the client, and decodes the answer into into, unless that is nil.
func send(ctx context.Context, address string, form url.Values, into any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(clientID, clientSecret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if into != nil {
		err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
	}
	return resp.StatusCode, err
}

// show shows a token to a service.
func show(ctx context.Context, place, token string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

func of(times []time.Duration) figures {
	sorted := slices.SortedFunc(slices.Values(times), cmp.Compare[time.Duration])
	at := func(part float64) float64 {
		return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)].Round(10 * time.Millisecond).Seconds()
	}
	return figures{P50: at(0.5), P99: at(0.99), Max: at(1)}
}

// markdown is what was measured, as a part of a README.
func (s summary) markdown(on machine.Machine) string {
	var rows [][]string
	for _, name := range []string{"user", "board"} {
		f := s.Services[name]
		rows = append(rows, []string{name, fmt.Sprintf("%.2f", f.P50), fmt.Sprintf("%.2f", f.P99), fmt.Sprintf("%.2f", f.Max)})
	}
	return fmt.Sprintf("`make revocation`: %s; %d tokens revoked; authorization servers: %d, on %s; %.1f %% within %.0f s.\n\n",
		on, s.Tokens, s.Replicas, s.Database, 100*s.Within, s.Bound) +
		machine.Table([]string{"seconds until refused by", "half>", "99 %>", "all>"}, rows)
}
