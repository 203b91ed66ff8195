package adminaccess

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
)

// Refused is why a request may not pass, and how it is answered: status, words, and the challenge of
// RFC 6750 §3, RFC 9470 §3 and RFC 9728 §5.1.
type Refused struct {
	jwks.Refusal
	Reason string // a word of a fixed set, for metrics and programs
	cause  error
}

func (e *Refused) Error() string { return e.Detail }
func (e *Refused) Unwrap() error { return e.cause }

// SetHeaders sets the headers of the answer.
func (e *Refused) SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if e.Challenge != "" {
		h.Set("WWW-Authenticate", e.Challenge)
	}
	if e.Nonce != "" {
		h.Set("DPoP-Nonce", e.Nonce)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
}

// Errors about tokens that are good, but not for administration.
var (
	errActs = errors.New("a service that acts for a person does not administer the server: the person does, by their own token")
	errWide = errors.New("the access token is also for other services, which could use it here: " +
		"ask for one for this resource alone (the parameter resource, RFC 8707)")
)

// refuse makes the answer to an error about a token.
func (t *Tokens) refuse(ctx context.Context, err error) *Refused {
	switch {
	case errors.Is(err, errActs):
		return plain(http.StatusForbidden, "acts_for_another", err)
	case errors.Is(err, errWide):
		return plain(http.StatusForbidden, "other_audiences", err)
	}
	refused := &Refused{Refusal: t.guard.Refuse(err), Reason: "token", cause: err}
	switch {
	case errors.Is(err, jwks.ErrInsufficientScope):
		refused.Reason = "insufficient_scope"
	case errors.Is(err, jwks.ErrInsufficientAuthentication):
		refused.Reason = string(admin.NeedsSecondFactor)
	case refused.Status >= http.StatusInternalServerError:
		refused.Reason = "unavailable"
		if t.cfg.Log != nil {
			t.cfg.Log.Log(ctx, slog.LevelError, "who acts cannot be told", "request", httpd.RequestID(ctx), "error", err)
		}
	}
	return refused
}

func plain(status int, reason string, err error) *Refused {
	detail := err.Error()
	return &Refused{
		Refusal: jwks.Refusal{Status: status, Title: http.StatusText(status), Detail: strings.ToUpper(detail[:1]) + detail[1:] + "."},
		Reason:  reason, cause: err,
	}
}

// Refused is the answer to an operation of [admin.Admin] that was refused ([admin.Refused]), in the
// request r; nil, if err is another error. A person whose proof is too old or too weak is asked for
// another one, and a token without the scope is told which.
func (t *Tokens) Refused(r *http.Request, err error) *Refused {
	var refused *admin.Refused
	if !errors.As(err, &refused) {
		return nil
	}
	// What the challenge depends on: by which scheme the token came.
	sent := &jwks.Claims{Subject: "person", ACR: proofs.PhishingResistant}
	if scheme, _, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " "); strings.EqualFold(scheme, "DPoP") {
		sent.KeyThumbprint = "bound"
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	var missing error
	switch refused.Why {
	case admin.NeedsSecondFactor:
		sent.ACR = ""
		missing = t.guard.RequireAuthentication(sent, jwks.Authentication{ACR: secondFactor})
	case admin.NeedsFreshProof:
		missing = t.guard.RequireAuthentication(sent, jwks.Authentication{ACR: secondFactor, Within: proofs.Recent})
	case admin.NeedsDirectory:
		missing = sent.RequireScope(client.ScopeSCIM)
	case admin.NoRight, admin.OnlyReads:
		missing = sent.RequireScope(client.ScopeAdminWrite)
		if reads {
			missing = sent.RequireScope(client.ScopeAdminRead)
		}
	case admin.LastAdministrator:
		return plain(http.StatusConflict, string(refused.Why), err)
	default:
		return plain(http.StatusForbidden, string(refused.Why), err)
	}
	return &Refused{Refusal: t.guard.Refuse(missing), Reason: string(refused.Why), cause: err}
}
