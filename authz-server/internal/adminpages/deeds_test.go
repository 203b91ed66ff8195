package adminpages_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

var versionInput = regexp.MustCompile(`name="version" value="([^"]*)"`)

// entries is how many entries the audit log has, but for those of log-ins and of pages looked at.
func (w *world) entries(t *testing.T) (kinds []string) {
	t.Helper()
	all, err := w.Store.Audit.List(t.Context(), auditlog.Filter{Limit: 500})
	storetest.OK(t, err)
	for _, e := range all {
		if e.Kind != "user.viewed" && !strings.HasPrefix(e.Kind, "login.") {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// Every change asks for a proof of the last ten minutes, changes nothing without it, and leads back to
// what was typed.
func TestEveryChangeNeedsAFreshProofAndKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	if len(f.Deeds()) < 25 {
		t.Fatal(f.Deeds())
	}
	for route, path := range f.forms() {
		if route == newClient || route == newProvider { // TestNoStepLosesAnAnswer, TestNoStepOfAProviderLosesAnAnswer
			continue
		}
		w := f.world
		w.Clock.Advance(11 * time.Minute)
		before := w.entries(t)
		f.root.Get(path).WantRedirect(t, "/login?confirm=several")
		f.root.Post(path, f.fields()...).WantRedirect(t, "/login?confirm=several")
		if after := w.entries(t); len(after) != len(before) {
			t.Fatalf("%s was done: %q", route, after[0])
		}
		f.root.Get("/login?confirm=several")
		f.root.Post("/login?confirm=several", "password", peopletest.Password).
			WantRedirect(t, "/login/verify?confirm=several")
		back := f.root.Post("/login/verify?confirm=several", "otp", f.app.Next())
		if !strings.HasPrefix(back.Location, path+"?kept=") {
			t.Fatalf("%s leads back to %q", route, back.Location)
		}
		page := f.root.Get(back.Location)
		page.Want(t, http.StatusOK, `value="a test"`)
		for i := 0; i < len(f.fields()); i += 2 {
			name, value := f.fields()[i], f.fields()[i+1]
			if strings.Contains(page.Body, `<input type="text" id="`+name+`"`) &&
				!strings.Contains(page.Body, `name="`+name+`" value="`+value+`"`) {
				t.Errorf("%s: what was typed into %s is lost:\n%s", route, name, page.Body)
			}
		}
		// It is for this page, and for this person in this browser alone.
		handle := back.Location[strings.Index(back.Location, "?"):]
		if other := f.root.Get("/admin/users/new" + handle); route != "/admin/users/new" &&
			strings.Contains(other.Body, "a test") {
			t.Errorf("%s: it comes up on another page", route)
		}
	}
}

func TestWhatWasTypedIsForItsPersonAlone(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	theo := f.Person("theo@example.org")
	storetest.OK(t, f.Store.Roles.Give(t.Context(), theo.ID, roles.Admin))
	path := "/admin/users/" + f.Mina.ID + "/disable"
	f.Clock.Advance(11 * time.Minute)
	f.root.Post(path, "reason", "a confidential reason")
	f.root.Get("/login?confirm=several")
	f.root.Post("/login?confirm=several", "password", peopletest.Password)
	kept := f.root.Post("/login/verify?confirm=several", "otp", f.app.Next()).Location
	f.root.Get(kept).Want(t, http.StatusOK, "a confidential reason")
	f.root.Forget(t, "maru-session")
	f.root.LogIn("theo@example.org")
	f.root.TurnOn()
	page := f.root.Get(kept)
	page.Want(t, http.StatusOK)
	if strings.Contains(page.Body, "confidential") {
		t.Error("another administrator in the same browser sees what was typed")
	}
}

// A secret that somebody typed is not kept.
func TestSecretsAreNotKept(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	f.Clock.Advance(11 * time.Minute)
	f.root.Post("/admin/groups/new", "name", "x", "client_secret", "hush-hush", "new_password", "hush-hush",
		"private_key", "hush-hush")
	f.root.Get("/login?confirm=several")
	f.root.Post("/login?confirm=several", "password", peopletest.Password)
	kept := f.root.Post("/login/verify?confirm=several", "otp", f.app.Next()).Location
	u, err := url.Parse(kept)
	storetest.OK(t, err)
	in := f.root.Interaction(u.Query().Get("kept"))
	if in.Form.Get("name") != "x" || strings.Contains(in.Form.Encode(), "hush") {
		t.Error(in.Form)
	}
}

// Forms come from this server's own pages: another site's are refused, whatever they say.
func TestAFormOfAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	f := fill(t, newWorld(t), false)
	before := f.entries(t)
	for route, path := range f.forms() {
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}},
			{"Origin": {"null"}},
		} {
			r := f.root.Request(http.MethodPost, path, "reason=x&email=new%40example.org&name=x")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for name, values := range header {
				r.Header[name] = values
			}
			f.root.Do(r).Want(t, http.StatusForbidden, "sent from another site")
		}
		// Nor does a session count that is another person's, or nobody's: a form has no authority of its own.
		stranger := f.Browser()
		stranger.Post(path, "reason", "x").WantRedirect(t, "/login")
		r := f.root.Request(http.MethodPost, path, `{"reason":"x"}`)
		r.Header.Set("Content-Type", "application/json")
		if a := f.root.Do(r); a.Status != http.StatusBadRequest {
			t.Errorf("%s takes JSON: %d", route, a.Status)
		}
	}
	if after := f.entries(t); len(after) != len(before) {
		t.Errorf("%q happened", after[:len(after)-len(before)])
	}
}

// The whole of what is done to a person, by its pages, on both engines.
func TestAPersonIsLookedAfter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		mina := "/admin/users/" + f.Mina.ID
		user := func() accounts.User {
			u, err := f.Store.Users.User(t.Context(), f.Mina.ID)
			storetest.OK(t, err)
			return u
		}
		b := f.root
		b.Get("/admin/users?q=kim").Want(t, http.StatusOK, "Kim Mina", mina)
		b.Get("/admin/users?q=mina@ex&role=board/moderator").Want(t, http.StatusOK, "Kim Mina")
		b.Get("/admin/users?q=kim&state=disabled").Want(t, http.StatusOK, "Nobody was found.")
		b.Get(mina).Want(t, http.StatusOK, "April 23, 1990", "Phone", "office: mina@example.org", "203.0.113.7",
			"board/moderator", "2026-05", "She called")
		post := func(path, done string, form ...string) {
			t.Helper()
			b.Post(mina+path, append(form, "reason", "She asked for it")...).WantRedirect(t, mina+"?done="+done)
		}
		b.Post(mina+"/disable", "reason", "").Want(t, http.StatusUnprocessableEntity, "Write a reason.")
		post("/sessions/"+f.Session.ID, "session")
		b.Post(mina+"/sessions/"+f.Session.ID, "reason", "x").Want(t, http.StatusConflict, "no longer exists")
		post("/grants/g1", "grant") // offline, so that it outlives the session
		post("/consent", "consent", "client", "app")
		post("/roles", "roles", "roles", "board/editor")
		if u := user(); !slices.Equal(u.Roles, []roles.Role{{Resource: "board", Name: "editor"}}) {
			t.Error(u.Roles)
		}
		b.Post(mina+"/roles", "roles", "board/nothing", "reason", "x").Want(t, http.StatusUnprocessableEntity)
		version := versionInput.FindStringSubmatch(b.Get(mina + "/profile").Body)
		if version == nil {
			t.Fatal("no version")
		}
		b.Post(mina+"/profile", "version", version[1], "name", "Mina", "birthdate", "1990-13-45", "reason", "x").
			Want(t, http.StatusUnprocessableEntity, `id="birthdate-problem"`, `value="1990-13-45"`)
		f.Clock.Advance(time.Second) // versions are times
		post("/profile", "profile", "version", version[1], "name", "Mina Kim", "website", "https://mina.example", "nickname",
			"", "country", "DE", "formatted", "Berlin")
		if u := user(); u.Name != "Mina Kim" || u.Claims.Website != "https://mina.example" || u.Claims.Nickname != "" ||
			u.Claims.Address.Country != "DE" ||
			u.Claims.Birthdate != "1990-04-23" {
			t.Errorf("%+v", u)
		}
		b.Post(mina+"/profile", "version", version[1], "name", "Else", "reason", "x").
			Want(t, http.StatusConflict, "Somebody else changed this", `value="Else"`)
		b.Post(mina+"/email", "email", root, "reason", "x").
			Want(t, http.StatusConflict, "has an account already", `value="`+root+`"`)
		post("/email", "email", "email", "mina@example.com", "verified", "yes")
		if u := user(); u.Email != "mina@example.com" || !u.EmailVerified {
			t.Errorf("%+v", u)
		}
		post("/reset-mail", "reset_mail")
		b.Get(mina+"/reset-link").Want(t, http.StatusOK, "authz-server user reset-link "+f.Mina.ID)
		post("/unlock", "unlock")
		post("/passkeys/"+f.Passkey, "passkey")
		post("/disable", "disable")
		b.Get("/admin/users?state=disabled").Want(t, http.StatusOK, "Mina Kim", "Disabled")
		b.Post(mina+"/reset-mail", "reason", "x").Want(t, http.StatusConflict, "Enable it first")
		post("/enable", "enable")
		post("/delete", "delete", "when", "later", "posts", "yes")
		if u := user(); u.DeleteAt.IsZero() || !u.DeletePosts {
			t.Errorf("%+v", u)
		}
		b.Get("/admin/users?state=leaving").Want(t, http.StatusOK, "Mina Kim")
		post("/keep", "keep")
		b.Post(mina+"/keep", "reason", "x").Want(t, http.StatusConflict)
		b.Get(mina+"?done=keep").Want(t, http.StatusOK, "The account stays.", "She asked for it", "from the group")
		post("/delete", "delete", "when", "now")
		b.Get("/admin/audit?kind=user.deleted").Want(t, http.StatusOK, "Account deleted", "She asked for it", root)
		b.Get("/admin/audit?person="+url.QueryEscape("mina@example.com")+"&since=2026-01-01T00:00&until=2030-01-01T00:00").
			Want(t, http.StatusOK, "Account disabled")
		b.Get("/admin/audit?person="+f.Mina.ID+"&until=2020-01-01T00:00").Want(t, http.StatusOK, "No entries match")
		b.Get("/admin/users/nobody").Want(t, http.StatusNotFound)
	})
}

func TestPeopleAreMadeAndInvited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		b.Post("/admin/users/new", "email", "x", "name", "", "reason", "").
			Want(t, http.StatusUnprocessableEntity, `id="email-problem"`, `id="name-problem"`, `id="reason-problem"`)
		b.Post("/admin/users/new", "email", root, "name", "x", "reason", "x").
			Want(t, http.StatusConflict, "has an account already")
		made := b.Post("/admin/users/new", "email", "theo@example.org", "name", "Theo", "verified", "yes", "roles",
			"board/moderator", "reason", "a colleague")
		theo, err := w.Store.Users.UserByEmail(t.Context(), "theo@example.org")
		storetest.OK(t, err)
		made.WantRedirect(t, "/admin/users/"+theo.ID+"?done=created")
		if !theo.EmailVerified || !slices.Equal(theo.Roles, []roles.Role{roles.Moderator}) || theo.PasswordHash != "" {
			t.Errorf("%+v", theo)
		}
		page := b.Post("/admin/invitations/new", "expires", "168h0m0s", "note", "for the board")
		page.Want(t, http.StatusOK, "/signup?invitation=", "not shown again")
		if strings.Contains(page.Body, "hreflang") {
			t.Error("a link leads away from what is shown once")
		}
		if strings.Contains(b.Get("/admin/invitations").Body, "/signup?invitation=") {
			t.Error("a link is shown twice")
		}
		b.Post("/admin/invitations/new", "expires", "24h0m0s", "email", "hana@example.org", "send", "yes").
			WantRedirect(t, "/admin/invitations?done=invited")
		if !slices.Contains(w.inbox.to, "hana@example.org") {
			t.Error(w.inbox.to)
		}
		b.Post("/admin/invitations/new", "expires", "24h0m0s", "email", "theo@example.org").
			Want(t, http.StatusConflict, "has an account already")
		b.Post("/admin/invitations/new", "expires", "24h0m0s", "send", "yes").
			Want(t, http.StatusUnprocessableEntity, `id="email-problem"`)
		all, err := w.Store.Invitations.ListInvitations(t.Context(), "", 10)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		b.Get("/admin/invitations").Want(t, http.StatusOK, "for the board", "hana@example.org", "Anybody with the link")
		b.Post("/admin/invitations/"+all[0].ID+"/withdraw").WantRedirect(t, "/admin/invitations?done=withdrawn")
		b.Post("/admin/invitations/"+all[0].ID+"/withdraw").Want(t, http.StatusConflict)
	})
}

func TestGroupsAndRolesAreLookedAfter(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b := f.root
		b.Post("/admin/groups/new", "name", "editors").Want(t, http.StatusConflict, "Another group has this name")
		made := b.Post("/admin/groups/new", "name", "Writers", "external_id", "cn=writers", "reason", "x")
		group, err := f.Store.Roles.GroupNamed(t.Context(), "Writers")
		storetest.OK(t, err)
		at := "/admin/groups/" + group.ID
		made.WantRedirect(t, at+"?done=group_created")
		b.Post(at+"/add", "person", "nobody@example.org", "reason", "x").
			Want(t, http.StatusConflict, "no account with this address", `value="nobody@example.org"`)
		b.Post(at+"/add", "person", "mina@example.org", "reason", "x").WantRedirect(t, at+"?done=join")
		b.Post(at+"/add", "person", f.Mina.ID, "reason", "x").Want(t, http.StatusConflict, "in the group already")
		b.Post(at+"/roles", "roles", "board/editor", "roles", "board/moderator").WantRedirect(t, at+"?done=roles")
		b.Post(at+"/roles", "roles", "board/editor").WantRedirect(t, at+"?done=roles")
		has, err := f.Store.Roles.GroupRoles(t.Context(), group.ID)
		if err != nil || !slices.Equal(has, []roles.Role{{Resource: "board", Name: "editor"}}) {
			t.Error(has, err)
		}
		b.Get(at).Want(t, http.StatusOK, "Kim Mina", "board/editor", "cn=writers")
		b.Get("/admin/users?role=board/editor").Want(t, http.StatusOK, "Writers", "Nobody was found.")
		version := versionInput.FindStringSubmatch(b.Get(at + "/edit").Body)[1]
		b.Post(at+"/edit", "name", "Authors", "version", version).WantRedirect(t, at+"?done=saved")
		b.Post(at+"/edit", "name", "Others", "version", version).
			Want(t, http.StatusConflict, "Somebody else changed this", `value="Others"`)
		b.Post(at+"/members/"+f.Mina.ID+"/leave", "reason", "x").WantRedirect(t, at+"?done=leave")
		b.Post(at+"/members/"+f.Mina.ID+"/leave", "reason", "x").Want(t, http.StatusConflict)
		b.Post(at+"/delete").WantRedirect(t, "/admin/groups?done=group_deleted")
		b.Get(at).Want(t, http.StatusNotFound)
		b.Post("/admin/roles/board/editor/edit", "scopes", "board:moderate", "description", "Writes\nnews").
			Want(t, http.StatusUnprocessableEntity, `id="description-problem"`)
		b.Post("/admin/roles/board/editor/edit", "scopes", "board:moderate", "description",
			"Writes more").WantRedirect(t, "/admin/roles?done=saved")
		b.Get("/admin/roles").Want(t, http.StatusOK, "Writes more", "board API", "admin API")
		b.Post("/admin/roles/board/moderator/delete").Want(t, http.StatusConflict, "built in")
		b.Post("/admin/roles/board/editor/delete").WantRedirect(t, "/admin/roles?done=role_deleted")
		b.Get("/admin/roles/board/editor/edit").Want(t, http.StatusNotFound)
	})
}

// The last administrator does not take themselves away, by whichever page.
func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		me := "/admin/users/" + w.Root.ID
		b.Get(me+"/disable").Want(t, http.StatusOK, "This is your own account.")
		for path, form := range map[string][]string{"/disable": nil, "/delete": {"when", "now"}, "/factors": nil,
			"/roles": {"roles", "board/moderator"}} {
			b.Post(me+path, append(form, "reason", "a mistake")...).
				Want(t, http.StatusForbidden, "Nobody would be left", `value="a mistake"`)
		}
		group, err := w.Store.Roles.CreateGroup(t.Context(), roles.Group{Name: "Operators"})
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Roles.GiveGroup(t.Context(), group.ID, roles.Admin))
		storetest.OK(t, w.Store.Roles.AddMember(t.Context(), group.ID, w.Root.ID))
		storetest.OK(t, w.Store.Roles.Take(t.Context(), w.Root.ID, roles.Admin))
		at := "/admin/groups/" + group.ID
		b.Get(at+"/delete").Want(t, http.StatusOK, "Members of this group become administrators")
		for path, form := range map[string][]string{"/delete": nil, "/roles": {"roles", "board/moderator"},
			"/members/" + w.Root.ID + "/leave": nil} {
			b.Post(at+path, append(form, "reason", "a mistake")...).Want(t, http.StatusForbidden, "Nobody would be left")
		}
		b.Get("/admin").Want(t, http.StatusOK)
		// With another one, it works, and the page is gone with the role.
		theo := w.Person("theo@example.org")
		storetest.OK(t, w.Store.Roles.Give(t.Context(), theo.ID, roles.Admin))
		other := w.Browser()
		other.LogIn("theo@example.org")
		other.TurnOn()
		b.Post(at+"/members/"+w.Root.ID+"/leave", "reason", "on purpose").WantRedirect(t, at+"?done=leave")
		b.Get("/admin").Want(t, http.StatusNotFound)
		other.Get("/admin").Want(t, http.StatusOK)
	})
}
