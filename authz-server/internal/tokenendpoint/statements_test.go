package tokenendpoint_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// What a request costs beside its signatures is its statements.
func TestATokenRequestNeedsFewStatements(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser().LogIn(f.User)
		ask := func(form url.Values) (providertest.Tokens, []string) {
			r := f.Request("POST", "/oauth2/token", form)
			r.SetBasicAuth("app", providertest.Secret)
			w := httptest.NewRecorder()
			statements := storetest.Statements(r.Context(), func(ctx context.Context) {
				f.Server.Config.Handler.ServeHTTP(w, r.WithContext(ctx))
			})
			if w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			return f.Tokens(providertest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}), statements
		}
		own := url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}}
		codes := []string{b.Code("scope", "openid board:read"), b.Code("scope", "openid board:read")}
		ask(own) // the client is remembered, and has a block of places in the status lists
		first, _ := ask(providertest.CodeGrant(codes[0]))
		for _, one := range []struct {
			name          string
			form          url.Values
			reads, writes int
		}{
			{"client credentials", own, 0, 0},
			{"code", providertest.CodeGrant(codes[1]), 1, 2},            // the code with its grant; grant and code
			{"refresh", providertest.RefreshGrant(first.Refresh), 1, 2}, // the grant; session and grant
		} {
			_, statements := ask(one.form)
			reads, writes := 0, 0
			for _, text := range statements {
				if strings.HasPrefix(text, "SELECT") {
					reads++
				} else {
					writes++
				}
			}
			if reads != one.reads || writes != one.writes {
				t.Errorf("%s: %d statements read and %d write, want %d and %d:\n%s", one.name, reads, writes, one.reads, one.writes, strings.Join(statements, "\n"))
			}
		}
	})
}
