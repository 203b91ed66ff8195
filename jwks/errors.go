package jwks

import (
	"errors"
	"strings"

	"github.com/maru-auth/maru/jwks/internal/keycache"
	"github.com/maru-auth/maru/jwks/internal/statuslist"
	"github.com/maru-auth/maru/jwks/jose"
)

// What [Verifier.Verify] and [Guard.Authenticate] return: every error wraps
// one of these; tell them apart with errors.Is. None of their texts holds any
// part of a token.
var (
	// ErrNoToken: the request carries no bearer token at all.
	ErrNoToken = errors.New("jwks: no bearer token")
	// ErrInvalidRequest: the request carries a token in a way that RFC 6750
	// forbids: twice, or not of the form of a token.
	ErrInvalidRequest = errors.New("jwks: the request does not carry its token properly")

	// ErrTooLarge: the token is longer than VerifierConfig.MaxTokenBytes.
	ErrTooLarge = errors.New("jwks: token too large")
	// ErrMalformed: not a compact JWS of a JSON object, or one with a
	// repeated member or a critical extension.
	ErrMalformed = errors.New("jwks: malformed token")
	// ErrAlgorithm: signed with an algorithm that is not allowed, or that is
	// not the key's.
	ErrAlgorithm = errors.New("jwks: algorithm not allowed")
	// ErrType: not an access token; an ID or refresh token, say.
	ErrType = errors.New("jwks: wrong token type")
	// ErrUnknownKey: signed by a key that the issuer does not publish.
	ErrUnknownKey = jose.ErrUnknownKey
	// ErrSignature: the signature is not the key's: the token is forged or
	// was altered.
	ErrSignature = errors.New("jwks: wrong signature")
	// ErrClaims: a claim that is needed is missing, or has the wrong form.
	ErrClaims = errors.New("jwks: missing or malformed claim")
	// ErrIssuer: issued by another issuer.
	ErrIssuer = errors.New("jwks: wrong issuer")
	// ErrAudience: issued for another resource.
	ErrAudience = errors.New("jwks: wrong audience")
	// ErrExpired: good once, but no longer.
	ErrExpired = errors.New("jwks: token expired")
	// ErrNotYetValid: issued in the future, or not to be used before a time
	// that has not come.
	ErrNotYetValid = errors.New("jwks: token not yet valid")
	// Errors of a Verifier with [StatusLists].

	// ErrRevoked: the issuer revoked the token, or suspended it.
	ErrRevoked = statuslist.ErrRevoked
	// ErrNoStatus: the token has no status list, though it must have one; or
	// the list is not the issuer's, or has no such index.
	ErrNoStatus = statuslist.ErrUnknown
	// ErrKeyWithdrawn: signed with a key that the issuer withdrew, since
	// somebody else may have it.
	ErrKeyWithdrawn = errors.New("jwks: key withdrawn")
	// ErrStatusUnavailable: the token's status list cannot be had, or was not
	// confirmed for longer than StatusConfig.FailOpenFor. It says nothing
	// about the token: the caller should try again later.
	ErrStatusUnavailable = statuslist.ErrUnavailable

	// ErrSenderConstrained: the token is bound to its sender's key (cnf, RFC
	// 7800) and must not pass as a plain bearer token; or it is bound in a way
	// that is not supported.
	ErrSenderConstrained = errors.New("jwks: sender-constrained token used as bearer token")

	// Errors of a [Guard] with [DPoP].

	// ErrBearerToken: a bearer token where DPoPConfig.Required forbids it.
	ErrBearerToken = errors.New("jwks: bearer token where a bound one is required")
	// ErrNotBound: a token of the DPoP scheme that is bound to no key.
	ErrNotBound = errors.New("jwks: token used with DPoP is not bound to a key")
	// ErrInvalidProof: the DPoP proof is missing, malformed, or not for this
	// request and token. The text says what is wrong.
	ErrInvalidProof = jose.ErrInvalidProof
	// ErrReplayedProof: the proof was used before.
	ErrReplayedProof = jose.ErrReplayedProof
	// ErrProofNonce: the proof lacks a recent nonce of this service. The
	// answer has one.
	ErrProofNonce = jose.ErrProofNonce
	// ErrTooManyProofs: more proofs than can be remembered, see
	// DPoPConfig.MaxProofs. It says nothing about the token or the proof.
	ErrTooManyProofs = jose.ErrTooManyProofs

	// ErrInsufficientScope: a good token without the scope that is needed. See
	// [Claims.RequireScope].
	ErrInsufficientScope = errors.New("jwks: insufficient scope")

	// Errors of [RequireACR], [RequireAuthWithin] and
	// [Guard.RequireAuthentication].

	// ErrInsufficientAuthentication: a good token of a person who was not
	// authenticated surely, or not recently, enough.
	ErrInsufficientAuthentication = errors.New("jwks: insufficient user authentication")
	// ErrClientToken: a client's own token where a person's is needed.
	ErrClientToken = errors.New("jwks: a client's own token where a person's is needed")

	// ErrKeysUnavailable: no key set is held, or the one held is too old, or
	// the key is not in it and the issuer cannot be asked. It says nothing
	// about the token: the caller should try again later.
	ErrKeysUnavailable = keycache.ErrUnavailable
)

// scopeError is ErrInsufficientScope with the scopes that are needed, and the
// scheme of the token that lacks them, for the challenge.
type scopeError struct {
	needed []string
	dpop   bool
}

func (e *scopeError) Error() string {
	return ErrInsufficientScope.Error() + ": needs " + strings.Join(e.needed, " ")
}

func (e *scopeError) Unwrap() error { return ErrInsufficientScope }

// dpopError is the error of a request of the DPoP scheme, for the challenge.
type dpopError struct {
	err   error
	nonce string // to be used by the next proof; empty: none is needed
}

func (e *dpopError) Error() string { return e.err.Error() }

func (e *dpopError) Unwrap() error { return e.err }
