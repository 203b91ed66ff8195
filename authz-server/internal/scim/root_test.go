package scim_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func searchBody(members string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]` + members + `}`
}

// RFC 7644 §3.4.2.1: what a type of resources does not have has no value there.
func TestASearchGoesThroughAllTypesOfResources(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const userURN, groupURN = "urn:ietf:params:scim:schemas:core:2.0:User:", "urn:ietf:params:scim:schemas:core:2.0:Group:"
		names := map[string]string{w.Person.ID: "person"}
		names[w.person(t, "okta", "bee@example.com", `,"displayName":"Bee","externalId":"7"`)] = "bee"
		bee := slices.Collect(func(yield func(string) bool) {
			for id, name := range names {
				if name == "bee" && !yield(id) {
					return
				}
			}
		})[0]
		team := w.group(t, "okta", "Bee", bee)
		names[team] = "team"
		other := w.do(t, "okta", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Other","externalId":"7"}`).want(201).text("id")
		names[other] = "other"
		for filter, want := range map[string]string{
			``:                                  "bee other person team",
			`meta.resourceType eq "User"`:       "bee person",
			`meta.resourceType eq "Group"`:      "other team",
			`not (meta.resourceType eq "User")`: "other team",
			`meta.resourceType eq "User" or meta.resourceType eq "Group"`:              "bee other person team",
			`meta.resourceType eq "Device"`:                                            "",
			`meta.resourceType eq "user"`:                                              "", // case counts (RFC 7643 §3.1)
			`meta[resourceType eq "Group"] and displayName sw "b"`:                     "team",
			`schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"`:                 "other team",
			`id eq "` + team + `"`:                                                     "team",
			`id eq "` + bee + `"`:                                                      "bee",
			`externalId eq "7"`:                                                        "bee other",
			`displayName eq "bee"`:                                                     "bee team",
			userURN + `displayName eq "bee"`:                                           "bee",
			groupURN + `displayName eq "bee"`:                                          "team",
			groupURN + `displayName ne "bee"`:                                          "bee other person", // as of what has no value
			`userName pr`:                                                              "bee person",
			`userName eq "bee@example.com"`:                                            "bee",
			`not (userName pr)`:                                                        "other team",
			`userName eq null`:                                                         "other team",
			`members.value eq "` + bee + `"`:                                           "team",
			`members[value eq "` + bee + `"]`:                                          "team",
			`userName eq "bee@example.com" or members.value eq "` + bee + `"`:          "bee team",
			`groups.value eq "` + team + `" or ` + groupURN + `displayName eq "other"`: "bee other",
			`meta.lastModified gt "2000-01-01T00:00:00Z"`:                              "bee other person team",
			`meta.lastModified gt "2100-01-01T00:00:00Z"`:                              "",
			`emails[type eq "work" and value co "bee"]`:                                "bee",
			userURN + `meta.resourceType eq "User" and not (` + userURN + `externalId eq "7")`:    "person",
			`active eq true and members.value eq "` + bee + `"`:                                   "",
			`meta.location ew "/Groups/` + team + `" or meta.location ew "` + w.Person.ID + `"`:   "person team",
			`(meta.resourceType eq "User" and userName sw "bee") or (members.value eq "nobody")`:  "bee",
			`(meta.resourceType eq "Group" or userName eq "a@example.com") and displayName pr`:    "other person team",
			`meta.resourceType ne "User" and (members.value eq "` + bee + `" and externalId pr)`:  "",
			`meta.resourceType eq "Group" and not (` + userURN + `userName eq "bee@example.com")`: "other team",
		} {
			lists := map[string]answer{
				"GET /":          w.do(t, "okta", "GET", "/"+filterBy(filter), "").want(200),
				"GET":            w.do(t, "okta", "GET", filterBy(filter), "").want(200),
				"POST /.search":  w.do(t, "okta", "POST", "/.search", searchBody(`,"filter":`+fmt.Sprintf("%q", filter))).want(200),
				"by a cursor":    w.do(t, "okta", "GET", "/"+filterBy(filter)+"&cursor=", "").want(200),
				"of an operator": w.do(t, "reader", "GET", "/"+filterBy(filter), "").want(200),
			}
			for how, list := range lists {
				if how == "of an operator" && strings.Contains(filter, "externalId") {
					continue // which the directory alone has
				}
				var got []string
				for _, id := range list.ids() {
					got = append(got, names[id])
				}
				slices.Sort(got)
				if total, counted := list.Body["totalResults"].(float64); strings.Join(got, " ") != want || counted && int(total) != len(got) {
					t.Errorf("%s: %s finds %s (%v), want %s", how, filter, got, list.Body["totalResults"], want)
				}
			}
		}
		whole := w.do(t, "okta", "GET", "/", "").want(200, `"resourceType":"User"`, `"resourceType":"Group"`, `/scim/v2/Groups/`+team, `"members":[{`)
		resources, _ := whole.Body["Resources"].([]any)
		for _, one := range resources {
			meta, _ := one.(map[string]any)["meta"].(map[string]any)
			path := fmt.Sprintf("/%vs/%v", meta["resourceType"], one.(map[string]any)["id"])
			if alone := w.do(t, "okta", "GET", path, "").want(200); fmt.Sprint(alone.Body) != fmt.Sprint(one) {
				t.Errorf("%s is %v, and %v in the list", path, alone.Body, one)
			}
		}
		shown := w.do(t, "okta", "POST", "/.search", searchBody(`,"attributes":["displayName","`+userURN+`userName","members.value"]`)).want(200, `"userName":"bee@example.com"`, `"members":[{"value":`)
		if strings.Contains(shown.Text, "meta") || strings.Contains(shown.Text, `"display"`) {
			t.Error(shown.Text)
		}
		for _, filter := range []string{`nothing eq "x"`, `urn:x:User:userName pr`, `members.display co "a"`, `userName`, `userName pr or members pr`, `meta.resourceType eq 5`} {
			w.do(t, "okta", "GET", "/"+filterBy(filter), "").wantError(400, "invalidFilter")
			w.do(t, "okta", "POST", "/.search", searchBody(`,"filter":`+fmt.Sprintf("%q", filter))).wantError(400, "invalidFilter")
		}
		// A list of one type knows the attributes of that type alone.
		w.do(t, "okta", "GET", "/Groups"+filterBy(`userName pr`), "").wantError(400, "invalidFilter")
		w.list(t, "okta", "/Users"+filterBy(`meta.resourceType eq "Group"`), 0)
		w.list(t, "okta", "/Users"+filterBy(`meta.resourceType eq "User"`), 2)
	})
}

func TestAListOfAllTypesHasPages(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range 4 {
			w.person(t, "okta", fmt.Sprintf("p%d@example.com", i), `,"displayName":"x"`)
			w.group(t, "okta", fmt.Sprint("x", i))
		}
		whole := w.list(t, "okta", "/", 9).ids()
		if people := w.list(t, "okta", "/Users", 5).ids(); !slices.Equal(whole, append(people, w.list(t, "okta", "/Groups", 4).ids()...)) {
			t.Errorf("people do not come before groups, in their order: %v", whole)
		}
		for name, filter := range map[string]string{"all": "", "some": `displayName sw "x"`} {
			want := w.do(t, "okta", "GET", "/?filter="+url.QueryEscape(filter), "").want(200).ids()
			for count := 1; count <= 9; count++ {
				var byPosition, byCursor []string
				for at := 1; at <= len(want); at += count {
					page := w.do(t, "okta", "POST", "/.search", searchBody(fmt.Sprintf(`,"startIndex":%d,"count":%d,"filter":%q`, at, count, filter))).
						want(200, fmt.Sprintf(`"totalResults":%d`, len(want)), fmt.Sprintf(`"startIndex":%d`, at))
					byPosition = append(byPosition, page.ids()...)
				}
				for cursor, pages := "", 0; ; pages++ {
					page := w.do(t, "okta", "GET", fmt.Sprintf("/?count=%d&cursor=%s&filter=%s", count, cursor, url.QueryEscape(filter)), "").want(200)
					byCursor = append(byCursor, page.ids()...)
					if cursor = page.text("nextCursor"); cursor == "" || pages > 20 {
						break
					}
				}
				if !slices.Equal(byPosition, want) || !slices.Equal(byCursor, want) {
					t.Errorf("%s, %d at a time: %v by position, %v by cursor, want %v", name, count, byPosition, byCursor, want)
				}
			}
		}
		if list := w.list(t, "okta", "/?count=0", 9); len(list.ids()) > 0 {
			t.Error(list.Text)
		}
		w.list(t, "okta", "/?startIndex=10", 9)
		// A cursor is of one list: of these types, and this filter.
		next := w.do(t, "okta", "GET", "/?count=1&cursor=", "").want(200).text("nextCursor")
		of := w.do(t, "okta", "GET", "/Users?count=1&cursor=", "").want(200).text("nextCursor")
		for _, path := range []string{"/Users?cursor=" + next, "/Groups?cursor=" + next, "/?cursor=" + of, "/?filter=id%20pr&cursor=" + next, "/?cursor=x"} {
			w.do(t, "okta", "GET", path, "").wantError(400, "invalidCursor")
		}
	})
}

// Administrators and their groups are not there in this list either, and it has the bounds of the others.
func TestASearchThroughAllShowsNothingMore(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		operators, err := w.admin.CreateGroup(t.Context(), admin.Actor{Kind: admin.Machine}, "Operators", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.admin.GiveGroup(t.Context(), admin.Actor{Kind: admin.Machine}, operators.ID, roles.Admin, ""))
		team := w.group(t, "okta", "Team", w.Person.ID)
		storetest.OK(t, w.admin.Join(t.Context(), admin.Actor{Kind: admin.Machine}, team, w.Root.ID, ""))
		for _, as := range []string{"okta", "reader", "root"} {
			for _, filter := range []string{`id eq "` + w.Root.ID + `"`, `userName eq "root@example.com"`, `displayName sw "root"`, `displayName eq "Operators"`,
				`id eq "` + operators.ID + `"`, `members.value eq "` + w.Root.ID + `"`, `groups.value eq "` + operators.ID + `"`, `roles pr`} {
				w.list(t, as, "/"+filterBy(filter), 0)
			}
			for _, path := range []string{"/", "/?cursor=", "/?filter=id%20pr"} {
				if a := w.do(t, as, "GET", path, "").want(200); len(a.ids()) != 2 || strings.Contains(a.Text, w.Root.ID) {
					t.Errorf("%s: %s", as, a.Text)
				}
			}
		}
		for _, one := range []struct {
			who  string
			want int
		}{{"", 401}, {"person", 403}} {
			for _, path := range []string{"", "/"} {
				w.do(t, one.who, "GET", path, "").wantError(one.want, "")
			}
			w.do(t, one.who, "POST", "/.search", searchBody("")).wantError(one.want, "")
		}
		for path, allow := range map[string]string{"": "GET", "/": "GET", "/.search": "POST"} {
			for _, method := range []string{"PUT", "PATCH", "DELETE"} {
				if a := w.do(t, "okta", method, path, "{}").wantError(405, ""); a.Header.Get("Allow") != allow {
					t.Errorf("%s %q: %v", method, path, a.Header)
				}
			}
		}
		w.do(t, "okta", "POST", "/", "{}").wantError(405, "")
		w.do(t, "okta", "GET", "/.search", "").wantError(405, "")
		w.do(t, "okta", "POST", "/.search", `{"filter":"id pr"}`).wantError(400, "invalidSyntax")
		w.do(t, "okta", "POST", "/.search", searchBody(`,"filter":"id pr","FILTER":"id pr"`)).wantError(400, "invalidSyntax")
		w.do(t, "okta", "POST", "/.search", searchBody(`,"filter":"`+strings.Repeat("x", 70_000)+`"`)).wantError(413, "")
		w.do(t, "okta", "POST", "/.search/x", searchBody("")).wantError(404, "")

		w.Exec(t, `INSERT INTO groups (id, name, name_key, external_id, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
			SELECT 'g' || i, 'g' || i, 'g' || i, '', 1, i, i FROM n`)
		w.do(t, "okta", "GET", "/", "").wantError(400, "tooMany") // 10,000 groups, and people
		w.do(t, "okta", "GET", "/"+filterBy(`displayName co "nobody"`), "").wantError(400, "tooMany")
		w.list(t, "okta", "/Groups?count=1", 10_000)
		w.list(t, "okta", "/"+filterBy(`meta.resourceType eq "Group"`)+"&count=1", 10_000)
		w.list(t, "okta", "/"+filterBy(`userName eq "a@example.com"`), 1) // for which no group is looked at
		w.do(t, "okta", "GET", "/?count=200&cursor=", "").want(200)
	})
}
