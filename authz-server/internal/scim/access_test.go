package scim_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// Each cell of who may do what.
func TestWhoMayDoWhat(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		group := w.group(t, "okta", "Team")
		requests := []struct{ method, path, body string }{
			{"GET", "/Users", ""}, {"GET", "/Users/" + w.Person.ID, ""}, {"GET", "/Groups", ""}, {"GET", "/Groups/" + group, ""},
			{"POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`},
			{"POST", "/Users", userHead + `"userName":"%-made@example.com"}`},
			{"PUT", "/Users/" + w.Person.ID, userHead + `"userName":"a@example.com","displayName":"%"}`},
			{"PATCH", "/Users/" + w.Person.ID, patch(`{"op":"add","path":"nickName","value":"%"}`)},
			{"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"% group"}`},
			{"PUT", "/Groups/" + group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team of %"}`},
			{"PATCH", "/Groups/" + group, patch(`{"op":"add","path":"members","value":[{"value":"` + w.Person.ID + `"}]}`)},
			{"DELETE", "/Groups/" + group, ""}, {"DELETE", "/Users/" + w.Person.ID, ""},
		}
		for _, one := range []struct{ who, reads, changes string }{
			{"", "401", "401"},
			{"nobody", "401", "401"},
			{"person", "403", "403"}, // whose token has the scopes, but who is no administrator
			{"reader", "2", "403"},
			{"writer", "2", "2"},
			{"okta", "2", "2"},
			{"root", "2", "2"},
		} {
			for i, r := range requests {
				want := one.changes
				if i < 5 {
					want = one.reads
				}
				if r.method == "DELETE" && want == "2" {
					continue // below
				}
				a := w.do(t, one.who, r.method, r.path, strings.ReplaceAll(r.body, "%", one.who))
				if statusOf(a) != want {
					t.Errorf("%q: %s %s: %d %s, want %s", one.who, r.method, r.path, a.Status, a.Text, want)
				}
				if challenge := a.Header.Get("WWW-Authenticate"); (a.Status == 401 || a.Status == 403) != (challenge != "") {
					t.Errorf("%q: %s %s: challenge %q", one.who, r.method, r.path, challenge)
				}
			}
		}
		w.do(t, "okta", "DELETE", "/Groups/"+group, "").want(204)
		w.do(t, "okta", "DELETE", "/Users/"+w.Person.ID, "").want(204)
	})
}

func statusOf(a answer) string {
	if a.Status < 300 {
		return "2"
	}
	return strconv.Itoa(a.Status)
}

// Whatever has power over the server is not there for directories, nor for others who come this way.
func TestWhatIsAdministrativeIsNeitherSeenNorTouched(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		machine := admin.Actor{Kind: admin.Machine}
		operators, err := w.admin.CreateGroup(ctx, machine, "Operators", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.admin.GiveGroup(ctx, machine, operators.ID, roles.Admin, ""))
		byGroup := w.Another(t, "by-group@example.com")
		storetest.OK(t, w.admin.Join(ctx, machine, operators.ID, byGroup.ID, ""))
		team := w.group(t, "okta", "Team", w.Person.ID)
		storetest.OK(t, w.admin.Join(ctx, machine, team, w.Root.ID, ""))
		for _, as := range []string{"okta", "writer", "root"} {
			for _, hidden := range []string{w.Root.ID, byGroup.ID} {
				w.do(t, as, "GET", "/Users/"+hidden, "").wantError(404, "")
				w.do(t, as, "PATCH", "/Users/"+hidden, patch(`{"op":"replace","path":"active","value":false}`)).wantError(404, "")
				w.do(t, as, "PUT", "/Users/"+hidden, userHead+`"userName":"mine@example.com"}`).wantError(404, "")
				w.do(t, as, "DELETE", "/Users/"+hidden, "").wantError(404, "")
				w.do(t, as, "PATCH", "/Groups/"+team, patch(`{"op":"add","path":"members","value":[{"value":"`+hidden+`"}]}`)).wantError(400, "invalidValue")
				w.list(t, as, "/Groups"+filterBy(`members.value eq "`+hidden+`"`), 0)
				w.list(t, as, "/Users"+filterBy(`id eq "`+hidden+`"`), 0)
			}
			for _, filter := range []string{`userName eq "root@example.com"`, `userName sw "root"`, `emails.value eq "by-group@example.com"`, `roles.value eq "admin/admin"`,
				`groups.value eq "` + operators.ID + `"`, `displayName eq "Root"`, `meta.lastModified gt "2020-01-01T00:00:00Z" and userName co "root"`} {
				w.list(t, as, "/Users"+filterBy(filter), 0)
			}
			w.list(t, as, "/Users", 1)
			if a := w.do(t, as, "GET", "/Users?cursor=", "").want(200); len(a.ids()) != 1 {
				t.Error(a.Text)
			}
			w.do(t, as, "GET", "/Groups/"+operators.ID, "").wantError(404, "")
			w.do(t, as, "PATCH", "/Groups/"+operators.ID, patch(`{"op":"add","path":"members","value":[{"value":"`+w.Person.ID+`"}]}`)).wantError(404, "")
			w.do(t, as, "PUT", "/Groups/"+operators.ID, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Mine"}`).wantError(404, "")
			w.do(t, as, "DELETE", "/Groups/"+operators.ID, "").wantError(404, "")
			w.list(t, as, "/Groups"+filterBy(`displayName eq "Operators"`), 0)
			w.list(t, as, "/Groups", 1)
		}
		if a := w.do(t, "okta", "GET", "/Groups/"+team, "").want(200, w.Person.ID); strings.Contains(a.Text, w.Root.ID) {
			t.Errorf("an administrator is seen in a group: %s", a.Text)
		}
		// Whoever is not seen is not taken out either.
		w.do(t, "okta", "PUT", "/Groups/"+team, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team","members":[]}`).want(200)
		w.do(t, "okta", "PATCH", "/Groups/"+team, patch(`{"op":"remove","path":"members[value eq \"`+w.Root.ID+`\"]"}`)).want(204)
		if is, err := w.Roles.IsMember(ctx, team, w.Root.ID); err != nil || !is {
			t.Errorf("an administrator was taken out of a group: %v", err)
		}
		// An address or name that is taken is refused in the same words, whoever has it.
		taken := w.do(t, "okta", "POST", "/Users", userHead+`"userName":"a@example.com"}`).wantError2(409, "uniqueness")
		if hidden := w.do(t, "okta", "POST", "/Users", userHead+`"userName":"root@example.com"}`).wantError2(409, "uniqueness"); hidden != taken {
			t.Errorf("%s and %s", hidden, taken)
		}
		w.do(t, "okta", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"operators"}`).wantError(409, "uniqueness")
	})
}

func (a answer) wantError2(status int, scimType string) string {
	a.t.Helper()
	a.wantError(status, scimType)
	return a.Text
}

// What only operators and the server itself say of a person cannot be sent along.
func TestNobodyGivesThemselvesMoreByAnAttribute(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		id := w.person(t, "okta", "m@example.com", `,"id":"mine","roles":[{"value":"admin/admin"},{"value":"board/moderator"}],"groups":[{"value":"x"}],
			"meta":{"created":"2000-01-01T00:00:00Z","version":"W/\"1\""},"email_verified":true,"emailVerified":true,"phone_number_verified":true,"entitlements":["x"],"passwordHash":"x"`)
		user, err := w.Users.User(ctx, id)
		if err != nil || id == "mine" || len(user.Roles) > 0 || user.EmailVerified || user.Claims.PhoneVerified || user.PasswordHash != "" || !user.CreatedAt.Equal(w.Now) {
			t.Errorf("%+v %v", user, err)
		}
		for _, path := range []string{"roles", `roles[primary eq \"True\"].value`, "roles.value", "groups", "id", "meta", "meta.version", "ID", "urn:ietf:params:scim:schemas:core:2.0:User:roles"} {
			w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"add","path":"`+path+`","value":[{"value":"admin/admin"}]}`)).wantError(400, "mutability")
		}
		w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"roles":[{"value":"admin/admin"}],"id":"x","Groups":[],"disabled":true,"nickName":"M"}}`)).want(200, `"nickName":"M"`)
		w.do(t, "okta", "PUT", "/Users/"+id, userHead+`"userName":"m@example.com","roles":[{"value":"admin/admin"}],"id":"x"}`).want(200, id)
		if user, err := w.Users.User(ctx, id); err != nil || len(user.Roles) > 0 {
			t.Errorf("%+v %v", user, err)
		}
		storetest.OK(t, w.admin.GiveRole(ctx, admin.Actor{Kind: admin.Machine}, id, roles.Moderator, ""))
		w.do(t, "okta", "GET", "/Users/"+id, "").want(200, `"value":"board/moderator"`)
		w.list(t, "okta", "/Users"+filterBy(`roles eq "board/moderator"`), 1)
		w.do(t, "okta", "PUT", "/Users/"+id, userHead+`"userName":"m@example.com","roles":[]}`).want(200, `"value":"board/moderator"`)
	})
}

func TestEachClientHasItsOwnExternalIDs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.person(t, "okta", "m@example.com", `,"externalId":"7"`)
		group := w.do(t, "okta", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team","externalId":"8"}`).want(201).text("id")
		for _, path := range []string{"/Users/" + id, "/Groups/" + group} {
			if a := w.do(t, "entra", "GET", path, "").want(200); strings.Contains(a.Text, "externalId") {
				t.Errorf("another client sees %s", a.Text)
			}
		}
		w.list(t, "entra", "/Users"+filterBy(`externalId eq "7"`), 0)
		w.list(t, "entra", "/Groups"+filterBy(`externalId eq "8"`), 0)
		w.entrust(t, "entra", id)
		storetest.OK(t, w.admin.EntrustGroup(t.Context(), admin.Actor{Kind: admin.Machine}, group, "entra", ""))
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"add","path":"externalId","value":"70"}`)).want(200, `"externalId":"70"`)
		w.do(t, "entra", "PATCH", "/Groups/"+group, patch(`{"op":"add","path":"externalId","value":"80"}`)).want(204)
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"remove","path":"externalId"}`)).want(200)
		if ids := w.list(t, "okta", "/Users"+filterBy(`externalId eq "7" and active eq "True"`), 1).ids(); ids[0] != id {
			t.Error(ids)
		}
		w.list(t, "okta", "/Users"+filterBy(`externalId eq "70"`), 0)
		w.list(t, "okta", "/Groups"+filterBy(`externalId eq "8"`), 1)
		w.list(t, "entra", "/Groups"+filterBy(`externalId eq "80"`), 1)
		// A person has none: nobody else could tell whose names they are.
		w.do(t, "root", "PATCH", "/Users/"+id, patch(`{"op":"add","path":"externalId","value":"1"}`)).wantError(400, "invalidValue")
		_, err := w.admin.DeleteClient(t.Context(), admin.Actor{Kind: admin.Machine}, "okta", "")
		storetest.OK(t, err)
		if n := w.Count(t, "external_users WHERE client_id = 'okta'"); n != 0 {
			t.Errorf("a deleted client left %d names", n)
		}
	})
}
