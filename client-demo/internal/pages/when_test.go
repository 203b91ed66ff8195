package pages

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/lang"
)

func TestTimesNearAreRelativeAndOthersInTheReadersZone(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 15, 0, 0, 0, time.UTC)
	show := func(zone, code string, ago time.Duration) moment {
		t.Helper()
		view := View{Lang: lang.All.Find(code), Now: now}
		if zone != "" {
			var err error
			if view.Zone, err = time.LoadLocation(zone); err != nil {
				t.Fatal(err)
			}
		}
		return view.When(now.Add(-ago))
	}
	for _, test := range []struct {
		lang string
		ago  time.Duration
		want string
	}{
		{"en", 10 * time.Second, "just now"}, {"ko", 10 * time.Second, "방금"},
		{"en", 5 * time.Minute, "5 min ago"}, {"ko", 5 * time.Minute, "5분 전"},
		{"ko", 3 * time.Hour, "3시간 전"}, {"en", 25 * time.Hour, "1 d ago"}, {"ko", 6 * 24 * time.Hour, "6일 전"},
		{"ko", 7 * 24 * time.Hour, "2026. 3. 4. 00:00"}, {"en", 7 * 24 * time.Hour, "4 Mar 2026, 00:00"},
		{"en", -time.Hour, "11 Mar 2026, 01:00"},
	} {
		if got := show("Asia/Seoul", test.lang, test.ago); got.Text != test.want || !strings.HasSuffix(got.Full, " KST") || got.Here {
			t.Errorf("%v ago in %s: %+v, want %q", test.ago, test.lang, got, test.want)
		}
	}
	if got := show("Europe/Berlin", "en", 8*24*time.Hour); got.Text != "2 Mar 2026, 16:00" {
		t.Errorf("another zone: %+v", got)
	}
	if got := show("", "en", 8*24*time.Hour); got.Text != "2 Mar 2026, 15:00 UTC" || !got.Here {
		t.Errorf("no zone is known: %+v", got)
	}
}
