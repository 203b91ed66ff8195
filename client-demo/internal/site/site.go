// Package site is what all pages share: who asks, in which language, and what becomes of errors and
// forms. It knows no addresses; package web lists them.
package site

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/pages"
)

// Config has the settings that all pages need. All fields are required.
type Config struct {
	Origin    string
	Issuer    string
	Languages lang.Languages
	Now       func() time.Time
	Log       *slog.Logger
}

// Site serves requests. It is safe for concurrent use.
type Site struct {
	cfg   Config
	flow  *flow.Client
	users backend.Users
	pages *pages.Pages
	crowd crowd
}

// New makes a site where people log in by client and keep their settings in users.
func New(cfg Config, client *flow.Client, users backend.Users) *Site {
	return &Site{cfg: cfg, flow: client, users: users, pages: pages.New(cfg.Languages)}
}

// Assets serves styles, scripts and the app's mark.
func (s *Site) Assets() pages.Assets { return s.pages.Assets }

// Handler answers a request. An error that it returns becomes a page.
type Handler func(*Visit) error

// Serve makes an http.Handler of h.
func (s *Site) Serve(h Handler) http.Handler { return s.serve(nil, h) }

// ServeFor is [Site.Serve] for an address without a page of its own. page is the path of the page
// to come back to after log-in or a switch of language.
func (s *Site) ServeFor(page func(*http.Request) string, h Handler) http.Handler {
	return s.serve(page, h)
}

func (s *Site) serve(page func(*http.Request) string, h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &Visit{W: w, R: r, Session: s.flow.Session(r), site: s, page: page}
		v.Lang = s.language(r, v.preferences) // until the person's settings are read
		leave, ok := s.Enter(r, v.Session)
		if !ok {
			w.Header().Set("Retry-After", "1")
			v.finish(v.Message(http.StatusTooManyRequests, "too_many_title", "too_many"))
			return
		}
		defer leave()
		if !v.parse() {
			return
		}
		v.loadPreferences()
		v.Lang = s.language(r, v.preferences)
		v.finish(h(v))
	})
}

// Members lets only people who are logged in through to h, and a form only if the same person has
// opened it: another tab may have logged in as somebody else since, who would write and change what
// was not meant for them.
func Members(h Handler) Handler {
	return func(v *Visit) error {
		switch {
		case v.Session == nil:
			return v.LogInFirst()
		case v.R.PostForm.Has("member") && !v.Is(v.R.PostForm.Get("member")):
			return v.askToLogIn("other_member_title", "other_member")
		}
		return h(v)
	}
}

// Visit is a request and who makes it.
type Visit struct {
	W       http.ResponseWriter
	R       *http.Request
	Session *flow.Session // nil: nobody is logged in
	Lang    *lang.Language

	site        *Site
	page        func(*http.Request) string // nil: the request has a page of its own
	preferences flow.Preferences
}

// T returns the words for key in the language of the page.
func (v *Visit) T(key string, args ...any) string { return v.Lang.T(key, args...) }

// Text returns a field of the form that was sent, its line breaks as \n: browsers send CRLF.
func (v *Visit) Text(field string) string {
	return strings.ReplaceAll(v.R.PostForm.Get(field), "\r\n", "\n")
}

// Redirect sends the browser to a page of this app, by GET. The path may end in a fragment.
func (v *Visit) Redirect(path string) error {
	path, fragment, _ := strings.Cut(path, "#")
	place := url.URL{Fragment: fragment} // escapes it
	http.Redirect(v.W, v.R, v.site.cfg.Origin+flow.LocalPath(path)+place.String(), http.StatusSeeOther)
	return nil
}

// Reader is the token to call a service with that lets strangers read; for them it is nil.
func (v *Visit) Reader() backend.TokenFunc {
	if v.Session == nil {
		return nil
	}
	return v.Token
}

// Token is the token to call a service with on the person's behalf. Its errors are those of
// [flow.Client.Token].
func (v *Visit) Token(ctx context.Context, refused string) (string, error) {
	if v.Session == nil {
		return "", flow.ErrLoginAgain
	}
	return v.site.flow.Token(ctx, v.Session, refused)
}

// Can tells whether the person is logged in and granted scope.
func (v *Visit) Can(scope string) bool { return v.Session != nil && v.Session.Granted(scope) }

// Moderator tells whether to show what moderators use.
func (v *Visit) Moderator() bool { return v.Session != nil && v.Session.Moderator() }

// HasRole tells whether the person who is logged in has a role at the board service.
func (v *Visit) HasRole(role string) bool { return v.Session != nil && v.Session.HasRole(role) }

// Is tells whether the person who is logged in has this id.
func (v *Visit) Is(id string) bool { return v.Session != nil && v.Session.Subject == id && id != "" }

// parse reads the form of a POST. If it cannot, it shows a page and returns false.
func (v *Visit) parse() bool {
	if v.R.Method != http.MethodPost {
		return true
	}
	err := v.R.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		v.finish(v.Message(http.StatusRequestEntityTooLarge, "too_large_title", "too_large"))
	default:
		v.finish(v.Message(http.StatusBadRequest, "bad_form_title", "bad_form"))
	}
	return false
}
