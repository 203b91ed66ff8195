package admin

import (
	"context"
	"errors"
	"fmt"

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
	r, _ := ctx.Value(repeatKey{}).(*Repeat)
	if r == nil {
		return f(ctx)
	}
	// The lengths make sure that no two requests give the same text.
	key := fmt.Sprintf("%s %d:%s %d:%s %s", actor.Kind, len(actor.ID), actor.ID, len(r.Operation), r.Operation, r.Key)
	made, known, err := a.Store.Repeated.Claim(ctx, key, r.Request)
	if err != nil {
		return err
	}
	if known {
		r.made = made
		return ErrRepeated
	}
	made = ""
	inside := context.WithValue(context.WithValue(ctx, repeatKey{}, (*Repeat)(nil)), madeKey{}, &made)
	if err := f(inside); err != nil {
		return err
	}
	return a.Store.Repeated.Made(ctx, key, made)
}

// noteMade says what an operation made, by its id.
func noteMade(ctx context.Context, id string) {
	if into, ok := ctx.Value(madeKey{}).(*string); ok {
		*into = id
	}
}
