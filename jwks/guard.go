package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// retryAfter is what a client is told to wait while the issuer's keys cannot
// be had, in seconds. A Cache tries more often than that.
const retryAfter = 5

// GuardConfig configures a [Guard]. Its zero value is usable.
type GuardConfig struct {
	// Realm is named in challenges, if not empty.
	Realm string
	// ResourceMetadata is the URL of this service's RFC 9728 metadata; if not
	// empty it is named in challenges, so that a client finds out where to
	// get a token.
	ResourceMetadata string
	// Scope has the scopes that a client should ask for at first, apart by
	// spaces; if not empty, it is named in the challenge to requests without
	// a token.
	Scope string
	// DPoP checks the proofs that come with tokens that are bound to their
	// sender's key, and can require such tokens. Nil: bearer tokens only.
	DPoP *DPoP
	// Log gets a line for each refusal, at level debug; at level error for an
	// error that is not one of this package's, with its text. Never any part
	// of a token. Nil: no log.
	Log *slog.Logger
}

// A Guard passes requests with a good token on, and refuses others. It is
// immutable, and many goroutines may use it at once.
type Guard struct {
	verifier *Verifier
	cfg      GuardConfig
	log      *slog.Logger
}

// NewGuard returns a Guard that decides by v, which must not be nil.
func NewGuard(v *Verifier, cfg GuardConfig) *Guard {
	if v == nil {
		panic("jwks: NewGuard without a Verifier")
	}
	return &Guard{verifier: v, cfg: cfg, log: orDiscard(cfg.Log)}
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Middleware returns NewGuard(v, cfg).Middleware.
func Middleware(v *Verifier, cfg GuardConfig) func(http.Handler) http.Handler {
	return NewGuard(v, cfg).Middleware
}

// Middleware passes a request with a good token on to next, which gets the
// claims by [FromContext]; it answers others itself, as WriteError does.
func (g *Guard) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, nonce, err := g.authenticate(r)
		if err != nil {
			g.WriteError(w, r, err)
			return
		}
		if nonce != "" {
			// RFC 9449 §8.2: in time, before the client has to be refused;
			// and an answer with a nonce is not to be stored.
			w.Header().Set("DPoP-Nonce", nonce)
			w.Header().Set("Cache-Control", "no-store")
		}
		ctx := context.WithValue(r.Context(), contextKey{}, contextValue{claims, g})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Authenticate verifies the token that the request bears, and with DPoP the
// proof that comes with it, for use with other frameworks than net/http's
// middleware. The token is taken from the Authorization header alone, never
// from the query or the body. Every error is one for WriteError or Refuse.
//
// A proof is good once: call Authenticate once for a request.
func (g *Guard) Authenticate(r *http.Request) (*Claims, error) {
	claims, _, err := g.authenticate(r)
	return claims, err
}

// authenticate is Authenticate, and returns the nonce that the client's next
// proof should have, or the empty string if that does not change.
func (g *Guard) authenticate(r *http.Request) (claims *Claims, nonce string, err error) {
	token, dpop, err := credentials(r.Header.Values("Authorization"), g.cfg.DPoP != nil)
	if err == nil && strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		// RFC 6750 §2: one way to send a token at a time. The body is not
		// looked at: it is the handler's.
		err = ErrInvalidRequest
	}
	switch {
	case dpop:
		if err == nil {
			claims, nonce, err = g.authenticateBound(r, token)
		}
		if err != nil {
			wrapped := &dpopError{err: err}
			if errors.Is(err, ErrProofNonce) {
				wrapped.nonce = g.cfg.DPoP.nonce(g.verifier.now())
			}
			return nil, "", wrapped
		}
		return claims, nonce, nil
	case err != nil:
		return nil, "", err
	case g.cfg.DPoP != nil && g.cfg.DPoP.required:
		return nil, "", ErrBearerToken
	}
	claims, err = g.verifier.Verify(r.Context(), token)
	return claims, "", err
}

// authenticateBound verifies a token of the DPoP scheme and its proof.
func (g *Guard) authenticateBound(r *http.Request, token string) (claims *Claims, nonce string, err error) {
	c, err := g.verifier.verify(r.Context(), token)
	if err != nil {
		return nil, "", err
	}
	switch {
	case !c.hasConfirmation:
		// RFC 9449 §7.1: the scheme is for bound tokens alone.
		return nil, "", ErrNotBound
	case c.bound.thumbprint == "":
		return nil, "", ErrSenderConstrained
	}
	nonce, err = g.cfg.DPoP.check(r, token, c.bound, g.verifier.now())
	if err != nil {
		return nil, "", err
	}
	claims = c.copy()
	claims.KeyThumbprint = c.bound.thumbprint
	return claims, nonce, nil
}

// credentials finds the token in the values of the Authorization header.
// acceptDPoP says whether the scheme DPoP is accepted beside Bearer, and dpop
// whether it is the token's.
func credentials(values []string, acceptDPoP bool) (token string, dpop bool, err error) {
	switch len(values) {
	case 0:
		return "", false, ErrNoToken
	case 1:
	default:
		return "", false, ErrInvalidRequest
	}
	// RFC 9110 §11.4: the scheme, in any case, then spaces and the token.
	scheme, token, _ := strings.Cut(strings.Trim(values[0], " \t"), " ")
	dpop = acceptDPoP && strings.EqualFold(scheme, "DPoP")
	if !dpop && !strings.EqualFold(scheme, "Bearer") {
		return "", false, ErrNoToken // credentials of another kind; not ours to judge
	}
	token = strings.TrimLeft(token, " ")
	if !isToken68(token) {
		return "", dpop, ErrInvalidRequest
	}
	return token, dpop, nil
}

// isToken68 says whether s has the form of a bearer token (RFC 6750 §2.1,
// b64token).
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return s != ""
}

// RequireScope passes on requests whose token has all of the scopes. It
// answers others with 403 and the scopes to ask for. It belongs inside
// [Guard.Middleware]: without claims in the context nothing passes.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			value, _ := r.Context().Value(contextKey{}).(contextValue)
			err := ErrNoToken
			if value.claims != nil {
				err = value.claims.RequireScope(scopes...)
			}
			if err != nil {
				value.guard.WriteError(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

type contextKey struct{}

// contextValue has the guard beside the claims, so that RequireScope can
// answer as the guard would. The guard may be nil.
type contextValue struct {
	claims *Claims
	guard  *Guard
}

// FromContext returns the claims of the token that the request bore, and
// whether there are any.
func FromContext(ctx context.Context) (*Claims, bool) {
	value, _ := ctx.Value(contextKey{}).(contextValue)
	return value.claims, value.claims != nil
}

// NewContext returns a context that [FromContext] finds the claims in: for
// adapters to other frameworks, and for tests of handlers.
func NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, contextValue{claims: claims})
}

// NewContext is the function NewContext, for adapters to other frameworks;
// what [RequireScope] and the like then refuse is answered with this guard's
// realm and metadata.
func (g *Guard) NewContext(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, contextValue{claims, g})
}

// A Refusal is the answer to a request that may not pass.
type Refusal struct {
	Status int    // HTTP status
	Title  string // its text
	Detail string // one sentence for the client's developer; reveals nothing
	// Challenge is the value of the WWW-Authenticate header; empty: none.
	Challenge string
	// Nonce is the value of the DPoP-Nonce header; empty: none.
	Nonce string
	// RetryAfter is the value of the Retry-After header in seconds; zero:
	// none.
	RetryAfter int
}

// refusals has the answers, the first that matches counts. RFC 6750 §3.1 gives
// the codes.
var refusals = []struct {
	err    error
	status int
	code   string
	detail string
}{
	// First: with it, nothing is known about the token. Never a 401, which
	// would make clients throw good tokens away.
	{ErrKeysUnavailable, http.StatusServiceUnavailable, "", "The issuer's keys are not available at the moment. Try again."},
	{ErrStatusUnavailable, http.StatusServiceUnavailable, "", "Whether the access token was revoked cannot be told at the moment. Try again."},
	{ErrTooManyProofs, http.StatusServiceUnavailable, "", "There are too many requests at the moment. Try again."},
	// RFC 6750 §3.1: no error code for a client that did not try.
	{ErrNoToken, http.StatusUnauthorized, "", "An access token is required."},
	{ErrInvalidRequest, http.StatusBadRequest, "invalid_request", "The access token must be sent once, in the Authorization header."},
	{ErrInsufficientScope, http.StatusForbidden, "insufficient_scope", "The access token does not have the scope that is needed."},
	{ErrInsufficientAuthentication, http.StatusUnauthorized, "insufficient_user_authentication", "Another authentication is required."},
	{ErrClientToken, http.StatusForbidden, "", "This needs the token of a person; the one sent belongs to a client."},
	{ErrExpired, http.StatusUnauthorized, "invalid_token", "The access token has expired."},
	{ErrNotYetValid, http.StatusUnauthorized, "invalid_token", "The access token is not valid yet."},
	{ErrRevoked, http.StatusUnauthorized, "invalid_token", "The access token has been revoked."},
	{ErrKeyWithdrawn, http.StatusUnauthorized, "invalid_token", "The access token is signed with a key that was withdrawn."},
	{ErrNoStatus, http.StatusUnauthorized, "invalid_token", "The access token has no status in a list of its issuer's."},
	{ErrAudience, http.StatusUnauthorized, "invalid_token", "The access token is for another resource."},
	{ErrIssuer, http.StatusUnauthorized, "invalid_token", "The access token is from another issuer."},
	{ErrType, http.StatusUnauthorized, "invalid_token", "The token is not an access token."},
	{ErrAlgorithm, http.StatusUnauthorized, "invalid_token", "The access token is signed with an algorithm that is not accepted."},
	{ErrUnknownKey, http.StatusUnauthorized, "invalid_token", "The access token is signed with an unknown key."},
	{ErrSignature, http.StatusUnauthorized, "invalid_token", "The access token has a wrong signature."},
	{ErrSenderConstrained, http.StatusUnauthorized, "invalid_token", "The access token is bound to a key and cannot be used as a bearer token."},
	{ErrBearerToken, http.StatusUnauthorized, "invalid_token", "An access token is required that is bound to a key, with a DPoP proof."},
	{ErrNotBound, http.StatusUnauthorized, "invalid_token", "The access token is not bound to a key and cannot be used with DPoP."},
	{ErrInvalidProof, http.StatusUnauthorized, "invalid_dpop_proof", "The DPoP proof is not valid."},
	{ErrReplayedProof, http.StatusUnauthorized, "invalid_dpop_proof", "The DPoP proof was used before."},
	{ErrProofNonce, http.StatusUnauthorized, "use_dpop_nonce", "The DPoP proof must have the nonce that the header DPoP-Nonce tells."},
	{ErrTooLarge, http.StatusUnauthorized, "invalid_token", "The access token is too long."},
	{ErrMalformed, http.StatusUnauthorized, "invalid_token", "The access token is malformed."},
	{ErrClaims, http.StatusUnauthorized, "invalid_token", "The access token lacks a claim or has a malformed one."},
}

// Refuse says how to answer a request that failed with err: an error of Authenticate,
// [Claims.RequireScope] or [Guard.RequireAuthentication]. Any other error is answered with status
// 500, and its text stays hidden. It is for adapters to other frameworks; with net/http use
// WriteError. The guard may be nil, and then has the zero GuardConfig.
func (g *Guard) Refuse(err error) Refusal {
	for _, row := range refusals {
		if !errors.Is(err, row.err) {
			continue
		}
		refusal := Refusal{Status: row.status, Title: http.StatusText(row.status), Detail: row.detail}
		if row.status == http.StatusServiceUnavailable {
			refusal.RetryAfter = retryAfter
			return refusal
		}
		if row.status == http.StatusForbidden && row.code == "" {
			return refusal // no other token of the caller's would help
		}
		var why jose.ProofError
		if errors.As(err, &why) {
			refusal.Detail = "The DPoP proof is not valid: " + string(why) + "."
		}
		var bound *dpopError
		dpop := errors.As(err, &bound)
		if dpop {
			refusal.Nonce = bound.nonce
		}
		says := challenge{code: row.code}
		var scope *scopeError
		var authentication *authenticationError
		switch {
		case errors.As(err, &scope):
			says.scope, dpop = strings.Join(scope.needed, " "), scope.dpop
		case errors.As(err, &authentication):
			refusal.Detail, dpop = authentication.detail(), authentication.dpop
			says.acrValues, says.maxAge = authentication.parameters()
		case errors.Is(err, ErrNoToken) && g != nil:
			says.scope = g.cfg.Scope
		}
		says.description = refusal.Detail
		refusal.Challenge = g.challenges(dpop, says)
		return refusal
	}
	return Refusal{
		Status: http.StatusInternalServerError,
		Title:  http.StatusText(http.StatusInternalServerError),
		Detail: "The request could not be authenticated.",
	}
}

// A challenge is what one says beyond its scheme; what is empty is left out.
type challenge struct {
	code, description string
	scope             string
	acrValues, maxAge string // RFC 9470 §3
}

// challenges writes a WWW-Authenticate value: the challenge of the scheme that
// the client used, and of others that it could use (RFC 9110 §11.6.1).
func (g *Guard) challenges(dpop bool, says challenge) string {
	var accepted *DPoP
	if g != nil {
		accepted = g.cfg.DPoP
	}
	switch {
	case accepted == nil:
		return g.challenge("Bearer", "", says)
	case dpop || accepted.required:
		return g.challenge("DPoP", accepted.names(), says)
	}
	return g.challenge("Bearer", "", says) + ", " + g.challenge("DPoP", accepted.names(), challenge{})
}

// challenge writes one challenge (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC
// 9728 §5.1).
func (g *Guard) challenge(scheme, algs string, says challenge) string {
	var b strings.Builder
	b.WriteString(scheme)
	separator := " "
	add := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(separator)
		b.WriteString(name)
		b.WriteByte('=')
		writeQuoted(&b, value)
		separator = ", "
	}
	if g != nil {
		add("realm", g.cfg.Realm)
	}
	if says.code != "" {
		add("error", says.code)
		add("error_description", says.description)
	}
	add("scope", says.scope)
	add("acr_values", says.acrValues)
	add("max_age", says.maxAge)
	add("algs", algs)
	if g != nil {
		add("resource_metadata", g.cfg.ResourceMetadata)
	}
	return b.String()
}

// writeQuoted writes s as a quoted-string (RFC 9110 §5.6.4). What could end
// the string or the header, and what is not ASCII, cannot get through.
func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// WriteError answers a request that failed with err, as Refuse says: status,
// challenge, and a problem document (RFC 9457).
func (g *Guard) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	refusal := g.Refuse(err)
	if g != nil {
		level := slog.LevelDebug
		if refusal.Status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		g.log.LogAttrs(r.Context(), level, "request refused",
			slog.Int("status", refusal.Status), slog.Any("reason", err),
			slog.String("method", r.Method), slog.String("path", r.URL.Path))
	}
	h := w.Header()
	if refusal.Challenge != "" {
		h.Set("WWW-Authenticate", refusal.Challenge)
	}
	if refusal.Nonce != "" {
		h.Set("DPoP-Nonce", refusal.Nonce)
	}
	if refusal.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(refusal.RetryAfter))
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(refusal.Status)
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{refusal.Title, refusal.Status, refusal.Detail})
}
