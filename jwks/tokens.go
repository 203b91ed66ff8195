package jwks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/maru-auth/maru/jwks/internal/tinylfu"
)

// Defaults of TokenMemoryConfig.
const (
	DefaultMaxTokens     = 16384
	DefaultMaxTokenSpace = 16 << 20 // 16 MiB
)

// A TokenMemory remembers tokens that a [Verifier] found to be genuine, so that
// it need not do the arithmetic of the signature for each request. It is asked
// about any token, and gets only those that were good when they were put.
//
// It is no part of what decides: a Verifier checks on every use all that can
// change about a token, and does not believe a memory that takes one token for
// another. A memory may forget what it likes, and should keep what is used
// often. Many goroutines use it at once, and several Verifiers may share it.
//
// Like the tokens, what it holds belongs into no log and on no disk.
type TokenMemory interface {
	// Get returns what was put by that key, or nil.
	Get(key TokenKey) *GenuineToken
	// Put adds a token, or puts it in the place of the one with that key, if
	// it is worth its space. now is the Verifier's time.
	Put(key TokenKey, token *GenuineToken, now time.Time)
}

// A TokenKey names a token and the rules that it was judged by: it is the
// SHA-256 of both. Verifiers with different rules never have a key in common.
type TokenKey [sha256.Size]byte

// A GenuineToken is a token as a [TokenMemory] holds it. It is immutable.
type GenuineToken struct {
	name   TokenKey
	signer Key
	until  time.Time
	size   int
	claims claimsSet
}

// Size returns about how many bytes of memory it takes, and its entry in a
// memory.
func (t *GenuineToken) Size() int { return t.size }

// genuineTokenSize is the size of a GenuineToken and its entry in a memory,
// without what its claims refer to.
const genuineTokenSize = 1 << 10

// Until returns when the token will be of no more use.
func (t *GenuineToken) Until() time.Time { return t.until }

// TokenMemoryConfig bounds a memory of [NewTokenMemory]. The zero value means the
// defaults.
type TokenMemoryConfig struct {
	// MaxTokens is the greatest number of tokens. Zero: 16384.
	MaxTokens int
	// MaxBytes bounds the space that they take, by [GenuineToken.Size]. Zero:
	// 16 MiB.
	MaxBytes int
}

// NewTokenMemory returns a TokenMemory in the process. When it is full, a token
// gets a place only if it was used more often than the one that would lose it
// (W-TinyLFU): tokens that are used once, however many, push out none of those
// in use. Space is taken as it is needed. An error means a negative bound.
func NewTokenMemory(cfg TokenMemoryConfig) (TokenMemory, error) {
	if cfg.MaxTokens < 0 || cfg.MaxBytes < 0 {
		return nil, errors.New("jwks: a bound of TokenMemoryConfig is negative")
	}
	return tokenMemory{tinylfu.New[*GenuineToken](cmp.Or(cfg.MaxTokens, DefaultMaxTokens), cmp.Or(cfg.MaxBytes, DefaultMaxTokenSpace))}, nil
}

type tokenMemory struct{ cache *tinylfu.Cache[*GenuineToken] }

func (m tokenMemory) Get(key TokenKey) *GenuineToken {
	token, _ := m.cache.Get(tinylfu.Key(key))
	return token
}

func (m tokenMemory) Put(key TokenKey, token *GenuineToken, now time.Time) {
	m.cache.Put(tinylfu.Key(key), token, token.Size(), token.Until(), now)
}

// policyHash is a hash of all rules by which a Verifier judges what never changes
// about a token, and of its leeway.
func (v *Verifier) policyHash() []byte {
	hash := sha256.New()
	add := func(values ...string) {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(values))))
		for _, value := range values {
			hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(value))))
			hash.Write([]byte(value))
		}
	}
	sorted := func(values []string) []string { return slices.Compact(slices.Sorted(slices.Values(values))) }
	add("jwks policy 1", v.issuer, v.audience, v.leeway.String())
	add(sorted(v.algorithms)...)
	add(sorted(v.types)...)
	return hash.Sum(nil)
}

// remembered returns the token of that name if it is remembered, and the key
// that signed it is still the issuer's. Nil: it must be verified, which may find
// out why not. The error is that of the keys' source.
func (v *Verifier) remembered(ctx context.Context, name TokenKey) (*GenuineToken, error) {
	if v.memory == nil {
		return nil, nil
	}
	token := v.memory.Get(name)
	if token == nil || token.name != name {
		return nil, nil
	}
	keys, err := v.keys.Keys(ctx, token.claims.keyID)
	if err != nil {
		return nil, err
	}
	// The key itself: another one may have its id by now.
	for _, key := range keys {
		if token.signer.Equal(key) {
			return token, nil
		}
	}
	return nil, nil
}

// remember puts a token that is good now into the memory.
func (v *Verifier) remember(token *GenuineToken) {
	// Without an id, it would have to be found out again whether one key alone
	// can be meant.
	if v.memory == nil || token.claims.keyID == "" {
		return
	}
	token.size = genuineTokenSize + token.claims.size()
	token.until = token.claims.Expiry.Add(v.leeway)
	v.memory.Put(token.name, token, v.now())
}
