package provider_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// receiver is a client's address for logout tokens. It answers with the next of answers, and then with 200.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []int
	forms   []url.Values
	came    chan struct{} // something for each request
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	r := &receiver{answers: answers, came: make(chan struct{}, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := q.ParseForm(); err != nil || q.Method != "POST" || q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || q.URL.Path != "/out" {
			t.Errorf("%s %s %v: %v", q.Method, q.URL, q.Header, err)
		}
		r.mu.Lock()
		r.forms = append(r.forms, q.PostForm)
		status := 200
		if len(r.answers) > 0 {
			status, r.answers = r.answers[0], r.answers[1:]
		}
		r.mu.Unlock()
		w.Header().Set("Location", r.URL+"/elsewhere")
		w.WriteHeader(status)
		r.came <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) tokens() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var tokens []string
	for _, form := range r.forms {
		tokens = append(tokens, form.Get("logout_token"))
	}
	return tokens
}

// deliver makes attempts until nothing is due.
func (f *fixture) deliver() {
	f.t.Helper()
	for {
		n, err := f.provider.Deliveries.Deliver(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

func (f *fixture) deliveries() []outbox.LogoutDelivery {
	f.t.Helper()
	all, err := f.store.Logouts.LogoutDeliveries(f.t.Context(), "", 100)
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

func TestEveryClientOfASessionIsToldOfItsEnd(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		first, second, third := newReceiver(t), newReceiver(t, 204), newReceiver(t)
		f.addClient("first", func(c *client.Client) { c.BackchannelLogoutURI = first.URL + "/out" })
		f.addClient("second", func(c *client.Client) {
			c.BackchannelLogoutURI, c.IDTokenSignedResponseAlg, c.SubjectType = second.URL+"/out", "ES256", "pairwise"
		})
		f.addClient("third", func(c *client.Client) { c.BackchannelLogoutURI = third.URL + "/out" })
		b := f.browser().logIn(f.user)
		f.browser().logIn(f.user).code("client_id", "third") // another session
		b.code("client_id", "first")
		b.code("client_id", "first")
		code := b.code("client_id", "second")
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
		_, id := decode(t, f.tokens(f.token("second", secret, form)).id)

		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.provider.Run(ctx) })
		defer running.Wait()
		defer stop()
		if a := b.post("/oauth2/logout", url.Values{}); !strings.Contains(a.body, "You are logged out") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		<-first.came
		<-second.came
		for name, r := range map[string]*receiver{"first": first, "second": second} {
			tokens := r.tokens()
			if len(tokens) != 1 || len(r.forms[0]) != 1 {
				t.Fatalf("%s was told %v", name, r.forms)
			}
			header, claims := decode(t, tokens[0])
			if _, _, err := f.ring.Verify(t.Context(), tokens[0], "logout+jwt"); err != nil {
				t.Error(err)
			}
			events, _ := json.Marshal(claims["events"])
			sub, alg := f.user.ID, keys.RS256
			if name == "second" {
				sub, alg = id["sub"].(string), "ES256" // an ID token has one
			}
			lifetime := claims["exp"].(float64) - claims["iat"].(float64) // numbers, or the test may fail here
			if header["alg"] != alg || header["typ"] != "logout+jwt" || claims["iss"] != f.issuer || claims["aud"] != name || claims["sub"] != sub || claims["sid"] != b.sid ||
				claims["jti"] == "" || lifetime != 120 || string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` || len(claims) != 8 {
				t.Errorf("%s: %v %v", name, header, claims)
			}
		}
		stop()
		running.Wait() // what was under way has been noted
		if left := f.deliveries(); len(left) > 0 || len(third.tokens()) > 0 {
			t.Errorf("left %+v, and a client of another session was told %v", left, third.tokens())
		}
	})
}

func TestALogoutTokenIsNothingElse(t *testing.T) {
	f := one(t)
	r := newReceiver(t)
	f.addClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.browser().logIn(f.user)
	b.code("client_id", "first")
	b.post("/oauth2/logout", url.Values{})
	f.deliver()
	token := r.tokens()[0]

	b.logIn(f.user)
	if a := b.authorize(parameters("client_id", "first", "id_token_hint", token)); a.parameter("error") != "invalid_request" || a.parameter("code") != "" {
		t.Errorf("as id_token_hint: %v", a.location)
	}
	if a := b.get("/oauth2/logout?" + url.Values{"id_token_hint": {token}}.Encode()); !strings.Contains(a.body, "Cannot log you out") {
		t.Errorf("as id_token_hint at log-out: %d %s", a.status, a.body)
	}
	if a := f.userinfo(token); a.status != 401 {
		t.Errorf("as access token: %d %s", a.status, a.body)
	}
	if a := f.refresh(token); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("as refresh token: %d %s", a.status, a.body)
	}
	if a := b.authorize(parameters("client_id", "first", "request", token)); a.parameter("code") != "" {
		t.Errorf("as request object: %v", a.location)
	}
}

func TestWhoCannotBeToldIsToldLater(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		registry := prometheus.NewRegistry()
		f := oneWith(t, databaseURL, func(c *provider.Config) { c.Metrics = registry })
		r := newReceiver(t, 500, 400, 307, 202)
		f.addClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
		b := f.browser().logIn(f.user)
		b.code("client_id", "first")
		if err := f.store.Users.SetDisabled(t.Context(), f.user.ID, true); err != nil {
			t.Fatal(err)
		}
		for attempt, reason := range []string{"status 500", "status 400", "status 307", "status 202"} {
			f.deliver()
			left := f.deliveries()
			if len(left) != 1 || !strings.Contains(left[0].LastError, reason) || left[0].Attempts != int64(attempt+1) {
				t.Fatalf("after attempt %d: %+v", attempt+1, left)
			}
			wait := left[0].DueAt.Sub(f.clock.now())
			if wait < 3*time.Second<<attempt || wait > 6*time.Second<<attempt {
				t.Errorf("after attempt %d it waits for %s", attempt+1, wait)
			}
			f.clock.advance(wait)
		}
		f.deliver()
		tokens := r.tokens()
		if len(tokens) != 5 || len(f.deliveries()) != 0 {
			t.Fatalf("%d tokens, left %+v", len(tokens), f.deliveries())
		}
		seen := map[any]bool{}
		for _, token := range tokens {
			_, claims := decode(t, token)
			seen[claims["jti"]] = true
		}
		if len(seen) != 5 {
			t.Errorf("a client may refuse a token that it has seen: %v", seen)
		}
		if got := counted(t, registry); got["delivered"] != 1 || got["failed"] != 4 || got["given_up"] != 0 {
			t.Error(got)
		}
	})
}

// counted are the attempts by outcome.
func counted(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() == "authz_logout_deliveries_total" {
			for _, m := range family.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}

func TestADeadClientIsGivenUpAfterADay(t *testing.T) {
	registry := prometheus.NewRegistry()
	f := oneWith(t, sqldbtest.SQLite(t), func(c *provider.Config) { c.Metrics = registry })
	r := newReceiver(t)
	r.Close()
	f.addClient("dead", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	f.addClient("leaving", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.browser().logIn(f.user)
	b.code("client_id", "dead")
	b.code("client_id", "leaving")
	began := f.clock.now()
	if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.DeleteClient(t.Context(), "leaving"); err != nil {
		t.Fatal(err)
	}
	f.deliver()
	for {
		left := f.deliveries()
		if len(left) != 1 || left[0].ClientID != "dead" || left[0].LastError == "" {
			t.Fatalf("%+v", left)
		}
		if !left[0].GivenUpAt.IsZero() {
			if after := left[0].GivenUpAt.Sub(began); after < 20*time.Hour || after > 24*time.Hour+time.Minute || left[0].Attempts < 15 || left[0].Attempts > 40 {
				t.Errorf("given up after %s and %d attempts", after, left[0].Attempts)
			}
			break
		}
		f.clock.advance(left[0].DueAt.Sub(f.clock.now()))
		f.deliver()
	}
	if got := counted(t, registry); got["given_up"] != 1 {
		t.Error(got)
	}
	f.clock.advance(time.Hour)
	if n, err := f.provider.Deliveries.Deliver(t.Context()); n != 0 || err != nil {
		t.Errorf("tried again: %d %v", n, err)
	}
}

func TestASlowClientDoesNotKeepOthersWaiting(t *testing.T) {
	f := one(t)
	let := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-let }))
	defer slow.Close()
	quick := newReceiver(t)
	f.addClient("a-slow", func(c *client.Client) { c.BackchannelLogoutURI = slow.URL + "/out" })
	f.addClient("quick", func(c *client.Client) { c.BackchannelLogoutURI = quick.URL + "/out" })
	b := f.browser().logIn(f.user)
	b.code("client_id", "a-slow")
	b.code("client_id", "quick")
	if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
		t.Fatal(err)
	}
	var attempt sync.WaitGroup
	attempt.Go(f.deliver)
	<-quick.came // while the other is still thinking
	close(let)
	attempt.Wait()
	if left := f.deliveries(); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

func TestReplicasDeliverALogoutOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		r := newReceiver(t)
		f.addClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
		var sids []string
		for range 4 {
			b := f.browser().logIn(f.user)
			b.code("client_id", "first")
			sids = append(sids, b.sid)
		}
		if err := f.store.Sessions.EndSessionsOf(t.Context(), f.user.ID, ""); err != nil {
			t.Fatal(err)
		}
		var replicas sync.WaitGroup
		for range 8 {
			replicas.Go(func() {
				if _, err := f.provider.Deliveries.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		f.deliver()
		var told []string
		for _, token := range r.tokens() {
			_, claims := decode(t, token)
			told = append(told, fmt.Sprint(claims["sid"]))
		}
		slices.Sort(told)
		slices.Sort(sids)
		if !slices.Equal(told, sids) {
			t.Errorf("told of %q, not of %q", told, sids)
		}
	})
}

func TestFrontChannelLogoutComesBeforeGoingOn(t *testing.T) {
	f := one(t)
	f.addClient("framed", func(c *client.Client) { c.FrontchannelLogoutURI = "https://app.example/front?a=b" })
	b := f.browser().logIn(f.user)
	b.code("client_id", "framed")
	id := f.tokens(f.exchange(b.code())).id
	bye := "/oauth2/logout?" + url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"s"}}.Encode()
	a := b.get(bye)
	frame := "https://app.example/front?a=b&amp;iss=" + url.QueryEscape(f.issuer) + "&amp;sid=" + b.sid
	if a.status != 200 || !strings.Contains(a.body, `<iframe src="`+frame+`"`) || !strings.Contains(a.body, `id="next" href="https://app.example/bye?state=s"`) ||
		a.header.Get("Refresh") != "" || !strings.Contains(a.body, `<noscript><meta http-equiv="refresh" content="5; url=https://app.example/bye?state=s"></noscript>`) || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-src https://app.example;") ||
		!strings.Contains(a.body, "logged_out-") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := b.get(bye); a.status != 303 || a.location.String() != "https://app.example/bye?state=s" {
		t.Errorf("again, with nobody to tell: %d %s", a.status, a.body)
	}
	if a := b.authorize(parameters("prompt", "none")); a.parameter("error") != "login_required" {
		t.Errorf("after the log-out: %v", a.location)
	}
}

// stateFor is the session_state as the script of the check_session_iframe computes it, with the browser's cookie.
func (b *browser) stateFor(clientID, origin, sessionState string) string {
	_, salt, _ := strings.Cut(sessionState, ".")
	u, err := url.Parse(b.f.issuer)
	if err != nil {
		b.f.t.Fatal(err)
	}
	state := ""
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name == "maru-browser-state" {
			state = cookie.Value
		}
	}
	sum := sha256.Sum256([]byte(clientID + " " + origin + " " + state + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}

func TestSessionStateChangesWithTheLogIn(t *testing.T) {
	f := one(t)
	b := f.browser()
	const origin = "https://app.example"
	check := func(when string, a answer) string {
		t.Helper()
		got := a.parameter("session_state")
		if got == "" || got != b.stateFor("app", origin, got) {
			t.Errorf("%s: session_state %q, %v", when, got, a.location)
		}
		return got
	}
	nobody := check("nobody logged in", b.authorize(parameters("prompt", "none")))
	b.logIn(f.user)
	first := check("logged in", b.authorize(parameters()))
	if nobody == b.stateFor("app", origin, nobody) {
		t.Error("a log-in changed nothing")
	}
	check("an error", b.authorize(parameters("response_type", "nonsense")))
	if a := b.authorize(parameters("scope", "user:read")); a.parameter("code") == "" || a.parameter("session_state") != "" {
		t.Errorf("without openid: %v", a.location)
	}
	_, claims := decode(t, b.authorize(parameters("response_mode", "jwt")).parameter("response"))
	if got := fmt.Sprint(claims["session_state"]); got != b.stateFor("app", origin, got) {
		t.Errorf("JARM: %v", claims)
	}

	// Another site's frame or form comes without the session cookie: that is no log-out.
	u, err := url.Parse(f.issuer)
	if err != nil {
		t.Fatal(err)
	}
	foreign := f.browser()
	for _, cookie := range b.Jar.Cookies(u) {
		if cookie.Name != "maru-session" {
			foreign.Jar.SetCookies(u, []*http.Cookie{cookie})
		}
	}
	if a := foreign.authorize(parameters("prompt", "none")); a.parameter("error") != "login_required" || first != foreign.stateFor("app", origin, first) {
		t.Errorf("another site changed the state: %v", a.location)
	}

	if first != b.stateFor("app", origin, first) {
		t.Error("it changed while the log-in lasted")
	}
	b.post("/oauth2/logout", url.Values{})
	if first == b.stateFor("app", origin, first) {
		t.Error("a log-out changed nothing")
	}

	b.logIn(f.user)
	again := check("again", b.authorize(parameters()))
	if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil { // elsewhere
		t.Fatal(err)
	}
	check("ended elsewhere", b.authorize(parameters("prompt", "none")))
	if again == b.stateFor("app", origin, again) {
		t.Error("the end of the session changed nothing")
	}
}

func TestCheckSessionMayBeFramedByEverybody(t *testing.T) {
	f := one(t)
	a := f.browser().get("/oauth2/check_session")
	if a.status != 200 || !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors *") || strings.Contains(a.header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := f.browser().get("/login"); !strings.Contains(a.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("the log-in page may be framed: %v", a.header)
	}
	document := f.browser().get("/.well-known/openid-configuration").json(t)
	for _, name := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported"} {
		if document[name] != true {
			t.Errorf("%s is %v", name, document[name])
		}
	}
	if document["end_session_endpoint"] != f.issuer+"/oauth2/logout" || document["check_session_iframe"] != f.issuer+"/oauth2/check_session" {
		t.Error(document)
	}
}

// The page says that an app is disconnected: it is told so.
func TestAClientIsToldWhenAPersonDisconnectsIt(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		plain, strict, other := newReceiver(t), newReceiver(t), newReceiver(t)
		f.addClient("plain", func(c *client.Client) { c.BackchannelLogoutURI = plain.URL + "/out" })
		f.addClient("strict", func(c *client.Client) {
			c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired = strict.URL+"/out", true
		})
		f.addClient("other", func(c *client.Client) { c.BackchannelLogoutURI = other.URL + "/out" })
		first, second := f.browser().logIn(f.user), f.browser().logIn(f.user)
		for _, b := range []*browser{first, second} {
			for _, id := range []string{"plain", "strict", "other"} {
				b.code("client_id", id)
			}
		}
		withdraw := func(id string) {
			t.Helper()
			a := first.post("/account/apps", url.Values{"client": {id}})
			if a.location == nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			// What is true is said: offline, a token is good until it expires.
			if a := first.get(a.location.String()); !strings.Contains(a.body, "for up to 10 minutes") {
				t.Errorf("%d %s", a.status, a.body)
			}
			f.deliver()
		}
		withdraw("plain")
		withdraw("strict")
		withdraw("nobody")
		if len(plain.tokens()) != 1 || len(strict.tokens()) != 2 || len(other.tokens()) != 0 {
			t.Fatalf("told %v, %v and %v", plain.forms, strict.forms, other.forms)
		}
		_, claims := decode(t, plain.tokens()[0])
		if _, names := claims["sid"]; names || claims["sub"] != f.user.ID { // every session of the person
			t.Errorf("%v", claims)
		}
		sids := map[string]bool{}
		for _, token := range strict.tokens() {
			_, claims := decode(t, token)
			sids[fmt.Sprint(claims["sid"])] = true
		}
		if !sids[first.sid] || !sids[second.sid] {
			t.Errorf("%v", sids)
		}
		// The sessions' end is nothing new to them.
		first.post("/oauth2/logout", url.Values{})
		f.deliver()
		if len(plain.tokens()) != 1 || len(strict.tokens()) != 2 || len(other.tokens()) != 1 {
			t.Errorf("told %v, %v and %v", plain.forms, strict.forms, other.forms)
		}
	})
}

// One that keeps access after the log-out is told as well.
func TestAnOfflineClientIsToldWhenAPersonDisconnectsIt(t *testing.T) {
	f := one(t)
	r := newReceiver(t)
	f.addClient("offline", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.browser().logIn(f.user)
	b.code("client_id", "offline", "scope", "openid offline_access", "prompt", "")
	b.post("/oauth2/logout", url.Values{})
	f.deliver()
	b.logIn(f.user)
	b.post("/account/apps", url.Values{"client": {"offline"}})
	b.post("/account/apps", url.Values{"client": {"offline"}})
	f.deliver()
	if len(r.tokens()) != 2 {
		t.Errorf("told %v", r.forms)
	}
}
