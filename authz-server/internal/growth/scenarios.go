package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/statistics"
	"github.com/maru-auth/maru/internal/growth"
)

// world is a filled database, a server on it, and the store itself beside the server.
type world struct {
	*fill
	server *growth.Server
	store  *store.Store
	gone   int // how many accounts were deleted: the last ones
}

type scenario = growth.Scenario[*world]

// scenarios are requests to the server, and calls of the store for what no request is alone.
var scenarios = []scenario{
	{Name: "log-in by password", Once: logIn},
	{Name: "log-in page", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		a, took, err := w.ask(ctx, r, "GET", "/login", nil)
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}},
	{Name: "authorize with a session", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		_, took, err := w.authorize(ctx, r, w.somebody(r))
		return took, err
	}},
	{Name: "code exchange", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		_, took, err := w.exchange(ctx, r)
		return took, err
	}},
	{Name: "refresh", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		t, _, err := w.exchange(ctx, r)
		if err != nil {
			return 0, err
		}
		_, took, err := w.token(ctx, r, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}})
		return took, err
	}},
	{Name: "client credentials", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		_, took, err := w.token(ctx, r, url.Values{"grant_type": {"client_credentials"}, "scope": {"board:read"}})
		return took, err
	}},
	{Name: "introspection", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		t, _, err := w.exchange(ctx, r)
		if err != nil {
			return 0, err
		}
		a, took, err := w.ask(ctx, r, "POST", "/oauth2/introspect", url.Values{"token": {t.Refresh}}, "Authorization", basic)
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}},
	{Name: "userinfo", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		t, _, err := w.exchange(ctx, r)
		if err != nil {
			return 0, err
		}
		a, took, err := w.ask(ctx, r, "GET", "/oauth2/userinfo", nil, "Authorization", "Bearer "+t.Access)
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}},
	{Name: "account page", Once: accountPage("/account")},
	{Name: "apps page", Once: accountPage("/account/apps")},
	{Name: "sessions page", Once: accountPage("/account/sessions")},
	{Name: "security page", Once: accountPage("/account/security")},
	{Name: "key set", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		a, took, err := w.ask(ctx, r, "GET", "/.well-known/jwks.json", nil)
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}},
	{Name: "status lists", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		a, took, err := w.ask(ctx, r, "GET", "/oauth2/status", nil)
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}},

	growth.OfStore("account by address", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Users.UserByEmail(ctx, email(w.somebody(r)))
		return err
	}),
	growth.OfStore("session by cookie", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, _, err := w.store.Sessions.SessionByCookie(ctx, cookie(w.somebody(r), 0))
		return err
	}),
	growth.OfStore("client with secrets", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, _, err := w.store.Clients.ClientWithSecrets(ctx, clientID(r.IntN(ownClients+commonClients)))
		return err
	}),
	growth.OfStore("new session", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, _, err := w.store.Sessions.CreateSession(ctx, accounts.Session{UserID: growth.UserID(w.somebody(r))}, w.password)
		return err
	}),
	{Name: "store: end of a session", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		s, _, err := w.store.Sessions.CreateSession(ctx, accounts.Session{UserID: growth.UserID(w.somebody(r))}, w.password)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		err = w.store.Sessions.EndSession(ctx, s.ID)
		return time.Since(began), err
	}},
	{Name: "store: deletion of an account", Once: func(ctx context.Context, w *world, _ *rand.Rand) (time.Duration, error) {
		due, err := w.nextToGo(ctx)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		err = w.store.Users.DeleteUser(ctx, due)
		return time.Since(began), err
	}},
	growth.OfStore("deletions that are due", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Users.DueDeletions(ctx, 50)
		return err
	}),
	growth.OfStore("list of accounts", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Users.ListUsers(ctx, accounts.EmailKey(email(w.somebody(r))), 50)
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("list of clients", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Clients.ListClients(ctx, "B", 50)
		return err
	}),
	growth.OfStore("apps of a person", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Consents.Connections(ctx, growth.UserID(w.somebody(r)))
		return err
	}),
	growth.OfStore("history of a person", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Audit.List(ctx, auditlog.Filter{UserID: growth.UserID(w.somebody(r)), Limit: 50})
		return err
	}),
	growth.OfStore("audit log: the latest", func(ctx context.Context, w *world, _ *rand.Rand) error {
		page, err := w.store.Audit.List(ctx, auditlog.Filter{Limit: 50})
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("audit log: a page of long ago", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Audit.List(ctx, auditlog.Filter{Until: w.now.Add(-time.Duration(10+r.IntN(300)) * day), Limit: 50})
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("audit log: of a kind", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Audit.List(ctx, auditlog.Filter{Kind: string(audit.GrantMade), Until: w.now.Add(-time.Duration(r.IntN(300)) * day), Limit: 50})
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("audit log: of a client", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Audit.List(ctx, auditlog.Filter{TargetID: clientID(r.IntN(ownClients)), Limit: 50})
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("search for an account", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Users.Search(ctx, aWordOf(w.somebody(r)), "", 20)
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("roles of a person", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Roles.Of(ctx, growth.UserID(w.somebody(r)))
		return err
	}),
	growth.OfStore("groups of a person", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Roles.GroupsOf(ctx, growth.UserID(w.somebody(r)), "", 50)
		return err
	}),
	growth.OfStore("list of groups", func(ctx context.Context, w *world, r *rand.Rand) error {
		page, err := w.store.Roles.Groups(ctx, groupName(r.IntN(w.groups()/2)), 50)
		return cmp.Or(err, some(page))
	}),
	growth.OfStore("members of a large group", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Roles.Members(ctx, groupID(0), growth.UserID(w.somebody(r)), 50)
		return err
	}),
	growth.OfStore("charts of a day", func(ctx context.Context, w *world, _ *rand.Rand) error {
		counts, err := w.store.Statistics.Since(ctx, statistics.Hour, w.now.Add(-day))
		return cmp.Or(err, some(counts))
	}),
	growth.OfStore("list of deliveries", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Outbox.List(ctx, "logout", "", 50)
		return err
	}),
	growth.OfStore("depth of the queue", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Outbox.Depth(ctx, "logout")
		return err
	}),
	growth.OfStore("sweep that finds nothing", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Sweep(ctx)
		return err
	}),
}

// nextToGo returns an account that is to be deleted. It has as much as most have.
func (w *world) nextToGo(ctx context.Context) (due accounts.User, err error) {
	for {
		w.gone++
		i := w.accounts - w.gone
		if i < w.accounts*9/10 {
			return due, errors.New("no account is left that may be deleted")
		}
		if i%50 == 0 || i%1000 == 7 {
			continue
		}
		err := w.store.Users.HastenDeletion(ctx, growth.UserID(i), false)
		if errors.Is(err, store.ErrNotFound) { // it went when the database was measured before
			continue
		}
		if err != nil {
			return due, err
		}
		return w.store.Users.User(ctx, growth.UserID(i))
	}
}

func some[T any](page []T) error {
	if len(page) == 0 {
		return errors.New("the list is empty")
	}
	return nil
}

func logIn(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
	i := w.somebody(r)
	a, took, err := w.ask(ctx, r, "POST", "/login", url.Values{"email": {email(i)}, "password": {Password}},
		"Cookie", "maru-browser="+secret("browser of a log-in", i)+"; maru-later=yes; maru-device="+secret("browser", i, 0))
	return took, cmp.Or(err, a.Want(http.StatusSeeOther))
}

func accountPage(path string) func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
	return func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		a, took, err := w.ask(ctx, r, "GET", path, nil, "Cookie", "maru-session="+cookie(w.somebody(r), 0))
		return took, cmp.Or(err, a.Want(http.StatusOK))
	}
}

const verifier = "a-verifier-of-measurements-that-is-long-enough-for-pkce"

var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID(0)+":"+url.QueryEscape(clientSecret)))

// authorize returns a code for account i.
func (w *world) authorize(ctx context.Context, r *rand.Rand, i int) (code string, took time.Duration, err error) {
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {clientID(0)}, "redirect_uri": {callback}, "scope": {"openid profile email user:read"},
		"state": {secret("state", r.Int())}, "nonce": {secret("nonce", r.Int())}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}
	a, took, err := w.ask(ctx, r, "GET", "/oauth2/authorize?"+query.Encode(), nil, "Cookie", "maru-session="+cookie(i, 0))
	if err != nil {
		return "", 0, err
	}
	if a.Location != nil {
		code = a.Location.Query().Get("code")
	}
	if code == "" {
		return "", 0, fmt.Errorf("no code: %w", a.Want(0))
	}
	return code, took, nil
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func (w *world) token(ctx context.Context, r *rand.Rand, form url.Values) (t tokens, took time.Duration, err error) {
	a, took, err := w.ask(ctx, r, "POST", "/oauth2/token", form, "Authorization", basic)
	if err := cmp.Or(err, a.Want(http.StatusOK)); err != nil {
		return t, 0, err
	}
	return t, took, json.Unmarshal(a.Body, &t)
}

// exchange exchanges a new code of somebody; the time is that of the exchange alone.
func (w *world) exchange(ctx context.Context, r *rand.Rand) (t tokens, took time.Duration, err error) {
	code, _, err := w.authorize(ctx, r, w.somebody(r))
	if err != nil {
		return t, 0, err
	}
	return w.token(ctx, r, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}
