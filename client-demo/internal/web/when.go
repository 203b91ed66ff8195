package web

import (
	"net/http"
	"regexp"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// zoneCookie holds the browser's time zone, which a script sets. It is no secret and harms nobody who changes it.
const zoneCookie = "demo-zone"

// zoneName is the form of a name in the IANA time zone database: it leads to no other file.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)

// zoneOf chooses a time zone by the person's settings, then by their browser, as far as it said so. It returns false when
// neither is known, and UTC.
func zoneOf(r *http.Request, prefs flow.Preferences) (*time.Location, bool) {
	names := []string{prefs.TimeZone}
	if cookie, err := r.Cookie(zoneCookie); err == nil {
		names = append(names, cookie.Value)
	}
	for _, name := range names {
		if len(name) > 64 || !zoneName.MatchString(name) || name == "Local" {
			continue
		}
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, true
		}
	}
	return time.UTC, false
}

// moment is a time as people read it and as programs do.
type moment struct {
	Text string // near times are relative
	Full string // the whole time, with its zone
	ISO  string
	Here bool // the zone is not known: a script may put it right
}

// When shows t in the person's time zone: relative while it is less than a week ago.
func (p page) When(t time.Time) moment {
	m := p.At(t)
	ago := p.now.Sub(t)
	switch {
	case ago < -time.Minute || ago >= 7*24*time.Hour:
		return m
	case ago < time.Minute:
		m.Text = translate(p.Lang, "just_now")
	case ago < time.Hour:
		m.Text = translate(p.Lang, "minutes_ago", int(ago.Minutes()))
	case ago < 24*time.Hour:
		m.Text = translate(p.Lang, "hours_ago", int(ago.Hours()))
	default:
		m.Text = translate(p.Lang, "days_ago", int(ago.Hours()/24))
	}
	m.Here = false
	return m
}

// At shows t in the person's time zone, always whole.
func (p page) At(t time.Time) moment {
	layout := "2 Jan 2006, 15:04"
	if p.Lang == "ko" {
		layout = "2006. 1. 2. 15:04"
	}
	local := t.In(p.zone)
	m := moment{Text: local.Format(layout), Full: local.Format(layout + " MST"), ISO: t.UTC().Format(time.RFC3339), Here: !p.zoneKnown}
	if !p.zoneKnown {
		m.Text = m.Full
	}
	return m
}
