package device_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// A person, or somebody at their session, allows a device at the moment when all sessions and
// grants end: the device gets nothing that lasts. An answer with tokens that came before is worth
// nothing afterwards.
func TestADeviceAllowedAtTheEndOfASessionGetsNothingInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		for range 12 {
			b := f.Browser().LogIn(f.User)
			codes := f.StartDevice("tv", url.Values{"scope": {"openid offline_access"}})
			form := providertest.HiddenFields(b.Post("/device", url.Values{"user_code": {codes.User}}).Body)
			form["scope"], form["decision"] = []string{"offline_access"}, []string{"allow"}
			var wg sync.WaitGroup
			wg.Go(func() {
				if a := b.Post("/device", form); a.Status >= 500 {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
			wg.Go(func() {
				if err := f.Store.Users.ResetPassword(t.Context(), f.User.ID, "x", ""); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if a := f.PollInTime("tv", codes.Device); a.Status == http.StatusOK {
				t.Fatalf("%s", a.Body)
			}
		}
	})
}
