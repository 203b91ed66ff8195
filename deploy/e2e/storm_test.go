package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// storm is tokens that are issued, used and revoked while replicas are killed.
type storm struct {
	r    *running
	stop chan struct{}
	all  sync.WaitGroup

	mu     sync.Mutex
	tokens []*stormToken
	failed []string
	shown  int
	slow   time.Duration // the longest that a token was accepted after its revocation
}

// stormToken is one of these tokens; the storm's mutex guards what changes.
type stormToken struct {
	text, of string
	at       []string        // the addresses at the services where it is shown
	ending   bool            // its revocation has begun
	ended    time.Time       // when that was acknowledged; zero: it was not
	refused  map[string]bool // by address
}

func (s *storm) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

func (s *storm) add(text, of string, at ...string) *stormToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := &stormToken{text: text, of: of, at: at, refused: map[string]bool{}}
	s.tokens = append(s.tokens, token)
	return token
}

// end revokes tokens by what revoke does, which returns when that was acknowledged.
func (s *storm) end(tokens []*stormToken, revoke func()) {
	s.mu.Lock()
	for _, token := range tokens {
		token.ending = true
	}
	s.mu.Unlock()
	revoke()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, token := range tokens {
		token.ended = time.Now()
	}
}

// worker repeats one until the storm is over.
func (s *storm) worker(pause time.Duration, one func()) {
	s.all.Go(func() {
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(pause):
				one()
			}
		}
	})
}

// post asks the issuer until a replica answers with anything but a failure of its own, for a minute
// at most.
func (s *storm) post(path string, form url.Values, headers ...string) answer {
	var a answer
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if a, err = try("POST", s.r.Issuer+path, "", form, headers...); err == nil && a.Status < http.StatusInternalServerError {
			return a
		}
	}
	s.fail("%s: %s %v", path, a, err)
	return a
}

func (s *storm) tokensOf(a answer) (got tokens) {
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &got) != nil {
		s.fail("the token endpoint: %s", a)
	}
	return got
}

// show shows a token at one address, and judges the answer.
func (s *storm) show(token *stormToken, address string) {
	s.mu.Lock()
	ended, refused := token.ended, token.refused[address]
	s.shown++
	s.mu.Unlock()
	sent := time.Now()
	a, err := try("GET", address, token.text, nil)
	s.mu.Lock()
	ending := token.ending
	switch {
	case err == nil && a.Status == http.StatusUnauthorized && ending:
		token.refused[address] = true
	case err == nil && a.Status == http.StatusOK && !ended.IsZero():
		s.slow = max(s.slow, sent.Sub(ended))
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		s.fail("%s: %v", address, err)
	case a.Status == http.StatusUnauthorized && !ending:
		s.fail("%s refuses a valid token of %s: %s %s", address, token.of, a, a.Header.Get("WWW-Authenticate"))
	case a.Status == http.StatusOK && refused:
		s.fail("%s takes a token of %s again that it had refused", address, token.of)
	case a.Status == http.StatusOK && !ended.IsZero() && sent.Sub(ended) > revocationBound:
		s.fail("%s takes a token of %s %v after its revocation", address, token.of, sent.Sub(ended))
	case a.Status != http.StatusOK && a.Status != http.StatusUnauthorized:
		s.fail("%s with a token of %s: %s", address, token.of, a)
	}
}

// showOne shows one of the tokens that are about to be refused, or any, in turns.
func (s *storm) showOne() {
	type pair struct {
		token   *stormToken
		address string
	}
	var waiting []pair
	s.mu.Lock()
	for _, token := range s.tokens {
		for _, address := range token.at {
			if token.ending && !token.refused[address] {
				waiting = append(waiting, pair{token, address})
			}
		}
	}
	var one pair
	switch n := len(s.tokens); {
	case n == 0:
		s.mu.Unlock()
		return
	case len(waiting) > 0 && rand.IntN(3) > 0:
		one = waiting[rand.IntN(len(waiting))]
	default:
		token := s.tokens[rand.IntN(n)]
		one = pair{token, token.at[rand.IntN(len(token.at))]}
	}
	s.mu.Unlock()
	s.show(one.token, one.address)
}

// killInTurn kills one replica after the other and starts it again, so that one at a time is away.
func (s *storm) killInTurn() (kills func() int) {
	n := 0
	s.worker(0, func() {
		name, port := "authz-server", s.r.ports.Authz[n%2]
		if n%2 == 1 {
			name += "-2"
		}
		n++
		if err := s.r.Kill(name); err != nil {
			s.fail("%v", err)
		}
		time.Sleep(300*time.Millisecond + rand.N(time.Second))
		if err := s.r.Launch(name); err != nil {
			s.fail("%v", err)
			return
		}
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			a, err := try("GET", fmt.Sprintf("http://127.0.0.1:%d/readyz", port), "", nil)
			if err == nil && a.Status == http.StatusOK {
				break
			}
			if time.Now().After(end) {
				s.fail("%s is not ready a minute after its start: %s %v", name, a, err)
				return
			}
		}
		time.Sleep(1500 * time.Millisecond) // the gateway sees it within half a second
	})
	return func() int { return n }
}

// refresher refreshes a person's grant over and over.
type refresher struct {
	s             *storm
	person        *person
	of            string
	first, newest string // refresh tokens
	access        []*stormToken
	stop          chan struct{}
	done          sync.WaitGroup
}

func (s *storm) refresh(t *testing.T, of string, scopes ...string) *refresher {
	t.Helper()
	p := newPerson(t, nil)
	g := sampleApp(t, s.r, scopes...).signUp(p)
	at := []string{s.r.API + "/user/v1/me", s.r.shownAt()["board"]}
	call(t, "GET", at[0], g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})
	f := &refresher{s: s, person: p, of: of, first: g.RefreshToken, newest: g.RefreshToken, stop: make(chan struct{}),
		access: []*stormToken{s.add(g.AccessToken, of, at...)}}
	f.done.Go(func() {
		for {
			select {
			case <-f.stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
			got := s.tokensOf(s.post("/oauth2/token", refreshForm(f.newest)))
			if got.Refresh == "" {
				return
			}
			f.newest = got.Refresh
			f.access = append(f.access, s.add(got.Access, of, at...))
		}
	})
	return f
}

// end stops the refreshing, and ends the grant.
func (f *refresher) end(revoke func()) {
	close(f.stop)
	f.done.Wait()
	f.s.end(f.access, revoke)
}

// The replicas are killed in turn for 20 seconds, or for as long as E2E_STORM says, such as 1m.
func TestRevokedTokensAreRefusedWhileReplicasAreKilledInTurn(t *testing.T) {
	t.Parallel()
	long := 20 * time.Second
	if text := os.Getenv("E2E_STORM"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	// An answer that was lost must not look like a thief's second use.
	r := start(t, 2, append(postgres(t), "AUTHZ_REFRESH_GRACE=60s")...)
	s := &storm{r: r, stop: make(chan struct{})}
	w := twoWriters(t, r)
	grants := map[string]*refresher{}
	for _, of := range []string{"a grant revoked", "a grant whose consent was withdrawn", "a grant whose refresh token was reused", "a grant that goes on"} {
		grants[of] = s.refresh(t, of, everyScope...)
	}
	loggedOut := "a session logged out"
	grants[loggedOut] = s.refresh(t, loggedOut, "openid", "user:read", "board:read") // without offline_access

	kills := s.killInTurn()
	for range 2 {
		s.worker(200*time.Millisecond, func() {
			form := url.Values{"grant_type": {"client_credentials"}, "scope": {bothServices}}
			got := s.tokensOf(s.post("/oauth2/token", form, "Authorization", sampleService))
			if got.Access == "" {
				return
			}
			token := s.add(got.Access, "a service", r.shownAt()["user"], r.shownAt()["board"])
			for _, address := range token.at {
				s.show(token, address)
			}
			if rand.IntN(2) == 0 {
				return
			}
			s.end([]*stormToken{token}, func() {
				if a := s.post("/oauth2/revoke", url.Values{"token": {token.text}}, "Authorization", sampleService); a.Status != http.StatusOK {
					s.fail("the revocation: %s", a)
				}
			})
		})
		s.worker(50*time.Millisecond, s.showOne)
	}
	over := time.After(long)
	part := long / 6
	endings := []struct {
		of     string
		revoke func(f *refresher)
	}{
		{"a grant revoked", func(f *refresher) {
			s.post("/oauth2/revoke", url.Values{"client_id": {"sample-app"}, "token": {f.newest}})
		}},
		{"a grant whose consent was withdrawn", func(f *refresher) {
			f.person.insist(r.Issuer+"/account/apps", url.Values{"client": {"sample-app"}})
		}},
		{"a grant whose refresh token was reused", func(f *refresher) {
			if a := s.post("/oauth2/token", refreshForm(f.first)); a.Status != http.StatusBadRequest {
				s.fail("the first refresh token: %s", a)
			}
		}},
		{loggedOut, func(f *refresher) { f.person.insist(r.Issuer+"/oauth2/logout", url.Values{}) }},
	}
	for _, ending := range endings {
		time.Sleep(part)
		f := grants[ending.of]
		f.end(func() { ending.revoke(f) })
	}
	w.change(t, r)
	<-over
	close(s.stop)
	s.all.Wait()
	survivor := grants["a grant that goes on"]
	close(survivor.stop)
	survivor.done.Wait()

	time.Sleep(revocationBound + 100*time.Millisecond) // since the last revocation
	s.judge(t)
	w.arrived(t, r)
	t.Logf("%d kills, %d tokens, shown %d times; a revoked one was accepted for %v at most", kills(), len(s.tokens), s.shown, s.slow.Round(10*time.Millisecond))
	if kills() < 2 {
		t.Errorf("%d kills", kills())
	}
}

// judge shows every token once more, and looks whether two of them share a place in a list. Only
// tokens of one grant may: answers to repeated refreshes do, and a kill loses answers.
func (s *storm) judge(t *testing.T) {
	t.Helper()
	places, revoked := map[string]string{}, 0
	for _, token := range s.tokens {
		said := claims(t, token.text)
		place := fmt.Sprint(said["status"])
		grant, _, ofGrant := strings.Cut(fmt.Sprint(said["jti"]), ".")
		if other, taken := places[place]; taken && (!ofGrant || other != grant) {
			t.Errorf("%s and %s share the place %s", other, grant, place)
		}
		places[place] = grant
		want := http.StatusOK
		if token.ending {
			want = http.StatusUnauthorized
			revoked++
		}
		for _, address := range token.at {
			if a := call(t, "GET", address, token.text, nil); a.Status != want {
				t.Errorf("%s with a token of %s in the end: %s, want %d", address, token.of, a, want)
			}
		}
	}
	if revoked < 10 || len(s.tokens)-revoked < 10 {
		t.Errorf("%d tokens, %d of them revoked, tell little", len(s.tokens), revoked)
	}
	for i, what := range s.failed {
		if i == 20 {
			t.Errorf("and %d more", len(s.failed)-i)
			break
		}
		t.Error(what)
	}
}
