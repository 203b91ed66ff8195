package rest

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
)

// A Refusal is an error for a good token that may not do what is asked, and for which no other
// scope would help.
type Refusal struct {
	reason string // label of the metric
	detail string // for the client's developer
}

func (r *Refusal) Error() string { return r.detail }

// Answer is an error with the refusal that answers it, for what package jwks has no error for. Reason
// is its label in the metric, of a fixed set.
type Answer struct {
	jwks.Refusal
	Reason string
}

func (a *Answer) Error() string { return a.Detail }

var errClientToken = &Refusal{"client_token", "This needs the token of a person; the one sent belongs to a client."}

func roleNeeded(role string) *Refusal {
	return &Refusal{"not_" + role, "This needs a person with the role " + role + "."}
}

// NoToken is the answer to a request without a token for something that needs one after all: the
// same as if the operation needed one. It is for handlers of operations with [Access.Anonymous].
func (a *API) NoToken() error {
	a.refused.WithLabelValues(refusalReason(jwks.ErrNoToken)).Inc()
	refusal := a.guard.Refuse(jwks.ErrNoToken)
	return huma.ErrorWithHeaders(&Problem{Status: refusal.Status, Title: refusal.Title, Detail: refusal.Detail},
		http.Header{"WWW-Authenticate": {refusal.Challenge}, "Cache-Control": {"no-store"}})
}

// refuse answers a request whose token is not good enough.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := refusalReason(err)
	a.refused.WithLabelValues(reason).Inc()
	if own, ok := errors.AsType[*Refusal](err); ok {
		httpd.NoteRefusal(w, reason, own.detail)
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: own.detail})
		return
	}
	refusal := a.guard.Refuse(err)
	if own, ok := errors.AsType[*Answer](err); ok {
		refusal = own.Refusal
	}
	httpd.NoteRefusal(w, reason, refusal.Detail)
	if refusal.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.Challenge)
	}
	if refusal.Nonce != "" {
		w.Header().Set("DPoP-Nonce", refusal.Nonce)
	}
	if refusal.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	httpd.WriteProblem(w, r, httpd.Problem{Status: refusal.Status, Title: refusal.Title, Detail: refusal.Detail})
}

func newRefused(registry *prometheus.Registry) *prometheus.CounterVec {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tokens_refused_total",
		Help: "Requests refused for their access token, or for having none, by reason.",
	}, []string{"reason"})
	for _, r := range refusalReasons {
		refused.WithLabelValues(r.label) // from the start, so that the first one shows as an increase
	}
	if registry != nil {
		registry.MustRegister(refused)
	}
	return refused
}

// refusalReasons are the labels of the metric: a fixed set, whatever callers send.
var refusalReasons = []struct {
	err   error
	label string
}{
	{errClientToken, errClientToken.reason},
	{jwks.ErrKeysUnavailable, "keys_unavailable"},
	{jwks.ErrStatusUnavailable, "status_unavailable"},
	{jwks.ErrNoToken, "no_token"},
	{jwks.ErrInvalidRequest, "invalid_request"},
	{jwks.ErrInsufficientScope, "insufficient_scope"},
	{jwks.ErrInsufficientAuthentication, "insufficient_user_authentication"},
	{jwks.ErrExpired, "expired"},
	{jwks.ErrNotYetValid, "not_yet_valid"},
	{jwks.ErrRevoked, "revoked"},
	{jwks.ErrKeyWithdrawn, "key_withdrawn"},
	{jwks.ErrNoStatus, "no_status"},
	{jwks.ErrAudience, "audience"},
	{jwks.ErrIssuer, "issuer"},
	{jwks.ErrType, "type"},
	{jwks.ErrAlgorithm, "algorithm"},
	{jwks.ErrUnknownKey, "unknown_key"},
	{jwks.ErrSignature, "signature"},
	{jwks.ErrSenderConstrained, "sender_constrained"},
	{jwks.ErrBearerToken, "bearer_token"},
	{jwks.ErrNotBound, "not_bound"},
	{jwks.ErrInvalidProof, "invalid_proof"},
	{jwks.ErrReplayedProof, "replayed_proof"},
	{jwks.ErrProofNonce, "proof_nonce"},
	{jwks.ErrTooManyProofs, "too_many_proofs"},
	{jwks.ErrTooLarge, "too_large"},
	{jwks.ErrMalformed, "malformed"},
	{jwks.ErrClaims, "claims"},
}

func refusalReason(err error) string {
	if own, ok := errors.AsType[*Refusal](err); ok {
		return own.reason
	}
	if own, ok := errors.AsType[*Answer](err); ok {
		return own.Reason
	}
	for _, r := range refusalReasons {
		if errors.Is(err, r.err) {
			return r.label
		}
	}
	return "other"
}
