package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks"
)

// Refusal is an error for a good token that may not do what is asked, and for which no other scope would help.
type Refusal struct {
	reason string // label of the metric
	detail string // for the client's developer
}

func (r *Refusal) Error() string { return r.detail }

// The refusals there are.
var (
	ErrClientToken  = &Refusal{"client_token", "This needs the token of a person; the one sent belongs to a client."}
	ErrNotModerator = &Refusal{"not_moderator", "This needs a person with the role moderator."}
)

// Admit authenticates a request and lets check decide on what its token says. It returns false once it has refused the
// request (RFC 6750 §3, RFC 9728 §5.1). Errors of check: a [Refusal], or one of jwks such as that of RequireScope.
func (s *Service) Admit(ctx huma.Context, check func(*jwks.Claims) error) (*jwks.Claims, bool) {
	r, w := humamux.Unwrap(ctx)
	claims, err := s.guard.Authenticate(asSent(r))
	if err == nil {
		httpd.NoteClient(w, claims.ClientID)
	}
	if err == nil && !ValidSubject(claims.Subject) {
		err = jwks.ErrClaims
	}
	if err == nil {
		err = check(claims)
	}
	if err != nil {
		s.refuse(w, r, err)
		return nil, false
	}
	return claims, true
}

// NoToken is the problem of a request without a token for something that needs one after all, as Admit would answer it. It is
// for handlers of what some may have without.
func (s *Service) NoToken() error {
	s.refused.WithLabelValues(refusalReason(jwks.ErrNoToken)).Inc()
	refusal := s.guard.Refuse(jwks.ErrNoToken)
	return huma.ErrorWithHeaders(&Problem{Status: refusal.Status, Title: refusal.Title, Detail: refusal.Detail},
		http.Header{"WWW-Authenticate": {refusal.Challenge}, "Cache-Control": {"no-store"}})
}

// refuse answers a request whose token does not do.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := refusalReason(err)
	s.refused.WithLabelValues(reason).Inc()
	if own := (*Refusal)(nil); errors.As(err, &own) {
		httpd.NoteRefusal(w, reason, own.detail)
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: own.detail})
		return
	}
	refusal := s.guard.Refuse(err)
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
		refused.WithLabelValues(r.label) // from the start, so that the first one is seen as an increase
	}
	if registry != nil {
		registry.MustRegister(refused)
	}
	return refused
}

// refusalReasons are the labels of the metric: a fixed number, whatever callers send.
var refusalReasons = []struct {
	err   error
	label string
}{
	{ErrClientToken, ErrClientToken.reason},
	{ErrNotModerator, ErrNotModerator.reason},
	{jwks.ErrKeysUnavailable, "keys_unavailable"},
	{jwks.ErrNoToken, "no_token"},
	{jwks.ErrInvalidRequest, "invalid_request"},
	{jwks.ErrInsufficientScope, "insufficient_scope"},
	{jwks.ErrExpired, "expired"},
	{jwks.ErrNotYetValid, "not_yet_valid"},
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
	for _, r := range refusalReasons {
		if errors.Is(err, r.err) {
			return r.label
		}
	}
	return "other"
}

// ValidSubject tells whether somebody could have the subject: the issuer's ids are opaque, but OpenID Connect Core §2 bounds
// their length, and a database need not take control characters or what is not UTF-8.
func ValidSubject(subject string) bool {
	return subject != "" && len(subject) <= 255 && utf8.ValidString(subject) && strings.IndexFunc(subject, unicode.IsControl) < 0
}
