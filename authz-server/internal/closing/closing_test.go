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
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// api stands for the resource services.
type api struct {
	*httptest.Server
	t testing.TB

	mu    sync.Mutex
	calls []string // method, path and query, and what the token says: subject and scope
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

func TestADueAccountIsDeletedAndReceiversAreTold(t *testing.T) {
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
		if _, err := f.Store.Streams.Create(ctx, streams.Stream{ID: "s", Service: "user", Delivered: []streams.Type{streams.AccountPurged}}); err != nil {
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

		// Whatever has a stream is told, in the transaction that deletes the account.
		events, err := f.Store.Streams.Next(ctx, 10)
		if err != nil || len(events) != 1 || events[0].Type != streams.AccountPurged || events[0].UserID != f.User.ID ||
			!events[0].Detail.DeleteContent {
			t.Errorf("%+v: %v", events, err)
		}
	})
}

// By a clock that is ahead, everybody has waited long enough.
func TestAReplicaWhoseClockIsAheadDeletesNobody(t *testing.T) {
	f, databaseURL := providertest.One(t), sqldbtest.Postgres(t)
	right := storetest.Ahead(t, databaseURL, time.Now, 0)
	user, err := right.Users.CreateUser(t.Context(), accounts.User{Email: "mina@example.org"})
	if err == nil {
		_, err = right.Users.PlanDeletion(t.Context(), user.ID, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &closing.Closer{Store: storetest.Ahead(t, databaseURL, time.Now, accounts.DeletionDelay+time.Hour), Tokens: f.Provider.Tokens, Services: newServices(t, f, newAPI(t)), Log: slog.New(slog.DiscardHandler)}
	if n, err := c.CloseDue(t.Context()); err == nil || n != 0 {
		t.Errorf("deleted %d: %v", n, err)
	}
	if _, err := right.Users.User(t.Context(), user.ID); err != nil {
		t.Error(err)
	}
}

// fails takes no letter to one address.
type fails string

func (fails) Enabled() bool { return true }

func (f fails) Queue(_ context.Context, to mail.To, _ mail.Letter) error {
	if to.Address == string(f) {
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
