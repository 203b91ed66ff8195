// Package httpcache says how long an answer from a stranger's server may be
// kept.
package httpcache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longest stands for any time that is longer.
const longest = 365 * 24 * time.Hour

// Freshness returns for how long an answer that comes now is fresh, by its
// Cache-Control, Expires and Age (RFC 9111 §4.2), and whether the first two say
// so at all. It never guesses: without them it is zero, and so it is by what
// cannot be read. It is never negative, and a year at most.
func Freshness(header http.Header, now time.Time) (lifetime time.Duration, said bool) {
	lifetime, said = longest, false
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			seconds, ok := deltaSeconds(strings.Trim(value, `"`))
			if !ok {
				return 0, true // §4.2.1: what cannot be read is stale
			}
			lifetime, said = min(lifetime, seconds), true // of two, the one that is safe
		}
	}
	if !said {
		if lifetime, said = untilExpires(header, now); !said {
			return 0, false
		}
	}
	if age, ok := deltaSeconds(header.Get("Age")); ok {
		lifetime -= age
	}
	return min(max(lifetime, 0), longest), true
}

// untilExpires reads Expires (§5.3), by the sender's own clock if it tells it.
func untilExpires(header http.Header, now time.Time) (time.Duration, bool) {
	if len(header.Values("Expires")) == 0 {
		return 0, false
	}
	expires, err := http.ParseTime(header.Get("Expires"))
	if err != nil {
		return 0, true // such as "0"
	}
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = now
	}
	return expires.Sub(date), true
}

// deltaSeconds reads a number of seconds (§1.2.2).
func deltaSeconds(text string) (time.Duration, bool) {
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return longest, text != ""
	}
	return min(time.Duration(n)*time.Second, longest), true
}
