// Package jwks verifies OAuth 2 access tokens (RFC 9068 JWTs) offline, with
// the issuer's public keys held in memory.
//
// Four types do the work:
//
//   - [Cache] holds the issuer's key set: fetched by discovery or from a URL,
//     refreshed in the background, still there while the issuer is down.
//   - [StatusLists] know which tokens the issuer revoked, within seconds.
//   - [Verifier] decides whether a token is good: form, algorithm, type,
//     signature, issuer, audience, times.
//   - [Guard] protects net/http handlers with a Verifier and answers refusals
//     as RFC 6750 and RFC 9457 say.
//
// To protect an API, make one of each at start and wrap the routes:
//
//	cache, err := jwks.NewCache(ctx, jwks.CacheConfig{Issuer: issuer})
//	lists, err := jwks.NewStatusLists(ctx, jwks.StatusConfig{Issuer: issuer, Keys: cache})
//	verifier, err := jwks.NewVerifier(jwks.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache, Status: lists})
//	guard := jwks.NewGuard(verifier, jwks.GuardConfig{})
//	mux.Handle("GET /notes", guard.Middleware(jwks.RequireScope("notes:read")(notes)))
//
// Where a good token is not enough, [RequireACR] and [RequireAuthWithin] ask for
// a person who logged in by better means, or more recently (RFC 9470).
//
// Everything is safe for use by many goroutines at once. The package needs
// only the standard library. Tests of a service that uses it will want
// [github.com/maru-auth/maru/jwks/jwkstest], an issuer that mints any token,
// good or bad.
package jwks
