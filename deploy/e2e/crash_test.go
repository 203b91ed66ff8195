package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

// each runs the test with every service on SQLite files, and again on Postgres.
func each(t *testing.T, test func(t *testing.T, settings []string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, nil) })
	t.Run("postgres", func(t *testing.T) { test(t, postgres(t)) })
}

// duringWrites kills the part while workers write through it, and starts it again. Each worker
// repeats work until it fails, which the kill makes it do; the kill comes once they have done
// enough together, and then hits what is under way.
func duringWrites(t *testing.T, r *running, part string, workers int, enough int, work func(worker, n int) bool) {
	t.Helper()
	var mu sync.Mutex
	done := 0
	reached := make(chan struct{})
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := 0; work(worker, n); n++ {
				mu.Lock()
				if done++; done == enough {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	stopped := make(chan struct{})
	go func() { all.Wait(); close(stopped) }()
	select {
	case <-reached:
	case <-stopped:
		t.Fatalf("the writes to %s stopped after %d, before anything was killed", part, done)
	}
	if err := r.Kill(part); err != nil {
		t.Fatal(err)
	}
	<-stopped
	r.launch(t, part)
}

func TestABoardKilledWhileItWritesLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		r := start(t, 1, settings...)
		g := sampleApp(t, r, everyScope...).signUp(newPerson(t, nil))
		var mu sync.Mutex
		acknowledged := map[string]string{} // id → title
		duringWrites(t, r, "board", 4, 40, func(worker, n int) bool {
			title := fmt.Sprintf("post %d of worker %d", n, worker)
			a, err := try("POST", r.API+"/board/v1/boards/free/posts", g.AccessToken,
				map[string]string{"title": title, "body": "x"})
			if err != nil || a.Status != http.StatusCreated {
				return false
			}
			var p post
			a.decode(t, http.StatusCreated, &p)
			mu.Lock()
			defer mu.Unlock()
			acknowledged[p.ID] = title
			return true
		})
		for id, title := range acknowledged {
			var p post
			call(t, "GET", r.API+"/board/v1/posts/"+id, g.AccessToken, nil).decode(t, http.StatusOK, &p)
			if p.Title != title {
				t.Errorf("%s is %q, want %q", id, p.Title, title)
			}
		}
	})
}

func TestAUserServiceKilledWhileItWritesLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		r := start(t, 1, settings...)
		someone := newPerson(t, nil)
		shown := agree(someone.open(r.App + "/signup").signUp(r))
		if shown.Status != http.StatusOK || shown.byID("logout") == nil {
			t.Fatalf("not logged in at the demo app: %s %d", shown.URL, shown.Status)
		}
		// The only client with user:write is the demo app, so its page does the writing.
		last, attempted := "", ""
		duringWrites(t, r, "user", 1, 10, func(_, n int) bool {
			form := someone.open(r.App + "/profile")
			if form.Status != http.StatusOK || form.byID("save") == nil {
				return false
			}
			attempted = fmt.Sprintf("bio number %d", n)
			if saved := form.press("save", "display_name", someone.Name, "bio", attempted); saved.Status != http.StatusOK {
				return false
			}
			last = attempted
			return true
		})
		var text string
		testenv.Eventually(t, "the profile is shown again", func() bool {
			form := someone.open(r.App + "/profile")
			field := form.byID("bio")
			if field == nil || field.FirstChild == nil {
				return false
			}
			text = strings.TrimSpace(field.FirstChild.Data)
			return true
		})
		if text != last && text != attempted { // the last write may have been done without its answer arriving
			t.Errorf("the bio is %q; acknowledged was %q, and under way %q", text, last, attempted)
		}
	})
}

func TestAnAuthorizationServerKilledWhileItWritesLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		r := start(t, 1, append(slices.Clone(settings), "AUTHZ_REFRESH_GRACE=5m")...)
		sample := sampleApp(t, r, everyScope...)
		const workers = 4
		people := make([]*person, workers)
		last := make([]string, workers)
		subject := make([]string, workers)
		for i := range workers {
			people[i] = newPerson(t, nil)
			g := sample.signUp(people[i])
			last[i], subject[i] = g.RefreshToken, g.ID.Subject
		}
		// A code that nobody has redeemed yet, acknowledged by the redirect.
		shown, state, nonce, verifier := sample.request(people[0])
		waiting := shown

		duringWrites(t, r, "authz-server", workers, 40, func(worker, _ int) bool {
			a, err := tokenRequest(r, nil, refreshForm(last[worker]))
			if err != nil || a.Status != http.StatusOK {
				return false
			}
			var got tokens
			a.decode(t, http.StatusOK, &got)
			last[worker] = got.Refresh
			return true
		})

		sample.exchange(people[0], waiting, state, nonce, verifier)
		for i, token := range last {
			a, err := tokenRequest(r, nil, refreshForm(token))
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("the last refresh token that worker %d got: %s (%v)", i, a, err)
			}
			if g := sample.logIn(people[i]); g.ID.Subject != subject[i] {
				t.Errorf("person %d is somebody else now", i)
			}
		}
	})
}

func TestADemoAppOrAGatewayThatComesBackServesAgain(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	someone := newPerson(t, nil)
	agree(someone.open(r.App + "/signup").signUp(r))
	r.restart(t, "gateway")
	if at := someone.open(r.App + "/boards"); at.byID("logout") == nil {
		t.Errorf("the session at the app is gone with the gateway: %d %s", at.Status, at.text())
	}
	// The app keeps its sessions in memory. The one at the issuer lives, so that no password is
	// asked for.
	r.restart(t, "demo")
	if at := agree(someone.open(r.App + "/login")); at.byID("logout") == nil {
		t.Errorf("not logged in again: %d %s %s", at.Status, at.URL, at.text())
	}
}

func TestKeysAndDiscoveryOutliveTheDatabase(t *testing.T) {
	t.Parallel()
	database, stop, err := sqldbtest.Start() // one that can be taken away
	if errors.Is(err, sqldbtest.ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceValue(stop)
	t.Cleanup(func() { stop() })
	r := start(t, 2, "AUTHZ_DATABASE_URL="+database)
	g := sampleApp(t, r, everyScope...).signUp(newPerson(t, nil))
	r.listsSaved(t, "user") // of which it has seen no token
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "nobody can log in any more", func() bool {
		a := call(t, "POST", r.Issuer+"/oauth2/token", "", refreshForm(g.RefreshToken))
		return a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "" &&
			a.Header.Get("Content-Type") == "application/json"
	})
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration",
		"/.well-known/oauth-authorization-server"} {
		for range 4 {
			if a := call(t, "GET", r.Issuer+path, "", nil); a.Status != http.StatusOK {
				t.Errorf("%s: %s", path, a)
			}
		}
	}
	// And so a service finds the keys that it has never seen.
	if err := errors.Join(r.StopPart("user"), os.Remove(filepath.Join(r.dir, "user-keys.json")), r.Launch("user")); err != nil {
		t.Fatal(err)
	}
	// It has never seen a token of that status list, but it follows the newest ones.
	testenv.Eventually(t, "the user service verifies a token", func() bool {
		return call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).Status == http.StatusOK
	})
	if a := call(t, "GET", r.API+"/user/v1/me", g.AccessToken[:len(g.AccessToken)-6]+"AAAAAA", nil); a.Status != http.StatusUnauthorized {
		t.Errorf("a forged token: %s", a)
	}
}

// listsSaved waits until a service's file has the issuer's status list.
func (r *running) listsSaved(t *testing.T, name string) {
	t.Helper()
	testenv.Eventually(t, "the "+name+" service has the list in its file", func() bool {
		saved, err := os.ReadFile(filepath.Join(r.dir, name+"-status.json"))
		return err == nil && bytes.Contains(saved, []byte("/oauth2/status/"))
	})
}

func TestAServiceRestartsWhileTheIssuerIsAway(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	g := sampleApp(t, r, everyScope...).signUp(newPerson(t, nil))
	// What a service knew of keys and revocations goes on counting. Neither has seen a token.
	for _, name := range []string{"user", "board"} {
		r.listsSaved(t, name)
	}
	if err := r.Kill("authz-server"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"user", "board"} {
		if err := r.StopPart(name); err != nil {
			t.Error(err)
		}
		if err := r.Launch(name); err != nil {
			t.Fatal(err)
		}
	}
	for address, method := range map[string]string{r.API + "/user/v1/me": "GET", r.API + "/board/v1/boards/free/posts": "POST"} {
		var last answer
		testenv.Eventually(t, method+" "+address+" is answered", func() bool {
			last = call(t, method, address, g.AccessToken, map[string]string{"title": "t", "body": "b"})
			return last.Status < 500 || last.Header.Get("WWW-Authenticate") != ""
		})
		if last.Status >= 300 {
			t.Errorf("%s %s after the restart: %s", method, address, last)
		}
		if a := call(t, method, address, g.AccessToken[:len(g.AccessToken)-6]+"AAAAAA",
			map[string]string{"title": "t", "body": "b"}); a.Status != http.StatusUnauthorized {
			t.Errorf("%s %s with a forged token: %s", method, address, a)
		}
	}
}

func TestOneServicesFailureStaysItsOwn(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	someone := newPerson(t, nil)
	g := sampleApp(t, r, everyScope...).signUp(someone)
	call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})
	var written post
	call(t, "POST", r.API+"/board/v1/boards/free/posts", g.AccessToken,
		map[string]string{"title": "t", "body": "b"}).decode(t, http.StatusCreated, &written)
	onPost := r.API + "/board/v1/posts/" + written.ID
	named := func() bool {
		a, err := try("GET", onPost, g.AccessToken, nil)
		return err == nil && a.Status == http.StatusOK && strings.Contains(string(a.Body), someone.Name)
	}
	testenv.Eventually(t, "the board knows the author's name", named)
	agree(someone.open(r.App + "/login"))

	for dead, alive := range map[string][]string{
		"authz-server": {"user", "board"},
		"user":         {"authz-server", "board"},
		"board":        {"authz-server", "user"},
	} {
		t.Run(dead, func(t *testing.T) {
			if err := r.Kill(dead); err != nil {
				t.Fatal(err)
			}
			defer r.launch(t, dead)
			at := map[string]string{"authz-server": r.Issuer + "/oauth2/userinfo", "user": r.API + "/user/v1/me", "board": onPost}
			for _, name := range alive {
				if a := call(t, "GET", at[name], g.AccessToken, nil); a.Status != http.StatusOK {
					t.Errorf("%s without %s: %s", name, dead, a)
				}
			}
			a := call(t, "GET", at[dead], g.AccessToken, nil)
			if a.Status != http.StatusBadGateway && a.Status != http.StatusServiceUnavailable {
				t.Errorf("%s itself: %s", dead, a)
			}
			if dead != "authz-server" && a.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s itself: %v", dead, a.Header)
			}
			if dead == "user" && !named() {
				t.Error("the board has forgotten the author's name")
			}
			if home := someone.open(r.App + "/"); home.Status != http.StatusOK || home.byID("logout") == nil {
				t.Errorf("the demo app without %s: %d %s", dead, home.Status, home.text())
			}
		})
	}
}
