package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

const backchannelPath = "/login/upstream/{name}/backchannel-logout"

// BackchannelPath is where the upstream with a name tells that a session there has ended, below the
// issuer.
func BackchannelPath(name string) string { return strings.Replace(backchannelPath, "{name}", name, 1) }

// What a logout token is.
const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// longestLogout is how long one can last: its jti is remembered until it expires.
	longestLogout = 24 * time.Hour
)

// POST /login/upstream/{name}/backchannel-logout: an upstream tells that a session there has ended, or
// all of a person (OpenID Connect Back-Channel Logout §2.5). Those here end that began by them (§2.7), also
// if nobody logs in by the upstream any more because it was disabled.
func (u *Upstreams) takeLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, 2*maxIDToken)
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		u.refuseLogout(w, r, errors.New("there must be one logout_token, in a form"))
		return
	}
	leave, err := u.Throttle.LongTurn(r)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many at once", http.StatusServiceUnavailable)
		return
	}
	defer leave()
	p, err := u.providerOrOff(r.Context(), mux.Vars(r)["name"])
	if errors.Is(err, store.ErrNotFound) || err == nil && !p.OpenID() {
		http.NotFound(w, r)
		return
	}
	var m metadata
	if err == nil {
		m, err = u.metadata(r.Context(), p, u.cause(r, p.Name))
	}
	var t logoutToken
	if err == nil {
		t, err = u.verifyLogout(r.Context(), p, m, r.PostForm.Get("logout_token"), u.cause(r, p.Name))
	}
	if errors.Is(err, errToken) {
		u.refuseLogout(w, r, err)
		return
	}
	if err == nil {
		err = u.Sessions.EndFrom(r, upstreams.Origin{Upstream: p.Name, Issuer: t.Issuer, Subject: t.Subject, Session: t.Session}, func(ctx context.Context) error {
			return u.Store.UsedIDs.UseID(ctx, "upstream log-out", p.Name+" "+t.Issuer, t.ID, t.Expires.Add(jose.DefaultLeeway))
		})
	}
	if err != nil && !errors.Is(err, store.ErrExists) { // told once more, because the answer was lost
		u.Log.ErrorContext(r.Context(), "a log-out at an upstream is not known here", "request", httpd.RequestID(r.Context()), "upstream", p.Name, "error", err)
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// refuseLogout answers as §2.8 says. What is wrong is for the log.
func (u *Upstreams) refuseLogout(w http.ResponseWriter, r *http.Request, err error) {
	httpd.NoteRefusal(w, "invalid_request", err.Error())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", //nolint:errcheck // the sender is gone
		"error_description": "The logout token is missing, or is not one of this provider for this server."})
}

// logoutToken is what counts of a logout token (§2.4).
type logoutToken struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Session  string           `json:"sid"`
	Audience audience         `json:"aud"`
	IssuedAt jose.NumericDate `json:"iat"`
	Expires  jose.NumericDate `json:"exp"`
	ID       string           `json:"jti"`
}

// verifyLogout reads a logout token that the upstream made for this server (§2.6).
func (u *Upstreams) verifyLogout(ctx context.Context, p *provider, m metadata, token string, cause fetch.Cause) (t logoutToken, err error) {
	signed, err := u.signed(ctx, m, token, cause)
	if err != nil {
		return t, err
	}
	var all answer
	if err := jose.UnmarshalExact(signed.payload, &t); err != nil {
		return t, badToken("%v", err)
	}
	if err := readJSON(signed.payload, &all); err != nil {
		return t, badToken("%v", err)
	}
	now := u.Now()
	issuer, some := p.tokenIssuer(all)
	events, _ := all["events"].(map[string]any)
	_, is := events[logoutEvent].(map[string]any)
	_, nonce := all["nonce"]
	switch {
	case !slices.Contains([]string{"", "jwt", "logout+jwt"}, signed.typ):
		return t, badToken("its typ is not logout+jwt")
	case !some || t.Issuer != issuer:
		return t, badToken("its iss is not the issuer")
	case !p.keyIsOf(signed.keys, signed.keyID, issuer):
		return t, badToken("the key that signed it is not one of its issuer")
	case !slices.Contains(t.Audience, p.ClientID):
		return t, badToken("its aud is another client")
	case t.IssuedAt.IsZero() || t.IssuedAt.Ahead(now):
		return t, badToken("its iat is missing, or still to come")
	case t.Expires.Past(now) || t.Expires.After(now.Add(longestLogout)):
		return t, badToken("its exp is missing, past, or more than a day ahead")
	case !is || nonce: // an ID token is none
		return t, badToken("its events have no log-out, or it has a nonce")
	case t.ID == "" || len(t.ID) > maxSubject:
		return t, badToken("its jti is missing or too long")
	case t.Subject == "" && t.Session == "", t.Subject != "" && !isSubject(t.Subject), t.Session != "" && !isSubject(t.Session):
		return t, badToken("it has neither sub nor sid, or one of them is too long")
	}
	return t, nil
}
