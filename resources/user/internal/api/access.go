package api

import (
	"context"
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

const securityScheme = "oauth2"

// access is what an operation needs of a token.
type access struct {
	scopes []string // one of them is enough
	person bool     // a person's token, not a client's own
}

// caller is who makes a request.
type caller struct {
	subject string // the issuer's id of the person, or of the client
	token   string // as it was sent: for the issuer that made it, and for nobody else
	openID  bool   // the token may be used at userinfo, by us: it is not bound to the client's key
}

type callerKey struct{}

// callerOf returns who makes the request of ctx, which has passed authorize.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

var errClientToken = errors.New("the token is a client's own")

// authorize lets requests pass whose token has what the operation needs, and refuses others (RFC 6750 §3, RFC 9728 §5.1).
func (s *service) authorize(needs access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humamux.Unwrap(ctx)
		claims, err := s.guard.Authenticate(asSent(r))
		if err == nil {
			err = needs.check(claims)
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, caller{
			subject: claims.Subject,
			token:   bearerToken(r),
			openID:  claims.HasScope("openid") && claims.KeyThumbprint == "",
		}))
	}
}

func (needs access) check(claims *jwks.Claims) error {
	err := claims.RequireScope(needs.scopes[0])
	for _, other := range needs.scopes[1:] {
		if claims.HasScope(other) {
			err = nil
		}
	}
	if err == nil && needs.person && (claims.IsClient() || !validID(claims.Subject)) {
		err = errClientToken
	}
	return err
}

// bearerToken returns the token of a request that has passed the guard, which has checked its form.
func bearerToken(r *http.Request) string {
	_, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	return strings.TrimSpace(token)
}

// refuse answers a request whose token does not do.
func (s *service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := refusalReason(err)
	s.refused.WithLabelValues(reason).Inc()
	s.log.DebugContext(r.Context(), "token refused", "request", httpd.RequestID(r.Context()), "reason", reason)
	if errors.Is(err, errClientToken) {
		httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusForbidden, Detail: "This needs the token of a person; the one sent belongs to a client."})
		return
	}
	refusal := s.guard.Refuse(err)
	if refusal.Challenge != "" {
		w.Header().Set("WWW-Authenticate", refusal.Challenge)
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
	registry.MustRegister(refused)
	return refused
}

// refusalReasons are the labels of the metric: a fixed number, whatever callers send.
var refusalReasons = []struct {
	err   error
	label string
}{
	{errClientToken, "client_token"},
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
	{jwks.ErrNotBound, "not_bound"},
	{jwks.ErrInvalidProof, "invalid_proof"},
	{jwks.ErrReplayedProof, "replayed_proof"},
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

// validID tells whether a person could have the id: the issuer's ids are opaque, but OpenID Connect Core §2 bounds their
// length, and a database need not take control characters or what is not UTF-8.
func validID(id string) bool {
	return id != "" && len(id) <= 255 && utf8.ValidString(id) && strings.IndexFunc(id, unicode.IsControl) < 0
}
