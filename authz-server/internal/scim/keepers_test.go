package scim_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

const groupHead = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`

// changes are all that a directory can ask for about somebody, and about a group. % is the address or
// name.
var (
	userChanges = []struct{ method, body string }{
		{"PUT", userHead + `"userName":"%","displayName":"Mine"}`},
		{"PATCH", patch(`{"op":"replace","path":"userName","value":"attacker@example.com"}`)},
		{"PATCH", patch(`{"op":"replace","value":{"displayName":"Mine"}}`)},
		{"PATCH", patch(`{"op":"add","path":"externalId","value":"1"}`)},
		{"PATCH", patch(`{"op":"replace","path":"active","value":false}`)},
		{"PATCH", patch(`{"op":"add","path":"nickName","value":"x"}`)},
		{"DELETE", ""},
	}
	groupChanges = []struct{ method, body string }{
		{"PUT", groupHead + `"displayName":"%","members":[]}`},
		{"PATCH", patch(`{"op":"replace","path":"displayName","value":"Mine"}`)},
		{"PATCH", patch(`{"op":"add","path":"externalId","value":"1"}`)},
		{"PATCH", patch(`{"op":"remove","path":"members"}`)},
		{"DELETE", ""},
	}
)

// Whoever did not make an account or a group, and was not given it, cannot change it in any way, and
// whoever did can: each cell of who keeps it, who asks, and what for.
func TestADirectoryChangesWhatItKeepsAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, machine, n := t.Context(), admin.Actor{Kind: admin.Machine}, 0
		for keeper, make := range map[string]func() (user, group string){
			"okta": func() (string, string) {
				n++
				id := w.person(t, "okta", fmt.Sprintf("u%d@example.com", n))
				return id, w.group(t, "okta", fmt.Sprintf("g%d", n), id)
			},
			"": func() (string, string) { // as people sign up, and operators make groups
				n++
				user, err := w.Users.CreateUser(ctx, accounts.User{Email: fmt.Sprintf("u%d@example.com", n), Name: "N", PasswordHash: "x"})
				storetest.OK(t, err)
				g, err := w.admin.CreateGroup(ctx, machine, fmt.Sprintf("g%d", n), "", "")
				storetest.OK(t, err)
				storetest.OK(t, w.admin.Join(ctx, machine, g.ID, user.ID, ""))
				return user.ID, g.ID
			},
		} {
			for _, as := range []string{"okta", "entra", "writer", "root"} {
				may := as == keeper || as == "writer" || as == "root"
				for i := range len(userChanges) + len(groupChanges) {
					user, group := make()
					path, name, change := "/Users/"+user, fmt.Sprintf("u%d@example.com", n), userChanges[i%len(userChanges)]
					if i >= len(userChanges) {
						path, name, change = "/Groups/"+group, fmt.Sprintf("g%d", n), groupChanges[i-len(userChanges)]
					}
					if as == "root" && strings.Contains(change.body, "externalId") {
						continue // which only clients have
					}
					before, entries := w.do(t, "root", "GET", path, "").want(200), w.Count(t, "audit_log")
					a := w.do(t, as, change.method, path, strings.ReplaceAll(change.body, "%", name))
					if may && a.Status < 300 {
						w.Exec(t, `UPDATE users SET email = id, email_key = id WHERE email = 'attacker@example.com'`)
						w.Exec(t, `UPDATE groups SET name = id, name_key = id WHERE name = 'Mine'`)
						continue
					}
					a.wantError(403, "")
					after := w.do(t, "root", "GET", path, "").want(200)
					if may || after.Text != before.Text || w.Count(t, "audit_log") != entries {
						t.Errorf("kept by %q: %s: %s %s: %d %s", keeper, as, change.method, change.body, a.Status, a.Text)
					}
				}
			}
		}
	})
}

// What Entra and Okta do with an address that they find: they look for it, or try to make it, and then
// change what is there. None of it gets them the account of whoever signed up by themselves.
func TestMatchingAnAddressTakesNoAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		own := w.Another(t, "mina@example.com")
		found := w.list(t, "entra", "/Users"+filterBy(`userName eq "mina@example.com"`), 1).ids()
		if len(found) != 1 || found[0] != own.ID {
			t.Fatal(found)
		}
		w.do(t, "entra", "POST", "/Users", userHead+`"userName":"mina@example.com","externalId":"7"}`).wantError(409, "uniqueness")
		w.list(t, "entra", "/Users"+filterBy(`externalId eq "7"`), 0)
		w.do(t, "entra", "PATCH", "/Users/"+own.ID, patch(`{"op":"Add","path":"externalId","value":"7"}`)).wantError(403, "")
		w.do(t, "entra", "PATCH", "/Users/"+own.ID, patch(`{"op":"Replace","path":"userName","value":"attacker@example.com"}`)).wantError(403, "")
		// Another's address does not come with an account of its own either, nor does its external id.
		mine := w.person(t, "entra", "mine@example.com", `,"externalId":"701984"`)
		w.do(t, "entra", "PATCH", "/Users/"+mine, patch(`{"op":"Replace","path":"userName","value":"mina@example.com"}`)).wantError(409, "uniqueness")
		theirs := w.person(t, "okta", "theirs@example.com", `,"externalId":"701984"`)
		w.do(t, "okta", "PATCH", "/Users/"+mine, patch(`{"op":"Replace","path":"active","value":false}`)).wantError(403, "")
		w.do(t, "entra", "DELETE", "/Users/"+theirs, "").wantError(403, "")

		// An operator gives it, and takes it from whoever kept it.
		w.entrust(t, "entra", own.ID, theirs)
		w.do(t, "entra", "PATCH", "/Users/"+own.ID, patch(`{"op":"Add","path":"externalId","value":"7"}`)).want(200, `"externalId":"7"`)
		w.do(t, "okta", "PATCH", "/Users/"+theirs, patch(`{"op":"Replace","path":"active","value":false}`)).wantError(403, "")
		w.do(t, "entra", "PATCH", "/Users/"+theirs, patch(`{"op":"Replace","path":"active","value":false}`)).want(200)
		w.entrust(t, "", own.ID)
		w.do(t, "entra", "DELETE", "/Users/"+own.ID, "").wantError(403, "")
		if a := w.do(t, "entra", "GET", "/Users/"+own.ID, "").want(200); a.text("externalId") != "7" {
			t.Errorf("its name for them is gone: %s", a.Text)
		}
	})
}

// A directory decides who of those that it keeps is in a group that it keeps. Others, whom an operator
// put in, stay in, and it puts nobody else in.
func TestADirectoryPutsWhomItKeepsIntoGroups(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, machine := t.Context(), admin.Actor{Kind: admin.Machine}
		mine, other := w.person(t, "okta", "mine@example.com"), w.Another(t, "other@example.com")
		group := w.group(t, "okta", "Team")
		add := func(id string) string {
			return patch(`{"op":"add","path":"members","value":[{"value":"` + mine + `"},{"value":"` + id + `"}]}`)
		}
		w.do(t, "okta", "PATCH", "/Groups/"+group, add(other.ID)).wantError(403, "")
		w.do(t, "okta", "POST", "/Groups", groupHead+`"displayName":"B","members":`+"["+memberList(other.ID)+"]}").wantError(403, "")
		w.do(t, "okta", "PUT", "/Groups/"+group, groupHead+`"displayName":"Team","members":[`+memberList(mine, other.ID)+`]}`).wantError(403, "")
		if n := w.Count(t, "group_members"); n != 0 {
			t.Errorf("%d members after what was refused", n)
		}
		storetest.OK(t, w.admin.Join(ctx, machine, group, other.ID, ""))
		w.do(t, "okta", "PUT", "/Groups/"+group, groupHead+`"displayName":"Team","members":[`+memberList(mine, other.ID)+`]}`).want(200, mine, other.ID)
		w.do(t, "okta", "PUT", "/Groups/"+group, groupHead+`"displayName":"Team","members":[]}`).want(200, other.ID)
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"remove","path":"members[value eq \"`+other.ID+`\"]"}`)).wantError(403, "")
		if is, err := w.Roles.IsMember(ctx, group, other.ID); err != nil || !is {
			t.Errorf("whom an operator put in was taken out: %v", err)
		}
	})
}

func TestOnlyADirectoryIsGivenSomething(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, machine := t.Context(), admin.Actor{Kind: admin.Machine}
		for _, to := range []string{"nobody", "writer", "reader", "app"} {
			if err := w.admin.EntrustPerson(ctx, machine, w.Person.ID, to, ""); err == nil {
				t.Errorf("%s is given an account", to)
			}
		}
		if err := w.admin.EntrustPerson(ctx, machine, "nobody", "okta", ""); err != store.ErrNotFound { //nolint:errorlint // it is that itself
			t.Error(err)
		}
		for who, actor := range map[string]admin.Actor{"a directory": w.actors["entra"], "a reader": w.actors["reader"]} {
			if err := w.admin.EntrustPerson(ctx, actor, w.Person.ID, "entra", ""); err == nil {
				t.Errorf("%s gives itself an account", who)
			}
		}
		// Whose client goes keeps nothing, and neither does the next client of that name.
		_, err := w.admin.DeleteClient(ctx, machine, "okta", "")
		storetest.OK(t, err)
		if by, err := w.Users.Keeper(ctx, w.Person.ID); err != nil || by != "" {
			t.Error(by, err)
		}
	})
}

// Who asks too often waits, and others do not.
func TestADirectoryAsksSoOften(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		asked := 0
		for ; asked < 1000; asked++ {
			if a := w.do(t, "okta", "GET", "/Users/x", ""); a.Status == 429 {
				a.wantError(429, "")
				if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait != 1 {
					t.Errorf("wait for %q", a.Header.Get("Retry-After"))
				}
				break
			}
		}
		if asked != 500 {
			t.Errorf("%d requests at once are answered", asked)
		}
		w.do(t, "entra", "GET", "/Users/x", "").wantError(404, "")
		w.do(t, "okta", "DELETE", "/Users/"+w.Person.ID, "").wantError(429, "")
		w.Now = w.Now.Add(time.Second)
		for range 25 {
			w.do(t, "okta", "GET", "/Users/x", "").wantError(404, "")
		}
		w.do(t, "okta", "GET", "/Users/x", "").wantError(429, "")
		w.Now = w.Now.Add(-time.Hour) // a clock that goes back gives nothing away
		w.do(t, "okta", "GET", "/Users/x", "").wantError(429, "")
	})
}
