package providertest

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/limits"
)

// UseUp takes everything that is left of a quota, in one transaction to be quick.
func (f *Fixture) UseUp(subject string, limit int, window time.Duration) {
	f.T.Helper()
	f.must(f.Store.Tx(f.T.Context(), func(ctx context.Context) error {
		for range limit {
			err := f.Store.Quotas.TakeQuotas(ctx, limits.Quota{Subject: subject, Limit: limit, Window: window})
			var full *limits.QuotaError
			if errors.As(err, &full) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}
