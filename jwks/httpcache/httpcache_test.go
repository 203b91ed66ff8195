package httpcache_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/httpcache"
)

func TestAnAnswerIsFreshForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	const (
		nine = "Fri, 01 May 2026 09:00:00 GMT"
		ten  = "Fri, 01 May 2026 10:00:00 GMT"
		year = 365 * 24 * time.Hour
	)
	now := time.Date(2026, 5, 1, 9, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		header string // lines apart by "; "
		want   time.Duration
		silent bool // the answer does not say
	}{
		{"", 0, true},
		{"Cache-Control: private", 0, true},
		{"Age: 10", 0, true},
		{"Date: " + nine, 0, true},
		{"Cache-Control: public, Max-Age=600", 10 * time.Minute, false},
		{`Cache-Control: max-age="600"`, 10 * time.Minute, false},
		{"Cache-Control: max-age=600; Age: 100", 500 * time.Second, false},
		{"Cache-Control: max-age=600; Age: 700", 0, false},
		{"Cache-Control: max-age=600; Age: old", 10 * time.Minute, false},
		{"Cache-Control: max-age=600, max-age=60", time.Minute, false},
		{"Cache-Control: max-age=60; Cache-Control: max-age=600", time.Minute, false},
		{"Cache-Control: max-age=600; Cache-Control: NO-STORE", 0, false},
		{"Cache-Control: no-cache, max-age=600", 0, false},
		{"Cache-Control: max-age=-1", 0, false},
		{"Cache-Control: max-age=ten", 0, false},
		{"Cache-Control: max-age", 0, false},
		{"Cache-Control: max-age=99999999999999999999999", year, false},
		{"Cache-Control: max-age=4294967296", year, false},
		{"Date: " + nine + "; Expires: " + ten, time.Hour, false},
		{"Expires: " + ten, 30 * time.Minute, false},
		{"Date: " + ten + "; Expires: " + nine, 0, false},
		{"Date: " + nine + "; Expires: " + ten + "; Age: 600", 50 * time.Minute, false},
		{"Date: " + nine + "; Expires: 0", 0, false},
		{"Expires: " + ten + "; Cache-Control: max-age=60", time.Minute, false},
		{"Expires: Fri, 01 May 9999 09:00:00 GMT", year, false},
	} {
		header := http.Header{}
		for line := range strings.SplitSeq(tc.header, "; ") {
			name, value, _ := strings.Cut(line, ": ")
			header.Add(name, value)
		}
		got, said := httpcache.Freshness(header, now)
		if got != tc.want || said == tc.silent {
			t.Errorf("%s: %v, %v", tc.header, got, said)
		}
	}
}
