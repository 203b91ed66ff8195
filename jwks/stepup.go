package jwks

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Authentication says how surely, and how recently, a person must have been
// authenticated (step-up authentication, RFC 9470). The zero value asks for
// nothing but a person.
type Authentication struct {
	// ACR has the authentication context classes (acr) that are good enough;
	// a token needs one of them. Values are compared as they are, and none
	// implies another: list every one that you accept. Empty: any will do.
	ACR []string
	// Within is how long ago the person may have been authenticated
	// (auth_time), in whole seconds; the Verifier's leeway comes on top. Zero:
	// however long ago.
	Within time.Duration
}

// RequireACR passes on requests whose token says that the person was
// authenticated in one of the classes. It answers others with 401 and the
// challenge of RFC 9470 §3, which names the classes. A client's own token gets
// 403, since nobody can log in for it.
//
// It belongs inside [Guard.Middleware]: without claims in the context nothing
// passes. Directly inside or around [RequireAuthWithin], the two are one
// requirement and give one challenge. It panics without values, and with one
// that is empty or has a space.
func RequireACR(values ...string) func(http.Handler) http.Handler {
	return requireAuthentication(Authentication{ACR: slices.Clone(values)}, len(values) > 0)
}

// RequireAuthWithin passes on requests whose token says that the person was
// authenticated at most d ago. It answers others as [RequireACR] does; the
// challenge names d as max_age. A token without auth_time, or with one that
// lies in the future by more than the leeway, does not pass. It panics if d is
// less than a second.
func RequireAuthWithin(d time.Duration) func(http.Handler) http.Handler {
	return requireAuthentication(Authentication{Within: d}, d >= time.Second)
}

func requireAuthentication(need Authentication, valid bool) func(http.Handler) http.Handler {
	for _, value := range need.ACR {
		valid = valid && value != "" && !strings.Contains(value, " ") // acr_values are apart by spaces
	}
	if !valid {
		panic("jwks: RequireACR needs values without spaces, RequireAuthWithin at least a second")
	}
	return func(next http.Handler) http.Handler {
		if inner, ok := next.(*authenticated); ok {
			if both, ok := need.and(inner.need); ok {
				return &authenticated{both, inner.next}
			}
		}
		return &authenticated{need, next}
	}
}

// authenticated passes requests on to next that meet the need.
type authenticated struct {
	need Authentication
	next http.Handler
}

func (a *authenticated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	value, _ := r.Context().Value(contextKey{}).(contextValue)
	err := ErrNoToken
	if value.claims != nil {
		err = value.guard.RequireAuthentication(value.claims, a.need)
	}
	if err != nil {
		value.guard.WriteError(w, r, err)
		return
	}
	a.next.ServeHTTP(w, r)
}

// RequireAuthentication returns nil if the claims meet the need, and otherwise
// ErrInsufficientAuthentication, or ErrClientToken for a client's own token:
// for WriteError or Refuse. It is for adapters to other frameworks; with
// net/http use RequireACR and RequireAuthWithin. The guard may be nil, and then
// has the clock time.Now, and DefaultLeeway.
func (g *Guard) RequireAuthentication(claims *Claims, need Authentication) error {
	if claims.IsClient() {
		return ErrClientToken
	}
	now, leeway := time.Now(), DefaultLeeway
	if g != nil {
		now, leeway = g.verifier.now(), g.verifier.leeway
	}
	class := len(need.ACR) == 0 || claims.ACR != "" && slices.Contains(need.ACR, claims.ACR)
	recent := need.Within == 0 || !claims.AuthTime.IsZero() &&
		now.Sub(claims.AuthTime)-leeway <= need.Within && claims.AuthTime.Sub(now) <= leeway
	if class && recent {
		return nil
	}
	return &authenticationError{need, class, claims.KeyThumbprint != ""}
}

// and returns what meets both needs, or false if no class meets both.
func (a Authentication) and(b Authentication) (both Authentication, ok bool) {
	switch {
	case len(a.ACR) == 0:
		both.ACR = b.ACR
	case len(b.ACR) == 0:
		both.ACR = a.ACR
	default:
		for _, value := range a.ACR {
			if slices.Contains(b.ACR, value) {
				both.ACR = append(both.ACR, value)
			}
		}
		if both.ACR == nil {
			return both, false
		}
	}
	both.Within = min(a.Within, b.Within)
	if both.Within == 0 {
		both.Within = max(a.Within, b.Within)
	}
	return both, true
}

// authenticationError is ErrInsufficientAuthentication with what is needed, and
// the scheme of the token that lacks it, for the challenge.
type authenticationError struct {
	need  Authentication
	class bool // the class is good enough; the log-in is too long ago
	dpop  bool
}

func (e *authenticationError) Error() string {
	return ErrInsufficientAuthentication.Error() + ": " + e.detail()
}

func (e *authenticationError) Unwrap() error { return ErrInsufficientAuthentication }

func (e *authenticationError) detail() string {
	if e.class {
		return "More recent authentication is required."
	}
	return "A different authentication level is required."
}

// The challenge names all that is needed, and not only what is missing: the
// next token must have all of it (RFC 9470 §3).
func (e *authenticationError) parameters() (acrValues, maxAge string) {
	if e.need.Within > 0 {
		maxAge = strconv.FormatInt(int64(e.need.Within/time.Second), 10)
	}
	return strings.Join(e.need.ACR, " "), maxAge
}
