package scim_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/scim"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// A directory with nothing but its client: it gets a token, and closes the account of a person whose
// app notices at once.
func TestADirectoryActsByItsToken(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		at, err := issuer.Parse(f.Issuer)
		storetest.OK(t, err)
		access, err := adminaccess.New(adminaccess.Config{Issuer: at, Ring: f.Ring, Tokens: f.Provider.Tokens, Store: f.Store, Now: f.Clock.Now})
		storetest.OK(t, err)
		router := mux.NewRouter()
		scim.New(scim.Config{Issuer: at, Actor: access.Actor, Refused: access.Refused, Operations: provisioning.New(admin.New(admin.Config{
			Store: f.Store, Audit: audit.New(f.Store), Notices: &notices.Notices{Store: f.Store, Now: f.Clock.Now}, Now: f.Clock.Now, Issuer: at,
		}))}).Routes(router)
		f.AddClient("directory", func(c *client.Client) {
			c.Scope, c.GrantTypes, c.RedirectURIs, c.PostLogoutRedirectURIs = "scim", []string{"client_credentials"}, nil, nil
		})
		token := f.Tokens(f.Token("directory", url.Values{"grant_type": {"client_credentials"}, "scope": {"scim"}})).Access
		ask := func(method, path, body, token string) answer {
			r := httptest.NewRequestWithContext(t.Context(), method, scim.Path+path, strings.NewReader(body))
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			return answer{t: t, Status: w.Code, Header: w.Header(), Text: w.Body.String()}
		}
		ask(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+f.User.Email+`"`), "", token).want(200, f.User.ID)
		app := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code())).Access
		if f.Invalid(app) {
			t.Fatal("the app's token is not good")
		}
		// It finds whom it does not keep, and changes nobody before it was given them.
		ask(http.MethodPatch, "/Users/"+f.User.ID, patch(`{"op":"Replace","path":"active","value":"False"}`), token).want(403, "does not keep")
		storetest.OK(t, f.Store.Users.SetKeeper(t.Context(), "directory", f.User.ID))
		ask(http.MethodPatch, "/Users/"+f.User.ID, patch(`{"op":"Replace","path":"active","value":"False"}`), token).want(200, `"active":false`)
		if !f.Invalid(app) {
			t.Error("the token of a closed account is good")
		}
		if a := ask(http.MethodGet, "/Users", "", "").want(401); !strings.Contains(a.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Error(a.Header)
		}
		if a := ask(http.MethodGet, "/Users", "", app).want(401); !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
			t.Error(a.Header)
		}
		c, err := f.Store.Clients.Client(t.Context(), "directory")
		storetest.OK(t, err)
		storetest.OK(t, f.Store.Clients.Disable(t.Context(), c.ID))
		ask(http.MethodGet, "/Users", "", token).want(401)
	})
}
