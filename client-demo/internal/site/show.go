package site

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/pages"
)

// Show shows a page.
func (v *Visit) Show(page pages.Page) error {
	view := pages.View{
		Lang: v.Lang, Theme: v.preferences.Theme, Zone: v.Zone(), Now: v.site.cfg.Now(), Here: v.Here(),
		TakeFlash: v.takeFlash,
	}
	if v.Session != nil {
		view.Member = &pages.Member{ID: v.Session.Subject, Name: v.Session.Name()}
		if view.Member.Name == "" {
			view.Member.Name = v.T("nameless_you")
		}
	}
	return v.site.pages.Show(v.W, view, page)
}

func (v *Visit) takeFlash() string {
	if v.Session == nil {
		return ""
	}
	if key := v.Session.TakeFlash(); key != "" {
		return v.T(key)
	}
	return ""
}

// Here is the page to come back to: the requested one, or the one whose form was sent.
func (v *Visit) Here() string {
	here := url.URL{Path: v.R.URL.Path}
	switch {
	case v.page != nil:
		here.Path = v.page(v.R)
	case v.R.Method == http.MethodGet:
		here.RawQuery = v.R.URL.RawQuery
	}
	return flow.LocalPath(here.String())
}

const (
	preferencesFresh = 5 * time.Minute
	preferencesRetry = 30 * time.Second
	preferencesWait  = 2 * time.Second // a page without them is better than a late one
)

// loadPreferences reads the person's settings now and then, and their name if the ID token did not
// have it. While the user service is down, pages do without.
func (v *Visit) loadPreferences() {
	if v.Session == nil {
		return
	}
	now := v.site.cfg.Now()
	v.preferences = v.Session.Preferences()
	if now.Sub(v.preferences.ReadAt) < preferencesFresh {
		return
	}
	ctx, cancel := context.WithTimeout(v.R.Context(), preferencesWait)
	defer cancel()
	if v.Session.Name() == "" {
		if profile, _, err := v.site.users.Me(ctx, v.Token); err == nil {
			v.Session.SetName(profile.DisplayName)
		}
	}
	settings, _, err := v.site.users.Settings(ctx, v.Token)
	if err != nil {
		v.preferences.ReadAt = now.Add(preferencesRetry - preferencesFresh)
		v.Session.SetPreferences(v.preferences)
		return
	}
	v.keep(settings)
}

// UseSettings makes pages follow new settings from now on, and undoes a switch of language.
func (v *Visit) UseSettings(settings backend.Settings) {
	v.keep(settings)
	v.SetOpenCookie(languageCookie, "", -1)
}

func (v *Visit) keep(settings backend.Settings) {
	v.preferences = flow.Preferences{TimeZone: settings.TimeZone, ReadAt: v.site.cfg.Now()}
	if l := v.site.cfg.Languages.Find(settings.Locale); l != nil {
		v.preferences.Language = l.Code()
	}
	if settings.Theme == "light" || settings.Theme == "dark" {
		v.preferences.Theme = settings.Theme
	}
	v.Session.SetPreferences(v.preferences)
}

// languageCookie is not secret and changing it harms nobody, so its name has no prefix.
const languageCookie = "demo-language"

// language chooses by the person's switch, then by their settings, then by their browser.
func (s *Site) language(r *http.Request, preferences flow.Preferences) *lang.Language {
	if cookie, err := r.Cookie(languageCookie); err == nil {
		if l := s.cfg.Languages.Find(cookie.Value); l != nil {
			return l
		}
	}
	if l := s.cfg.Languages.Find(preferences.Language); l != nil {
		return l
	}
	return s.cfg.Languages.Asked(r)
}

// SwitchLanguage shows pages in the language with a code from now on. It returns false if there is
// none.
func (v *Visit) SwitchLanguage(code string) bool {
	l := v.site.cfg.Languages.Find(code)
	if l == nil {
		return false
	}
	v.SetOpenCookie(languageCookie, l.Code(), int((365 * 24 * time.Hour).Seconds()))
	return true
}

// SetOpenCookie sets a cookie that is not secret. maxAge is in seconds; a negative one removes it.
func (v *Visit) SetOpenCookie(name, value string, maxAge int) {
	http.SetCookie(v.W, &http.Cookie{ //nolint:gosec // G124: Secure with https
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: strings.HasPrefix(v.site.cfg.Origin, "https://"), SameSite: http.SameSiteLaxMode,
	})
}

// zoneCookie has the browser's time zone; a script sets it. It is not secret and changing it harms
// nobody.
const zoneCookie = "demo-zone"

// zoneName matches names in the IANA time zone database, and no path to another file.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)

// Zone is the time zone of the person's settings or else of their browser; nil if neither is known.
func (v *Visit) Zone() *time.Location {
	names := []string{v.preferences.TimeZone}
	if cookie, err := v.R.Cookie(zoneCookie); err == nil {
		names = append(names, cookie.Value)
	}
	for _, name := range names {
		if len(name) > 64 || !zoneName.MatchString(name) || name == "Local" {
			continue
		}
		if zone, err := time.LoadLocation(name); err == nil {
			return zone
		}
	}
	return nil
}
