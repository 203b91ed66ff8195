package scim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// What is too much is refused before anything is read: of what does not exist, nobody learns that.
func TestAPatchHasBoundsThatCostNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.person(t, "okta", "m@example.com")
		values := func(n int) string {
			var all []string
			for i := range n {
				all = append(all, fmt.Sprintf(`{"type":"%d"}`, i))
			}
			return "[" + strings.Join(all, ",") + "]"
		}
		repeated := func(n int, operation string) string {
			return strings.TrimSuffix(strings.Repeat(operation+",", n), ",")
		}
		for name, operations := range map[string]struct{ text, scimType string }{
			"too many values":            {`{"op":"add","path":"phoneNumbers","value":` + values(3900) + `}`, "invalidValue"},
			"too many, without a path":   {`{"op":"replace","value":{"photos":` + values(101) + `}}`, "invalidValue"},
			"too many to remove":         {`{"op":"remove","path":"photos","value":` + values(101) + `}`, "invalidValue"},
			"too many operations":        {repeated(101, `{"op":"replace","path":"active","value":true}`), "invalidSyntax"},
			"too many attributes in all": {repeated(34, `{"op":"replace","value":{"active":true,"locale":"ko","nickName":"x"}}`), "invalidSyntax"},
			"too many attributes in one": {`{"op":"replace","value":{` + numbered(101, `"x%d":1`) + `}}`, "invalidSyntax"},
		} {
			t.Log(name)
			w.do(t, "okta", "PATCH", "/Users/nobody", patch(operations.text)).wantError(400, operations.scimType)
			w.do(t, "okta", "PATCH", "/Users/"+id, patch(operations.text)).wantError(400, operations.scimType)
		}
		// As many as there can be, some of them twice, and once more.
		for range 2 {
			w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"add","path":"phoneNumbers","value":`+values(100)+`},{"op":"add","path":"phoneNumbers","value":`+values(100)+`}`)).want(200)
		}
		w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"add","path":"phoneNumbers","value":`+values(100)+`},{"op":"add","path":"phoneNumbers","value":{"type":"more"}}`)).wantError(400, "invalidValue")
		// Members have a bound of their own.
		group := w.group(t, "okta", "Team")
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"remove","path":"members","value":[`+numbered(150, `{"value":"nobody %d"}`)+`]}`)).want(204)
	})
}

func numbered(n int, format string) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, ",")
}

func TestAQueryHasABoundOfItsParameters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		query := func(n int) string { return strings.ReplaceAll(numbered(n, "p%d="), ",", "&") }
		w.do(t, "okta", "GET", "/Users?"+query(9900), "").wantError(400, "invalidValue")
		w.do(t, "okta", "GET", "/Users?"+query(101), "").wantError(400, "invalidValue")
		w.do(t, "okta", "GET", "/Users?"+query(99)+"&COUNT=0", "").want(200, `"itemsPerPage":0`)
		w.do(t, "okta", "GET", "/Users?count=1&Count=2", "").wantError(400, "invalidValue")
		w.do(t, "okta", "GET", "/Users?count=1&Count=", "").wantError(400, "invalidValue")
	})
}

// While a patch is worked out, others change what they like, even the same account: it is worked out
// again then.
func TestAnAccountIsNotLockedWhileItsChangeIsWorkedOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.second(t)
		id := w.person(t, "okta", "m@example.com")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		tries := 0
		after, err := w.operate.EditPerson(ctx, w.actors["okta"], id, "", "SCIM", func(p *provisioning.Person) error {
			if tries++; tries == 1 {
				other.doIn(ctx, t, "writer", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"timezone","value":"Asia/Seoul"}`)).want(200)
				other.doIn(ctx, t, "entra", "POST", "/Users", userHead+`"userName":"other@example.com"}`).want(201)
			}
			p.Claims.Nickname = "M"
			return nil
		})
		storetest.OK(t, err)
		if tries != 2 || after.Claims.Nickname != "M" || after.Claims.Zoneinfo != "Asia/Seoul" {
			t.Errorf("%d tries: %+v", tries, after)
		}
	})
}

// Who opens and closes an account in a loop does not have its person flooded.
func TestADirectoryWelcomesAPersonOnlySoOften(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.person(t, "entra", "victim@example.com")
		for _, active := range []string{"false", "true", "false", "true", "false", "true", "false", "true", "false", "true", "false", "true"} {
			w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":`+active+`}`)).want(200, `"active":`+active)
		}
		if n := len(w.inbox.to); n != 5 {
			t.Errorf("%d letters", n)
		}
	})
}

// Whoever names a group like the id of another would get what an operator means for that one.
func TestAGroupIsNotNamedLikeAnId(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.group(t, "entra", "Ops")
		other := w.group(t, "entra", "Decoy")
		for _, name := range []string{id, strings.ToUpper(id)} {
			w.do(t, "entra", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name+`"}`).wantError(400, "invalidValue")
			w.do(t, "entra", "PATCH", "/Groups/"+other, patch(`{"op":"replace","path":"displayName","value":"`+name+`"}`)).wantError(400, "invalidValue")
		}
	})
}
