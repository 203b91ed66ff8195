package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/deploy/load/driver"
)

// A Scenario is one kind of request, or several that belong together.
type Scenario struct {
	Name  string // as it is named on the command line
	Title string

	Signatures int  // RSA signatures that the server must make for it
	Hashes     int  // password hashes
	Requests   int  // HTTP requests; 0: one
	Writes     bool // to a database
	NoDatabase bool // it asks none, so that engines make no difference

	// Step makes the steps of a worker, from 0 to Config.Workers.
	Step func(s *Site, w Way, worker int) driver.Step

	// Prepare makes what n steps use up; nil: they use up nothing. [Site.Discard] removes it.
	Prepare func(ctx context.Context, s *Site, n int) error
	// Begin is called before each loop; nil: nothing needs to be new.
	Begin func(ctx context.Context, s *Site) error
}

// Scenarios are all there are, in the order of the tables.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "client-credentials", Title: "token by client credentials", Signatures: 1, Step: (*Site).clientCredentials},
		{Name: "login", Title: "log-in by password", Hashes: 1, Writes: true, Step: (*Site).logIn},
		{Name: "authorize", Title: "authorize with a session", Writes: true, Step: (*Site).authorizeStep},
		{Name: "code-exchange", Title: "code exchange", Signatures: 3, Writes: true, Step: (*Site).codeExchange, Prepare: prepareCodes},
		{Name: "refresh", Title: "refresh", Signatures: 3, Writes: true, Step: (*Site).refresh, Begin: newGrants},
		{Name: "journey", Title: "a whole log-in to an app", Signatures: 3, Hashes: 1, Requests: 5, Writes: true, Step: (*Site).journey},
		{Name: "userinfo", Title: "userinfo", Step: (*Site).userinfo},
		{Name: "introspection", Title: "introspection", Step: (*Site).introspection},
		{Name: "jwks", Title: "key set (JWKS)", NoDatabase: true, Step: (*Site).jwks},
		{Name: "status-list", Title: "status list", NoDatabase: true, Step: (*Site).statusList},
		{Name: "board-list", Title: "posts of a board", Step: (*Site).boardList},
		{Name: "board-post", Title: "new post", Writes: true, Step: (*Site).boardPost},
		{Name: "health", Title: "health (/livez)", NoDatabase: true, Step: (*Site).health},
	}
}

// Pick returns the scenarios of these names, all for none.
func Pick(names []string) ([]Scenario, error) {
	all := Scenarios()
	if len(names) == 0 {
		return all, nil
	}
	var picked []Scenario
	for _, name := range names {
		found := false
		for _, one := range all {
			if one.Name == name {
				picked, found = append(picked, one), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario is called %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return picked, nil
}

// Names are those of all scenarios.
func Names() (names []string) {
	for _, one := range Scenarios() {
		names = append(names, one.Name)
	}
	return names
}

// Discard forgets what was prepared and not used.
func (s *Site) Discard() {
	for {
		select {
		case <-s.codes:
		default:
			return
		}
	}
}

// same is a step that sends one request again and again.
func same(address string, want int, request func() driver.Request) driver.Step {
	c := driver.NewConn(address)
	return func(ctx context.Context) error {
		a, err := c.Do(ctx, request())
		if err != nil {
			return err
		}
		return a.Want(want)
	}
}

// fixed is same for a request that never changes.
func fixed(address string, r driver.Request) driver.Step {
	return same(address, http.StatusOK, func() driver.Request { return r })
}

func (s *Site) health(w Way, _ int) driver.Step {
	return fixed(w.authz, driver.NewRequest(http.MethodGet, w.issuer, "/livez", ""))
}

func (s *Site) jwks(w Way, _ int) driver.Step {
	return fixed(w.authz, driver.NewRequest(http.MethodGet, w.issuer, "/.well-known/jwks.json", ""))
}

func (s *Site) statusList(w Way, _ int) driver.Step {
	return fixed(w.authz, driver.NewRequest(http.MethodGet, w.issuer, s.statusPath, "", "Accept", "application/statuslist+jwt"))
}

func (s *Site) clientCredentials(w Way, _ int) driver.Step {
	return fixed(w.authz, w.tokenRequest(serviceAuth, "grant_type=client_credentials&scope=user%3Alookup+board%3Aread"))
}

func (s *Site) userinfo(w Way, _ int) driver.Step {
	return same(w.authz, http.StatusOK, func() driver.Request {
		return driver.NewRequest(http.MethodGet, w.issuer, "/oauth2/userinfo", "", "Authorization", "Bearer "+*s.someone.Load())
	})
}

func (s *Site) introspection(w Way, _ int) driver.Step {
	c := driver.NewConn(w.authz)
	return func(ctx context.Context) error {
		a, err := c.Do(ctx, driver.NewRequest(http.MethodPost, w.issuer, "/oauth2/introspect", "token="+*s.someone.Load(),
			"Authorization", demoAuth, "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json"))
		if err == nil {
			err = a.Want(http.StatusOK)
		}
		if err == nil && !bytes.Contains(a.Body, []byte(`"active":true`)) {
			err = &driver.Failure{Kind: "not active"}
		}
		return err
	}
}

func (s *Site) boardList(w Way, _ int) driver.Step {
	return same(w.board, http.StatusOK, func() driver.Request {
		return driver.NewRequest(http.MethodGet, w.api, w.boardPath+"/v1/boards/free/posts", "", "Authorization", "Bearer "+*s.service.Load())
	})
}

func (s *Site) boardPost(w Way, _ int) driver.Step {
	return same(w.board, http.StatusCreated, func() driver.Request {
		text := fmt.Sprintf(`{"title":"글 %d","body":"마루에 앉아 가을볕을 쬐는 날. The floor is warm."}`, s.titles.Add(1))
		return driver.NewRequest(http.MethodPost, w.api, w.boardPath+"/v1/boards/free/posts", text, "Authorization", "Bearer "+*s.someone.Load(),
			"Content-Type", "application/json")
	})
}

// refresh exchanges the refresh tokens of a worker in turn, each for its successor.
func (s *Site) refresh(w Way, worker int) driver.Step {
	c := driver.NewConn(w.authz)
	return func(ctx context.Context) error {
		mine := s.grants[worker]
		i := s.turn[worker]
		s.turn[worker] = (i + 1) % len(mine)
		// To the end: a successor must not get lost.
		t, err := w.token(context.WithoutCancel(ctx), c, demoAuth, "grant_type=refresh_token&refresh_token="+mine[i])
		if err == nil {
			mine[i] = t.Refresh
		}
		return err
	}
}

func newGrants(ctx context.Context, s *Site) error { return s.renewGrants(ctx) }

func prepareCodes(ctx context.Context, s *Site, n int) error { return s.makeCodes(ctx, n) }

func (s *Site) codeExchange(w Way, _ int) driver.Step {
	c := driver.NewConn(w.authz)
	return func(ctx context.Context) error {
		select {
		case code := <-s.codes:
			_, err := w.token(ctx, c, demoAuth, s.codeForm(code))
			return err
		default:
			return driver.ErrUsedUp
		}
	}
}

func (s *Site) codeForm(code string) string {
	return url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {s.callback()}, "code_verifier": {verifier}}.Encode() +
		"&code=" + url.QueryEscape(code)
}

func (s *Site) callback() string { return s.Origins().App + "/callback" }

// authorizePath is where the demo app leads a browser.
func (s *Site) authorizePath() string {
	sum := sha256.Sum256([]byte(verifier))
	return "/oauth2/authorize?" + url.Values{"client_id": {"demo"}, "response_type": {"code"}, "redirect_uri": {s.callback()},
		"scope": {appScope}, "state": {"a-state-of-the-load-test"}, "nonce": {"a-nonce-of-the-load-test"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}.Encode()
}

// authorize gets a code for a person who is logged in.
func (s *Site) authorize(ctx context.Context, c *driver.Conn, w Way, p *person) (code string, err error) {
	a, err := p.do(ctx, c, w, http.MethodGet, s.authorizePath(), "")
	if err != nil {
		return "", err
	}
	return codeOf(a)
}

func codeOf(a driver.Answer) (string, error) {
	next, err := redirect(a)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(next)
	if err != nil {
		return "", err
	}
	if code := u.Query().Get("code"); code != "" {
		return code, nil
	}
	return "", &driver.Failure{Kind: "no code", Err: errors.New(u.Path + " " + u.Query().Get("error"))}
}

func (s *Site) authorizeStep(w Way, worker int) driver.Step {
	c := driver.NewConn(w.authz)
	return func(ctx context.Context) error {
		_, err := s.authorize(ctx, c, w, s.people[worker])
		return err
	}
}

const sessionCookie = "maru-session"

// logIn sends the form of the log-in, from a browser that the person has used before.
func (s *Site) logIn(w Way, worker int) driver.Step {
	c, p := driver.NewConn(w.authz), s.guests[worker]
	return func(ctx context.Context) error {
		delete(p.cookies, sessionCookie)
		_, err := p.postLogIn(ctx, c, w, "/login")
		return err
	}
}

// journey is everything that happens when a person logs in to an app: the app leads the browser to
// the issuer, which shows its page, takes the password and leads back with a code, which the app
// exchanges for tokens.
func (s *Site) journey(w Way, worker int) driver.Step {
	c, p := driver.NewConn(w.authz), s.guests[worker]
	return func(ctx context.Context) error {
		delete(p.cookies, sessionCookie)
		p.sender = s.sender()
		a, err := p.do(ctx, c, w, http.MethodGet, s.authorizePath(), "")
		if err != nil {
			return err
		}
		login, err := redirect(a)
		if err != nil {
			return err
		}
		if a, err = p.do(ctx, c, w, http.MethodGet, login, ""); err != nil {
			return err
		}
		if err := a.Want(http.StatusOK); err != nil {
			return err
		}
		back, err := p.postLogIn(ctx, c, w, login)
		if err != nil {
			return err
		}
		if a, err = p.do(ctx, c, w, http.MethodGet, back, ""); err != nil {
			return err
		}
		code, err := codeOf(a)
		if err != nil {
			return fmt.Errorf("%w after %s", err, strconv.Quote(back))
		}
		_, err = w.token(ctx, c, demoAuth, s.codeForm(code))
		return err
	}
}
