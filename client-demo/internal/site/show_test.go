package site

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

func TestTheZoneIsThePersonsOrElseTheirBrowsers(t *testing.T) {
	t.Parallel()
	zone := func(cookie, own string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: zoneCookie, Value: cookie})
		v := Visit{R: r, preferences: flow.Preferences{TimeZone: own}}
		if found := v.Zone(); found != nil {
			return found.String()
		}
		return "unknown"
	}
	if got := zone("Asia/Seoul", ""); got != "Asia/Seoul" {
		t.Errorf("the browser's zone: %s", got)
	}
	if got := zone("Asia/Seoul", "Europe/Berlin"); got != "Europe/Berlin" {
		t.Errorf("the person's own zone: %s", got)
	}
	for _, bad := range []string{"", "Local", "../../etc/passwd", "Mars/Base", "Asia/../Asia/Seoul", strings.Repeat("A", 65),
		"/Asia/Seoul"} {
		if got := zone(bad, ""); got != "unknown" {
			t.Errorf("%q: %s", bad, got)
		}
	}
}
