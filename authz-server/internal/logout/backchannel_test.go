package logout_test

import (
	"context"
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
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// receiver is a client's address for logout tokens. It answers with the next of answers, and then
// with 200.
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
		if err := q.ParseForm(); err != nil || q.Method != "POST" ||
			q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || q.URL.Path != "/out" {
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
func deliver(f *providertest.Fixture) {
	f.T.Helper()
	if _, err := f.Queue.Deliver(f.T.Context()); err != nil {
		f.T.Fatal(err)
	}
}

func deliveries(f *providertest.Fixture) []outbox.Item {
	f.T.Helper()
	all, err := f.Store.Outbox.List(f.T.Context(), outbox.KindLogout, "", 100)
	if err != nil {
		f.T.Fatal(err)
	}
	return all
}

// counting has the queue count its attempts.
func counting(t *testing.T, registry *prometheus.Registry) func(c *provider.Config) {
	return func(c *provider.Config) {
		var err error
		c.Queue, err = queue.New(queue.Config{Outbox: c.Store.Outbox, Log: c.Log, Now: c.Now, Metrics: registry})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryClientOfASessionIsToldOfItsEnd(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		first, second, third := newReceiver(t), newReceiver(t, 204), newReceiver(t)
		f.AddClient("first", func(c *client.Client) { c.BackchannelLogoutURI = first.URL + "/out" })
		f.AddClient("second", func(c *client.Client) {
			c.BackchannelLogoutURI, c.IDTokenSignedResponseAlg, c.SubjectType = second.URL+"/out", "ES256", "pairwise"
		})
		f.AddClient("third", func(c *client.Client) { c.BackchannelLogoutURI = third.URL + "/out" })
		b := f.Browser().LogIn(f.User)
		f.Browser().LogIn(f.User).Code("client_id", "third") // another session
		b.Code("client_id", "first")
		b.Code("client_id", "first")
		code := b.Code("client_id", "second")
		form := providertest.CodeGrant(code)
		_, id := providertest.Decode(t, f.Tokens(f.Token("second", form)).ID)

		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.Queue.Run(ctx) })
		defer running.Wait()
		defer stop()
		if a := b.Post("/oauth2/logout", url.Values{}); !strings.Contains(a.Body, "You are logged out") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		<-first.came
		<-second.came
		for name, r := range map[string]*receiver{"first": first, "second": second} {
			tokens := r.tokens()
			if len(tokens) != 1 || len(r.forms[0]) != 1 {
				t.Fatalf("%s was told %v", name, r.forms)
			}
			header, claims := providertest.Decode(t, tokens[0])
			if _, _, err := f.Ring.Verify(t.Context(), tokens[0], "logout+jwt"); err != nil {
				t.Error(err)
			}
			events, _ := json.Marshal(claims["events"])
			sub, alg := f.User.ID, keys.RS256
			if name == "second" {
				sub, alg = id["sub"].(string), "ES256" // an ID token has one
			}
			lifetime := claims["exp"].(float64) - claims["iat"].(float64) // numbers, or the test may fail here
			if header["alg"] != alg || header["typ"] != "logout+jwt" || claims["iss"] != f.Issuer || claims["aud"] != name ||
				claims["sub"] != sub || claims["sid"] != b.SID ||
				claims["jti"] == "" || lifetime != 120 || string(events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` ||
				len(claims) != 8 {
				t.Errorf("%s: %v %v", name, header, claims)
			}
		}
		stop()
		running.Wait() // what was under way has been noted
		if left := deliveries(f); len(left) > 0 || len(third.tokens()) > 0 {
			t.Errorf("left %+v, and a client of another session was told %v", left, third.tokens())
		}
	})
}

func TestALogoutTokenIsNothingElse(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	r := newReceiver(t)
	f.AddClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.Browser().LogIn(f.User)
	b.Code("client_id", "first")
	b.Post("/oauth2/logout", url.Values{})
	deliver(f)
	token := r.tokens()[0]

	b.LogIn(f.User)
	if a := b.Authorize("client_id", "first", "id_token_hint", token); a.Parameter("error") != "invalid_request" || a.Parameter("code") != "" {
		t.Errorf("as id_token_hint: %v", a.Location)
	}
	if a := b.Get("/oauth2/logout?" + url.Values{"id_token_hint": {token}}.Encode()); !strings.Contains(a.Body, "Cannot log you out") {
		t.Errorf("as id_token_hint at log-out: %d %s", a.Status, a.Body)
	}
	if a := f.Userinfo(token); a.Status != 401 {
		t.Errorf("as access token: %d %s", a.Status, a.Body)
	}
	if a := f.Refresh(token); a.JSON(t)["error"] != "invalid_grant" {
		t.Errorf("as refresh token: %d %s", a.Status, a.Body)
	}
	if a := b.Authorize("client_id", "first", "request", token); a.Parameter("code") != "" {
		t.Errorf("as request object: %v", a.Location)
	}
}

func TestWhoCannotBeToldIsToldLater(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		registry := prometheus.NewRegistry()
		f := providertest.NewWith(t, databaseURL, counting(t, registry))
		r := newReceiver(t, 500, 400, 307, 202)
		f.AddClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
		b := f.Browser().LogIn(f.User)
		b.Code("client_id", "first")
		if err := f.Store.Users.SetDisabled(t.Context(), f.User.ID, true); err != nil {
			t.Fatal(err)
		}
		for attempt, reason := range []string{"status 500", "status 400", "status 307", "status 202"} {
			deliver(f)
			left := deliveries(f)
			if len(left) != 1 || !strings.Contains(left[0].LastError, reason) || left[0].Attempts != int64(attempt+1) {
				t.Fatalf("after attempt %d: %+v", attempt+1, left)
			}
			wait := left[0].DueAt.Sub(f.Clock.Now())
			if wait < 3*time.Second<<attempt || wait > 6*time.Second<<attempt {
				t.Errorf("after attempt %d it waits for %s", attempt+1, wait)
			}
			f.Clock.Advance(wait)
		}
		deliver(f)
		tokens := r.tokens()
		if len(tokens) != 5 || len(deliveries(f)) != 0 {
			t.Fatalf("%d tokens, left %+v", len(tokens), deliveries(f))
		}
		seen := map[any]bool{}
		for _, token := range tokens {
			_, claims := providertest.Decode(t, token)
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
		if family.GetName() == "authz_queue_attempts_total" {
			for _, m := range family.GetMetric() {
				got[m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}

func TestADeadClientIsGivenUpAfterADay(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := providertest.NewWith(t, sqldbtest.SQLite(t), counting(t, registry))
	r := newReceiver(t)
	r.Close()
	f.AddClient("dead", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	f.AddClient("leaving", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.Browser().LogIn(f.User)
	b.Code("client_id", "dead")
	b.Code("client_id", "leaving")
	began := f.Clock.Now()
	if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Store.DeleteClient(t.Context(), "leaving"); err != nil {
		t.Fatal(err)
	}
	deliver(f)
	for {
		left := deliveries(f)
		if len(left) != 1 || left[0].Lane != "dead" || left[0].LastError == "" {
			t.Fatalf("%+v", left)
		}
		if !left[0].GivenUpAt.IsZero() {
			if after := left[0].GivenUpAt.Sub(began); after < 20*time.Hour || after > 24*time.Hour+time.Minute || left[0].Attempts < 15 ||
				left[0].Attempts > 40 {
				t.Errorf("given up after %s and %d attempts", after, left[0].Attempts)
			}
			break
		}
		f.Clock.Advance(left[0].DueAt.Sub(f.Clock.Now()))
		deliver(f)
	}
	if got := counted(t, registry); got["given_up"] != 1 {
		t.Error(got)
	}
	f.Clock.Advance(time.Hour)
	if n, err := f.Queue.Deliver(t.Context()); n != 0 || err != nil {
		t.Errorf("tried again: %d %v", n, err)
	}
}

func TestASlowClientDoesNotKeepOthersWaiting(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	let := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-let }))
	defer slow.Close()
	quick := newReceiver(t)
	f.AddClient("a-slow", func(c *client.Client) { c.BackchannelLogoutURI = slow.URL + "/out" })
	f.AddClient("quick", func(c *client.Client) { c.BackchannelLogoutURI = quick.URL + "/out" })
	b := f.Browser().LogIn(f.User)
	b.Code("client_id", "a-slow")
	b.Code("client_id", "quick")
	if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
		t.Fatal(err)
	}
	var attempt sync.WaitGroup
	attempt.Go(func() { deliver(f) })
	<-quick.came // while the other is still thinking
	close(let)
	attempt.Wait()
	if left := deliveries(f); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

func TestReplicasDeliverALogoutOnce(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		r := newReceiver(t)
		f.AddClient("first", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
		var sids []string
		for range 4 {
			b := f.Browser().LogIn(f.User)
			b.Code("client_id", "first")
			sids = append(sids, b.SID)
		}
		if err := f.Store.Sessions.EndSessionsOf(t.Context(), f.User.ID, ""); err != nil {
			t.Fatal(err)
		}
		var replicas sync.WaitGroup
		for range 8 {
			replicas.Go(func() {
				if _, err := f.Queue.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		deliver(f)
		var told []string
		for _, token := range r.tokens() {
			_, claims := providertest.Decode(t, token)
			told = append(told, fmt.Sprint(claims["sid"]))
		}
		slices.Sort(told)
		slices.Sort(sids)
		if !slices.Equal(told, sids) {
			t.Errorf("told of %q, not of %q", told, sids)
		}
	})
}

// The page says that an app is disconnected: it is told so.
func TestAClientIsToldWhenAPersonDisconnectsIt(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		plain, strict, other := newReceiver(t), newReceiver(t), newReceiver(t)
		f.AddClient("plain", func(c *client.Client) { c.BackchannelLogoutURI = plain.URL + "/out" })
		f.AddClient("strict", func(c *client.Client) {
			c.BackchannelLogoutURI, c.BackchannelLogoutSessionRequired = strict.URL+"/out", true
		})
		f.AddClient("other", func(c *client.Client) { c.BackchannelLogoutURI = other.URL + "/out" })
		first, second := f.Browser().LogIn(f.User), f.Browser().LogIn(f.User)
		for _, b := range []*providertest.Browser{first, second} {
			for _, id := range []string{"plain", "strict", "other"} {
				b.Code("client_id", id)
			}
		}
		withdraw := func(id string) {
			t.Helper()
			a := first.Post("/account/apps", url.Values{"client": {id}})
			if a.Location == nil {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			// What is true is said: a service that does not follow the status lists accepts a token
			// until it expires.
			if a := first.Get(a.Location.String()); !strings.Contains(a.Body, "within seconds") || !strings.Contains(a.Body, "up to 10 minutes") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			deliver(f)
		}
		withdraw("plain")
		withdraw("strict")
		withdraw("nobody")
		if len(plain.tokens()) != 1 || len(strict.tokens()) != 2 || len(other.tokens()) != 0 {
			t.Fatalf("told %v, %v and %v", plain.forms, strict.forms, other.forms)
		}
		_, claims := providertest.Decode(t, plain.tokens()[0])
		if _, names := claims["sid"]; names || claims["sub"] != f.User.ID { // every session of the person
			t.Errorf("%v", claims)
		}
		sids := map[string]bool{}
		for _, token := range strict.tokens() {
			_, claims := providertest.Decode(t, token)
			sids[fmt.Sprint(claims["sid"])] = true
		}
		if !sids[first.SID] || !sids[second.SID] {
			t.Errorf("%v", sids)
		}
		// The sessions' end is nothing new to them.
		first.Post("/oauth2/logout", url.Values{})
		deliver(f)
		if len(plain.tokens()) != 1 || len(strict.tokens()) != 2 || len(other.tokens()) != 1 {
			t.Errorf("told %v, %v and %v", plain.forms, strict.forms, other.forms)
		}
	})
}

// One that keeps access after the log-out is told as well.
func TestAnOfflineClientIsToldWhenAPersonDisconnectsIt(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	r := newReceiver(t)
	f.AddClient("offline", func(c *client.Client) { c.BackchannelLogoutURI = r.URL + "/out" })
	b := f.Browser().LogIn(f.User)
	b.Code("client_id", "offline", "scope", "openid offline_access", "prompt", "")
	b.Post("/oauth2/logout", url.Values{})
	deliver(f)
	b.LogIn(f.User)
	b.Post("/account/apps", url.Values{"client": {"offline"}})
	b.Post("/account/apps", url.Values{"client": {"offline"}})
	deliver(f)
	if len(r.tokens()) != 2 {
		t.Errorf("told %v", r.forms)
	}
}
