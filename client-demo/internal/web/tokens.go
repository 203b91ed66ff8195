package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// tokenPage shows the tokens and has the browser check them.
type tokenPage struct {
	Issuer string
	Tokens []tokenView
	Notice string
	Words  map[string]string // what the script says
	Docs   []string          // the services' API references
}

// tokenView is one token and what the browser is to demand of it.
type tokenView struct {
	Kind     string // "access", "id" or "refresh"
	Name     string
	About    string
	Raw      string // empty: it never reaches the browser
	Problem  string // why it cannot be taken apart
	Header   []claim
	Claims   []claim
	Expires  time.Time
	Audience string // one of these, separated by spaces
	Types    string // one of these, separated by spaces
	Checks   []string
}

type claim struct{ Name, Value, Meaning string }

// tokens serves GET /tokens, the one page on which tokens reach the browser.
func (a *App) tokens(v *visit) error {
	_, err := v.token(v.r.Context(), "") // refreshes them when it is time
	notice, err := v.notice(err)
	if err != nil {
		return err
	}
	t := v.session.Tokens()
	data := tokenPage{Issuer: a.cfg.Issuer, Notice: notice, Words: map[string]string{}}
	if a.cfg.APIDocs {
		data.Docs = []string{a.cfg.UserAPI + "/docs", a.cfg.BoardAPI + "/docs"}
	}
	for _, word := range scriptWords {
		data.Words[word] = v.t("js_" + word)
	}
	data.Tokens = append(data.Tokens, v.tokenView("access", t.Access, a.cfg.UserAPI+" "+a.cfg.BoardAPI, "at+jwt application/at+jwt"))
	data.Tokens = append(data.Tokens, v.tokenView("id", t.ID, a.cfg.ClientID, "JWT"))
	if t.Refresh != "" {
		view := v.tokenView("refresh", t.Refresh, "", "")
		view.Raw = "" // with it anybody could be the person for days; its claims alone are worth nothing
		data.Tokens = append(data.Tokens, view)
	}
	return v.render(http.StatusOK, "tokens", v.t("tokens"), data)
}

// scriptWords are the messages that the script needs; their keys in the list of messages begin with js_.
var scriptWords = strings.Fields(`passed refused running not_run no_keys no_crypto good
	bad_form bad_algorithm bad_type no_key bad_signature bad_issuer bad_audience bad_party expired not_yet future no_expiry
	expired_short days hours minutes seconds tampered restored call_ok call_failed call_refused`)

// checks are what the browser checks, in this order.
var checks = []string{"form", "algorithm", "type", "signature", "issuer", "audience", "expiry"}

func (v *visit) tokenView(kind, raw, audience, types string) tokenView {
	view := tokenView{Kind: kind, Name: v.t(kind + "_token"), About: v.t(kind + "_token_about"), Raw: raw, Audience: audience, Types: types, Checks: checks}
	var header, claims map[string]json.RawMessage
	if err := flow.Decode(raw, &header, &claims); err != nil {
		view.Problem = v.t("opaque_token")
		return view
	}
	view.Header = v.claims(header, []string{"typ", "alg", "kid"})
	view.Claims = v.claims(claims, []string{"iss", "sub", "aud", "client_id", "azp", "scope", "roles", "iat", "nbf", "exp", "auth_time", "sid", "jti"})
	var exp float64
	if json.Unmarshal(claims["exp"], &exp) == nil {
		view.Expires = time.Unix(int64(exp), 0)
	}
	return view
}

// claims lists what a token says: the names in first before the rest.
func (v *visit) claims(all map[string]json.RawMessage, first []string) []claim {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var list []claim
	for _, name := range names {
		c := claim{Name: name, Value: v.claimText(name, all[name])}
		if key := "claim_" + name; known(key) {
			c.Meaning = v.t(key)
		}
		list = append(list, c)
	}
	return list
}

func (v *visit) claimText(name string, raw json.RawMessage) string {
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
			zone, _ := zoneOf(v.r, v.prefs)
			return string(raw) + " (" + time.Unix(int64(seconds), 0).In(zone).Format("2006-01-02 15:04:05 MST") + ")"
		}
	}
	return string(raw)
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value) //nolint:errcheck // nobody is left to tell
}
