package jwks

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/maru-auth/maru/jwks/jose"
)

// A Proof is a DPoP proof, as a [ProofMemory] gets it.
type Proof = jose.Proof

// A ProofMemory remembers which DPoP proofs were used: see [DPoPConfig].Memory.
type ProofMemory = jose.ProofMemory

// ParseProof reads the value of a DPoP header, for servers that no [Guard] is
// made for. It is [jose.ParseProof]; where more than the form of a proof is to
// be judged, use [jose.ProofRule].
func ParseProof(text string, algorithms []string) (*Proof, error) {
	return jose.ParseProof(text, algorithms)
}

var _ ProofMemory = (*usedProofs)(nil)

// usedProofs is the memory of a process. There are two periods: when the
// current one is over, what was used in the one before is forgotten, by when
// it is too old to be good. So nothing need be searched for what is old.
type usedProofs struct {
	limit  int
	period time.Duration

	mu               sync.Mutex
	started          time.Time // the current period
	current, earlier map[[16]byte]struct{}
	byKey            map[[16]byte]int // how many of current are of a key
}

// Use is [ProofMemory].Use.
func (u *usedProofs) Use(_ context.Context, p *Proof, now time.Time) error {
	// The thumbprint's length is always the same.
	hash, key := shortHash(p.Thumbprint+p.ID), shortHash(p.Thumbprint)
	u.mu.Lock()
	defer u.mu.Unlock()
	if passed := now.Sub(u.started); u.current == nil || passed >= u.period {
		u.earlier = u.current
		if passed >= 2*u.period {
			u.earlier = nil
		}
		u.started, u.current, u.byKey = now, make(map[[16]byte]struct{}), make(map[[16]byte]int)
	}
	if _, ok := u.current[hash]; ok {
		return ErrReplayedProof
	}
	if _, ok := u.earlier[hash]; ok {
		return ErrReplayedProof
	}
	if u.byKey[key] >= u.limit-len(u.current) {
		return ErrTooManyProofs
	}
	u.current[hash] = struct{}{}
	u.byKey[key]++
	return nil
}

func shortHash(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}
