package scim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// The examples of RFC 7644 §3.3 to §3.6, about one person.
func TestAPersonIsMadeFoundChangedAndRemoved(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		made := w.do(t, "entra", "POST", "/Users", userHead+`"userName":"bjensen@example.com","externalId":"701984","locale":"en_US","timezone":"America/Los_Angeles",
			"name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara","middleName":"Jane","honorificPrefix":"Ms."},
			"nickName":"Babs","title":"Vice President","profileUrl":"https://people.example/bjensen","emails":[{"value":"other@example.com","type":"work"}],
			"phoneNumbers":[{"value":"+1-555-555-4444","type":"mobile"},{"value":"tel:+1-201-555-0123","type":"work"}],
			"addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","primary":true}],
			"photos":[{"value":"https://photos.example/1.png","type":"photo"}]}`).
			want(201, `"userName":"bjensen@example.com"`, `"formatted":"Ms. Barbara J Jensen III"`, `"displayName":"Ms. Barbara J Jensen III"`, `"active":true`,
				`"value":"+12015550123"`, `"country":"US"`, `"externalId":"701984"`, `"locale":"en-US"`, `"nickName":"Babs"`, `"timezone":"America/Los_Angeles"`,
				`"value":"https://photos.example/1.png"`, `"resourceType":"User"`, `"value":"bjensen@example.com"`)
		id := made.text("id")
		if strings.Contains(made.Text, "Vice President") || strings.Contains(made.Text, "other@example.com") {
			t.Errorf("what is unknown, or read-only, was stored: %s", made.Text)
		}
		if got := made.Header.Get("Location"); got != base+"/Users/"+id || made.Header.Get("ETag") == "" {
			t.Errorf("%v", made.Header)
		}
		user, err := w.Users.User(t.Context(), id)
		if err != nil || user.EmailVerified || user.PasswordHash != "" || user.Claims.GivenName != "Barbara" || user.Claims.PhoneVerified {
			t.Errorf("%+v %v", user, err)
		}
		got := w.do(t, "entra", "GET", "/Users/"+id, "").want(200)
		if got.Text != made.Text {
			t.Errorf("got %s\nmade %s", got.Text, made.Text)
		}
		w.do(t, "entra", "GET", "/Users/"+id, "", "If-None-Match", `"x", `+made.Header.Get("ETag")).want(304)
		w.do(t, "entra", "POST", "/Users", userHead+`"userName":"BJensen@Example.com"}`).wantError(409, "uniqueness")
		if ids := w.list(t, "entra", "/Users"+filterBy(`userName eq "BJENSEN@example.com"`), 1).ids(); ids[0] != id {
			t.Errorf("found %v", ids)
		}
		// What the body does not say has no value afterwards, but active.
		put := w.do(t, "entra", "PUT", "/Users/"+id, userHead+`"id":"x","userName":"bjensen@example.com","displayName":"Barbara","active":false}`).
			want(200, `"displayName":"Barbara"`, `"active":false`)
		for _, gone := range []string{"externalId", "nickName", "phoneNumbers", "addresses", "photos", "givenName", "locale"} {
			if strings.Contains(put.Text, `"`+gone+`"`) {
				t.Errorf("%s is still there: %s", gone, put.Text)
			}
		}
		w.do(t, "entra", "PUT", "/Users/"+id, userHead+`"userName":"bjensen@example.com"}`).want(200, `"active":false`, `"displayName":"bjensen"`)
		w.do(t, "entra", "DELETE", "/Users/"+id, "").want(204)
		w.do(t, "entra", "GET", "/Users/"+id, "").wantError(404, "")
		w.do(t, "entra", "DELETE", "/Users/"+id, "").wantError(404, "")
		w.list(t, "entra", "/Users"+filterBy(`userName eq "bjensen@example.com"`), 0)
		// The address is free when the account is gone.
		if again := w.do(t, "entra", "POST", "/Users", userHead+`"userName":"bjensen@example.com"}`); again.Status != 503 || again.Header.Get("Retry-After") != "60" {
			t.Errorf("%d %s", again.Status, again.Text)
		}
		w.Delete(t, user)
		w.person(t, "entra", "bjensen@example.com")
	})
}

func TestWhoIsClosedLosesSessionsAndTokensAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Code(t, "g1", true)
		for name, body := range map[string]string{
			"as Entra does": patch(`{"op":"Replace","path":"active","value":"False"}`),
			"as Okta does":  patch(`{"op":"replace","value":{"active":false}}`),
		} {
			session, _, err := w.Sessions.CreateSession(ctx, accounts.Session{UserID: w.Person.ID}, "x")
			storetest.OK(t, err)
			w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, body).want(200, `"active":false`)
			if _, err := w.Sessions.Session(ctx, session.ID); err == nil {
				t.Errorf("%s: the session goes on", name)
			}
			if live := w.LiveGrants(t, "g1"); live != nil {
				t.Errorf("%s: %v", name, live)
			}
			w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"active","value":true}`)).want(200, `"active":true`)
		}
		if n := w.Count(t, `audit_log WHERE kind = 'user.disabled'`); n != 2 {
			t.Errorf("%d entries", n)
		}
	})
}

// A provisioned person has no password, whatever the directory sends: they choose one themselves.
func TestAProvisionedPersonIsInvitedOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		id := w.person(t, "okta", "new@example.com", `,"password":"t1meMa$heen t1meMa$heen","active":false,"locale":"ko-KR"`)
		if len(w.inbox.to) != 0 {
			t.Errorf("a closed account got %v", w.inbox.letters)
		}
		w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":true}}`)).want(200)
		if len(w.inbox.to) != 1 || w.inbox.to[0] != "new@example.com" {
			t.Fatalf("%v", w.inbox.to)
		}
		letter, ok := w.inbox.letters[0].(mail.AccountMade)
		if !ok || !strings.HasPrefix(letter.Link, "https://login.example/reset?") {
			t.Errorf("%+v", w.inbox.letters[0])
		}
		_, secret, _ := strings.Cut(letter.Link, "link=")
		m, err := w.Mailed.MailedByLink(t.Context(), accounts.ToReset, secret)
		if err != nil || !m.ExpiresAt.Equal(w.Now.Add(7*24*time.Hour)) {
			t.Errorf("%+v %v", m, err)
		}
		user, err := w.Users.User(t.Context(), id)
		if err != nil || user.PasswordHash != "" {
			t.Errorf("the directory's password counts: %v", err)
		}
		// Who can log in already gets none.
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"active","value":false}`)).want(200)
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"active","value":true}`)).want(200)
		w.inbox.off = true
		w.person(t, "okta", "unwritten@example.com")
		if len(w.inbox.to) != 1 {
			t.Errorf("%v", w.inbox.to)
		}
	})
}

func TestAnAddressThatADirectoryChangesIsNotVerified(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		storetest.OK(t, w.Users.SetVerified(ctx, w.Person.ID))
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"userName","value":"A@example.com"}`)).want(200, `"userName":"A@example.com"`)
		if user, err := w.Users.User(ctx, w.Person.ID); err != nil || !user.EmailVerified {
			t.Errorf("another spelling of the address is not verified: %v", err)
		}
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"userName","value":"b@example.com"}`)).want(200)
		if user, err := w.Users.User(ctx, w.Person.ID); err != nil || user.EmailVerified || user.Email != "b@example.com" {
			t.Errorf("%+v %v", user, err)
		}
		if to := w.inbox.to; len(to) == 0 || to[len(to)-1] != "A@example.com" {
			t.Errorf("the address of before was not written to, but %v", to)
		}
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"userName","value":"root@example.com"}`)).wantError(409, "uniqueness")
		w.do(t, "okta", "PATCH", "/Users/"+w.Person.ID, patch(`{"op":"replace","path":"userName","value":"jdoe"}`)).wantError(400, "invalidValue")
	})
}

// What Entra's provisioning agent sends.
func TestEntraProvisions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.list(t, "entra", "/Users"+filterBy(`userName eq "non-existent@example.com"`), 0) // as a test of the connection
		w.list(t, "entra", "/Users"+filterBy(`externalId eq "58342554"`), 0)
		id := w.do(t, "entra", "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
			"externalId":"58342554","userName":"mina@example.com","active":true,"displayName":"Mina Kim","emails":[{"primary":true,"type":"work","value":"mina@example.com"}],
			"meta":{"resourceType":"User"},"name":{"formatted":"Mina Kim","familyName":"Kim","givenName":"Mina"},"roles":[],
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Sales"}}`).want(201).text("id")
		w.list(t, "entra", "/Users"+filterBy(`externalId eq "58342554"`)+"&startIndex=1&count=1", 1)
		w.do(t, "entra", "GET", "/Users/"+id, "").want(200)
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`
			{"op":"Replace","path":"emails[type eq \"work\"].value","value":"mina.kim@example.com"},
			{"op":"Replace","path":"userName","value":"mina.kim@example.com"},
			{"op":"Add","path":"name.familyName","value":"Kim-Lee"},
			{"op":"Replace","path":"displayName","value":"Mina Kim-Lee"},
			{"op":"Add","path":"phoneNumbers[type eq \"work\"].value","value":"+82 2-312-3456"},
			{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"+82 10-1234-5678"},
			{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Marketing"},
			{"op":"Add","path":"title","value":"Head"},
			{"op":"Add","path":"addresses[type eq \"work\"].locality","value":"Seoul"},
			{"op":"Replace","path":"active","value":"True"}`)).
			want(200, `"userName":"mina.kim@example.com"`, `"familyName":"Kim-Lee"`, `"displayName":"Mina Kim-Lee"`, `"value":"+8223123456"`, `"locality":"Seoul"`)
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"Remove","path":"phoneNumbers[type eq \"work\"].value"},{"op":"Remove","path":"addresses"}`)).want(200)
		if a := w.do(t, "entra", "GET", "/Users/"+id, "").want(200); strings.Contains(a.Text, "phoneNumbers") || strings.Contains(a.Text, "addresses") {
			t.Error(a.Text)
		}
		// Names as paths, without a path beside.
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"Replace","value":{"name.givenName":"Minah","displayName":"Minah Lee","externalId":"9"}}`)).
			want(200, `"givenName":"Minah"`, `"familyName":"Kim-Lee"`, `"externalId":"9"`)

		w.entrust(t, "entra", w.Person.ID)
		group := w.do(t, "entra", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
			"externalId":"8aa1a0c0","displayName":"Sales","meta":{"resourceType":"Group"}}`).want(201).text("id")
		w.list(t, "entra", "/Groups"+filterBy(`displayName eq "sales"`)+"&excludedAttributes=members", 1)
		w.do(t, "entra", "PATCH", "/Groups/"+group, patch(`{"op":"Add","path":"members","value":[{"value":"`+id+`"},{"value":"`+w.Person.ID+`"}]}`)).want(204)
		w.do(t, "entra", "GET", "/Groups/"+group, "").want(200, id, w.Person.ID, `"type":"User"`)
		if a := w.do(t, "entra", "GET", "/Groups/"+group+"?excludedAttributes=members", "").want(200); strings.Contains(a.Text, id) {
			t.Error(a.Text)
		}
		w.do(t, "entra", "PATCH", "/Groups/"+group, patch(`{"op":"Replace","path":"displayName","value":"Sales 2"}`)).want(204)
		w.do(t, "entra", "PATCH", "/Groups/"+group, patch(`{"op":"Remove","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)
		if a := w.do(t, "entra", "GET", "/Groups/"+group, "").want(200, "Sales 2", w.Person.ID); strings.Contains(a.Text, id) {
			t.Error(a.Text)
		}
		w.do(t, "entra", "DELETE", "/Groups/"+group, "").want(204)
		w.do(t, "entra", "GET", "/Groups/"+group, "").wantError(404, "")
		w.do(t, "entra", "PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"False"}`)).want(200, `"active":false`)
		w.do(t, "entra", "DELETE", "/Users/"+id, "").want(204)
	})
}

// What Okta's provisioning sends, whose users are replaced as a whole.
func TestOktaProvisions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.list(t, "okta", "/Users?startIndex=1&count=2", 1)
		w.list(t, "okta", "/Users"+filterBy(`userName eq "jiwoo@example.com"`)+"&startIndex=1&count=100", 0)
		id := w.do(t, "okta", "POST", "/Users", userHead+`"userName":"jiwoo@example.com","name":{"givenName":"Jiwoo","familyName":"Park"},
			"emails":[{"primary":true,"value":"jiwoo@example.com","type":"work"}],"displayName":"Jiwoo Park","locale":"ko-KR","externalId":"00ujl29u0le5T6Aj10h7",
			"groups":[],"password":"1mz050nq","active":true}`, "Content-Type", "application/json").want(201, `"displayName":"Jiwoo Park"`).text("id")
		w.do(t, "okta", "PUT", "/Users/"+id, userHead+`"id":"`+id+`","userName":"jiwoo@example.com","name":{"givenName":"Jiwoo","familyName":"Lee"},
			"emails":[{"primary":true,"value":"jiwoo@example.com","type":"work"}],"displayName":"Jiwoo Lee","locale":"ko-KR","externalId":"00ujl29u0le5T6Aj10h7",
			"active":true,"groups":[],"meta":{"resourceType":"User"}}`).want(200, `"familyName":"Lee"`)
		group := w.do(t, "okta", "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Team","members":[]}`).want(201).text("id")
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"replace","value":{"id":"`+group+`","displayName":"Team 1"}}`)).want(204)
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"replace","path":"id","value":"x"}`)).wantError(400, "mutability")
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`","display":"jiwoo@example.com"}]}`)).want(204)
		w.do(t, "okta", "GET", "/Users/"+id, "").want(200, `"display":"Team 1"`, group)
		w.list(t, "okta", "/Groups?startIndex=1&count=100", 1).want(200, id)
		w.do(t, "okta", "PATCH", "/Groups/"+group, patch(`{"op":"remove","path":"members[value eq \"`+id+`\"]"},{"op":"add","path":"members","value":[{"value":"`+w.Person.ID+`"}]}`)).want(204)
		w.do(t, "okta", "PUT", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`+group+`","displayName":"Team 1","members":[{"value":"`+id+`"}]}`).want(200, id)
		if a := w.do(t, "okta", "GET", "/Groups/"+group, "").want(200); strings.Contains(a.Text, w.Person.ID) {
			t.Error(a.Text)
		}
		w.do(t, "okta", "PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`)).want(200, `"active":false`)
	})
}
