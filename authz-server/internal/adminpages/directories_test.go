package adminpages_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// Who keeps an account or a group is seen on its page, and changed there.
func TestDirectoriesAreGivenAccountsAndGroups(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b, ctx := f.root, t.Context()
		_, err := f.Admin.CreateClient(ctx, machine, "hr", client.Patch{
			"client_name": "HR", "grant_types": []string{"client_credentials"}, "scope": "scim"}, "")
		storetest.OK(t, err)
		for at, keeper := range map[string]func() (string, error){
			"/admin/users/" + f.Mina.ID:   func() (string, error) { return f.Store.Users.Keeper(ctx, f.Mina.ID) },
			"/admin/groups/" + f.Group.ID: func() (string, error) { return f.Store.Roles.Keeper(ctx, f.Group.ID) },
		} {
			kept := func(by string) {
				t.Helper()
				got, err := keeper()
				storetest.OK(t, err)
				page := b.Get(at).Body
				if got != by || strings.Contains(page, `href="/admin/clients/hr"`) != (by != "") || !strings.Contains(page, at+"/directory") {
					t.Errorf("%s is kept by %q, want %q:\n%s", at, got, by, page)
				}
			}
			form := at + "/directory"
			kept("")
			b.Post(form, "directory", "hr").Want(t, http.StatusUnprocessableEntity, "Write a reason.", `value="hr"`)
			for _, bad := range []string{"shop", "nobody"} {
				b.Post(form, "directory", bad, "reason", "x").
					Want(t, http.StatusUnprocessableEntity, "no such app with the scope scim", `id="directory-problem"`, `value="`+bad+`"`)
			}
			kept("")
			b.Post(form, "directory", " hr ", "reason", "theirs").WantRedirect(t, at+"?done=entrust")
			kept("hr")
			b.Get(form).Want(t, http.StatusOK, `name="directory" value="hr"`, "password can be reset")
			b.Post(form, "directory", "", "reason", "over").WantRedirect(t, at+"?done=entrust")
			kept("")
		}
		b.Get("/admin/audit?kind=user.entrusted").Want(t, http.StatusOK, "theirs", "over")
	})
}

func TestAnAppsRegistrationTokenIsShownOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := fill(t, w, false)
		b, ctx := f.root, t.Context()
		const form = "/admin/clients/self/registration-token"
		b.Get("/admin/clients/self").Want(t, http.StatusOK, form)
		if page := b.Get("/admin/clients/shop").Body; strings.Contains(page, "registration-token") {
			t.Error("an app that an operator made could have one")
		}
		b.Get(form).Want(t, http.StatusOK, "RFC 7592")
		page := b.Post(form, "reason", "lost")
		page.Want(t, http.StatusOK, "not shown again")
		if err := f.Store.Clients.CheckRegistrationToken(ctx, "self", "first"); err == nil {
			t.Error("the token of before is good")
		}
		if !strings.Contains(page.Header.Get("Cache-Control"), "no-store") {
			t.Error(page.Header)
		}
		b.Post("/admin/clients/shop/registration-token", "reason", "x").
			Want(t, http.StatusConflict, "Only operators manage this app", `value="x"`)
		b.Get("/admin/audit?target=self").Want(t, http.StatusOK, "lost")
	})
}
