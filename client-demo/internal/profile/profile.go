// Package profile serves the pages of a person's own data in the user service: profile, settings
// and interests.
package profile

import (
	"net/url"
	"strings"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

// Handlers serve the pages. They are safe for concurrent use.
type Handlers struct {
	users     backend.Users
	account   string // where people manage their account at the issuer
	languages lang.Languages
}

// New makes the handlers. account is where people manage their account at the issuer.
func New(users backend.Users, account string, languages lang.Languages) *Handlers {
	return &Handlers{users, account, languages}
}

// own is a form with what is saved, and its ETag; or, if err says that a service is down, a notice.
func own(v *site.Visit, saved map[string]string, etag string, err error) (pages.Own, error) {
	notice, err := v.Notice(err)
	if err != nil || notice != "" {
		return pages.Own{Notice: notice}, err
	}
	values := url.Values{"etag": {etag}}
	for field, value := range saved {
		values.Set(field, value)
	}
	return pages.Own{Form: v.NewForm(values)}, nil
}

func (h *Handlers) profile(own pages.Own) pages.Profile {
	return pages.Profile{Own: own, Account: h.account}
}

// Profile serves GET /profile.
func (h *Handlers) Profile(v *site.Visit) error {
	profile, etag, err := h.users.Me(v.R.Context(), v.Token)
	page, err := own(v, profileFields(profile), etag, err)
	if err != nil {
		return err
	}
	v.Session.SetName(profile.DisplayName)
	return v.Show(h.profile(page))
}

func profileFields(p backend.Profile) map[string]string {
	return map[string]string{"display_name": p.DisplayName, "bio": p.Bio, "avatar_url": p.AvatarURL,
		"website": p.Website}
}

// SaveProfile serves POST /profile.
func (h *Handlers) SaveProfile(v *site.Visit) error {
	return v.Edit(site.Edit{
		Save: func(f *pages.Form) error {
			profile, err := h.users.ChangeMe(v.R.Context(), v.Token, f.Get("etag"), backend.ProfileChange{
				DisplayName: f.Get("display_name"), Bio: f.Get("bio"), AvatarURL: f.Get("avatar_url"),
				Website: f.Get("website"),
			})
			if err == nil {
				v.Session.SetName(profile.DisplayName)
			}
			return err
		},
		Read: func() (map[string]string, string, error) {
			saved, etag, err := h.users.Me(v.R.Context(), v.Token)
			return profileFields(saved), etag, err
		},
		Show: func(f *pages.Form) error { return v.Show(h.profile(pages.Own{Form: f})) },
		Then: "/profile",
	})
}

func (h *Handlers) settings(own pages.Own) pages.Settings {
	return pages.Settings{Own: own, Languages: h.languages}
}

// Settings serves GET /settings.
func (h *Handlers) Settings(v *site.Visit) error {
	settings, etag, err := h.users.Settings(v.R.Context(), v.Token)
	page, err := own(v, settingsFields(settings), etag, err)
	if err != nil {
		return err
	}
	return v.Show(h.settings(page))
}

func settingsFields(s backend.Settings) map[string]string {
	return map[string]string{"locale": s.Locale, "time_zone": s.TimeZone, "theme": s.Theme}
}

// SaveSettings serves POST /settings.
func (h *Handlers) SaveSettings(v *site.Visit) error {
	return v.Edit(site.Edit{
		Save: func(f *pages.Form) error {
			settings := backend.Settings{Locale: f.Get("locale"),
				TimeZone: strings.TrimSpace(f.Get("time_zone")), Theme: f.Get("theme")}
			err := h.users.PutSettings(v.R.Context(), v.Token, f.Get("etag"), settings)
			if err == nil {
				v.UseSettings(settings)
			}
			return err
		},
		Read: func() (map[string]string, string, error) {
			saved, etag, err := h.users.Settings(v.R.Context(), v.Token)
			return settingsFields(saved), etag, err
		},
		Show: func(f *pages.Form) error { return v.Show(h.settings(pages.Own{Form: f})) },
		Then: "/settings",
	})
}

// Interests serves GET /interests.
func (h *Handlers) Interests(v *site.Visit) error {
	interests, etag, err := h.users.Interests(v.R.Context(), v.Token)
	page, err := own(v, interestsFields(interests), etag, err)
	if err != nil {
		return err
	}
	return v.Show(pages.Interests{Own: page, Tags: interests.Tags})
}

func interestsFields(i backend.Interests) map[string]string {
	return map[string]string{"tags": strings.Join(i.Tags, ", ")}
}

// SaveInterests serves POST /interests.
func (h *Handlers) SaveInterests(v *site.Visit) error {
	var saved backend.Interests // as read after a lost race
	return v.Edit(site.Edit{
		Save: func(f *pages.Form) error {
			return h.users.PutInterests(v.R.Context(), v.Token, f.Get("etag"),
				backend.Interests{Tags: splitTags(f.Get("tags"))})
		},
		Read: func() (fields map[string]string, etag string, err error) {
			saved, etag, err = h.users.Interests(v.R.Context(), v.Token)
			return interestsFields(saved), etag, err
		},
		Show: func(f *pages.Form) error { return v.Show(pages.Interests{Own: pages.Own{Form: f}, Tags: saved.Tags}) },
		Then: "/interests",
	})
}

// splitTags reads tags as people type them, separated by commas or lines, with or without #. Each
// is taken once.
func splitTags(text string) []string {
	tags := []string{}
	seen := map[string]bool{}
	for tag := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '、' }) {
		tag = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(tag), "#"))
		if tag != "" && !seen[strings.ToLower(tag)] {
			seen[strings.ToLower(tag)] = true
			tags = append(tags, tag)
		}
	}
	return tags
}
