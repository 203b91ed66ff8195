package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func why(err error) admin.Why {
	var refused *admin.Refused
	if errors.As(err, &refused) {
		return refused.Why
	}
	return ""
}

func TestAnAdministratorFindsAPersonAndClosesTheirAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		page, err := w.People(ctx, w.root, admin.PeopleQuery{Text: "A@EX"})
		storetest.OK(t, err)
		if len(page.Items) != 1 || page.Items[0].ID != w.Person.ID || page.Next != "" {
			t.Fatalf("found %+v", page)
		}
		storetest.OK(t, w.DisablePerson(ctx, w.root, w.Person.ID, "asked by phone"))
		if _, err := w.Sessions.Session(ctx, w.Session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the session goes on: %v", err)
		}
		e := w.log(t, 1)[0]
		if e.Kind != audit.UserDisabled || e.Actor.Kind != audit.Person || e.Actor.ID != w.Root.ID || e.Person != w.Person.ID ||
			e.From != "203.0.113.7" || e.Proof != "2" || e.Reason != "asked by phone" {
			t.Errorf("%+v", e)
		}
		storetest.OK(t, w.EnablePerson(ctx, writer, w.Person.ID, ""))
		if e := w.log(t, 1)[0]; e.Kind != audit.UserEnabled || e.Actor.Kind != audit.Client || e.Actor.ID != "writer" {
			t.Errorf("%+v", e)
		}
	})
}

func TestPeopleAreListedInPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, text := range []string{"", "a", "root"} {
			var all []string
			for after := ""; ; {
				page, err := w.People(t.Context(), reader, admin.PeopleQuery{Text: text, After: after, Limit: 1})
				storetest.OK(t, err)
				for _, one := range page.Items {
					all = append(all, one.Email)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			want := []string{"a@example.com", "root@example.com"}
			if text != "" {
				want = slices.DeleteFunc(want, func(email string) bool { return !strings.HasPrefix(email, text) })
			}
			if !slices.Equal(all, want) {
				t.Errorf("%q: %q, want %q", text, all, want)
			}
		}
		if _, err := w.People(t.Context(), reader, admin.PeopleQuery{Limit: 501}); err == nil || err.Error() != "limit must be from 1 to 500" {
			t.Error(err)
		}
	})
}

// Each operation on a person, as services and administrators try it.
func operationsOnPeople(w *world, id string) map[string]func(t *testing.T, actor admin.Actor) error {
	posts := true
	return map[string]func(t *testing.T, actor admin.Actor) error{
		"disable":        func(t *testing.T, a admin.Actor) error { return w.DisablePerson(t.Context(), a, id, "") },
		"enable":         func(t *testing.T, a admin.Actor) error { return w.EnablePerson(t.Context(), a, id, "") },
		"end sessions":   func(t *testing.T, a admin.Actor) error { return w.EndSessions(t.Context(), a, id, "") },
		"end a session":  func(t *testing.T, a admin.Actor) error { return w.EndSession(t.Context(), a, id, "none", "") },
		"remove factors": func(t *testing.T, a admin.Actor) error { return w.RemoveFactors(t.Context(), a, id, "") },
		"remove passkey": func(t *testing.T, a admin.Actor) error { return w.RemovePasskey(t.Context(), a, id, "none", "") },
		"reset mail":     func(t *testing.T, a admin.Actor) error { return w.SendReset(t.Context(), a, id, "") },
		"claims": func(t *testing.T, a admin.Actor) error {
			return w.EditPerson(t.Context(), a, id, "", []byte(`{"name":"X"}`), "")
		},
		"address": func(t *testing.T, a admin.Actor) error {
			return w.SetEmail(t.Context(), a, id, "new-"+id+"@example.com", true, "")
		},
		"no roles":  func(t *testing.T, a admin.Actor) error { _, err := w.SetRoles(t.Context(), a, id, nil, ""); return err },
		"take role": func(t *testing.T, a admin.Actor) error { return w.TakeRole(t.Context(), a, id, roles.Moderator, "") },
		"give role": func(t *testing.T, a admin.Actor) error { return w.GiveRole(t.Context(), a, id, roles.Moderator, "") },
		"withdraw":  func(t *testing.T, a admin.Actor) error { return w.WithdrawConsent(t.Context(), a, id, "app", "") },
		"unlock":    func(t *testing.T, a admin.Actor) error { _, err := w.Unlock(t.Context(), a, id, ""); return err },
		"delete": func(t *testing.T, a admin.Actor) error {
			_, err := w.DeletePerson(t.Context(), a, id, admin.DeletionWish{Posts: &posts}, "")
			return err
		},
		"keep": func(t *testing.T, a admin.Actor) error { return w.KeepPerson(t.Context(), a, id, "") },
		"delete now": func(t *testing.T, a admin.Actor) error {
			_, err := w.DeletePerson(t.Context(), a, id, admin.DeletionWish{Now: true}, "")
			return err
		},
	}
}

func TestServicesNeverTouchAdministrators(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		group, err := w.Store.Roles.CreateGroup(t.Context(), roles.Group{Name: "Operators"})
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Roles.GiveGroup(t.Context(), group.ID, roles.Admin))
		byGroup, err := w.Users.CreateUser(t.Context(), accounts.User{Email: "g@example.com", Name: "G"})
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Roles.AddMember(t.Context(), group.ID, byGroup.ID))
		before := w.Count(t, "audit_log")
		for _, id := range []string{w.Root.ID, byGroup.ID} {
			for name, do := range operationsOnPeople(w, id) {
				if err := do(t, writer); why(err) != admin.NeedsPerson {
					t.Errorf("%s by admin:write: %v", name, err)
				}
				if err := do(t, reader); why(err) != admin.OnlyReads {
					t.Errorf("%s by admin:read: %v", name, err)
				}
				if err := do(t, scim); why(err) != admin.NoRight && why(err) != admin.NeedsPerson {
					t.Errorf("%s by scim: %v", name, err)
				}
			}
		}
		if err := w.GiveRole(t.Context(), writer, w.Person.ID, roles.Admin, ""); why(err) != admin.NeedsPerson {
			t.Errorf("a service makes an administrator: %v", err)
		}
		if _, err := w.SetRoles(t.Context(), writer, w.Person.ID, []roles.Role{roles.Admin}, ""); why(err) != admin.NeedsPerson {
			t.Errorf("a service makes an administrator: %v", err)
		}
		if _, err := w.CreatePerson(t.Context(), writer, admin.NewPerson{Email: "x@example.com", Name: "X", Roles: []roles.Role{roles.Admin}}, ""); why(err) != admin.NeedsPerson {
			t.Errorf("a service makes an administrator: %v", err)
		}
		if after := w.Count(t, "audit_log"); after != before {
			t.Errorf("%d entries tell of what was refused", after-before)
		}
	})
}

func TestReadersChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		person := w.actor(t, w.Root)
		person.Rights = admin.Reading
		for name, do := range operationsOnPeople(w, w.Person.ID) {
			for _, actor := range []admin.Actor{reader, person} {
				if err := do(t, actor); why(err) != admin.OnlyReads {
					t.Errorf("%s by a %s who reads: %v", name, actor.Kind, err)
				}
			}
		}
		if _, err := w.Known(t.Context(), person, w.Person.ID); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoActsIsStillAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		other := w.administrator(t, "other@example.com")
		for name, end := range map[string]func(actor *admin.Actor) error{
			"a stale proof":        func(a *admin.Actor) error { a.AuthTime = w.Now.Add(-10*time.Minute - time.Second); return nil },
			"one factor":           func(a *admin.Actor) error { a.ACR = "1"; return nil },
			"no proof at all":      func(a *admin.Actor) error { a.ACR, a.AuthTime = "", time.Time{}; return nil },
			"a session that ended": func(a *admin.Actor) error { return w.Sessions.EndSession(ctx, a.SessionID) },
			"a session of another": func(a *admin.Actor) error { a.SessionID = w.Session.ID; return nil },
			"no role any more":     func(*admin.Actor) error { return w.Store.Roles.Take(ctx, other.ID, roles.Admin) },
			"a closed account": func(a *admin.Actor) error {
				a.SessionID = "" // they act by a token that is still good
				return w.Users.SetDisabled(ctx, other.ID, true)
			},
			"an id of a client": func(a *admin.Actor) error { a.ID, a.SessionID = "writer", ""; return nil },
		} {
			storetest.OK(t, w.Users.SetDisabled(ctx, other.ID, false))
			storetest.OK(t, w.Store.Roles.Give(ctx, other.ID, roles.Admin))
			actor := w.actor(t, other)
			storetest.OK(t, w.EnablePerson(ctx, actor, w.Person.ID, ""))
			storetest.OK(t, end(&actor))
			if err := w.DisablePerson(ctx, actor, w.Person.ID, ""); !errors.Is(err, admin.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, actor := range map[string]admin.Actor{
			"a client of another scope": service("reader", admin.Writing),
			"a client that is unknown":  service("nobody", admin.Writing),
			"an id of a person":         service(w.Root.ID, admin.Writing),
		} {
			if err := w.DisablePerson(ctx, actor, w.Person.ID, ""); why(err) != admin.ActorGone {
				t.Errorf("%s: %v", name, err)
			}
		}
		storetest.OK(t, w.DisableClient(ctx, machine, "writer", ""))
		if err := w.DisablePerson(ctx, writer, w.Person.ID, ""); why(err) != admin.ActorGone {
			t.Errorf("a disabled client: %v", err)
		}
	})
}

func TestTheLastAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.administrator(t, "disabled@example.com")
		storetest.OK(t, w.Users.SetDisabled(ctx, w.must(t, "disabled@example.com"), true))
		weak := w.administrator(t, "weak@example.com")
		w.Exec(t, `UPDATE users SET second_step = FALSE WHERE id = '`+weak.ID+`'`)
		w.Exec(t, `INSERT INTO totp (user_id, secret, confirmed_at, last_step, created_at) VALUES ('`+w.Root.ID+`', CAST('x' AS BYTEA), 1, 0, 1)`)
		for _, name := range []string{"disable", "remove factors", "no roles", "delete", "delete now"} {
			for _, actor := range []admin.Actor{w.root, machine} {
				if err := operationsOnPeople(w, w.Root.ID)[name](t, actor); why(err) != admin.LastAdministrator {
					t.Errorf("%s by %s: %v", name, actor.Kind, err)
				}
			}
		}
		if has, err := w.HasAdministrator(ctx); err != nil || !has {
			t.Fatal(has, err)
		}
		if err := w.EndSessions(ctx, machine, w.Root.ID, ""); err != nil {
			t.Error(err)
		}
		forced := machine
		forced.Force = true
		storetest.OK(t, w.DisablePerson(ctx, forced, w.Root.ID, "")) // and then nobody else is kept from anything
		storetest.OK(t, w.DisablePerson(ctx, machine, weak.ID, ""))
		forced = w.actor(t, w.administrator(t, "new@example.com"))
		forced.Force = true
		if err := w.DisablePerson(ctx, forced, forced.ID, ""); why(err) != admin.LastAdministrator {
			t.Errorf("a person who says force: %v", err)
		}
	})
}

func (w *world) must(t *testing.T, email string) string {
	t.Helper()
	user, err := w.Users.UserByEmail(t.Context(), email)
	storetest.OK(t, err)
	return user.ID
}

// Two administrators take each other's role, or close each other's account, at the same moment.
func TestOfTwoAdministratorsWhoRemoveEachOtherOneStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for round := range 4 {
			other := w.administrator(t, "other"+string(rune('0'+round))+"@example.com")
			one, two := w.root, w.actor(t, other)
			remove := []func(actor, target admin.Actor) error{
				func(actor, target admin.Actor) error { return w.DisablePerson(t.Context(), actor, target.ID, "") },
				func(actor, target admin.Actor) error {
					return w.TakeRole(t.Context(), actor, target.ID, roles.Admin, "")
				},
			}
			var errs [2]error
			var both sync.WaitGroup
			both.Go(func() { errs[0] = remove[round%2](one, two) })
			both.Go(func() { errs[1] = remove[(round/2)%2](two, one) })
			both.Wait()
			won := 0
			for _, err := range errs {
				switch {
				case err == nil:
					won++
				case !errors.Is(err, admin.ErrForbidden):
					t.Errorf("round %d: %v", round, err)
				}
			}
			if has, err := w.HasAdministrator(t.Context()); won != 1 || err != nil || !has {
				t.Errorf("round %d: %d won, %v", round, won, errs)
			}
			for _, id := range []string{one.ID, two.ID} {
				storetest.OK(t, w.Users.SetDisabled(t.Context(), id, false))
			}
			storetest.OK(t, w.Store.Roles.Give(t.Context(), one.ID, roles.Admin))
			storetest.OK(t, w.Users.SetDisabled(t.Context(), two.ID, true))
			w.root = w.actor(t, w.Root)
		}
	})
}

func TestOfManyAdministratorsWhoGoAtOnceOneStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ids := []string{w.Root.ID}
		for i := range 11 {
			ids = append(ids, w.administrator(t, fmt.Sprint("other", i, "@example.com")).ID)
		}
		start, errs := make(chan struct{}), make([]error, len(ids))
		var all sync.WaitGroup
		for i, id := range ids {
			all.Go(func() {
				<-start
				errs[i] = w.DisablePerson(t.Context(), machine, id, "")
			})
		}
		close(start)
		all.Wait()
		gone, last := 0, 0
		for _, err := range errs {
			switch {
			case err == nil:
				gone++
			case why(err) == admin.LastAdministrator:
				last++
			}
		}
		if has, err := w.HasAdministrator(t.Context()); gone != 11 || last != 1 || err != nil || !has {
			t.Errorf("%d are gone, %d is the last: %v", gone, last, errs)
		}
	})
}

func TestAllThatIsKnownOfAPersonHasNoSecret(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Code(t, "g1", true)
		storetest.OK(t, w.Consents.GrantConsent(ctx, w.Person.ID, "app", []string{"openid"}))
		w.Exec(t, `UPDATE users SET password_hash = 'S3CRET', second_step = TRUE WHERE id = '`+w.Person.ID+`'`)
		w.Exec(t, `INSERT INTO totp (user_id, secret, confirmed_at, last_step, created_at) VALUES ('`+w.Person.ID+`', CAST('S3CRET' AS BYTEA), 1, 0, 1)`)
		k, err := w.Known(ctx, w.root, w.Person.ID)
		storetest.OK(t, err)
		text, err := json.Marshal(k)
		storetest.OK(t, err)
		for _, secret := range []string{"S3CRET", "UzNDUkVU", "cookie", "hash"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("it shows %s: %s", secret, text)
			}
		}
		if !k.Account.Password || k.SecondStep == nil || len(k.Sessions) != 1 || len(k.Grants) != 1 || len(k.Consents) != 1 || k.Administrator {
			t.Errorf("%s", text)
		}
		if e := w.log(t, 1)[0]; e.Kind != audit.UserViewed || e.Person != w.Person.ID {
			t.Errorf("nobody knows who looked: %+v", e)
		}
		if _, err := w.Known(ctx, w.root, "app"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an id of a client: %v", err)
		}
	})
}

func TestAPersonIsEditedAsTheyWereSeen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		seen, err := w.Find(ctx, reader, "A@example.com")
		storetest.OK(t, err)
		w.Now = w.Now.Add(time.Second)
		storetest.OK(t, w.EditPerson(ctx, writer, seen.ID, seen.Version, []byte(`{"nickname":"<script>alert(1)</script>"}`), `<b>"reason"</b>`))
		if err := w.EditPerson(ctx, writer, seen.ID, seen.Version, []byte(`{"name":"B"}`), ""); !errors.Is(err, store.ErrStale) {
			t.Errorf("a version of before: %v", err)
		}
		var field *admin.FieldError
		for _, patch := range []string{`{"roles":["admin"]}`, `{"id":"x"}`, `[]`, `{"name":""}`, `{"name":"x"}{}`, `{"password_hash":"x"}`} {
			if err := w.EditPerson(ctx, writer, seen.ID, "", []byte(patch), ""); !errors.As(err, &field) || field.Field != "claims" {
				t.Errorf("%s: %v", patch, err)
			}
		}
		for _, reason := range []string{"two\nlines", strings.Repeat("x", 201), "\xff"} {
			if err := w.EditPerson(ctx, writer, seen.ID, "", []byte(`{}`), reason); !errors.As(err, &field) || field.Field != "reason" {
				t.Errorf("%q: %v", reason, err)
			}
		}
		e := w.log(t, 1)[0]
		if e.Reason != `<b>"reason"</b>` || e.Kind != audit.UserChanged || strings.Contains(fmt.Sprint(e.Detail), "script") {
			t.Errorf("%+v", e)
		}
	})
}

func TestAccountsAreFoundByRoleAndState(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		closed, leaving, held := w.Another(t, "closed@example.com"), w.Another(t, "leaving@example.com"), w.Another(t, "held@example.com")
		storetest.OK(t, w.DisablePerson(ctx, machine, closed.ID, ""))
		_, err := w.DeletePerson(ctx, machine, leaving.ID, admin.DeletionWish{}, "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveRole(ctx, machine, held.ID, roles.Moderator, ""))
		storetest.OK(t, w.GiveRole(ctx, machine, closed.ID, roles.Moderator, ""))
		for _, tc := range []struct {
			q    admin.PeopleQuery
			want []string
		}{
			{admin.PeopleQuery{State: accounts.Closed}, []string{closed.ID}},
			{admin.PeopleQuery{State: accounts.Leaving}, []string{leaving.ID}},
			{admin.PeopleQuery{State: "nonsense"}, nil},
			{admin.PeopleQuery{Role: roles.Moderator}, []string{closed.ID, held.ID}},
			{admin.PeopleQuery{Role: roles.Moderator, State: accounts.Closed}, []string{closed.ID}},
			{admin.PeopleQuery{Role: roles.Admin}, []string{w.Root.ID}},
			{admin.PeopleQuery{Text: "held", Role: roles.Moderator}, []string{held.ID}},
			{admin.PeopleQuery{Text: "held", State: accounts.Closed}, nil},
		} {
			var got []string
			for tc.q.Limit = 1; ; { // a page for each
				page, err := w.People(ctx, w.root, tc.q)
				storetest.OK(t, err)
				for _, one := range page.Items {
					got = append(got, one.ID)
				}
				if tc.q.After = page.Next; tc.q.After == "" {
					break
				}
			}
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%+v: %v, not %v", tc.q, got, tc.want)
			}
		}
		group, err := w.CreateGroup(ctx, machine, "Moderators", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, machine, group.ID, roles.Moderator, ""))
		storetest.OK(t, w.Join(ctx, machine, group.ID, leaving.ID, ""))
		if all, err := w.GroupsWith(ctx, w.root, roles.Moderator); err != nil || len(all) != 1 || all[0].ID != group.ID {
			t.Error(all, err)
		}
		if page, err := w.MemberAccounts(ctx, w.root, group.ID, "", 10); err != nil || len(page.Items) != 1 || page.Items[0].ID != leaving.ID {
			t.Error(page, err)
		}
		if all, err := w.Addresses(ctx, w.root, []string{held.ID, "nobody"}); err != nil || all[held.ID] != "held@example.com" || all["nobody"] != "" {
			t.Error(all, err)
		}
		w.Code(t, "g", true)
		if err := w.RevokeGrant(ctx, w.root, admin.Parties{UserID: held.ID}, "g", ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another person's grant: %v", err)
		}
		if err := w.RevokeGrant(ctx, w.root, admin.Parties{ClientID: "other"}, "g", ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a grant to another client: %v", err)
		}
		storetest.OK(t, w.RevokeGrant(ctx, w.root, admin.Parties{UserID: w.Person.ID}, "g", ""))
		for id, want := range map[string]bool{w.Root.ID: true, held.ID: false, "nobody": false} {
			if is, err := w.IsAdministrator(ctx, id); err != nil || is != want {
				t.Errorf("%s: %v %v", id, is, err)
			}
		}
	})
}
