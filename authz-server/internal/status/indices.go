package status

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

const (
	// leaseFor is how long a replica uses a block. Others may share the places of its tokens for a
	// token's lifetime, and the last of them expires another one later.
	leaseFor = 10 * time.Minute
	// Blocks grow as their client needs them.
	smallestBlock = 16
	largestBlock  = 4096
	// maxLeases is how many clients have blocks at once; the blocks of others are wasted.
	maxLeases = 10_000
	nameSize  = 12
)

// A lease is a block that this replica uses.
type lease struct {
	mu       sync.Mutex
	block    statuses.Block
	epoch    int64 // of the client
	next     int64 // the position, counted from block.First
	from, to time.Time
}

var errJoined = errors.New("a place in a status list is taken before a transaction, not in it")

// Next returns an index that no token has yet, for a token of a client as it was read, or of the
// issuer itself. Now and then, it leases a block: call it outside of transactions. It writes nothing
// else. store.ErrNotFound: the client was removed or disabled since it was read, or all its tokens
// were revoked.
func (l *Lists) Next(ctx context.Context, of statuses.Holder) (Ref, error) {
	one := l.lease(of.ClientID)
	one.mu.Lock()
	defer one.mu.Unlock()
	now := l.cfg.Now()
	if one.next >= one.block.Size || one.epoch != of.Epoch || now.Before(one.from) || !now.Before(one.to) {
		if l.cfg.Blocks.InTransaction(ctx) {
			return Ref{}, errJoined
		}
		size := one.size(now)
		block, err := l.cfg.Blocks.Lease(ctx, of, size, now.Add(leaseFor+2*l.cfg.TokenLifetime), newName())
		if err != nil {
			return Ref{}, err
		}
		one.block, one.epoch, one.next, one.from, one.to = block, of.Epoch, 0, now, now.Add(leaseFor)
	}
	position := one.block.First + one.next
	one.next++
	return Ref{one.block.List, l.shuffle(one.block.List).index(position)}, nil
}

// size is how large the next block is: larger if the last was used up, smaller if most of it was
// not used.
func (o *lease) size(now time.Time) int64 {
	switch used := o.next; {
	case o.block.Size == 0:
		return smallestBlock
	case used >= o.block.Size && now.Before(o.to):
		return min(4*o.block.Size, largestBlock)
	case used < o.block.Size/4:
		return max(o.block.Size/4, smallestBlock)
	default:
		return o.block.Size
	}
}

func (l *Lists) lease(clientID string) *lease {
	l.leasing.Lock()
	defer l.leasing.Unlock()
	one, ok := l.leases[clientID]
	if !ok {
		if len(l.leases) >= maxLeases {
			clear(l.leases)
		}
		one = new(lease)
		l.leases[clientID] = one
	}
	return one
}

// forsake has no block used on that was revoked.
func (l *Lists) forsake(revoked []statuses.Block) {
	if len(revoked) == 0 {
		return
	}
	type key struct {
		list  string
		first int64
	}
	gone := make(map[key]bool, len(revoked))
	for _, b := range revoked {
		gone[key{b.List, b.First}] = true
	}
	l.leasing.Lock()
	defer l.leasing.Unlock()
	for client, one := range l.leases {
		// One that is locked is leasing a block just now, or is done in a moment.
		if one.mu.TryLock() {
			if gone[key{one.block.List, one.block.First}] {
				delete(l.leases, client)
			}
			one.mu.Unlock()
		}
	}
}

// newName is the name of a list: short, for every token has it, and nothing that can be counted.
func newName() string { return strings.ToLower(rand.Text()[:nameSize]) }

func isName(name string) bool {
	return len(name) == nameSize && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz234567") == ""
}
