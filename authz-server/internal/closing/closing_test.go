package closing_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/closing"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/services"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// api stands for the resource services.
type api struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	calls []string // method, path and query, and what the token says: subject and scope
	busy  int      // how many deletions are answered with 202 first
	down  bool
}

func newAPI(t testing.TB) *api {
	a := &api{t: t}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, claims := providertest.Decode(a.t, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	a.calls = append(a.calls, strings.Join([]string{r.Method, r.URL.RequestURI(), claims["sub"].(string), claims["scope"].(string)}, " "))
	switch {
	case r.Method == http.MethodDelete && a.busy > 0:
		a.busy--
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Query().Get("cursor") == "" && strings.HasPrefix(r.URL.Path, "/board/"):
		w.Write([]byte(`{"items": [1], "next": "c/2"}`))
	default:
		w.Write([]byte(`{"items": [2]}`))
	}
}

func newServices(t testing.TB, f *providertest.Fixture, a *api) *services.Services {
	t.Helper()
	s, err := services.New(services.Config{Origin: a.URL, Names: services.Known, Tokens: f.Provider.Tokens, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *api) called() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := slices.Clone(a.calls)
	a.calls = nil
	slices.Sort(all)
	return all
}

func TestADueAccountIsDeletedAndEveryServiceIsTold(t *testing.T) {
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		ctx, a := t.Context(), newAPI(t)
		log := slog.New(slog.DiscardHandler)
		s := newServices(t, f, a)
		post := &peopletest.Inbox{}
		c := &closing.Closer{Store: f.Store, Tokens: f.Provider.Tokens, Services: s, Log: log, Mail: post}
		if err := f.Store.Users.SetVerified(ctx, f.User.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Store.Users.PlanDeletion(ctx, f.User.ID, true); err != nil {
			t.Fatal(err)
		}
		closeDue := func(want int) {
			t.Helper()
			if n, err := c.CloseDue(ctx); err != nil || n != want {
				t.Fatalf("deleted %d: %v", n, err)
			}
		}
		closeDue(0)
		f.Clock.Advance(accounts.DeletionDelay + time.Second)
		closeDue(1)
		closeDue(0)
		if letters := post.To(f.User.Email); len(letters) != 1 || letters[0].Letter != (mail.AccountDeleted{}) {
			t.Errorf("the person got %v", letters)
		}

		items, err := f.Store.Outbox.List(ctx, services.Kind, "", 10)
		if err != nil || len(items) != 2 {
			t.Fatalf("%d calls wait: %v", len(items), err)
		}
		deliver := func(fail bool) {
			t.Helper()
			for _, item := range items {
				if err := s.Handler().Deliver(ctx, item); (err != nil) != fail {
					t.Errorf("%s: %v", item.Lane, err)
				}
			}
		}
		a.down = true
		deliver(true)
		a.down, a.busy = false, 1
		deliver(false)
		calls := slices.Compact(a.called())
		if len(calls) != 2 || calls[0] != "DELETE /board/v1/users/"+f.User.ID+"?posts=delete "+f.Issuer+" board:delete-user" ||
			calls[1] != "DELETE /user/v1/users/"+f.User.ID+"?posts=delete "+f.Issuer+" user:delete" {
			t.Errorf("called %q", calls)
		}
		if err := s.Handler().Deliver(ctx, outbox.Item{Kind: services.Kind, Lane: "../admin", Payload: []byte("{}")}); err == nil {
			t.Error("a service that is not known was called")
		}
	})
}

// Services know the person of a client with pairwise subjects by another name, under which they
// keep what the person does there.
func TestServicesAreToldOfEverySubject(t *testing.T) {
	f, a := providertest.One(t), newAPI(t)
	pairwise := func(host string, trusted bool) func(*client.Client) {
		return func(c *client.Client) {
			c.SubjectType, c.Trusted, c.RedirectURIs = client.SubjectPairwise, trusted, []string{"https://" + host + "/cb"}
		}
	}
	f.AddClient("ours", pairwise("ours.example", true))
	f.AddClient("allowed", pairwise("allowed.example", false))
	f.AddClient("stranger", pairwise("stranger.example", false))
	if err := f.Store.Consents.GrantConsent(t.Context(), f.User.ID, "allowed", []string{"openid"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Store.Users.HastenDeletion(t.Context(), f.User.ID, false); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := services.New(services.Config{Origin: a.URL, Names: []string{"user"}, Tokens: f.Provider.Tokens, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c := &closing.Closer{Store: f.Store, Tokens: f.Provider.Tokens, Services: s, Log: log}
	if n, err := c.CloseDue(t.Context()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	items, err := f.Store.Outbox.List(t.Context(), services.Kind, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if err := s.Handler().Deliver(t.Context(), item); err != nil {
			t.Error(err)
		}
	}
	var want []string
	for _, id := range []string{"app", "ours", "allowed"} {
		found, err := f.Store.Clients.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, "DELETE /user/v1/users/"+f.Provider.Tokens.Subject(&found, f.User.ID)+"?posts=keep "+f.Issuer+" user:delete")
	}
	slices.Sort(want)
	if calls := a.called(); !slices.Equal(calls, want) {
		t.Errorf("called %q, not %q", calls, want)
	}
}

// fails takes no letter to one address.
type fails string

func (fails) Enabled() bool { return true }

func (f fails) Queue(_ context.Context, to, _ string, _ mail.Letter) error {
	if to == string(f) {
		return errors.New("no letter")
	}
	return nil
}

func TestAnAccountThatCannotBeDeletedKeepsNoOther(t *testing.T) {
	f, a := providertest.One(t), newAPI(t)
	log := slog.New(slog.DiscardHandler)
	s, err := services.New(services.Config{Origin: a.URL, Names: services.Known, Tokens: f.Provider.Tokens, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for _, email := range []string{"first@example.org", "second@example.org", "third@example.org"} {
		user, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: email, EmailVerified: true})
		if err == nil {
			err = f.Store.Users.HastenDeletion(t.Context(), user.ID, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Clock.Advance(time.Second)
	}
	c := &closing.Closer{Store: f.Store, Tokens: f.Provider.Tokens, Services: s, Log: log, Mail: fails("first@example.org")}
	if n, err := c.CloseDue(t.Context()); err == nil || n != 2 {
		t.Errorf("deleted %d: %v", n, err)
	}
}

func TestAnExportHoldsWhatServicesSayAndThatOneDoesNotAnswer(t *testing.T) {
	f, a := providertest.One(t), newAPI(t)
	s := newServices(t, f, a)
	session := accounts.Session{ID: "sid", UserID: f.User.ID, AuthTime: f.Clock.Now()}
	held := s.Export(t.Context(), session, "")
	var board []struct{ Items []int }
	if err := json.Unmarshal(held["board"], &board); err != nil || len(board) != 2 || board[1].Items[0] != 2 {
		t.Errorf("%s %v", held["board"], err)
	}
	if got := string(held["user"]); got != `{"items": [2]}` {
		t.Error(got)
	}
	for _, call := range a.called() {
		if !strings.Contains(call, " "+f.User.ID+" ") {
			t.Errorf("not for the person: %s", call)
		}
	}
	a.down = true
	if held := s.Export(t.Context(), session, ""); !strings.Contains(string(held["board"]), "did not answer") || len(held) != 2 {
		t.Errorf("%s", held)
	}
}

func TestAnExportAsksForEverySubjectThatAppsKnowThePersonBy(t *testing.T) {
	f, a := providertest.One(t), newAPI(t)
	c := &closing.Closer{Store: f.Store, Tokens: f.Provider.Tokens, Services: newServices(t, f, a), Log: slog.New(slog.DiscardHandler)}
	ctx := t.Context()
	for id, redirect := range map[string]string{"one": "https://one.example/cb", "two": "https://one.example/cb2", "other": "https://other.example/cb"} {
		app := client.Client{ID: id, SubjectType: "pairwise", RedirectURIs: []string{redirect}}
		if err := f.Store.Clients.CreateClient(ctx, app); err != nil {
			t.Fatal(err)
		}
		if err := f.Store.Consents.GrantConsent(ctx, f.User.ID, id, []string{"board:read"}); err != nil {
			t.Fatal(err)
		}
	}
	own, ofApps, err := c.Collect(ctx, accounts.Session{ID: "sid", UserID: f.User.ID, AuthTime: f.Clock.Now()})
	if err != nil || len(own) != 2 || len(ofApps) != 2 || len(ofApps["one two"]) != 2 || len(ofApps["other"]) != 2 {
		t.Errorf("%v %v %v", own, ofApps, err)
	}
	subjects := make(map[string]bool)
	for _, call := range a.called() {
		subjects[strings.Fields(call)[2]] = true
	}
	if len(subjects) != 3 || !subjects[f.User.ID] {
		t.Errorf("asked for %v", subjects)
	}
}

// A service that takes a request and does not answer leaves time for the rest of the file.
func TestAServiceThatHangsLeavesTimeForTheRestOfAnExport(t *testing.T) {
	f := providertest.One(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // as long as a request has
	defer cancel()
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	c := &closing.Closer{Store: f.Store, Tokens: f.Provider.Tokens, Services: newServices(t, f, &api{Server: hangs}), Log: slog.New(slog.DiscardHandler)}
	own, _, err := c.Collect(ctx, accounts.Session{ID: "sid", UserID: f.User.ID, AuthTime: f.Clock.Now()})
	if err != nil || ctx.Err() != nil || !strings.Contains(string(own["user"]), "did not answer") {
		t.Errorf("%s, %v, the request: %v", own, err, ctx.Err())
	}
}
