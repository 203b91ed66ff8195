package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

// ledger is what was acknowledged while a database failed over.
type ledger struct {
	r    *running
	stop chan struct{}
	all  sync.WaitGroup

	mu      sync.Mutex
	done    map[string]int // acknowledged, by kind
	refused map[string]int
	failed  []string
	waited  time.Time // since when nothing was acknowledged
	longest time.Duration

	posts   map[string]string // id → title
	people  []*person         // who have signed up
	spent   map[string]string // what can be spent once → what it gave
	revoked []string          // refresh tokens
}

func (l *ledger) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// acknowledge enters an answer of success into the books.
func (l *ledger) acknowledge(kind string, enter func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[kind]++
	l.longest = max(l.longest, time.Since(l.waited))
	l.waited = time.Now()
	enter()
}

// refuse judges an answer of failure: it must say that trying again helps.
func (l *ledger) refuse(kind string, a answer, err error) {
	l.mu.Lock()
	l.refused[kind]++
	l.mu.Unlock()
	if err != nil {
		l.fail("%s: %v", kind, err)
	} else if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		l.fail("%s: %s %v", kind, a, a.Header)
	}
}

// refusePage judges a page that is not what the person came for, in the same way. Where the issuer
// knows the app, it sends the person back to it, and the error says the same as the status 503, which
// a redirect cannot have (RFC 6749 §4.1.2.1).
func (l *ledger) refusePage(kind string, shown page, state string) {
	if shown.Callback == nil {
		l.refuse(kind, answer{Status: shown.Status, Header: shown.Header, Body: []byte(shown.text())}, nil)
		return
	}
	l.mu.Lock()
	l.refused[kind]++
	l.mu.Unlock()
	back := shown.Callback
	if back.Get("error") != "temporarily_unavailable" || back.Get("error_description") == "" || back.Get("state") != state ||
		back.Get("iss") != l.r.Issuer || back.Has("code") {
		l.fail("%s: the app got %v", kind, back)
	}
}

// count tells how many of each kind were acknowledged so far: the least of all.
func (l *ledger) count(kinds ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	least := l.done[kinds[0]]
	for _, kind := range kinds[1:] {
		least = min(least, l.done[kind])
	}
	return least
}

func (l *ledger) worker(one func(n int)) {
	l.all.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			case <-time.After(20 * time.Millisecond):
				one(n)
			}
		}
	})
}

// post writes to the board.
func (l *ledger) post(worker int, token string) {
	l.worker(func(n int) {
		title := fmt.Sprintf("post %d of worker %d", n, worker)
		a, err := try("POST", l.r.API+"/board/v1/boards/free/posts", token, map[string]string{"title": title, "body": "x"})
		if err != nil || a.Status != http.StatusCreated {
			l.refuse("posts", a, err)
			return
		}
		var p post
		if err := json.Unmarshal(a.Body, &p); err != nil {
			l.fail("%v", err)
		}
		l.acknowledge("posts", func() { l.posts[p.ID] = title })
	})
}

// refresh uses each refresh token once, and again only if it got no answer.
func (l *ledger) refresh(token string) {
	l.worker(func(int) {
		a, err := tokenRequest(l.r, nil, refreshForm(token))
		if err != nil || a.Status != http.StatusOK {
			l.refuse("refreshes", a, err)
			return
		}
		var got tokens
		if err := json.Unmarshal(a.Body, &got); err != nil {
			l.fail("%v", err)
		}
		l.spend("refreshes", token, got.Refresh)
		token = got.Refresh
	})
}

func (l *ledger) spend(kind, what, gave string) {
	l.acknowledge(kind, func() {
		if before, twice := l.spent[what]; twice && before != gave {
			l.failed = append(l.failed, kind+": something was spent twice")
		}
		l.spent[what] = gave
	})
}

// signUp makes accounts, of people who press the button again when they are told to.
func (l *ledger) signUp(t *testing.T) {
	l.worker(func(int) {
		someone := newPerson(t, nil)
		shown := someone.open(l.r.Issuer + "/signup")
		for range 2 {
			if shown.byID("signup") != nil {
				shown = shown.press("signup", "name", someone.Name, "email", someone.Email, "password", someone.Password)
			}
		}
		if shown.Status != http.StatusOK || !strings.HasSuffix(shown.URL.Path, "/account") {
			l.refusePage("sign-ups", shown, "")
			return
		}
		l.acknowledge("sign-ups", func() { l.people = append(l.people, someone) })
	})
}

// exchange gets codes and exchanges each until it is spent, and then once more.
func (l *ledger) exchange(sample app, someone *person) {
	l.worker(func(int) {
		shown, state, _, verifier := sample.request(someone)
		if shown.Callback.Get("code") == "" {
			l.refusePage("codes", shown, state)
			return
		}
		code := shown.Callback.Get("code")
		form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"sample-app"}, "code": {code},
			"redirect_uri": {callback}, "code_verifier": {verifier}}
		for won := 0; ; {
			a, err := tokenRequest(l.r, nil, form)
			switch {
			case err == nil && a.Status == http.StatusOK:
				if won++; won > 1 {
					l.fail("a code was spent twice")
				}
				l.acknowledge("codes", func() {})
				continue
			case err == nil && a.Status == http.StatusBadRequest: // spent, or its minute is over
				return
			}
			l.refuse("codes", a, err)
			select {
			case <-l.stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// revoke ends one grant after the other.
func (l *ledger) revoke(tokens []string) {
	l.worker(func(int) {
		if len(tokens) == 0 {
			return
		}
		token := tokens[0]
		a, err := try("POST", l.r.Issuer+"/oauth2/revoke", "", url.Values{"client_id": {"sample-app"}, "token": {token}})
		if err != nil || a.Status != http.StatusOK {
			l.refuse("revocations", a, err)
			return
		}
		tokens = tokens[1:]
		l.acknowledge("revocations", func() { l.revoked = append(l.revoked, token) })
	})
}

// onPair runs a stack whose databases are on a primary with a synchronous standby, without mail.
func onPair(t *testing.T, pair *sqldbtest.Pair, env ...string) *running {
	t.Helper()
	ports, err := stack.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	ports.Inbox = 0
	env = append(env, "AUTHZ_REFRESH_GRACE=5m", // an answer that was lost must not look like a thief's second use
		"BOARD_DAILY_CHARACTERS=0", // one person writes all the time
		"AUTHZ_DATABASE_URL="+pair.URL("authz"), "USER_DATABASE_URL="+pair.URL("people"), "BOARD_DATABASE_URL="+pair.URL("board"),
		"USER_DATABASE_READ_URL="+pair.Second.URL("people"), "BOARD_DATABASE_READ_URL="+pair.Second.URL("board"))
	return startWith(t, stack.Config{Ports: ports, Env: env}, 2)
}

// newcomer signs somebody up where no mail is sent.
func newcomer(t *testing.T, sample app) (*person, grant) {
	t.Helper()
	someone := newPerson(t, nil)
	shown, state, nonce, verifier := sample.request(someone)
	shown = shown.follow("/signup").press("signup", "name", someone.Name, "email", someone.Email, "password", someone.Password)
	return someone, sample.exchange(someone, agree(shown), state, nonce, verifier)
}

// resetLink has an operator make one.
func resetLink(t *testing.T, r *running, someone *person) string {
	t.Helper()
	out, err := r.Authz(t.Context(), "", "user", "reset-link", someone.Email)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, r.Issuer+"/reset?") {
			return word
		}
	}
	t.Fatalf("no link: %s", out)
	return ""
}

// failedOver is what came of a failover. Times are in seconds.
type failedOver struct {
	Acknowledged int     `json:"acknowledged"`
	Refused      int     `json:"refused"`   // by 503
	Back         float64 `json:"back_s"`    // from the promotion until everything went on
	Longest      float64 `json:"longest_s"` // in which nothing was acknowledged
	Wrong        int     `json:"wrong"`     // lost, spent twice, or refused in another way
}

// E2E_FAILOVERS says how many, one after another; otherwise it is one.
func TestAFailoverOfPostgresLosesNothingAcknowledgedAndSpendsNothingTwice(t *testing.T) {
	t.Parallel()
	var all []failedOver
	var rows [][]string
	for i := range howMany(t, "E2E_FAILOVERS", 1) {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			f := failOver(t)
			all = append(all, f)
			rows = append(rows, []string{strconv.Itoa(f.Acknowledged), strconv.Itoa(f.Refused), strconv.Itoa(f.Wrong),
				fmt.Sprintf("%.1f", f.Back), fmt.Sprintf("%.1f", f.Longest)})
		})
	}
	publish(t, "failover", all, machine.Table([]string{"acknowledged>", "answered by 503>", "lost, or spent twice>",
		"s from the promotion until all goes on>", "longest wait without an answer of success, s>"}, rows))
}

func failOver(t *testing.T) (f failedOver) {
	t.Helper()
	pair := sqldbtest.StartPair(t, "authz", "people", "board")
	r := onPair(t, pair)
	sample := sampleApp(t, r, everyScope...)
	l := &ledger{r: r, stop: make(chan struct{}), done: map[string]int{}, refused: map[string]int{},
		posts: map[string]string{}, spent: map[string]string{}, waited: time.Now()}
	someone, g := newcomer(t, sample)
	call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})
	forgetful, _ := newcomer(t, sample)
	used, unused := resetLink(t, r, forgetful), ""
	forgetful.open(used).press("reset", "password", forgetful.Password)
	unused = resetLink(t, r, forgetful)
	var toRevoke []string
	for range 40 {
		toRevoke = append(toRevoke, sample.logIn(someone).RefreshToken)
	}

	kinds := []string{"posts", "refreshes", "codes", "sign-ups", "revocations"}
	for worker := range 2 {
		l.post(worker, g.AccessToken)
		l.refresh(sample.logIn(someone).RefreshToken)
	}
	l.exchange(sample, someone)
	l.signUp(t)
	l.revoke(toRevoke)
	testenv.Eventually(t, "there is something of everything", func() bool { return l.count(kinds...) >= 5 })
	pair.First.Kill()
	noPrimary(t, r, someone, g)
	pair.Second.Promote()
	promoted := time.Now()
	goesOn := func(kind string) bool { return kind != "revocations" || l.count(kind) < len(toRevoke) }
	for _, kind := range kinds {
		if !goesOn(kind) {
			continue
		}
		before := l.count(kind)
		testenv.Eventually(t, kind+" go on after the promotion", func() bool { return l.count(kind) > before || !goesOn(kind) })
	}
	f.Back = time.Since(promoted).Seconds()
	pair.First.Start() // as a primary, which it is no more
	for _, kind := range kinds {
		if !goesOn(kind) {
			continue
		}
		before := l.count(kind)
		testenv.Eventually(t, kind+" go on beside the old primary", func() bool { return l.count(kind) > before+2 || !goesOn(kind) })
	}
	close(l.stop)
	l.all.Wait()
	t.Logf("acknowledged: %v; 503: %v; the longest wait %s", l.done, l.refused, l.longest.Round(10*time.Millisecond))
	l.balance(t)
	for _, what := range l.failed[:min(len(l.failed), 20)] {
		t.Error(what)
	}
	for _, kind := range kinds {
		f.Acknowledged, f.Refused = f.Acknowledged+l.done[kind], f.Refused+l.refused[kind]
	}
	f.Wrong, f.Longest = len(l.failed), l.longest.Seconds()

	// A reset link is good once, on whichever side of the failover.
	if at := forgetful.open(used); at.byID("reset") != nil {
		t.Errorf("a link that was used before is good again: %s", at.text())
	}
	forgetful.open(unused).press("reset", "password", forgetful.Password)
	if at := forgetful.open(unused); at.byID("reset") != nil {
		t.Errorf("a link is good twice: %s", at.text())
	}
	sample.logIn(forgetful)
	return f
}

// noPrimary looks at what is answered while no server takes writes.
func noPrimary(t *testing.T, r *running, someone *person, g grant) {
	t.Helper()
	for name, ask := range map[string]func() (answer, error){
		"a post": func() (answer, error) {
			return try("POST", r.API+"/board/v1/boards/free/posts", g.AccessToken, map[string]string{"title": "t", "body": "b"})
		},
		"a refresh": func() (answer, error) { return tokenRequest(r, nil, refreshForm(g.RefreshToken)) },
		"userinfo":  func() (answer, error) { return try("GET", r.Issuer+"/oauth2/userinfo", g.AccessToken, nil) },
		"revocation": func() (answer, error) {
			return try("POST", r.Issuer+"/oauth2/revoke", "", url.Values{"client_id": {"sample-app"}, "token": {g.RefreshToken}})
		},
	} {
		a, err := ask()
		if err != nil || a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" ||
			!strings.Contains(a.Header.Get("Content-Type"), "json") {
			t.Errorf("%s without a primary: %s %v (%v)", name, a, a.Header, err)
		}
	}
	for language, text := range map[string]string{"en": "try again", "ko": "다시"} {
		for _, path := range []string{"/account", "/login", "/forgot"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.Issuer+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Language", language)
			req.Header.Set("Accept", "text/html")
			resp, err := someone.browser.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			shown := someone.read(resp)
			if path == "/account" && shown.Status != http.StatusServiceUnavailable || shown.Status != http.StatusOK &&
				(shown.Header.Get("Retry-After") == "" || !strings.Contains(strings.ToLower(shown.text()), text)) {
				t.Errorf("%s in %s without a primary: %d %v %s", path, language, shown.Status, shown.Header, shown.text())
			}
		}
	}
	// The services verify by themselves, and read from the replica.
	for _, path := range []string{"/user/v1/me", "/board/v1/boards", "/board/v1/boards/free/posts"} {
		if a := call(t, "GET", r.API+path, g.AccessToken, nil); a.Status != http.StatusOK {
			t.Errorf("%s without a primary: %s", path, a)
		}
		if a := call(t, "GET", r.API+path, g.AccessToken[:len(g.AccessToken)-6]+"AAAAAA", nil); a.Status != http.StatusUnauthorized {
			t.Errorf("%s without a primary, with a forged token: %s", path, a)
		}
	}
	if a := call(t, "GET", r.Issuer+"/.well-known/jwks.json", "", nil); a.Status != http.StatusOK {
		t.Errorf("keys: %s", a)
	}
}

// balance compares what was acknowledged with what is there.
func (l *ledger) balance(t *testing.T) {
	t.Helper()
	sample := sampleApp(t, l.r, everyScope...)
	_, g := newcomer(t, sample)
	for id, title := range l.posts {
		var p post
		a, err := try("GET", l.r.API+"/board/v1/posts/"+id, g.AccessToken, nil)
		if err = errors.Join(err, json.NewDecoder(bytes.NewReader(a.Body)).Decode(&p)); err != nil || p.Title != title {
			l.fail("the post %q was acknowledged: %s (%v)", title, a, err)
		}
	}
	for i, someone := range l.people {
		if i == 10 { // a log-in takes a while
			break
		}
		other := *someone
		fresh := newPerson(t, nil)
		other.browser = fresh.browser
		sample.logIn(&other)
	}
	for _, token := range l.revoked {
		if a, err := tokenRequest(l.r, nil, refreshForm(token)); err != nil || a.Status != http.StatusBadRequest {
			l.fail("a revoked token after the failover: %s (%v)", a, err)
		}
	}
	heads := map[string]bool{}
	for _, successor := range l.spent {
		if _, old := l.spent[successor]; !old {
			heads[successor] = true
		}
	}
	for token := range heads {
		if a, err := tokenRequest(l.r, nil, refreshForm(token)); err != nil || a.Status != http.StatusOK {
			l.fail("the newest refresh token of a chain: %s (%v)", a, err)
		}
	}
	if len(heads) != 2 {
		l.fail("%d chains of refresh tokens", len(heads))
	}
}
