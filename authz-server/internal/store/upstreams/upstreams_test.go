package upstreams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func create(t *testing.T, w *storetest.World, name string) {
	t.Helper()
	storetest.OK(t, w.Upstreams.Create(t.Context(), upstreams.Upstream{Name: name, Settings: "{}", Secret: []byte("s")}))
}

func want(t *testing.T, what string, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Errorf("%s: %v, not %v", what, err, wanted)
	}
}

func TestAnUpstreamIsMadeChangedAndRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		create(t, w, "a")
		want(t, "twice", w.Upstreams.Create(ctx, upstreams.Upstream{Name: "a", Settings: "{}"}), store.ErrExists)
		one, err := w.Upstreams.Upstream(ctx, "a")
		storetest.OK(t, err)
		one.Settings, one.Disabled = `{"title":"x"}`, true
		storetest.OK(t, w.Upstreams.Update(ctx, one))
		want(t, "an old version", w.Upstreams.Update(ctx, one), store.ErrStale)
		if one, err = w.Upstreams.Upstream(ctx, "a"); err != nil || !one.Disabled || one.Settings != `{"title":"x"}` || one.Version != 2 {
			t.Errorf("%+v %v", one, err)
		}
		want(t, "another secret", w.Upstreams.Rewrap(ctx, "a", []byte("x"), []byte("y")), store.ErrNotFound)
		storetest.OK(t, w.Upstreams.Rewrap(ctx, "a", []byte("s"), []byte("y")))
		storetest.OK(t, w.Upstreams.Delete(ctx, "a"))
		want(t, "gone", w.Upstreams.Delete(ctx, "a"), store.ErrNotFound)
		for i := range upstreams.MaxUpstreams {
			create(t, w, fmt.Sprint("a", i))
		}
		want(t, "one more", w.Upstreams.Create(ctx, upstreams.Upstream{Name: "z", Settings: "{}"}), upstreams.ErrTooMany)
	})
}

func TestAnUpstreamByWhichPeopleLogInIsNotRemoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		create(t, w, "a")
		_, err := w.Upstreams.Link(ctx, upstreams.Identity{Upstream: "a", Subject: "1", UserID: w.Person.ID})
		storetest.OK(t, err)
		want(t, "in use", w.Upstreams.Delete(ctx, "a"), upstreams.ErrInUse)
		if one, err := w.Upstreams.Upstream(ctx, "a"); err != nil || one.Disabled {
			t.Errorf("a refusal changes it: %+v %v", one, err)
		}
		n, err := w.Upstreams.RemoveIdentities(ctx, "a")
		if err != nil || n != 1 {
			t.Error(n, err)
		}
		storetest.OK(t, w.Upstreams.Delete(ctx, "a"))
	})
}

func TestOneOfManyGetsAnIdentity(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		create(t, w, "a")
		other := w.Another(t, "b@example.com")
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, i int) error {
			user := []accounts.User{w.Person, other}[i%2]
			_, err := w.Upstreams.Link(ctx, upstreams.Identity{Upstream: "a", Issuer: "https://a.example", Subject: "1", UserID: user.ID})
			return err
		})
		_, err := w.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "a", Issuer: "https://b.example", Subject: "1", UserID: other.ID})
		storetest.OK(t, err) // of another issuer, it is another
		_, err = w.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "none", Subject: "1", UserID: other.ID})
		want(t, "no such upstream", err, store.ErrNotFound)
		for i := range upstreams.MaxIdentities - 1 {
			_, err = w.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "a", Subject: fmt.Sprint("x", i), UserID: other.ID})
			if err != nil && i < upstreams.MaxIdentities-2 {
				t.Fatal(i, err)
			}
		}
		_, err = w.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "a", Subject: "y", UserID: other.ID})
		want(t, "too many", err, upstreams.ErrTooMany)
	})
}

// Two that go at once, of a person with nothing else: one stays.
func TestTheLastWayInStaysAlsoInARace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		create(t, w, "a")
		create(t, w, "b")
		user, err := w.Users.CreateUser(ctx, accounts.User{Email: "c@example.com", Name: "C"})
		storetest.OK(t, err)
		var ids []string
		for _, name := range []string{"a", "b"} {
			one, err := w.Upstreams.Link(ctx, upstreams.Identity{Upstream: name, Subject: "1", UserID: user.ID})
			storetest.OK(t, err)
			ids = append(ids, one.ID)
		}
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			_, err := w.Upstreams.Unlink(ctx, user.ID, ids[i%2])
			if errors.Is(err, upstreams.ErrLastWay) || errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		left, err := w.Upstreams.IdentitiesOf(ctx, user.ID)
		if err != nil || len(left) != 1 {
			t.Fatalf("%+v %v", left, err)
		}
		// Another at an upstream that is disabled is no way in.
		name := map[string]string{"a": "b", "b": "a"}[left[0].Upstream]
		_, err = w.Upstreams.Link(ctx, upstreams.Identity{Upstream: name, Subject: "2", UserID: user.ID})
		storetest.OK(t, err)
		one, err := w.Upstreams.Upstream(ctx, name)
		storetest.OK(t, err)
		one.Disabled = true
		storetest.OK(t, w.Upstreams.Update(ctx, one))
		_, err = w.Upstreams.Unlink(ctx, user.ID, left[0].ID)
		want(t, "the other is disabled", err, upstreams.ErrLastWay)
		// With a passkey it is not the last, and nor is the passkey.
		key, err := w.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: user.ID, CredentialID: []byte("x"), PublicKey: []byte("x"), Name: "x"})
		storetest.OK(t, err)
		_, err = w.Passkeys.RemovePasskey(ctx, user.ID, key.ID)
		storetest.OK(t, err)
		_, err = w.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: user.ID, CredentialID: []byte("y"), PublicKey: []byte("x"), Name: "x"})
		storetest.OK(t, err)
		_, err = w.Upstreams.Unlink(ctx, user.ID, left[0].ID)
		storetest.OK(t, err)
		want(t, "gone", w.Upstreams.NoteUse(ctx, left[0]), store.ErrNotFound)
	})
}

func TestAStateIsSpentOnceInItsBrowserForItsUpstream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		begun := upstreams.Login{Upstream: "a", Issuer: "https://a.example", Purpose: upstreams.Link, UserID: w.Person.ID, SessionID: "s", Interaction: "i"}
		storetest.OK(t, w.Upstreams.Begin(ctx, "state", "browser", begun))
		for _, wrong := range [][3]string{{"other", "browser", "a"}, {"state", "other", "a"}, {"state", "browser", "b"}} {
			_, err := w.Upstreams.Spend(ctx, wrong[0], wrong[1], wrong[2])
			want(t, fmt.Sprint(wrong), err, store.ErrNotFound)
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			got, err := w.Upstreams.Spend(ctx, "state", "browser", "a")
			whole := begun
			if whole.CreatedAt = got.CreatedAt; err == nil && got != whole {
				t.Errorf("%+v", got)
			}
			return err
		})
		storetest.OK(t, w.Upstreams.Begin(ctx, "late", "browser", begun))
		w.Now = w.Now.Add(upstreams.LoginLifetime)
		_, err := w.Upstreams.Spend(ctx, "late", "browser", "a")
		want(t, "late", err, store.ErrNotFound)
		if _, err := w.Sweep(ctx); err != nil || w.Count(t, "upstream_logins") != 0 {
			t.Error(err)
		}
	})
}

func TestAnArrivalIsSpentOnceAndTheLatestCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		storetest.OK(t, w.Upstreams.Arrive(ctx, "browser", upstreams.Arrival{Upstream: "a", Data: "{}"}))
		first, err := w.Upstreams.Arrival(ctx, "browser")
		storetest.OK(t, err)
		_, err = w.Upstreams.Arrival(ctx, "other")
		want(t, "another browser", err, store.ErrNotFound)
		w.Now = w.Now.Add(time.Second)
		storetest.OK(t, w.Upstreams.Arrive(ctx, "browser", upstreams.Arrival{Upstream: "b", Data: "{}", Interaction: "i"}))
		want(t, "the first", w.Upstreams.SpendArrival(ctx, "browser", first), store.ErrNotFound)
		second, err := w.Upstreams.Arrival(ctx, "browser")
		if err != nil || second.Upstream != "b" || second.Interaction != "i" {
			t.Errorf("%+v %v", second, err)
		}
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error { return w.Upstreams.SpendArrival(ctx, "browser", second) })
	})
}

// A session is known by what it began with for as long as it lasts.
func TestASessionKnowsByWhichLogInItBegan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx := t.Context()
		var ids []string
		for range 4 {
			session, _, err := w.Sessions.CreateSession(ctx, accounts.Session{UserID: w.Person.ID, AMR: []string{"fed"}}, w.Person.PasswordHash)
			storetest.OK(t, err)
			ids = append(ids, session.ID)
		}
		from := upstreams.Origin{Upstream: "a", Issuer: "https://a.example", Subject: "1", Session: "x", Dated: true}
		for i, o := range []upstreams.Origin{from, {Upstream: "a", Issuer: from.Issuer, Subject: "1"}, {Upstream: "a", Issuer: from.Issuer, Subject: "2", Session: "x"},
			{Upstream: "a", Issuer: "https://b.example", Subject: "1", Session: "x"}} {
			storetest.OK(t, w.Upstreams.NoteOrigin(ctx, ids[i], upstreams.Origin{Upstream: "before"}))
			storetest.OK(t, w.Upstreams.NoteOrigin(ctx, ids[i], o))
		}
		if got, err := w.Upstreams.Origin(ctx, ids[0]); err != nil || got != from {
			t.Errorf("%+v %v", got, err)
		}
		for name, test := range map[string]struct {
			from upstreams.Origin
			want []int
		}{
			"a person":              {upstreams.Origin{Upstream: "a", Issuer: from.Issuer, Subject: "1"}, []int{0, 1}},
			"a session":             {upstreams.Origin{Upstream: "a", Issuer: from.Issuer, Session: "x"}, []int{0, 2}},
			"a session of a person": {from, []int{0}},
			"another upstream":      {upstreams.Origin{Upstream: "b", Issuer: from.Issuer, Subject: "1"}, nil},
			"neither":               {upstreams.Origin{Upstream: "a", Issuer: from.Issuer}, nil},
		} {
			got, err := w.Upstreams.SessionsFrom(ctx, test.from)
			storetest.OK(t, err)
			var want []string
			for _, i := range test.want {
				want = append(want, ids[i])
			}
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, not %v", name, got, want)
			}
		}
		storetest.OK(t, w.Sessions.EndSession(ctx, ids[0]))
		storetest.OK(t, w.Upstreams.DropOrigin(ctx, ids[1]))
		for _, id := range ids[:2] {
			_, err := w.Upstreams.Origin(ctx, id)
			want(t, "after the end", err, store.ErrNotFound)
		}
	})
}
