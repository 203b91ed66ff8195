package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxFreshness is the longest that an answer may be kept, whatever it says.
const maxFreshness = 24 * time.Hour

// freshness is how long an answer may be kept (RFC 9111 §4.2): never guessed, at most a day.
func freshness(header http.Header, now time.Time) time.Duration {
	lifetime, said := time.Duration(0), false
	for _, directive := range strings.Split(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, ok := deltaSeconds(strings.Trim(value, `"`))
			if !ok {
				return 0 // RFC 9111 §4.2.1: what cannot be read is stale
			}
			if !said || seconds < lifetime { // of two, the one that is safe
				lifetime, said = seconds, true
			}
		}
	}
	if !said {
		expires, err := http.ParseTime(header.Get("Expires"))
		if err != nil {
			return 0
		}
		date, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			date = now
		}
		lifetime = expires.Sub(date)
	}
	if age, ok := deltaSeconds(header.Get("Age")); ok {
		lifetime -= age
	}
	return min(max(lifetime, 0), maxFreshness)
}

// deltaSeconds reads RFC 9111 §1.2.2; anything longer than what is kept is as long as that.
func deltaSeconds(text string) (time.Duration, bool) {
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return maxFreshness, text != ""
	}
	return time.Duration(n) * time.Second, true
}
