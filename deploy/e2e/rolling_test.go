package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/lastrelease"
)

// lastRelease compiles the programs of the release before once.
var lastRelease = sync.OnceValues(func() (stack.Programs, error) {
	return stack.BuildLastReleaseForTests(context.Background(), root)
})

func programsBefore(t *testing.T) stack.Programs {
	t.Helper()
	before, err := lastRelease()
	if errors.Is(err, lastrelease.ErrAbsent) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return before
}

// Two replicas of each program of the release before are replaced by this version, one after the
// other; those of the release before restart meanwhile, and in the end replace one of this version
// again. And so on for as long as E2E_STORM says, such as 2m; without it, once.
func TestARollingUpgradeAndTheWayBackLoseNoRequest(t *testing.T) {
	t.Parallel()
	before, now := programsBefore(t), programsNow(t)
	r := twoOfEach(t, before)
	w := twoWriters(t, r.running)
	l := newLoad(t)
	l.everything(t, r.running)
	reader := service(t, r.running, bothServices)
	l.worker("a post of who changes their name", func() error { return ask("GET", w.post[w.renamed], reader, nil, nil) })

	var long time.Duration
	if text := os.Getenv("E2E_STORM"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	rounds := 0
	for began := time.Now(); rounds == 0 || time.Since(began) < long; rounds++ {
		r.replace(t, r.second, now) // which migrates under load, the first time
		for i, setting := range r.databases {
			_, databaseURL, _ := strings.Cut(setting, "=")
			expand(t, databaseURL, 9000+10*rounds+i)
		}
		r.replace(t, r.first, before) // a restart, on a schema that this release, and one to come, have expanded
		if rounds == 0 {
			w.change(t, r.running)
		}
		r.replace(t, r.first, now)
		r.replace(t, r.second, before) // the way back
	}
	done, failed := l.end()
	replaced := rounds * 4 * len(r.first)
	release, err := lastrelease.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, "rolling", map[string]any{"before": release.Tag, "replacements": replaced, "requests": done, "failed": len(failed)},
		machine.Table([]string{"from", "replacements of processes, there and back>", "requests meanwhile>", "failed>"}, [][]string{{
			release.Tag, strconv.Itoa(replaced), strconv.FormatInt(done, 10), strconv.Itoa(len(failed))}}))
	for _, what := range failed[:min(len(failed), 20)] {
		t.Error(what)
	}
	w.arrived(t, r.running)
	r.stop(t, append(r.first, r.second...)) // at once, not one after the other
}

// pairs is a stack on Postgres with two replicas of each program but the demo.
type pairs struct {
	*running
	first, second []string // the names of the replicas
	databases     []string // settings
}

// twoOfEach starts the stack, with settings that have a stop lose nothing, and an answer that was
// lost end its grant.
func twoOfEach(t *testing.T, programs stack.Programs) *pairs {
	t.Helper()
	ports, err := stack.FreePorts(2)
	if err := errors.Join(err, ports.DoubleServices()); err != nil {
		t.Fatal(err)
	}
	p := &pairs{first: []string{"authz-server", "user", "board"}, second: []string{"authz-server-2", "user-2", "board-2"}, databases: postgres(t)}
	env := append(slices.Clone(p.databases), "AUTHZ_REFRESH_GRACE=0s")
	for _, prefix := range []string{"AUTHZ_", "USER_", "BOARD_"} {
		env = append(env, prefix+"SHUTDOWN_DELAY=3s") // the default
	}
	p.running = startWith(t, stack.Config{Programs: programs, Ports: ports, Env: env}, 2)
	return p
}

func programsNow(t *testing.T) stack.Programs {
	t.Helper()
	now, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// This version has made the schema. The release before starts on it, goes on with the grants that
// were made, and its commands do their work; what it makes, this version goes on with.
func TestTheReleaseBeforeRunsOnThisSchemaAndItsCommandsToo(t *testing.T) {
	t.Parallel()
	before, now := programsBefore(t), programsNow(t)
	each(t, func(t *testing.T, settings []string) {
		r := startWith(t, stack.Config{Programs: now, Env: append(slices.Clone(settings), "AUTHZ_REFRESH_GRACE=0s")}, 1)
		sample := sampleApp(t, r, everyScope...)
		someone := newPerson(t, nil)
		last := sample.signUp(someone).RefreshToken
		goOn := func(who string) {
			t.Helper()
			var got tokens
			call(t, "POST", r.Issuer+"/oauth2/token", "", refreshForm(last)).decode(t, http.StatusOK, &got)
			last = got.Refresh
			call(t, "GET", r.API+"/user/v1/me", got.Access, nil).decode(t, http.StatusOK, &struct{}{})
			call(t, "POST", r.API+"/board/v1/boards/free/posts", got.Access, map[string]string{"title": who, "body": "b"}).
				decode(t, http.StatusCreated, &struct{}{})
			if got, err := sample.silently(someone); err != nil || got.Refresh == "" {
				t.Errorf("%s: %v", who, err)
			}
		}
		for i, programs := range []stack.Programs{before, now} {
			name := []string{"the release before", "this version again"}[i]
			for _, part := range []string{"authz-server", "user", "board"} {
				if err := errors.Join(r.StopPart(part), r.LaunchFrom(part, programs)); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.WaitReady(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			goOn(name)
		}
		for _, args := range [][]string{
			{"user", "create", "--email", "new@example.com", "--name", "New", "--password-stdin"},
			{"user", "set-role", "new@example.com", "moderator"},
			{"user", "list"}, {"client", "list"}, {"keys", "list"}, {"keys", "rotate"}, {"mail", "list"}, {"logout", "list"}, {"stream", "list"},
			{"invite", "create"}, {"user", "delete", "new@example.com", "--now"}, {"after-restore"},
		} {
			if out, err := r.AuthzFrom(t.Context(), before, "long-and-odd-"+rand.Text(), args...); err != nil {
				t.Errorf("%q of the release before: %v %s", args, err, out)
			}
		}
	})
}

// replace stops the parts, starts them from other programs, and returns when the gateway sends them
// requests again.
func (r *running) replace(t *testing.T, parts []string, programs stack.Programs) {
	t.Helper()
	r.stop(t, parts)
	served := map[string]int{}
	for _, name := range parts {
		served[name] = r.log.requestsOf(name)
		if err := r.LaunchFrom(name, programs); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range parts {
		testenv.Eventually(t, name+" gets requests again", func() bool { return r.log.requestsOf(name) > served[name]+20 })
	}
}

// stop asks the parts to end, all at once, and returns when they have.
func (r *running) stop(t *testing.T, parts []string) {
	t.Helper()
	var all sync.WaitGroup
	for _, name := range parts {
		all.Go(func() {
			if err := r.StopPart(name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// expand adds a column to every table of a Postgres database that is in use, as a release to come
// may: programs that do not know of it must not notice.
func expand(t *testing.T, databaseURL string, version int) {
	t.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'
		AND table_type = 'BASE TABLE' AND table_name NOT IN ('goose_db_version', 'schema_compatibility')`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(tables) == 0 {
		t.Fatalf("%q %v", tables, err)
	}
	for _, table := range tables {
		testenv.Eventually(t, table+" gets a column", func() bool {
			_, err := db.ExecContext(t.Context(), fmt.Sprintf(`SET lock_timeout = '500ms'; ALTER TABLE %q ADD COLUMN later%d BIGINT NOT NULL DEFAULT 7`, table, version))
			return err == nil
		})
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)`, version); err != nil {
		t.Fatal(err)
	}
}

// everything puts on what apps, services and people do all day.
func (l *load) everything(t *testing.T, r *running) {
	t.Helper()
	sample := sampleApp(t, r, everyScope...)
	issued := &tokensInUse{}
	for range 2 {
		last := sample.signUp(newPerson(t, nil)).RefreshToken
		l.worker("refresh", func() error {
			var got tokens
			if err := ask("POST", r.Issuer+"/oauth2/token", "", refreshForm(last), &got); err != nil {
				return err
			}
			last = got.Refresh
			return ask("GET", r.API+"/user/v1/me", got.Access, nil, nil)
		})
	}
	withSession, withPassword := newPerson(t, nil), newPerson(t, nil)
	sample.signUp(withSession)
	sample.signUp(withPassword)
	l.worker("log-in with a session, and a post", func() error {
		got, err := sample.silently(withSession)
		if err != nil {
			return err
		}
		var p post
		if err := ask("POST", r.API+"/board/v1/boards/free/posts", got.Access, map[string]string{"title": "t", "body": "b"}, &p); err != nil {
			return err
		}
		return ask("GET", r.API+"/board/v1/posts/"+p.ID, got.Access, nil, nil)
	})
	l.worker("log-in by password", func() error {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		withPassword.browser.Jar = jar
		if shown, _, _, _ := sample.request(withPassword); shown.byID("login") == nil {
			return fmt.Errorf("no log-in page: %d %s", shown.Status, shown.text())
		} else if shown = shown.press("login", "email", withPassword.Email, "password", withPassword.Password); shown.Callback.Get("code") == "" {
			return fmt.Errorf("no code: %d %s %v", shown.Status, shown.text(), shown.Callback)
		}
		return nil
	})
	l.worker("client credentials", func() error {
		var got tokens
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {bothServices}}
		if err := ask("POST", r.Issuer+"/oauth2/token", "", form, &got, "Authorization", sampleService); err != nil {
			return err
		}
		issued.add(got.Access)
		return nil
	})
	l.worker("a token of either version", func() error {
		token := issued.any()
		if token == "" {
			return nil
		}
		var state struct{ Active bool }
		if err := ask("POST", r.Issuer+"/oauth2/introspect", "", url.Values{"token": {token}}, &state, "Authorization", sampleService); err != nil {
			return err
		} else if !state.Active {
			return errors.New("the issuer does not know a token of its own")
		}
		return errors.Join(ask("GET", r.shownAt()["user"], token, nil, nil), ask("GET", r.API+"/board/v1/boards/free/posts", token, nil, nil))
	})
	l.worker("revocation", func() error {
		var got tokens
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {bothServices}}
		if err := ask("POST", r.Issuer+"/oauth2/token", "", form, &got, "Authorization", sampleService); err != nil {
			return err
		}
		if err := ask("POST", r.Issuer+"/oauth2/revoke", "", url.Values{"token": {got.Access}}, nil, "Authorization", sampleService); err != nil {
			return err
		}
		var state struct{ Active bool }
		err := ask("POST", r.Issuer+"/oauth2/introspect", "", url.Values{"token": {got.Access}}, &state, "Authorization", sampleService)
		if err == nil && state.Active {
			err = errors.New("a revoked token is active")
		}
		return err
	})
}

// tokensInUse are the access tokens of the last minutes.
type tokensInUse struct {
	mu  sync.Mutex
	all []string
}

func (u *tokensInUse) add(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all = append(u.all, token); len(u.all) > 1000 {
		u.all = u.all[500:]
	}
}

func (u *tokensInUse) any() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) == 0 {
		return ""
	}
	return u.all[mathrand.IntN(len(u.all))]
}

// silently gets tokens for a person who is logged in and has agreed.
func (a app) silently(p *person) (got tokens, err error) {
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	resp, err := p.browser.Get(a.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return got, err
	}
	resp.Body.Close()
	at, err := resp.Location()
	if err != nil || at.Query().Get("code") == "" || at.Query().Get("state") != state {
		return got, fmt.Errorf("no code at %s: %s", resp.Request.URL.Redacted(), resp.Status)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {a.ClientID}, "code": {at.Query().Get("code")},
		"redirect_uri": {a.RedirectURL}, "code_verifier": {verifier}}
	return got, ask(http.MethodPost, a.Endpoint.TokenURL, "", form, &got)
}
