package admin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/maru-auth/maru/authz-server/internal/store/limits"
)

// RepeatLifetime is how long a request can be repeated.
const RepeatLifetime = limits.RepeatLifetime

// Repeat is a request that may be sent again, and makes something once.
type Repeat struct {
	Operation string // what is asked for
	Key       string // of the actor's choice; each actor and operation has keys of its own
	Request   []byte // a hash of what was asked, which must be the same again

	made string
}

// Made is the id of what an earlier request made, once an operation has returned [ErrRepeated].
// Empty: it has none.
func (r *Repeat) Made() string { return r.made }

// Errors of operations on a request that may be sent again.
var (
	ErrRepeated  = errors.New("the request was carried out before")
	ErrKeyReused = limits.ErrKeyReused
)

type (
	repeatKey struct{}
	madeKey   struct{}
)

// Repeatable returns a context in which one operation that changes something is carried out once
// within [RepeatLifetime], however often it is asked for: the next time, its error is [ErrRepeated].
// If the actor had another request by that key, it is [ErrKeyReused].
func Repeatable(ctx context.Context, r *Repeat) context.Context {
	return context.WithValue(ctx, repeatKey{}, r)
}

// once runs f, in the transaction of ctx, unless an earlier request ran it. What f changes by other
// operations is part of the same request.
func (a *Admin) once(ctx context.Context, actor Actor, f func(ctx context.Context) error) error {
	r := repeatOf(ctx)
	if r == nil {
		return f(ctx)
	}
	key := r.key(actor)
	made, known, err := a.Store.Repeated.Claim(ctx, key, r.keyed())
	if err != nil {
		return err
	}
	if known {
		r.made = made
		return ErrRepeated
	}
	made = ""
	inside := context.WithValue(notRepeatable(ctx), madeKey{}, &made)
	if err := f(inside); err != nil {
		return err
	}
	return a.Store.Repeated.Made(ctx, key, made)
}

// doneBefore is [ErrRepeated] if an earlier request did what this one asks for. It is for operations
// that look at something before their change which can be otherwise the next time, or costs much.
func (a *Admin) doneBefore(ctx context.Context, actor Actor) error {
	r := repeatOf(ctx)
	if r == nil {
		return nil
	}
	made, known, err := a.Store.Repeated.Known(ctx, r.key(actor), r.keyed())
	if err != nil || !known {
		return err
	}
	r.made = made
	return ErrRepeated
}

func repeatOf(ctx context.Context) *Repeat {
	r, _ := ctx.Value(repeatKey{}).(*Repeat)
	return r
}

func notRepeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatKey{}, (*Repeat)(nil))
}

// key is by which the store knows the request. The lengths make sure that no two give the same text.
func (r *Repeat) key(actor Actor) string {
	return fmt.Sprintf("%s %d:%s %d:%s %s", actor.Kind, len(actor.ID), actor.ID, len(r.Operation), r.Operation, r.Key)
}

// keyed is what is stored of the request. It may have a password or a secret, of which a plain hash
// would let whoever reads the database try all; the key, of which only a hash is there, is at random.
func (r *Repeat) keyed() []byte {
	mac := hmac.New(sha256.New, []byte(r.Key))
	mac.Write(r.Request)
	return mac.Sum(nil)
}

// changeInBatches is for what change decides, and work then does in transactions of its own, as often
// as it is called; it returns how many there were. If a request that may be sent again was interrupted
// in its work, the next one goes on with that, without another change. Once the work is done, the
// error is [ErrRepeated], and [Repeat.Made] the number.
func (a *Admin) changeInBatches(
	ctx context.Context, actor Actor, change func(ctx context.Context) error,
	work func(ctx context.Context) (int64, error),
) (int64, error) {
	r := repeatOf(ctx)
	err := change(ctx)
	interrupted := r != nil && errors.Is(err, ErrRepeated) && r.made == ""
	if err != nil && !interrupted {
		return 0, err
	}
	n, err := work(notRepeatable(ctx))
	if err != nil || r == nil {
		return n, err
	}
	return n, a.Store.Repeated.Made(ctx, r.key(actor), strconv.FormatInt(n, 10))
}

// noteMade says what an operation made, by its id.
func noteMade(ctx context.Context, id string) {
	if into, ok := ctx.Value(madeKey{}).(*string); ok {
		*into = id
	}
}
