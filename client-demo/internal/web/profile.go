package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/internal/httpd"
)

// ownPage is a page of something that is the person's own: profile, settings or interests.
type ownPage struct {
	Form   *form // nil: Notice stands in its place
	Notice string
	Rest   any
}

// profile serves GET /profile.
func (a *App) profile(v *visit) error {
	profile, etag, err := a.users.Me(v.r.Context(), v.token)
	notice, err := v.notice(err)
	if err != nil {
		return err
	}
	if notice != "" {
		return v.render(http.StatusServiceUnavailable, "profile", v.t("profile"), ownPage{Notice: notice})
	}
	v.session.SetName(profile.DisplayName)
	values := url.Values{"etag": {etag}}
	for field, value := range profileFields(profile) {
		values.Set(field, value)
	}
	f := v.newForm(values)
	return v.render(f.status, "profile", v.t("profile"), ownPage{Form: f, Rest: profile})
}

func profileFields(p backend.Profile) map[string]string {
	return map[string]string{"display_name": p.DisplayName, "bio": p.Bio, "avatar_url": p.AvatarURL, "website": p.Website}
}

// saveProfile serves POST /profile.
func (a *App) saveProfile(v *visit) error {
	f := v.sentForm()
	profile, err := a.users.ChangeMe(v.r.Context(), v.token, f.Get("etag"), backend.ProfileChange{
		DisplayName: f.Get("display_name"), Bio: f.Get("bio"), AvatarURL: f.Get("avatar_url"), Website: f.Get("website"),
	})
	if changed(err) {
		saved, etag, readErr := a.users.Me(v.r.Context(), v.token)
		if err = readErr; err == nil {
			v.lost(f, profileFields(saved), etag)
			return v.render(f.status, "profile", v.t("profile"), ownPage{Form: f, Rest: saved})
		}
	}
	if err == nil {
		v.session.SetName(profile.DisplayName)
		v.session.SetFlash("saved")
		return v.redirect("/profile")
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	return v.render(f.status, "profile", v.t("profile"), ownPage{Form: f, Rest: backend.Profile{DisplayName: v.session.Name()}})
}

// personPage is a person's public profile and what they wrote.
type personPage struct {
	backend.Profile
	Own    bool
	Posts  []backend.Post
	Slug   string // empty: of all boards
	Notice string // in place of the posts
	Pager  pager

	TitleOf func(slug string) string
}

// person serves GET /people/{id}?cursor=….
func (a *App) person(v *visit) error {
	id := v.r.PathValue("id")
	profile, err := a.users.User(v.r.Context(), v.token, id)
	if err != nil {
		return err
	}
	data := personPage{Profile: profile, Own: id == v.subject(), TitleOf: a.titleOf}
	posts, err := a.boards.PostsBy(v.r.Context(), v.token, id, v.r.FormValue("cursor"))
	if data.Notice, err = v.notice(err); err != nil {
		return err
	}
	data.Posts = posts.Items
	data.Pager = newPager("/people/"+url.PathEscape(id), v.r.URL.Query(), nil, posts.Next)
	name := profile.DisplayName
	if name == "" {
		name = v.t("nameless")
	}
	return v.render(http.StatusOK, "person", name, data)
}

// zones are offered for the time zone, beside the one that the person has.
var zones = strings.Fields(`Asia/Seoul Asia/Tokyo Asia/Shanghai Asia/Hong_Kong Asia/Taipei Asia/Singapore Asia/Ho_Chi_Minh Asia/Bangkok Asia/Jakarta
	Asia/Manila Asia/Kolkata Asia/Dubai Asia/Almaty Asia/Tashkent Europe/London Europe/Lisbon Europe/Madrid Europe/Paris Europe/Berlin Europe/Rome
	Europe/Stockholm Europe/Warsaw Europe/Athens Europe/Istanbul Europe/Kyiv Europe/Moscow Africa/Lagos Africa/Cairo Africa/Nairobi
	Africa/Johannesburg America/Halifax America/New_York America/Toronto America/Chicago America/Mexico_City America/Denver America/Phoenix
	America/Los_Angeles America/Vancouver America/Anchorage Pacific/Honolulu America/Bogota America/Lima America/Santiago America/Sao_Paulo
	America/Argentina/Buenos_Aires Australia/Perth Australia/Brisbane Australia/Sydney Pacific/Auckland UTC`)

// settings serves GET /settings.
func (a *App) settings(v *visit) error {
	settings, etag, err := a.users.Settings(v.r.Context(), v.token)
	notice, err := v.notice(err)
	if err != nil {
		return err
	}
	if notice != "" {
		return v.render(http.StatusServiceUnavailable, "settings", v.t("settings"), ownPage{Notice: notice})
	}
	values := url.Values{"etag": {etag}}
	for field, value := range settingsFields(settings) {
		values.Set(field, value)
	}
	f := v.newForm(values)
	return v.render(f.status, "settings", v.t("settings"), ownPage{Form: f})
}

func settingsFields(s backend.Settings) map[string]string {
	return map[string]string{"locale": s.Locale, "time_zone": s.TimeZone, "theme": s.Theme}
}

// saveSettings serves POST /settings.
func (a *App) saveSettings(v *visit) error {
	f := v.sentForm()
	settings := backend.Settings{Locale: f.Get("locale"), TimeZone: strings.TrimSpace(f.Get("time_zone")), Theme: f.Get("theme")}
	err := a.users.PutSettings(v.r.Context(), v.token, f.Get("etag"), settings)
	if changed(err) {
		saved, etag, readErr := a.users.Settings(v.r.Context(), v.token)
		if err = readErr; err == nil {
			v.lost(f, settingsFields(saved), etag)
			return v.render(f.status, "settings", v.t("settings"), ownPage{Form: f})
		}
	}
	if err == nil {
		v.session.SetPreferences(preferencesOf(settings, a.cfg.Now()))
		v.forgetLanguage() // what the settings say now counts
		v.session.SetFlash("saved")
		return v.redirect("/settings")
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	return v.render(f.status, "settings", v.t("settings"), ownPage{Form: f})
}

// interests serves GET /interests.
func (a *App) interests(v *visit) error {
	interests, etag, err := a.users.Interests(v.r.Context(), v.token)
	notice, err := v.notice(err)
	if err != nil {
		return err
	}
	if notice != "" {
		return v.render(http.StatusServiceUnavailable, "interests", v.t("interests"), ownPage{Notice: notice})
	}
	f := v.newForm(url.Values{"etag": {etag}, "tags": {strings.Join(interests.Tags, ", ")}})
	return v.render(f.status, "interests", v.t("interests"), ownPage{Form: f, Rest: interests.Tags})
}

// saveInterests serves POST /interests.
func (a *App) saveInterests(v *visit) error {
	f := v.sentForm()
	err := a.users.PutInterests(v.r.Context(), v.token, f.Get("etag"), backend.Interests{Tags: splitTags(f.Get("tags"))})
	if changed(err) {
		saved, etag, readErr := a.users.Interests(v.r.Context(), v.token)
		if err = readErr; err == nil {
			v.lost(f, map[string]string{"tags": strings.Join(saved.Tags, ", ")}, etag)
			return v.render(f.status, "interests", v.t("interests"), ownPage{Form: f, Rest: saved.Tags})
		}
	}
	if err == nil {
		v.session.SetFlash("saved")
		return v.redirect("/interests")
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	return v.render(f.status, "interests", v.t("interests"), ownPage{Form: f})
}

// splitTags reads tags as people type them: by comma or line, with or without #, none twice.
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

// apiMe serves GET /api/me to the script of the page of tokens: the profile, by the session's access token.
func (a *App) apiMe(w http.ResponseWriter, r *http.Request) {
	session := a.flow.Session(r)
	if session == nil {
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "Log in first."})
		return
	}
	leave, ok := a.crowd.enter(visitor(r, session))
	if !ok {
		w.Header().Set("Retry-After", "1")
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusTooManyRequests, Detail: "Too many requests at once."})
		return
	}
	defer leave()
	v := &visit{app: a, w: w, r: r, session: session}
	profile, _, err := a.users.Me(r.Context(), v.token)
	var refused *backend.Error
	switch {
	case err == nil:
		writeJSON(w, profile)
	case errors.As(err, &refused):
		httpd.WriteProblem(w, r, httpd.Problem{Status: refused.Status, Detail: refused.Detail})
	default:
		a.cfg.Log.Warn("cannot read the profile", "request", httpd.RequestID(r.Context()), "error", err)
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusServiceUnavailable, Detail: "The user service or the issuer does not answer."})
	}
}
