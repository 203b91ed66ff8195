package ssf_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Each event is caused as people and operators cause it.
func TestEveryCauseIsToldAsItsSpecificationSays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, id := t.Context(), w.User.ID
		w.addReceiver("security", func(c *client.Client) { c.Scope += " board:moderate profile email" })
		w.create(w.token("security", "ssf.manage"), w.push(streams.Types...))
		user := object{"format": "iss_sub", "iss": w.Issuer, "sub": id}
		session := func() accounts.Session {
			s, _, err := w.Store.Sessions.CreateSession(ctx, accounts.Session{UserID: id}, w.password())
			ok(t, err)
			return s
		}
		var sid string
		for _, test := range []struct {
			name string
			do   func() error
			want string // types, sorted
			says string // of what the last event says
		}{
			{"nothing", func() error { return nil }, "", ""},
			{"log-out", func() error { sid = session().ID; return w.Store.Sessions.EndSession(ctx, sid) }, "session-revoked", "initiating_entity:user"},
			{"another password", func() error { return w.Store.Users.ResetPassword(ctx, id, "y", "") }, "credential-change",
				"change_type:update credential_type:password"},
			{"an own password", func() error {
				s := session()
				session()
				_, err := w.Store.Users.ChangePassword(ctx, id, "y", "z", s.ID)
				return err
			}, "credential-change session-revoked", ""},
			{"a passkey", func() error {
				ok(t, w.Store.Passkeys.SetUserHandle(ctx, id, []byte("h")))
				p, err := w.Store.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: id, CredentialID: []byte("c"), PublicKey: []byte("k"), Transports: []string{"internal"}})
				ok(t, err)
				w.deliver()
				_, err = w.Store.Passkeys.RemovePasskey(ctx, id, p.ID)
				return err
			}, "credential-change credential-change", "change_type:delete credential_type:fido2-platform"},
			{"a second step", func() error {
				ok(t, w.Store.Factors.BeginTOTP(ctx, id, []byte("p")))
				return w.Store.Factors.ConfirmTOTP(ctx, id, []byte("p"), []byte("s"), 1, nil)
			}, "credential-change", "change_type:create credential_type:app"},
			{"no second step", func() error { return w.Store.Factors.RemoveTOTP(ctx, id) }, "credential-change", "change_type:delete credential_type:app"},
			{"another name", func() error {
				return w.Store.Users.EditUser(ctx, id, func(u *accounts.User) error { u.Name = "민지"; return nil })
			}, "token-claims-change", "claims:map[name:민지]"},
			{"the same name", func() error { return w.Store.Users.EditUser(ctx, id, func(*accounts.User) error { return nil }) }, "", ""},
			{"other roles", func() error { return w.Store.Roles.Set(ctx, id, nil) }, "token-claims-change", "claims:map[roles:[]]"},
			{"another address", func() error { return w.Store.Users.SetEmail(ctx, id, "new@example.com") }, "identifier-changed",
				"new-value:new@example.com"},
			{"the same address", func() error { return w.Store.Users.SetEmail(ctx, id, "new@example.com") }, "", ""},
			{"disabled", func() error { return w.Store.Users.SetDisabled(ctx, id, true) }, "account-disabled session-revoked", ""},
			{"disabled already", func() error { return w.Store.Users.SetDisabled(ctx, id, true) }, "", ""},
			{"enabled", func() error { return w.Store.Users.SetDisabled(ctx, id, false) }, "account-enabled", "map[]"},
			{"rolled back", func() error {
				if err := w.Store.Tx(ctx, func(ctx context.Context) error {
					ok(t, w.Store.Users.SetDisabled(ctx, id, true))
					return fmt.Errorf("no")
				}); err == nil {
					t.Error("it was not rolled back")
				}
				return nil
			}, "", ""},
			{"deleted", func() error {
				ok(t, w.Store.Users.HastenDeletion(ctx, id, true))
				due, err := w.Store.Users.DueDeletions(ctx, 1)
				ok(t, err)
				return w.Store.Users.DeleteUser(ctx, due[0])
			}, "account-purged", "content:delete"},
		} {
			ok(t, test.do())
			w.deliver()
			got := w.take()
			if types := sortedTypes(got); types != test.want {
				t.Errorf("%s: %s, not %s", test.name, types, test.want)
				continue
			}
			for i, one := range got {
				want := fmt.Sprint(user)
				switch one.Type {
				case "session-revoked":
					if one.Subject["format"] != "complex" || fmt.Sprint(one.Subject["user"]) != want || one.Event["reason_admin"] == nil {
						t.Errorf("%s: %+v", test.name, one)
					}
					if session := one.Subject["session"].(object); test.name == "log-out" && (session["format"] != "opaque" || session["id"] != sid) {
						t.Errorf("%s: %+v", test.name, one)
					}
				case "identifier-changed": // RISC §2.7: the subject is the old value
					if one.Subject["format"] != "email" || one.Subject["email"] != "minji@example.com" {
						t.Errorf("%s: %+v", test.name, one)
					}
				default:
					if fmt.Sprint(one.Subject) != want {
						t.Errorf("%s: %+v", test.name, one)
					}
				}
				if i == len(got)-1 && !strings.Contains(fmt.Sprint(one.Event), test.says) {
					t.Errorf("%s: %v", test.name, one.Event)
				}
				if one.Txn == "" || one.Type == "credential-change" && one.Event["reason_admin"] == nil {
					t.Errorf("%s: %+v", test.name, one)
				}
			}
		}
	})
}

// password is the hash that the account has.
func (w *world) password() string {
	w.t.Helper()
	u, err := w.Store.Users.User(w.t.Context(), w.User.ID)
	ok(w.t, err)
	return u.PasswordHash
}

// An app is told of those who use it, of what they allowed it, and by the name that it knows them by.
func TestAnAppIsToldOfThoseWhoUseIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.addReceiver("app2", func(c *client.Client) {
			c.Trusted, c.SubjectType, c.SectorIdentifierURI = false, "pairwise", "https://app2.example/sector"
		})
		c, err := w.Store.Clients.Client(ctx, "app2")
		ok(t, err)
		w.create(w.token("app2", "ssf.manage"), w.push(streams.Types...))
		change := func() {
			t.Helper()
			ok(t, w.Store.Users.SetName(ctx, w.User.ID, "another"))
			ok(t, w.Store.Roles.Set(ctx, w.User.ID, []roles.Role{roles.Moderator}))
			ok(t, w.Store.Users.SetEmail(ctx, w.User.ID, fmt.Sprintf("a%d@example.com", w.Clock.Now().UnixNano())))
			ok(t, w.Store.Users.SetDisabled(ctx, w.User.ID, true))
			ok(t, w.Store.Users.SetDisabled(ctx, w.User.ID, false))
			w.Clock.Advance(1)
			w.deliver()
		}
		session, _, err := w.Store.Sessions.CreateSession(ctx, accounts.Session{UserID: w.User.ID}, w.password())
		ok(t, err)
		ok(t, w.Store.Sessions.EndSession(ctx, session.ID))
		change()
		if got := w.take(); len(got) != 0 {
			t.Errorf("of a stranger: %s", types(got))
		}
		ok(t, w.Store.Consents.GrantConsent(ctx, w.User.ID, "app2", []string{"openid"}))
		change()
		got := w.take()
		if types(got) != "account-disabled account-enabled" || got[0].Subject["sub"] != w.Provider.Tokens.Subject(&c, w.User.ID) ||
			got[0].Subject["sub"] == w.User.ID {
			t.Errorf("of somebody who allowed little: %+v", got)
		}
		ok(t, w.Store.Consents.GrantConsent(ctx, w.User.ID, "app2", []string{"profile", "email"}))
		change()
		if got := w.take(); types(got) != "token-claims-change identifier-changed account-disabled account-enabled" || got[0].Event["claims"].(object)["name"] != "another" {
			t.Errorf("of somebody who allowed more: %+v", got)
		}

		known, _, err := w.Store.Sessions.CreateSession(ctx, accounts.Session{UserID: w.User.ID}, w.password())
		ok(t, err)
		unknown, _, err := w.Store.Sessions.CreateSession(ctx, accounts.Session{UserID: w.User.ID}, w.password())
		ok(t, err)
		ok(t, w.Store.Logouts.NoteSessionClient(ctx, known.ID, "app2"))
		ok(t, w.Store.Sessions.EndSession(ctx, unknown.ID))
		ok(t, w.Store.Sessions.EndSession(ctx, known.ID))
		w.deliver()
		if got := w.take(); len(got) != 1 || got[0].Subject["session"].(object)["id"] != known.ID {
			t.Errorf("of sessions: %+v", got)
		}

		ok(t, w.Store.Users.HastenDeletion(ctx, w.User.ID, false))
		due, err := w.Store.Users.DueDeletions(ctx, 1)
		ok(t, err)
		ok(t, w.Store.Users.DeleteUser(ctx, due[0]))
		w.deliver()
		if got := w.take(); len(got) != 1 || got[0].Event["content"] != "keep" || got[0].Subject["sub"] != w.Provider.Tokens.Subject(&c, w.User.ID) {
			t.Errorf("of the end: %+v", got)
		}
	})
}

func TestARemovedSubjectIsNotToldOf(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		token := w.token("security", "ssf.manage")
		id := w.create(token, w.push(streams.AccountDisabled, streams.AccountEnabled))["stream_id"].(string)
		change := func(path string, subject object, want int) {
			t.Helper()
			if status, answer := w.call(token, "POST", path, object{"stream_id": id, "subject": subject}); status != want {
				t.Errorf("%s %v: %d %s", path, subject, status, answer)
			}
		}
		heard := func(want string) {
			t.Helper()
			ok(t, w.Store.Users.SetDisabled(t.Context(), w.User.ID, true))
			ok(t, w.Store.Users.SetDisabled(t.Context(), w.User.ID, false))
			w.deliver()
			if got := types(w.take()); got != want {
				t.Errorf("%q, not %q", got, want)
			}
		}
		const both = "account-disabled account-enabled"
		heard(both)
		for _, subject := range []object{
			{"format": "iss_sub", "iss": w.Issuer, "sub": w.User.ID},
			{"format": "email", "email": "MINJI@Example.com"},
			{"format": "complex", "user": object{"format": "iss_sub", "iss": w.Issuer, "sub": w.User.ID}},
		} {
			change("/ssf/subjects:remove", subject, 204)
			change("/ssf/subjects:remove", subject, 204)
			heard("")
			change("/ssf/subjects:add", subject, 200)
			heard(both)
		}
		// Nothing tells who has an account.
		change("/ssf/subjects:remove", object{"format": "email", "email": "nobody@example.com"}, 204)
		change("/ssf/subjects:add", object{"format": "email", "email": "nobody@example.com"}, 200)
		for _, subject := range []object{
			nil, {}, {"format": "phone_number", "phone_number": "+82"}, {"format": "iss_sub", "iss": "https://other.example", "sub": "x"},
			{"format": "iss_sub", "iss": w.Issuer}, {"format": "email", "email": strings.Repeat("x", 400)}, {"format": "complex"},
			{"format": "complex", "user": object{"format": "email", "email": "a@b.example"}, "session": object{"format": "opaque", "id": "s"}},
			{"format": "complex", "user": object{"format": "complex", "user": object{"format": "email", "email": "a@b.example"}}},
		} {
			change("/ssf/subjects:remove", subject, 400)
		}
	})
}

// The server's own services need no operator, and know people by every subject that tokens have.
func TestOwnServicesAreToldOfEverySubject(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		w := newWorld(t, databaseURL, []string{"user", "board"})
		again := w.transmitter([]string{"user", "board"}, nil) // another replica
		ok(t, again.EnsureServices(ctx))
		all, err := w.Store.Streams.List(ctx)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v %v", all, err)
		}
		pairwise := func(host string, trusted bool) func(*client.Client) {
			return func(c *client.Client) {
				c.SubjectType, c.Trusted, c.RedirectURIs = client.SubjectPairwise, trusted, []string{"https://" + host + "/cb"}
			}
		}
		w.AddClient("ours", pairwise("ours.example", true))
		w.AddClient("allowed", pairwise("allowed.example", false))
		w.AddClient("stranger", pairwise("stranger.example", false))
		ok(t, w.Store.Consents.GrantConsent(ctx, w.User.ID, "allowed", []string{"openid"}))
		subjects := func(ids ...string) (all []string) {
			for _, id := range ids {
				c, err := w.Store.Clients.Client(ctx, id)
				ok(t, err)
				all = append(all, w.Provider.Tokens.Subject(&c, w.User.ID))
			}
			slices.Sort(all)
			return all
		}
		told := func(audience string, got []told) (all []string) {
			for _, one := range got {
				if one.Audience == audience {
					all = append(all, one.Subject["sub"].(string))
				}
			}
			slices.Sort(all)
			return all
		}
		// "allowed" was not allowed the name, so nobody learns it under the name that it knows the person by.
		ok(t, w.Store.Users.SetName(ctx, w.User.ID, "another"))
		w.deliver()
		got := w.take()
		if board := told(w.receiver.URL+"/board", got); len(got) != 4 || !slices.Equal(board, subjects("app", "ours")) {
			t.Errorf("of a new name: %+v", got)
		}
		if w.receiver.paths[0] != "/user/v1/events" && w.receiver.paths[0] != "/board/v1/events" {
			t.Errorf("%q", w.receiver.paths)
		}
		session, _, err := w.Store.Sessions.CreateSession(ctx, accounts.Session{UserID: w.User.ID}, w.password())
		ok(t, err)
		ok(t, w.Store.Sessions.EndSession(ctx, session.ID))
		if events, err := w.Store.Streams.Next(ctx, 10); err != nil || len(events) != 0 {
			t.Errorf("a log-out that no stream is for was written: %+v %v", events, err)
		}
		ok(t, w.Store.Users.HastenDeletion(ctx, w.User.ID, false))
		due, err := w.Store.Users.DueDeletions(ctx, 1)
		ok(t, err)
		ok(t, w.Store.Users.DeleteUser(ctx, due[0]))
		w.deliver()
		got = w.take()
		for _, name := range []string{"user", "board"} {
			if all := told(w.receiver.URL+"/"+name, got); !slices.Equal(all, subjects("app", "ours", "allowed")) || types(got[:1]) != "account-purged" {
				t.Errorf("%s of the end: %q", name, all)
			}
		}
		fewer := w.transmitter([]string{"user"}, nil)
		ok(t, fewer.EnsureServices(ctx))
		if all, err := w.Store.Streams.List(ctx); err != nil || len(all) != 2 {
			t.Errorf("a replica with other settings dropped the stream of a service: %+v %v", all, err)
		}
	})
}

// A version before this one queued calls.
func TestCallsOfTheVersionBeforeBecomeEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqldbtest.SQLite(t), []string{"user", "board"})
	for lane, payload := range map[string]string{"board": `{"subject":"s1","posts":true}`, "user": `{"subject":"s1"}`, "gone": `{"subject":"s1"}`} {
		ok(t, w.Store.Outbox.Add(t.Context(), outbox.Item{Kind: "service", Lane: lane, Topic: "deletion", Payload: []byte(payload)}))
	}
	ok(t, w.events.Adopt(t.Context()))
	w.deliver()
	got := w.take()
	for _, one := range got {
		if content := map[bool]string{true: "delete", false: "keep"}[strings.HasSuffix(one.Audience, "board")]; one.Type != "account-purged" ||
			one.Subject["sub"] != "s1" || one.Event["content"] != content {
			t.Errorf("%+v", one)
		}
	}
	if items, err := w.Store.Outbox.List(t.Context(), "service", "", 10); len(got) != 2 || err != nil || len(items) != 0 {
		t.Errorf("%+v, %d wait: %v", got, len(items), err)
	}
}
