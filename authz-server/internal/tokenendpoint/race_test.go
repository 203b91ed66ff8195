package tokenendpoint_test

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Codes and refresh tokens are used at the moment when their client is deleted, or their grant is
// revoked. Whoever comes too late is told invalid_grant or invalid_client and not that the server
// failed; whoever was in time has tokens of a dead grant.
func TestTokensAreRefusedPlainlyWhenTheirGrantGoesInARace(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *providertest.Fixture) error{
		"client deleted": func(f *providertest.Fixture) error {
			_, err := f.Store.DeleteClient(f.T.Context(), "third")
			return err
		},
		"consent withdrawn": func(f *providertest.Fixture) error {
			return f.Store.Consents.WithdrawConsent(f.T.Context(), f.User.ID, "third")
		},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
				for range 10 {
					if _, err := f.Store.Clients.Client(t.Context(), "third"); errors.Is(err, store.ErrNotFound) {
						f.AddClient("third", nil)
					}
					b := f.Browser().LogIn(f.User)
					redeem := func() providertest.Answer {
						code := b.Code("client_id", "third", "scope", "openid offline_access")
						return f.Token("third", providertest.CodeGrant(code))
					}
					refresh := f.Tokens(redeem()).Refresh
					code := b.Code("client_id", "third", "scope", "openid offline_access")
					var wg sync.WaitGroup
					for _, form := range []url.Values{
						providertest.CodeGrant(code),
						providertest.RefreshGrant(refresh),
					} {
						wg.Go(func() {
							a := f.Token("third", form)
							if a.Status >= 500 {
								t.Errorf("%d %s", a.Status, a.Body)
							}
						})
					}
					wg.Go(func() {
						if err := end(f); err != nil {
							t.Error(err)
						}
					})
					wg.Wait()
					if a := f.Token("third", providertest.RefreshGrant(refresh)); a.Status == http.StatusOK {
						t.Fatal("the grant lives on")
					}
				}
			})
		})
	}
}
