package adminpages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodOptions}

// Whoever has not the role gets, for every address of the administration and every method, exactly
// what an address gets where there is nothing: header for header.
func TestWithoutTheRoleThereIsNoAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Person("mina@example.org")
	b := w.Browser()
	b.LogIn("mina@example.org")
	b.TurnOn()
	if a := b.Get("/account"); strings.Contains(a.Body, `href="/admin"`) {
		t.Error("the account has a link to the administration")
	}
	request := func(method, path string, cross bool) peopletest.Answer {
		r := b.Request(method, path, "reason=x")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cross {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}
		return b.Do(r)
	}
	paths := append(w.Deeds(), "/admin", "/admin/", "/admin/nothing", "/admin/users", "/admin?span=month",
		"/admin/users/x?lang=ko", "/admin?lang=en")
	for _, path := range paths {
		elsewhere := strings.Replace(path, "/admin", "/nowhere", 1)
		for _, method := range methods {
			for _, cross := range []bool{false, true} {
				got, want := request(method, path, cross), request(method, elsewhere, cross)
				if got.Status != http.StatusNotFound || alike(got, path) != alike(want, elsewhere) {
					t.Errorf("%s %s: %d %q\n%s\nnot\n%s", method, path, got.Status, got.Location, got.Body, want.Body)
				}
				for _, header := range []http.Header{got.Header, want.Header} {
					for _, one := range []string{"Date", "Content-Length"} {
						header.Del(one)
					}
				}
				for name := range want.Header {
					if got.Header.Get(name) != want.Header.Get(name) {
						t.Errorf("%s %s: %s: %q, not %q", method, path, name, got.Header.Get(name), want.Header.Get(name))
					}
				}
				if len(got.Header) != len(want.Header) {
					t.Errorf("%s %s: headers %v, not %v", method, path, got.Header, want.Header)
				}
			}
		}
	}
}

func TestTheRoleIsLookedAtEachTime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b, _ := w.administrator(t)
		b.Get("/account").Want(t, http.StatusOK, `href="/admin"`)
		b.Get("/admin").Want(t, http.StatusOK, "Needs attention", "You are logged in as "+w.Root.Email+".")
		storetest.OK(t, w.Store.Roles.Take(t.Context(), w.Root.ID, roles.Admin))
		b.Get("/admin").Want(t, http.StatusNotFound)
		group, err := w.Store.Roles.CreateGroup(t.Context(), roles.Group{Name: "Operators"})
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Roles.GiveGroup(t.Context(), group.ID, roles.Admin))
		storetest.OK(t, w.Store.Roles.AddMember(t.Context(), group.ID, w.Root.ID))
		b.Get("/admin").Want(t, http.StatusOK)
		_, err = w.Store.Users.PlanDeletion(t.Context(), w.Root.ID, false)
		storetest.OK(t, err)
		b.Get("/admin").WantRedirect(t, "/login") // the sessions of an account that is to go end
	})
}

func TestALogInLeadsBackToTheAdministration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, app := w.administrator(t)
	b := w.Browser()
	b.Get("/admin?span=month").WantRedirect(t, "/login")
	b.Get("/login")
	b.Post("/login", "email", root, "password", peopletest.Password).WantRedirect(t, "/login/verify")
	b.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/admin?span=month")
	b.Get("/admin?span=month").Want(t, http.StatusOK, "Last 31 days")
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions} {
		stranger := w.Browser()
		stranger.Do(stranger.Request(method, "/admin", "")).Want(t, http.StatusNotFound)
	}
	b.Post("/admin").Want(t, http.StatusMethodNotAllowed)
}

// What leads back is a page of the administration of this server, whatever a cookie says.
func TestOnlyPagesOfTheAdministrationAreLedBackTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Person("mina@example.org")
	for _, page := range []string{"/admin/../oauth2/authorize", "//evil.example", "/administration",
		"/admin//evil.example", "/admin\\evil", "/oauth2/logout", "https://evil.example/admin", "/admin/./x", "/admin#x"} {
		b := w.Browser()
		b.Get("/login")
		r := b.FormRequest("/login", "email=mina%40example.org&password="+strings.ReplaceAll(peopletest.Password, " ", "+"))
		r.AddCookie(&http.Cookie{Name: "maru-toward", Value: page})
		b.Do(r).WantRedirect(t, "/account")
	}
}

func TestAnAdministratorNeedsASecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Browser()
	b.LogIn(root)
	b.Get("/admin").Want(t, http.StatusForbidden, "Set up a second factor", `href="/account/security/app"`)
	app := b.TurnOn()
	b.Get("/admin").Want(t, http.StatusOK)

	// A browser that stands for the second step is not enough.
	trusted := w.Browser()
	trusted.BeginLogin(root)
	trusted.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
	trusted.Get("/admin").Want(t, http.StatusOK)
	trusted.Forget(t, "maru-session")
	trusted.Get("/admin").WantRedirect(t, "/login")
	trusted.Get("/login")
	trusted.Post("/login", "email", root, "password", peopletest.Password).WantRedirect(t, "/admin")
	trusted.Get("/admin").WantRedirect(t, "/login/verify?confirm=several")
	trusted.Post("/login/verify?confirm=several", "otp", app.Next()).WantRedirect(t, "/admin")
	trusted.Get("/admin").Want(t, http.StatusOK)
}

// Whoever has a password and a passkey, and nothing else, uses the passkey.
func TestAPasskeyIsASecondFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Browser()
	b.LogIn(root)
	key := w.PasskeyAuthenticator()
	b.AddPasskey(key)
	b.Get("/admin").WantRedirect(t, "/login/verify?confirm=several")
	page := b.Get("/login/verify?confirm=several")
	page.Want(t, http.StatusOK, `id="passkey"`)
	if strings.Contains(page.Body, `name="otp"`) {
		t.Error("it asks for a code of an app that the person has not")
	}
	if to := b.UsePasskey(key, "/login/verify", "?confirm=several").Reply(b).Location; to != "/admin" {
		t.Errorf("leads to %q", to)
	}
	b.Get("/admin").Want(t, http.StatusOK)
	w.Clock.Advance(time.Hour)
	b.Get("/admin").Want(t, http.StatusOK) // looking needs no fresh proof
}

func TestPagesCannotBeFramedOrKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, _ := w.administrator(t)
	for _, path := range []string{"/admin", "/admin?span=month"} {
		a := b.Get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin",
			"X-Content-Type-Options":     "nosniff", "Referrer-Policy": "same-origin",
		} {
			if got := a.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self'") ||
			strings.Contains(csp, "unsafe") {
			t.Error(csp)
		}
	}
}
