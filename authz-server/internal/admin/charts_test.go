package admin

import (
	"testing"
	"time"
)

func TestAClientThatProvisionsSeesNoCharts(t *testing.T) {
	t.Parallel()
	a, client := New(Config{Now: time.Now}), Actor{Kind: Client, Rights: Provisioning}
	if _, err := a.DayInHours(t.Context(), client); err == nil {
		t.Error("those of a day")
	}
	if _, err := a.MonthInDays(t.Context(), client); err == nil {
		t.Error("those of a month")
	}
}
