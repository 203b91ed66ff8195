package scim_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAFilterIsNoStatement(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, value := range []string{`' OR '1'='1`, `a@example.com' --`, `%`, `a%`, `_@example.com`, `\u0000`, `\ud800`, `a@example.com\" or \"\" eq \"`, `$1`, `?`, `*`, `(a+)+$`} {
			for _, name := range []string{"userName eq", "externalId eq", "id eq", "userName sw", "groups.value eq"} {
				if value == `a%` && name == "userName sw" {
					continue
				}
				a := w.do(t, "okta", "GET", "/Users"+filterBy(name+` "`+value+`"`), "")
				if len(a.ids()) > 0 || a.Status >= 500 {
					t.Errorf("%s %q: %d %s", name, value, a.Status, a.Text)
				}
			}
			if a := w.do(t, "okta", "GET", "/Groups"+filterBy(`displayName eq "`+value+`"`), ""); len(a.ids()) > 0 || a.Status >= 500 {
				t.Errorf("%q: %d %s", value, a.Status, a.Text)
			}
			if a := w.do(t, "okta", "GET", "/Users/"+url.PathEscape(value), ""); a.Status != 404 {
				t.Errorf("%q: %d %s", value, a.Status, a.Text)
			}
		}
		for _, id := range []string{"%00", "a%00b", "%ff"} {
			for _, kind := range []string{"/Users/", "/Groups/"} {
				w.do(t, "okta", "GET", kind+id, "").wantError(404, "")
				w.do(t, "okta", "DELETE", kind+id, "").wantError(404, "")
			}
		}
		w.person(t, "okta", "zz@example.com")
		for _, plain := range []string{"\x00", "\xff", "x\x00"} {
			first := w.do(t, "okta", "GET", "/Users?cursor=&count=1", "").want(200).text("nextCursor")
			binding, err := base64.RawURLEncoding.DecodeString(first)
			storetest.OK(t, err)
			w.do(t, "okta", "GET", "/Users?cursor="+base64.RawURLEncoding.EncodeToString(append(binding[:8:8], plain...)), "").wantError(400, "invalidCursor")
		}
		w.list(t, "okta", "/Users"+filterBy(`userName sw "A@EX"`), 1)
		w.list(t, "okta", "/Users"+filterBy(`meta.lastModified gt "2026-04-30T00:00:00Z"`), 2)
		w.list(t, "okta", "/Users"+filterBy(`meta.lastModified gt "2026-05-01T09:00:00Z"`), 0)
	})
}

func TestABodyHasOneReading(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, body := range []string{
			userHead + `"userName":"x@example.com","userName":"y@example.com"}`, userHead + `"userName":"x@example.com","USERNAME":"y@example.com"}`,
			userHead + `"userName":"x@example.com","name":{"givenName":"a","GivenName":"b"}}`, userHead + `"userName":"x@example.com"} {}`, `[]`, `null`, `"x"`, `{`, ``,
			userHead + `"userName":"x@example.com","nickName":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, userHead + `"userName":"x@example.com","externalId":"a\u0000"}`, `{"userName":"x@example.com"}`,
		} {
			w.do(t, "okta", "POST", "/Users", body).wantError(400, "invalidSyntax")
		}
		for _, body := range []string{
			userHead + `"userName":5}`, userHead + `"userName":null}`, userHead + `"userName":"jdoe"}`, userHead + `"userName":["x@example.com"]}`,
			userHead + `"userName":"x@example.com","active":"perhaps"}`, userHead + `"userName":"x@example.com","name":"x"}`, userHead + `"userName":"x@example.com","phoneNumbers":{"value":"1"}}`,
			userHead + `"userName":"x@example.com","phoneNumbers":[{"value":"call me"}]}`, userHead + `"userName":"x@example.com","locale":"nowhere at all"}`,
			userHead + `"userName":"x@example.com","timezone":"../../etc/passwd"}`, userHead + `"userName":"x@example.com","profileUrl":"javascript:alert(1)"}`,
			userHead + `"userName":"x@example.com","displayName":"a\u202eb"}`, userHead + `"userName":"x@example.com","externalId":"` + strings.Repeat("x", 256) + `"}`,
			`{"schemas":["urn:x"],"userName":"x@example.com"}`, `{"schemas":[5],"userName":"x@example.com"}`,
		} {
			w.do(t, "okta", "POST", "/Users", body).wantError(400, "invalidValue")
		}
		w.do(t, "okta", "POST", "/Users", userHead+`"userName":"x@example.com"}`, "Content-Type", "text/plain").wantError(415, "")
		w.do(t, "okta", "POST", "/Users", userHead+`"userName":"x@example.com","nickName":"`+strings.Repeat("x", 64<<10)+`"}`).wantError(413, "")
		// The Kelvin sign is no k, and the long s no s.
		w.do(t, "okta", "POST", "/Users", userHead+`"userName":"x@example.com","nic\u212aName":"evil","di\u017fplayName":"evil"}`).want(201, `"displayName":"x"`)
		if n := w.Count(t, "users"); n != 3 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestAPatchThatFailsChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.person(t, "okta", "m@example.com", `,"nickName":"before","externalId":"1"`)
		before := w.do(t, "okta", "GET", "/Users/"+id, "").want(200)
		entries := w.Count(t, "audit_log")
		for _, second := range []string{
			`{"op":"replace","path":"userName","value":"root@example.com"}`, `{"op":"replace","path":"userName","value":"nobody"}`, `{"op":"replace","path":"timezone","value":"Mars"}`,
			`{"op":"replace","path":"roles","value":[]}`, `{"op":"x"}`, `{"op":"replace","path":"active","value":"x"}`, `{"op":"replace","path":"externalId","value":5}`,
		} {
			a := w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"nickName":"after","active":false,"externalId":"2","displayName":"After"}},`+second))
			if a.Status != 400 && a.Status != 409 {
				t.Errorf("%s: %d %s", second, a.Status, a.Text)
			}
		}
		if after := w.do(t, "okta", "GET", "/Users/"+id, "").want(200); after.Text != before.Text || after.Header.Get("ETag") != before.Header.Get("ETag") {
			t.Errorf("before %s\nafter %s", before.Text, after.Text)
		}
		group := w.group(t, "okta", "Team")
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"replace","path":"displayName","value":"After"},{"op":"add","path":"members","value":[{"value":"`+id+`"},{"value":"nobody"}]}`)).wantError(400, "invalidValue")
		w.do(t, "okta", "GET", "/Groups/"+group, "").want(200, `"displayName":"Team"`, `"members":[]`)
		if n := w.Count(t, "audit_log"); n != entries+1 {
			t.Errorf("%d entries of what did not happen", n-entries-1)
		}
		// A patch that changes nothing makes no new version.
		w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":true}`)).want(200)
		if got := w.do(t, "okta", "GET", "/Users/"+id, "").Header.Get("ETag"); got != before.Header.Get("ETag") {
			t.Errorf("%s is another version than %s", got, before.Header.Get("ETag"))
		}
	})
}

// second is another replica on the same database.
func (w *world) second(t *testing.T) *replica {
	t.Helper()
	s, err := store.Open(t.Context(), w.URL(), func() time.Time { return w.Now })
	storetest.OK(t, err)
	t.Cleanup(func() { storetest.OK(t, s.Close()) })
	return newReplica(t, s, func() time.Time { return w.Now })
}

func TestOfTwoWhoSawTheSameOneChangesIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		replicas := []*replica{w.replica, w.second(t)}
		id := w.person(t, "okta", "m@example.com")
		for round := range 3 {
			version := w.do(t, "okta", "GET", "/Users/"+id, "").Header.Get("ETag")
			var mu sync.Mutex
			statuses := map[int]int{}
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					a := replicas[i%2].do(t, "okta", "PATCH", "/Users/"+id, patch(fmt.Sprintf(`{"op":"replace","path":"nickName","value":"%d %d"}`, round, i)), "If-Match", version)
					mu.Lock()
					defer mu.Unlock()
					statuses[a.Status]++
				})
			}
			wg.Wait()
			if statuses[200] != 1 || statuses[412] != 5 {
				t.Errorf("%v", statuses)
			}
		}
		for _, wrong := range []string{`"x"`, `W/"x"`, `x`, `W/"a", W/"b"`, `""`} {
			w.do(t, "okta", "PUT", "/Users/"+id, userHead+`"userName":"m@example.com"}`, "If-Match", wrong).wantError(412, "")
			w.do(t, "okta", "DELETE", "/Users/"+id, "", "If-Match", wrong).wantError(412, "")
		}
		w.do(t, "okta", "PUT", "/Users/"+id, userHead+`"userName":"m@example.com"}`, "If-Match", "*").want(200)
	})
}

// Replicas lock people and groups in one order, and neither loses what the other does. Directories
// add members one by one, many at once: however many there are, none has to come again.
func TestReplicasChangeAGroupAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		replicas := []*replica{w.replica, w.second(t)}
		var people []string
		for i := range 16 {
			people = append(people, w.person(t, "okta", fmt.Sprintf("%d@example.com", i)))
		}
		id := w.group(t, "okta", "Team")
		var wg sync.WaitGroup
		for i, one := range people {
			wg.Go(func() {
				r := replicas[i%2]
				r.do(t, "okta", "PATCH", "/Groups/"+id, patch(`{"op":"add","path":"members","value":[{"value":"`+one+`"},{"value":"`+people[(i+1)%16]+`"}]}`)).want(204)
				r.do(t, "writer", "PATCH", "/Users/"+one, patch(`{"op":"add","path":"nickName","value":"x"}`)).want(200)
			})
		}
		wg.Wait()
		if a := w.do(t, "okta", "GET", "/Groups/"+id, ""); strings.Count(a.Text, `"type":"User"`) != 16 {
			t.Error(a.Text)
		}
		// One that says exactly who is in it comes wholly before or after another.
		head := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team","members":[`
		for i := range 4 {
			wg.Go(func() {
				replicas[i%2].do(t, "okta", "PUT", "/Groups/"+id, head+memberList(people[i*2:i*2+2]...)+`]}`).want(200)
			})
		}
		wg.Wait()
		if a := w.do(t, "okta", "GET", "/Groups/"+id, ""); strings.Count(a.Text, `"type":"User"`) != 2 {
			t.Error(a.Text)
		}
	})
}

func TestListsArePaged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var want []string
		for i := range 7 {
			w.person(t, "okta", fmt.Sprintf("p%d@example.com", i))
		}
		for start := 1; start <= 8; start += 3 {
			a := w.list(t, "okta", fmt.Sprintf("/Users?startIndex=%d&count=3", start), 8)
			want = append(want, a.ids()...)
		}
		if len(want) != 8 {
			t.Errorf("%v", want)
		}
		var got []string
		cursor := ""
		for {
			a := w.do(t, "okta", "GET", "/Users?count=3&cursor="+cursor, "").want(200)
			got = append(got, a.ids()...)
			if cursor = a.text("nextCursor"); cursor == "" {
				break
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%v by cursors, %v by positions", got, want)
		}
		filter := url.QueryEscape(`userName sw "p"`)
		first := w.do(t, "okta", "GET", "/Users?count=4&cursor=&filter="+filter, "").want(200)
		rest := w.do(t, "okta", "GET", "/Users?count=4&filter="+filter+"&cursor="+first.text("nextCursor"), "").want(200)
		if n := len(first.ids()) + len(rest.ids()); n != 7 || rest.text("nextCursor") != "" {
			t.Errorf("%d: %s %s", n, first.Text, rest.Text)
		}
		since := url.QueryEscape(`meta.lastModified ge "2026-05-01T09:00:00Z"`)
		first = w.do(t, "okta", "GET", "/Users?count=5&cursor=&filter="+since, "").want(200)
		rest = w.do(t, "okta", "GET", "/Users?count=5&filter="+since+"&cursor="+first.text("nextCursor"), "").want(200)
		if n := len(first.ids()) + len(rest.ids()); n != 8 {
			t.Errorf("%d", n)
		}
		w.list(t, "okta", "/Users?count=0", 8)
		w.list(t, "okta", "/Users?count=-1&startIndex=-5", 8)
		w.list(t, "okta", "/Users?startIndex=100", 8)
		w.list(t, "okta", "/Users?count=1&startIndex=2&filter="+filter, 7)
		for path, scimType := range map[string]string{
			"/Users?count=x": "invalidCount", "/Users?startIndex=x": "invalidValue", "/Users?cursor=x": "invalidCursor", "/Users?count=1&count=2": "invalidValue",
			"/Users?cursor=" + first.text("nextCursor"): "invalidCursor", "/Groups?filter=" + since + "&cursor=" + first.text("nextCursor"): "invalidCursor",
			"/Users?attributes=id&excludedAttributes=id": "invalidValue",
		} {
			w.do(t, "okta", "GET", path, "").wantError(400, scimType)
		}
		search := w.do(t, "okta", "POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"userName sw \"p\"","startIndex":2,"count":2,"attributes":["userName"]}`).
			want(200, `"totalResults":7`, `"startIndex":2`, `"itemsPerPage":2`)
		if strings.Contains(search.Text, "meta") {
			t.Error(search.Text)
		}
	})
}

// A directory of 10,000 people costs as many statements for a person as one of ten.
func TestTenThousandPeopleAreSynchronised(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Exec(t, `INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9990)
			SELECT 'u' || i, 'u' || i || '@example.com', 'u' || i || '@example.com', false, 'n', '', '', '', false, i, i FROM n`)
		w.Exec(t, `UPDATE users SET indexed_at = updated_at`)
		w.Exec(t, `INSERT INTO external_users (client_id, user_id, external_id, keeps) SELECT 'okta', id, '', TRUE FROM users WHERE name = 'n'`)
		group := w.group(t, "okta", "All")
		statements := func(most int, as, method, path, body string, status int) answer {
			t.Helper()
			var a answer
			n := len(storetest.Statements(t.Context(), func(ctx context.Context) { a = w.doIn(ctx, t, as, method, path, body).want(status) }))
			if n > most {
				t.Errorf("%s %s takes %d statements, want at most %d", method, path, n, most)
			}
			t.Logf("%s %.60s: %d statements", method, path, n)
			return a
		}
		statements(4, "okta", "GET", "/Users"+filterBy(`userName eq "u7000@example.com"`), "", 200)
		statements(3, "okta", "GET", "/Users"+filterBy(`externalId eq "7000"`), "", 200)
		statements(3, "okta", "GET", "/Users/u7000", "", 200)
		id := statements(14, "okta", "POST", "/Users", userHead+`"userName":"one@example.com","externalId":"1","nickName":"x","active":true}`, 201).text("id")
		statements(14, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"displayName","value":"Y"}`), 200)
		statements(15, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`), 200)
		statements(24, "okta", "GET", "/Users?startIndex=5001&count=200", "", 200)
		statements(4, "okta", "GET", "/Users?cursor=&count=200", "", 200)
		statements(52, "okta", "GET", "/Users"+filterBy(`displayName eq "Y"`), "", 200)
		var some []string
		for i := range 100 {
			some = append(some, fmt.Sprint("u", i+1))
		}
		statements(11+11*100, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"add","path":"members","value":[`+memberList(some...)+`]}`), 204)
		statements(8, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"remove","path":"members[value eq \"nobody\"]"}`), 204)
		statements(4, "okta", "GET", "/Groups/"+group, "", 200)
		w.person(t, "okta", "2@example.com")
		for range 12 {
			w.person(t, "okta", fmt.Sprintf("x%d@example.com", w.Count(t, "users")))
		}
		w.do(t, "okta", "GET", "/Users", "").wantError(400, "tooMany")
		w.do(t, "okta", "GET", "/Users"+filterBy(`nickName pr`), "").wantError(400, "tooMany")
		statements(53, "okta", "GET", "/Users?cursor=&count=10&filter="+url.QueryEscape(`nickName pr`), "", 200)
	})
}

func TestWhatDescribesTheServerIsThereForAnybody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.do(t, "", "GET", "/ServiceProviderConfig", "").want(200, `"patch":{"supported":true}`, `"maxResults":200`, `"oauthbearertoken"`, `"cursor":true`)
		w.do(t, "", "GET", "/ResourceTypes", "").want(200, `"totalResults":2`, `"endpoint":"/Users"`)
		w.do(t, "", "GET", "/ResourceTypes/Group", "").want(200, `"endpoint":"/Groups"`)
		schemas := w.do(t, "", "GET", "/Schemas", "").want(200, `"totalResults":2`, `"userName"`)
		if strings.Contains(schemas.Text, `"externalId"`) || strings.Contains(schemas.Text, "password") {
			t.Error(schemas.Text)
		}
		w.do(t, "", "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "").want(200, `"uniqueness":"server"`)
		w.do(t, "", "GET", "/Schemas/urn:x", "").wantError(404, "")
		w.do(t, "", "GET", "/Schemas"+filterBy(`id eq "x"`), "").wantError(403, "")
		for _, path := range []string{"/Bulk", "/Me"} {
			w.do(t, "okta", "POST", path, "{}").wantError(501, "")
		}
		w.do(t, "okta", "GET", "/Nothing", "").wantError(404, "")
		w.do(t, "okta", "GET", "/Users/a/b", "").wantError(404, "")
		for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"} {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				if a := w.do(t, "okta", method, path, "{}").wantError(405, ""); a.Header.Get("Allow") != "GET" {
					t.Errorf("%s %s: %v", method, path, a.Header)
				}
			}
		}
		if a := w.do(t, "okta", "DELETE", "/Users", "").wantError(405, ""); a.Header.Get("Allow") != "GET, POST" {
			t.Error(a.Header)
		}
		if a := w.do(t, "okta", "POST", "/Users/x", "{}").wantError(405, ""); a.Header.Get("Allow") != "GET, PUT, PATCH, DELETE" {
			t.Error(a.Header)
		}
	})
}
