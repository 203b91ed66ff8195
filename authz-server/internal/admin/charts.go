package admin

import (
	"context"

	"github.com/maru-auth/maru/authz-server/internal/admin/charts"
)

// DayInHours returns the charts of the last 24 hours, and MonthInDays those of the last 31 days.
func (a *Admin) DayInHours(ctx context.Context, actor Actor) (charts.Charts, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return charts.Charts{}, err
	}
	return charts.DayInHours(ctx, a.Store.Statistics, a.Now())
}

// MonthInDays is described at DayInHours.
func (a *Admin) MonthInDays(ctx context.Context, actor Actor) (charts.Charts, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return charts.Charts{}, err
	}
	return charts.MonthInDays(ctx, a.Store.Statistics, a.Now())
}
