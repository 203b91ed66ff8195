// Package web puts the app together. It lists every address and serves the home page, log-in and
// log-out; the other rooms serve the rest.
package web

import (
	"net/http"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/boards"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/mydata"
	"github.com/maru-auth/maru/client-demo/internal/profile"
	"github.com/maru-auth/maru/client-demo/internal/site"
	"github.com/maru-auth/maru/client-demo/internal/tokens"
)

// Config has the app's settings. All fields but APIDocs are required.
type Config struct {
	site.Config
	ClientID   string
	UserAPI    string // also its audience
	BoardAPI   string // also its audience
	AccountURL string // where people manage their account at the issuer
	APIDocs    bool   // the services have an API reference, at /docs below their addresses
}

// App is the demo app. It is safe for concurrent use; end it with [App.Close].
type App struct {
	cfg     Config
	flow    *flow.Client
	users   backend.Users
	site    *site.Site
	boards  *boards.Handlers
	profile *profile.Handlers
	mydata  *mydata.Handlers
	tokens  *tokens.Handlers
}

// New puts the app together.
func New(cfg Config, client *flow.Client, users backend.Users, posts backend.Boards) *App {
	shared := site.New(cfg.Config, client, users)
	return &App{
		cfg: cfg, flow: client, users: users, site: shared,
		boards:  boards.New(posts, users),
		profile: profile.New(users, cfg.AccountURL, cfg.Languages),
		mydata:  mydata.New(users, posts, cfg.Log),
		tokens: tokens.New(tokens.Config{
			Issuer: cfg.Issuer, ClientID: cfg.ClientID, UserAPI: cfg.UserAPI, BoardAPI: cfg.BoardAPI,
			APIDocs: cfg.APIDocs, Now: cfg.Now, Log: cfg.Log,
		}, shared, client, users, posts),
	}
}

// Close ends what the app does in the background.
func (a *App) Close() { a.tokens.Close() }

// Routes is every address of the app.
func (a *App) Routes() http.Handler {
	mux := http.NewServeMux()
	anyone := func(pattern string, h site.Handler) { mux.Handle(pattern, a.site.Serve(h)) }
	member := func(pattern string, h site.Handler) { mux.Handle(pattern, a.site.Serve(site.Members(h))) }
	// For addresses without a page of their own, page is the one to come back to.
	anyoneFor := func(page func(*http.Request) string, pattern string, h site.Handler) {
		mux.Handle(pattern, a.site.ServeFor(page, h))
	}
	memberFor := func(page func(*http.Request) string, pattern string, h site.Handler) {
		mux.Handle(pattern, a.site.ServeFor(page, site.Members(h)))
	}
	thePost := func(r *http.Request) string { return "/posts/" + r.PathValue("id") }
	theData := func(*http.Request) string { return "/data" }
	theTokens := func(*http.Request) string { return "/tokens" }
	theBoards := func(*http.Request) string { return "/boards" }

	anyone("GET /{$}", a.home)
	anyone("GET /login", a.login)
	anyone("POST /login", a.login) // with a form that came after the session had ended
	anyone("GET /signup", a.signup)
	anyoneFor(site.Home, "GET /callback", a.callback)
	anyoneFor(site.Home, "POST /logout", a.logout)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	anyoneFor(site.Home, "POST /language", a.language)

	anyone("GET /boards", a.boards.List)
	anyone("GET /boards/{slug}", a.boards.Board)
	member("GET /boards/{slug}/write", a.boards.WriteForm)
	member("POST /boards/{slug}/write", a.boards.Write)
	member("GET /search", a.boards.Search)
	anyone("GET /posts/{id}", a.boards.Post)
	member("GET /posts/{id}/edit", a.boards.EditPostForm)
	member("POST /posts/{id}/edit", a.boards.EditPost)
	member("GET /posts/{id}/delete", a.boards.DeletePostForm)
	member("POST /posts/{id}/delete", a.boards.DeletePost)
	memberFor(thePost, "POST /posts/{id}/moderate", a.boards.ModeratePost)
	member("POST /posts/{id}", a.boards.WriteComment)
	member("GET /comments/{id}/edit", a.boards.EditCommentForm)
	member("POST /comments/{id}/edit", a.boards.EditComment)
	member("GET /comments/{id}/delete", a.boards.DeleteCommentForm)
	member("POST /comments/{id}/delete", a.boards.DeleteComment)
	memberFor(theBoards, "POST /comments/{id}/moderate", a.boards.ModerateComment)
	member("GET /people/{id}", a.boards.Person)

	member("GET /profile", a.profile.Profile)
	member("POST /profile", a.profile.SaveProfile)
	member("GET /settings", a.profile.Settings)
	member("POST /settings", a.profile.SaveSettings)
	member("GET /interests", a.profile.Interests)
	member("POST /interests", a.profile.SaveInterests)

	member("GET /data", a.mydata.Page)
	memberFor(theData, "GET /data/download", a.mydata.Download)

	member("GET /tokens", a.tokens.Page)
	memberFor(theTokens, "POST /tokens/revoke", a.tokens.Revoke)
	member("GET /tokens/revoked", a.tokens.Revoked)
	mux.HandleFunc("GET /api/me", a.tokens.Me)

	assets := a.site.Assets()
	mux.Handle("GET /static/", assets)
	mux.Handle("GET /favicon.ico", assets.File("favicon.ico"))
	mux.Handle("GET /apple-touch-icon.png", assets.File("apple-touch-icon.png"))
	mux.Handle("GET /logo.svg", assets.File("icon.svg"))
	anyone("/", func(v *site.Visit) error { return v.Message(http.StatusNotFound, "not_found_title", "not_found") })
	return a.site.Secure(mux)
}
