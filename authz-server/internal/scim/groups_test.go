package scim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestGroupsHavePeopleAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		inner := w.group(t, "okta", "Inner")
		head := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":`
		for body, scimType := range map[string]string{
			head + `"Outer","members":[{"value":"` + inner + `"}]}`:                      "invalidValue", // it is nobody's id
			head + `"Outer","members":[{"value":"` + w.Person.ID + `","type":"Group"}]}`: "invalidValue",
			head + `"Outer","members":[{"value":"nobody"}]}`:                             "invalidValue",
			head + `"Outer","members":[{}]}`:                                             "invalidValue",
			head + `"Outer","members":["x"]}`:                                            "invalidValue",
			head + `""}`:                                                                 "invalidValue",
			head + `" Outer"}`:                                                           "invalidValue",
			head + `"inner"}`:                                                            "uniqueness",
			`{"displayName":"Outer"}`:                                                    "invalidSyntax",
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"displayName":"Out"}`: "invalidValue",
		} {
			status := 400
			if scimType == "uniqueness" {
				status = 409
			}
			w.do(t, "okta", "POST", "/Groups", body).wantError(status, scimType)
		}
		if n := w.Count(t, "groups"); n != 1 {
			t.Errorf("%d groups", n)
		}
		w.do(t, "okta", "PATCH", "/Groups/"+inner, patch(`{"op":"add","path":"members","value":[{"value":"`+w.Person.ID+`"},{"value":"`+inner+`"}]}`)).wantError(400, "invalidValue")
		if n := w.Count(t, "group_members"); n != 0 {
			t.Errorf("half a patch left %d members", n)
		}
	})
}

func TestAPatchOfMembersIsDoneInItsOrder(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, b, c := w.person(t, "okta", "1@example.com"), w.person(t, "okta", "2@example.com"), w.person(t, "okta", "3@example.com")
		id := w.group(t, "okta", "Team", a, b)
		for _, one := range []struct{ operations, want string }{
			{`{"op":"remove","path":"members[value eq \"` + a + `\"]"},{"op":"add","path":"members","value":{"value":"` + c + `"}}`, b + c},
			{`{"op":"replace","path":"members","value":[{"value":"` + a + `"}]},{"op":"add","path":"members","value":[{"value":"` + b + `"}]}`, a + b},
			{`{"op":"add","path":"members","value":[{"value":"` + c + `"}]},{"op":"remove","path":"members"}`, ""},
			{`{"op":"add","value":{"members":[{"value":"` + c + `"},{"value":"` + c + `"}]}}`, c},
			{`{"op":"add","path":"members","value":[{"value":"` + c + `"}]}`, c},
			{`{"op":"remove","path":"members[value eq \"` + a + `\" or value eq \"` + c + `\"]"}`, ""},
			{`{"op":"remove","path":"members[value eq \"nobody\"]"}`, ""},
			{`{"op":"replace","value":{"members":[{"value":"` + b + `"}],"displayName":"Team 2","externalId":"7"}}`, b},
			{`{"op":"remove","path":"externalId"}`, b},
		} {
			w.do(t, "okta", "PATCH", "/Groups/"+id, patch(one.operations)).want(204)
			got := ""
			for _, one := range []string{a, b, c} {
				is, err := w.Roles.IsMember(t.Context(), id, one)
				storetest.OK(t, err)
				if is {
					got += one
				}
			}
			if got != one.want {
				t.Errorf("%s leads to %s, want %s", one.operations, got, one.want)
			}
		}
		for path, scimType := range map[string]string{
			`members[display eq \"x\"]`: "invalidFilter", `members[value sw \"x\"]`: "invalidFilter", `members.value`: "invalidPath",
			`members[value eq \"x\"].display`: "mutability", `displayName`: "mutability", `id`: "mutability", `members[`: "invalidFilter", `a b`: "invalidPath",
		} {
			w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"`+path+`"}`)).wantError(400, scimType)
		}
		// The version of a group is also that of who is in it.
		version := w.do(t, "okta", "GET", "/Groups/"+id, "").Header.Get("ETag")
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[{"value":"`+a+`"}]}`), "If-Match", version).want(204)
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[{"value":"`+c+`"}]}`), "If-Match", version).wantError(412, "")
		w.do(t, "okta", "DELETE", "/Groups/"+id, "", "If-Match", version).wantError(412, "")
		w.do(t, "okta", "PATCH", "/Groups/"+id+"?attributes=displayName,members.value", patch(`{"op":"remove","path":"members"}`)).want(200, `"displayName":"Team 2"`)
	})
}

// Members lose what they had by the group, with the tokens that say so.
func TestWhoLeavesAGroupLosesItsRoles(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		id := w.group(t, "okta", "Moderators", w.Person.ID)
		storetest.OK(t, w.admin.GiveGroup(ctx, admin.Actor{Kind: admin.Machine}, id, roles.Moderator, ""))
		has := func() string {
			held, err := w.Roles.Of(ctx, w.Person.ID)
			storetest.OK(t, err)
			return fmt.Sprint(len(held))
		}
		if has() != "1" {
			t.Fatal("the group gives nothing")
		}
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members","value":[{"value":"`+w.Person.ID+`"}]}`)).want(204)
		if has() != "0" {
			t.Error("the role stays")
		}
		w.do(t, "okta", "PUT", "/Groups/"+id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Moderators","members":[`+memberList(w.Person.ID)+`]}`).want(200)
		w.do(t, "okta", "DELETE", "/Groups/"+id, "").want(204)
		if has() != "0" {
			t.Error("the role stays without the group")
		}
	})
}

func TestGroupsAreFoundByWhoIsInThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.group(t, "okta", "A", w.Person.ID)
		w.group(t, "okta", "B")
		list := w.list(t, "okta", "/Groups"+filterBy(`members.value eq "`+w.Person.ID+`"`), 1)
		if ids := list.ids(); len(ids) != 1 || ids[0] != a {
			t.Error(ids)
		}
		w.list(t, "okta", "/Groups"+filterBy(`members[value eq "`+w.Person.ID+`"] and displayName sw "b"`), 0)
		w.list(t, "okta", "/Groups"+filterBy(`members eq "`+w.Person.ID+`"`), 1)
		w.list(t, "okta", "/Groups"+filterBy(`members.value eq "`+w.Root.ID+`"`), 0)
		w.list(t, "okta", "/Groups"+filterBy(`displayName eq "a" or displayName eq "b"`), 2)
		for _, filter := range []string{`not (members.value eq "x")`, `members.value eq "x" or displayName eq "a"`, `members.display co "a"`, `members.value eq "a" and members.value eq "b"`,
			`members[value eq "` + w.Person.ID + `" and display eq "nonsense"]`, `members pr`} {
			w.do(t, "okta", "GET", "/Groups"+filterBy(filter), "").wantError(400, "invalidFilter")
		}
		users := w.list(t, "okta", "/Users"+filterBy(`groups.value eq "`+a+`"`), 1)
		if ids := users.ids(); len(ids) != 1 || ids[0] != w.Person.ID {
			t.Error(ids)
		}
		search := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"attributes":["displayName"],"filter":"displayName eq \"a\"","count":1}`
		if got := w.do(t, "okta", "POST", "/Groups/.search", search).want(200, `"totalResults":1`, `"displayName":"A"`); strings.Contains(got.Text, "meta") || strings.Contains(got.Text, w.Person.ID) {
			t.Error(got.Text)
		}
	})
}

func TestAGroupHasBounds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		many := make([]string, 1001)
		for i := range many {
			many[i] = fmt.Sprint("id", i)
		}
		id := w.group(t, "okta", "Team")
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[`+memberList(many...)+`]}`)).wantError(400, "tooMany")
		operations := strings.TrimSuffix(strings.Repeat(`{"op":"remove","path":"members"},`, 101), ",")
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(operations)).wantError(400, "invalidSyntax")
		w.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"remove","path":"members","value":[`+strings.Repeat(" ", 1<<20)+`]}`)).wantError(413, "")
		w.do(t, "okta", "GET", "/Groups?filter="+url.QueryEscape(`displayName eq "`+strings.Repeat("x", 4096)+`"`), "").wantError(400, "invalidFilter")
	})
}
