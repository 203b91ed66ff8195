package admin_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// onlyBy makes an upstream, and lets an administrator log in by it alone.
func (w *world) onlyBy(t *testing.T, name string, user accounts.User, settings upstream.Settings) upstreams.Identity {
	t.Helper()
	settings.Title, settings.Issuer, settings.ClientID, settings.AuthMethod = "Work", "https://"+name+".example", "maru", "none"
	_, err := w.CreateUpstream(t.Context(), machine, admin.NewUpstream{Name: name, Settings: settings}, "")
	storetest.OK(t, err)
	one, err := w.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: name, Issuer: settings.Issuer, Subject: "1", UserID: user.ID})
	storetest.OK(t, err)
	w.Exec(t, `UPDATE users SET password_hash = '' WHERE id = '`+user.ID+`'`)
	return one
}

// Whatever an operator does to the upstream by which alone the last administrator logs in, it stays
// open to them.
func TestTheLastAdministratorKeepsTheUpstreamTheyLogInBy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, off := t.Context(), true
		work := w.onlyBy(t, "work", w.Root, upstream.Settings{})
		change := func(f func(*upstream.Settings)) func(admin.Actor) error {
			return func(actor admin.Actor) error {
				_, err := w.UpdateUpstream(ctx, actor, "work", "", admin.UpstreamChange{Settings: func(s *upstream.Settings) error { f(s); return nil }}, "")
				return err
			}
		}
		shutting := map[string]func(admin.Actor) error{
			"delete it": func(actor admin.Actor) error { return w.DeleteUpstream(ctx, actor, "work", true, "") },
			"disable it": func(actor admin.Actor) error {
				_, err := w.UpdateUpstream(ctx, actor, "work", "", admin.UpstreamChange{Disabled: &off}, "")
				return err
			},
			"give it another issuer": change(func(s *upstream.Settings) { s.Issuer = "https://new.example" }),
			"unlink the identity":    func(actor admin.Actor) error { return w.UnlinkIdentity(ctx, actor, w.Root.ID, work.ID, true, "") },
		}
		for name, do := range shutting {
			for _, actor := range []admin.Actor{w.root, machine} {
				if err := do(actor); why(err) != admin.LastAdministrator {
					t.Errorf("%s by %s: %v", name, actor.Kind, err)
				}
			}
			if u, err := w.Upstream(ctx, machine, "work"); err != nil || u.Disabled || u.Issuer != "https://work.example" {
				t.Fatalf("%s: %+v %v", name, u, err)
			}
			if all, err := w.Upstreams.IdentitiesOf(ctx, w.Root.ID); err != nil || len(all) != 1 {
				t.Fatalf("%s: %+v %v", name, all, err)
			}
		}
		storetest.OK(t, change(func(s *upstream.Settings) { s.Title = "Office" })(w.root)) // which shuts nobody out

		// With another administrator, or another way in, nothing is kept.
		w.Exec(t, `UPDATE users SET password_hash = 'x' WHERE id = '`+w.Root.ID+`'`)
		storetest.OK(t, shutting["disable it"](machine))
		w.Exec(t, `UPDATE upstreams SET disabled = FALSE`)
		w.Exec(t, `UPDATE users SET password_hash = '' WHERE id = '`+w.Root.ID+`'`)
		other := w.administrator(t, "other@example.com")
		storetest.OK(t, shutting["delete it"](w.actor(t, other)))
		if _, err := w.Upstream(ctx, machine, "work"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		forced := machine
		forced.Force = true
		w.onlyBy(t, "second", other, upstream.Settings{})
		storetest.OK(t, w.DeleteUpstream(ctx, forced, "second", true, ""))
	})
}

// The word of an upstream can be the second step: whoever takes it away takes an administrator away.
func TestTheLastAdministratorKeepsTheirSecondStepAtAnUpstream(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.onlyBy(t, "work", w.Root, upstream.Settings{StrongACR: []string{"mfa"}})
		w.Exec(t, `UPDATE users SET second_step = FALSE`)
		weaken := admin.UpstreamChange{Settings: func(s *upstream.Settings) error { s.StrongACR = nil; return nil }}
		if _, err := w.UpdateUpstream(t.Context(), w.root, "work", "", weaken, ""); why(err) != admin.LastAdministrator {
			t.Error(err)
		}
		if err := w.TakeRole(t.Context(), machine, w.Root.ID, roles.Admin, ""); why(err) != admin.LastAdministrator {
			t.Error(err)
		}
	})
}

// Two operators act at the same moment: one deletes the upstream by which one administrator logs in,
// the other closes the account of the other administrator, or deletes theirs.
func TestOfTwoOperatorsWhoShutAdministratorsOutOneIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for round := range 4 {
			first, second := w.administrator(t, "a"+string(rune('0'+round))+"@example.com"), w.administrator(t, "b"+string(rune('0'+round))+"@example.com")
			w.Exec(t, `UPDATE users SET disabled = TRUE WHERE id NOT IN ('`+first.ID+`', '`+second.ID+`')`)
			w.onlyBy(t, "first", first, upstream.Settings{})
			do := []func() error{
				func() error { return w.DeleteUpstream(ctx, machine, "first", true, "") },
				func() error { return w.DisablePerson(ctx, machine, second.ID, "") },
			}
			if round%2 == 1 {
				w.onlyBy(t, "second", second, upstream.Settings{})
				do[1] = func() error { return w.DeleteUpstream(ctx, machine, "second", true, "") }
			}
			var errs [2]error
			var both sync.WaitGroup
			for i := range do {
				both.Go(func() { errs[i] = do[i]() })
			}
			both.Wait()
			refused := 0
			for _, err := range errs {
				if why(err) == admin.LastAdministrator {
					refused++
				}
			}
			if has, err := w.HasAdministrator(ctx); refused != 1 || err != nil || !has {
				t.Errorf("round %d: %v, %t %v", round, errs, has, err)
			}
			w.Exec(t, `DELETE FROM identities`)
			w.Exec(t, `DELETE FROM upstreams`)
		}
	})
}
