package oauth_test

import (
	"net/http"
	"sync"
	"testing"
)

// Whatever comes first, the end of a session or the answer to a request, no grant of the session is left alive.
func TestTheEndOfASessionLeavesNoGrantInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for range 20 {
			b := f.browser().logIn(f.user)
			var got answer
			var wg sync.WaitGroup
			wg.Go(func() { got = b.authorize(parameters("scope", "openid")) })
			wg.Go(func() {
				if err := f.store.EndSession(t.Context(), b.sid); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if code := got.parameter("code"); code != "" {
				wantError(t, f.exchange(code), http.StatusBadRequest, "invalid_grant")
			}
		}
	})
}
