// Package web is the demo app's pages: plain HTML that works without script, the page of tokens excepted.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
	"github.com/maru-auth/maru/internal/httpd"
)

// Config is what pages need to know of the settings.
type Config struct {
	Origin   string
	Issuer   string
	ClientID string
	UserAPI  string // also its audience
	BoardAPI string // also its audience
	Now      func() time.Time
	Log      *slog.Logger

	AccountURL string // where people manage their account at the issuer
	APIDocs    bool   // the services have an API reference, at /docs below their addresses
}

const maxTitles = 1000

// App is the demo app. It is safe for concurrent use.
type App struct {
	cfg    Config
	flow   *flow.Client
	users  backend.Users
	boards backend.Boards
	assets assets
	pages  pages
	titles *lru.Cache[string, string] // of boards, by slug, as they were seen last

	markdown *markdown.Renderer
	crowd    crowd
}

// New puts the app together.
func New(cfg Config, client *flow.Client, users backend.Users, boards backend.Boards) *App {
	titles, err := lru.New[string, string](maxTitles)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &App{cfg: cfg, flow: client, users: users, boards: boards, assets: newAssets(), pages: parsePages(), titles: titles, markdown: markdown.New()}
}

// Routes is every address of the app.
func (a *App) Routes() http.Handler {
	mux := http.NewServeMux()
	anyone := func(pattern string, h handler) { mux.Handle(pattern, a.serve(h)) }
	member := func(pattern string, h handler) { mux.Handle(pattern, a.serve(a.loggedIn(h))) }

	anyone("GET /{$}", a.home)
	anyone("GET /login", a.login)
	anyone("POST /login", a.login) // with a form that was sent after the session had ended
	anyone("GET /signup", a.signup)
	anyone("GET /callback", a.callback)
	anyone("POST /logout", a.logout)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	anyone("POST /language", a.language)

	anyone("GET /boards", a.boardList)
	anyone("GET /boards/{slug}", a.board)
	member("GET /boards/{slug}/write", a.writeForm)
	member("POST /boards/{slug}/write", a.write)
	member("GET /search", a.search)
	anyone("GET /posts/{id}", a.post)
	member("GET /posts/{id}/edit", a.editPostForm)
	member("POST /posts/{id}/edit", a.editPost)
	member("GET /posts/{id}/delete", a.deletePostForm)
	member("POST /posts/{id}/delete", a.deletePost)
	member("POST /posts/{id}/moderate", a.moderatePost)
	member("POST /posts/{id}", a.comment)
	member("GET /comments/{id}/edit", a.editCommentForm)
	member("POST /comments/{id}/edit", a.editComment)
	member("GET /comments/{id}/delete", a.deleteCommentForm)
	member("POST /comments/{id}/delete", a.deleteComment)
	member("POST /comments/{id}/moderate", a.moderateComment)

	member("GET /profile", a.profile)
	member("POST /profile", a.saveProfile)
	member("GET /settings", a.settings)
	member("POST /settings", a.saveSettings)
	member("GET /interests", a.interests)
	member("POST /interests", a.saveInterests)
	member("GET /people/{id}", a.person)

	member("GET /tokens", a.tokens)
	mux.HandleFunc("GET /api/me", a.apiMe)

	mux.Handle("GET /static/", a.assets)
	mux.Handle("GET /favicon.ico", a.assets.serveAs("favicon.ico"))
	mux.Handle("GET /apple-touch-icon.png", a.assets.serveAs("apple-touch-icon.png"))
	mux.Handle("GET /logo.svg", a.assets.serveAs("icon.svg"))
	anyone("/", a.notFound)
	return a.secured(mux)
}

// secured is around every answer: headers that keep a page what it is, and no change on behalf of another site.
func (a *App) secured(next http.Handler) http.Handler {
	var guard http.CrossOriginProtection
	if err := guard.AddTrustedOrigin(a.cfg.Origin); err != nil {
		panic(err) // the settings were checked
	}
	guard.SetDenyHandler(a.serve(func(v *visit) error {
		return v.message(http.StatusForbidden, "forbidden_title", "cross_site")
	}))
	protected := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", a.policy())
		header.Set("Referrer-Policy", "same-origin")
		header.Set("X-Frame-Options", "DENY")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		header.Set("Cache-Control", "no-store")
		protected.ServeHTTP(w, r)
	})
}

// policy lets pages load only what is ours. The issuer may be asked by script for its keys, and forms may end up there: Chromium
// holds form-action also against the redirect that answers a form, as at logout.
func (a *App) policy() string {
	issuer := originOf(a.cfg.Issuer)
	connect := issuer
	if keys := a.flow.JWKSOrigin(); keys != "" && keys != issuer {
		connect += " " + keys
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' " + connect +
		"; form-action 'self' " + issuer + "; frame-ancestors 'none'; base-uri 'none'"
}

func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// handler answers one request. An error that it returns becomes a page in one place, [visit.fail].
type handler func(*visit) error

// visit is one request and who makes it.
type visit struct {
	app     *App
	w       http.ResponseWriter
	r       *http.Request
	session *flow.Session // nil: nobody is logged in
	lang    string        // "en" or "ko"
	prefs   flow.Preferences

	refusedForm bool // the page that follows has a form that was refused
}

func (a *App) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{app: a, w: w, r: r, session: a.flow.Session(r)}
		leave, ok := a.crowd.enter(visitor(r, v.session))
		if !ok {
			v.lang = languageOf(r, v.prefs)
			w.Header().Set("Retry-After", "1")
			v.fail(v.message(http.StatusTooManyRequests, "too_many_title", "too_many"))
			return
		}
		defer leave()
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				v.lang = languageOf(r, v.prefs)
				var tooLarge *http.MaxBytesError
				if errors.As(err, &tooLarge) {
					v.fail(v.message(http.StatusRequestEntityTooLarge, "too_large_title", "too_large"))
					return
				}
				v.fail(v.message(http.StatusBadRequest, "bad_form_title", "bad_form"))
				return
			}
		}
		v.loadPreferences()
		v.lang = languageOf(r, v.prefs)
		v.fail(h(v))
	})
}

// loggedIn lets only people with a session through.
func (a *App) loggedIn(h handler) handler {
	return func(v *visit) error {
		if v.session == nil {
			return v.logInFirst()
		}
		return h(v)
	}
}

// reader is what calls are made with that need no log-in where the board allows it.
func (v *visit) reader() backend.TokenFunc {
	if v.session == nil {
		return nil
	}
	return v.token
}

// can tells whether the person is logged in and granted scope.
func (v *visit) can(scope string) bool { return v.session != nil && v.session.Granted(scope) }

// moderator tells whether to show what moderators use.
func (v *visit) moderator() bool { return v.session != nil && v.session.Moderator() }

// subject is the person's id, or empty: nobody wrote what nobody may see.
func (v *visit) subject() string {
	if v.session == nil {
		return ""
	}
	return v.session.Subject
}

// token is what calls to the services are made with.
func (v *visit) token(ctx context.Context, refused string) (string, error) {
	if v.session == nil {
		return "", flow.ErrLoginAgain
	}
	return v.app.flow.Token(ctx, v.session, refused)
}

const (
	preferencesFresh = 5 * time.Minute
	preferencesRetry = 30 * time.Second
	preferencesWait  = 2 * time.Second // a page is shown without them rather than late
)

// loadPreferences reads the person's settings now and then, and their name if the ID token did not say it. Pages do without
// when the user service is down.
func (v *visit) loadPreferences() {
	if v.session == nil {
		return
	}
	now := v.app.cfg.Now()
	v.prefs = v.session.Preferences()
	if now.Sub(v.prefs.ReadAt) < preferencesFresh {
		return
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), preferencesWait)
	defer cancel()
	if v.session.Name() == "" {
		if profile, _, err := v.app.users.Me(ctx, v.token); err == nil {
			v.session.SetName(profile.DisplayName)
		}
	}
	settings, _, err := v.app.users.Settings(ctx, v.token)
	if err != nil {
		v.prefs.ReadAt = now.Add(preferencesRetry - preferencesFresh)
	} else {
		v.prefs = preferencesOf(settings, now)
	}
	v.session.SetPreferences(v.prefs)
}

func preferencesOf(s backend.Settings, now time.Time) flow.Preferences {
	p := flow.Preferences{TimeZone: s.TimeZone, ReadAt: now}
	if base, _, _ := strings.Cut(s.Locale, "-"); base == "ko" || base == "en" {
		p.Language = base
	}
	if s.Theme == "light" || s.Theme == "dark" {
		p.Theme = s.Theme
	}
	return p
}

// fail makes a page of an error that a handler could not deal with itself. Nil is no error.
func (v *visit) fail(err error) {
	if err == nil {
		return
	}
	shown := v.failPage(err)
	if shown != nil {
		v.app.cfg.Log.Error("cannot show a page", "request", httpd.RequestID(v.r.Context()), "error", shown, "because", err)
		http.Error(v.w, "Something went wrong on our side. Try again in a moment.", http.StatusInternalServerError)
	}
}

func (v *visit) failPage(err error) error {
	var refused *backend.Error
	switch {
	case errors.Is(err, flow.ErrLoginAgain):
		return v.logInFirst()
	case errors.Is(err, flow.ErrIssuerDown):
		return v.issuerDown()
	case errors.Is(err, backend.ErrDown):
		return v.message(http.StatusServiceUnavailable, "down_title", v.downText(err))
	case errors.As(err, &refused):
		switch refused.Status {
		case http.StatusNotFound:
			return v.message(http.StatusNotFound, "not_found_title", "not_found")
		case http.StatusForbidden:
			return v.message(http.StatusForbidden, "forbidden_title", "forbidden")
		case http.StatusUnauthorized:
			if v.session == nil { // it is not for everybody
				return v.logInFirst()
			}
			return v.message(http.StatusBadGateway, "token_refused_title", "token_refused")
		case http.StatusTooManyRequests:
			return v.message(http.StatusTooManyRequests, "too_many_title", "too_many")
		case http.StatusBadRequest, http.StatusUnprocessableEntity: // a cursor or a search that is none
			return v.message(http.StatusBadRequest, "not_found_title", "bad_address")
		case http.StatusPreconditionFailed:
			return v.message(http.StatusConflict, "changed_title", "changed")
		}
	case errors.Is(err, context.Canceled) && v.r.Context().Err() != nil:
		return nil // the person left
	}
	v.app.cfg.Log.Error("cannot answer", "request", httpd.RequestID(v.r.Context()), "path", v.r.URL.Path, "error", err)
	return v.message(http.StatusInternalServerError, "failed_title", "failed")
}

// downText names the message for a service that does not answer.
func (v *visit) downText(err error) string {
	v.app.cfg.Log.Warn("a service is down", "request", httpd.RequestID(v.r.Context()), "error", err)
	var down *backend.DownError
	if errors.As(err, &down) && down.Service == "user" {
		return "user_down"
	}
	return "board_down"
}

// notice is what to say, in a part of a page, of an error that leaves the rest of the page alone; it is empty without one.
// An error that concerns the whole page is returned instead.
func (v *visit) notice(err error) (text string, rest_ error) {
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, backend.ErrDown):
		return v.t(v.downText(err)), nil
	case errors.Is(err, flow.ErrIssuerDown):
		return v.t("issuer_down_short"), nil
	}
	return "", err
}

// message shows a page that says one thing.
func (v *visit) message(status int, title, text string, args ...any) error {
	return v.render(status, "message", v.t(title), struct {
		Text  string
		Retry string
	}{v.t(text, args...), v.retry(status)})
}

// retry is where "try again" leads, or empty where that makes no sense.
func (v *visit) retry(status int) string {
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/callback" && (status >= 500 || status == http.StatusTooManyRequests) {
		return v.r.URL.RequestURI()
	}
	return ""
}

// redirect sends the browser to a page of this app, by GET.
func (v *visit) redirect(path string) error {
	http.Redirect(v.w, v.r, v.app.cfg.Origin+flow.LocalPath(path), http.StatusSeeOther)
	return nil
}

func (a *App) notFound(v *visit) error {
	return v.message(http.StatusNotFound, "not_found_title", "not_found")
}

// text is a field of the form that was sent, with the line ends that people mean: browsers send CRLF.
func (v *visit) text(field string) string {
	return strings.ReplaceAll(v.r.PostForm.Get(field), "\r\n", "\n")
}

var errNoSuchAction = fmt.Errorf("the form asks for no action that there is: %w", &backend.Error{Status: http.StatusNotFound})
