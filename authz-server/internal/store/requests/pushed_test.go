package requests_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestAPushedRequestIsSweptWhenItExpiresAndStillSpentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		const uri = "urn:ietf:params:oauth:request_uri:x"
		err := f.Pushed.CreatePushedRequest(t.Context(), uri,
			requests.PushedRequest{ClientID: "app", Form: url.Values{"scope": {"openid"}}, ExpiresAt: f.Now.Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Minute)
		if rows, err := f.Sweep(t.Context()); err != nil || rows != 1 {
			t.Errorf("swept %d rows, %v", rows, err)
		}
		// Two tabs were opened with it before it expired.
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return f.Pushed.SpendPushedRequest(ctx, uri)
		})
	})
}
