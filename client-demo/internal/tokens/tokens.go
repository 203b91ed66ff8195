// Package tokens serves the one page on which tokens reach the browser, which checks them there,
// and the call that the browser makes after that. There people also revoke their access token, and
// see how soon the services refuse it.
package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
	"github.com/maru-auth/maru/internal/httpd"
)

// Config says what the browser demands of tokens. All fields but APIDocs are required.
type Config struct {
	Issuer   string
	ClientID string
	UserAPI  string // also its audience
	BoardAPI string // also its audience
	APIDocs  bool   // the services have an API reference, at /docs below their addresses
	Now      func() time.Time
	Log      *slog.Logger
}

// Handlers serve the pages and the call. They are safe for concurrent use; end them with
// [Handlers.Close].
type Handlers struct {
	cfg     Config
	site    *site.Site
	flow    *flow.Client
	users   backend.Users
	watches *watches
}

// New makes the handlers.
func New(cfg Config, site *site.Site, client *flow.Client, users backend.Users, boards backend.Boards) *Handlers {
	return &Handlers{cfg, site, client, users, newWatches(cfg, client.Revoke,
		probe{"user", func(ctx context.Context, access string) error {
			_, _, err := users.Me(ctx, with(access))
			return err
		}},
		probe{"board", func(ctx context.Context, access string) error {
			_, err := boards.List(ctx, with(access))
			return err
		}})}
}

// Close ends what goes on in the background.
func (h *Handlers) Close() { h.watches.close() }

// Page serves GET /tokens.
func (h *Handlers) Page(v *site.Visit) error {
	_, err := v.Token(v.R.Context(), "") // refreshes the tokens if it is time
	notice, err := v.Notice(err)
	if err != nil {
		return err
	}
	t := v.Session.Tokens()
	access := describe(v, "access", t.Access)
	access.Raw, access.Call = t.Access, true
	access.Audience, access.Types = h.cfg.UserAPI+" "+h.cfg.BoardAPI, "at+jwt application/at+jwt"
	id := describe(v, "id", t.ID)
	id.Raw, id.Audience, id.Types = t.ID, h.cfg.ClientID, "JWT"
	page := pages.Tokens{Issuer: h.cfg.Issuer, Notice: notice, Words: map[string]string{},
		Tokens: []pages.Token{access, id}}
	if t.Refresh != "" {
		// Raw stays empty: with the token anybody could act as the person for days. The claims
		// alone are harmless.
		page.Tokens = append(page.Tokens, describe(v, "refresh", t.Refresh))
	}
	if h.cfg.APIDocs {
		page.Docs = []string{h.cfg.UserAPI + "/docs", h.cfg.BoardAPI + "/docs"}
	}
	for _, word := range ScriptWords {
		page.Words[word] = v.T("js_" + word)
	}
	return v.Show(page)
}

// ScriptWords are what the script says. In package lang, their keys begin with js_.
var ScriptWords = strings.Fields(`passed refused running not_run no_keys no_crypto good
	bad_form bad_algorithm bad_type no_key bad_signature bad_issuer bad_audience bad_party expired not_yet future no_expiry
	expired_short days hours minutes seconds tampered restored call_ok call_failed call_refused`)

// Checks are what the browser checks, in this order. In package lang, their keys begin with check_.
var Checks = []string{"form", "algorithm", "type", "signature", "issuer", "audience", "expiry"}

// describe takes a token apart.
func describe(v *site.Visit, kind, raw string) pages.Token {
	token := pages.Token{ID: kind, Name: v.T(kind + "_token"), About: v.T(kind + "_token_about"), Checks: Checks}
	var header, claims map[string]json.RawMessage
	if err := flow.Decode(raw, &header, &claims); err != nil {
		token.Problem = v.T("opaque_token")
		return token
	}
	token.Header = list(v, header, "typ", "alg", "kid")
	token.Claims = list(v, claims, "iss", "sub", "aud", "client_id", "azp", "scope", "roles", "iat",
		"nbf", "exp", "status", "auth_time", "sid", "jti")
	var exp float64
	if json.Unmarshal(claims["exp"], &exp) == nil {
		token.Expires = time.Unix(int64(exp), 0)
	}
	return token
}

// list returns the claims of a token: first those named, then the rest by name.
func list(v *site.Visit, all map[string]json.RawMessage, first ...string) []pages.Claim {
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	var claims []pages.Claim
	for name, value := range all {
		claim := pages.Claim{Name: name, Value: text(v, name, value)}
		if name == "status" {
			claim.Value = place(v, value)
		}
		if key := "claim_" + name; v.Lang.Has(key) {
			claim.Meaning = v.T(key)
		}
		claims = append(claims, claim)
	}
	slices.SortFunc(claims, func(a, b pages.Claim) int {
		if d := rank(a.Name) - rank(b.Name); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return claims
}

// text shows a claim's value: a string as it is, a list by lines, a time also as a date, all else
// as JSON.
func text(v *site.Visit, name string, raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, "\n")
	}
	var seconds float64
	switch name {
	case "exp", "iat", "nbf", "auth_time", "updated_at":
		if json.Unmarshal(raw, &seconds) == nil {
			at := time.Unix(int64(seconds), 0).UTC()
			if zone := v.Zone(); zone != nil {
				at = at.In(zone)
			}
			return string(raw) + " (" + at.Format("2006-01-02 15:04:05 MST") + ")"
		}
	}
	return string(raw)
}

// place shows where a token stands in a status list (draft-ietf-oauth-status-list-21 §6.1).
func place(v *site.Visit, raw json.RawMessage) string {
	var status struct {
		List *struct {
			Index int64  `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	}
	if json.Unmarshal(raw, &status) != nil || status.List == nil || status.List.URI == "" {
		return string(raw)
	}
	return v.T("status_place", strconv.FormatInt(status.List.Index, 10), status.List.URI)
}

// Me serves GET /api/me to the script of the page: the profile, by the session's access token.
func (h *Handlers) Me(w http.ResponseWriter, r *http.Request) {
	session := h.flow.Session(r)
	if session == nil {
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "Log in first."})
		return
	}
	leave, ok := h.site.Enter(r, session)
	if !ok {
		w.Header().Set("Retry-After", "1")
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusTooManyRequests,
			Detail: "Too many requests at once."})
		return
	}
	defer leave()
	profile, _, err := h.users.Me(r.Context(), func(ctx context.Context, refused string) (string, error) {
		return h.flow.Token(ctx, session, refused)
	})
	var refused *backend.Error
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(profile) //nolint:errcheck // nobody is left to tell
	case errors.Is(err, flow.ErrLoginAgain):
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "The session has ended. Log in again."})
	case errors.As(err, &refused):
		httpd.WriteProblem(w, r, httpd.Problem{Status: refused.Status, Detail: refused.Detail})
	default:
		h.cfg.Log.Warn("cannot read the profile", "request", httpd.RequestID(r.Context()), "error", err)
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusServiceUnavailable,
			Detail: "The user service or the issuer does not answer."})
	}
}
