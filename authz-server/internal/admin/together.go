package admin

import (
	"context"
	"errors"
)

// together is what operations leave to the end of [Admin.Together].
type together struct {
	checks []func(ctx context.Context) error // before the transaction is committed
	work   []func(ctx context.Context) error // afterwards
}

type togetherKey struct{}

// AfterError says that something failed when all operations of [Admin.Together] were done: they
// are committed; or nobody knows whether they are, since the answer of the database got lost.
type AfterError struct{ Err error }

func (e *AfterError) Error() string { return "all is done, but what follows: " + e.Err.Error() }

// Unwrap returns what failed.
func (e *AfterError) Unwrap() error { return e.Err }

// Together runs f, several operations, in one transaction: all of them happen, or none does. What an
// operation does in batches once it is decided, such as to revoke tokens of many people, is noted in
// the transaction, and done when that is committed; if it fails, the error is an [*AfterError]. If it
// fails, or this process dies, the sweep of a server finds the note, and goes on. f may run more than
// once, as in [store.Store.Tx].
func (a *Admin) Together(ctx context.Context, f func(ctx context.Context) error) error {
	all := &together{}
	decided := false
	if err := a.Store.Tx(ctx, func(ctx context.Context) error {
		*all, decided = together{}, false // a try before came to nothing
		ctx = context.WithValue(ctx, togetherKey{}, all)
		if err := f(ctx); err != nil {
			return err
		}
		for _, check := range all.checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		decided = true
		return nil
	}); err != nil {
		if decided { // the commit failed, or its answer did not come
			err = &AfterError{err}
		}
		return err
	}
	var failed []error
	for _, work := range all.work {
		failed = append(failed, work(ctx))
	}
	if err := errors.Join(failed...); err != nil {
		return &AfterError{err}
	}
	return nil
}

// finally checks what has to be right when all operations of [Admin.Together] are done, or now.
func (a *Admin) finally(ctx context.Context, check func(ctx context.Context) error) error {
	if all, ok := ctx.Value(togetherKey{}).(*together); ok {
		all.checks = append(all.checks, check)
		return nil
	}
	return check(ctx)
}

// afterwards does what follows a change that is committed, in transactions of its own. The change has
// noted in the database that it is to be done, and [store.Store.Sweep] does it too: nothing is lost if
// this process dies between the two.
func (a *Admin) afterwards(ctx context.Context, work func(ctx context.Context) error) error {
	if all, ok := ctx.Value(togetherKey{}).(*together); ok {
		all.work = append(all.work, work)
		return nil
	}
	return work(ctx)
}

// purge revokes the tokens of people who lost a role with many others.
func (a *Admin) purge(ctx context.Context) error {
	return a.afterwards(ctx, func(ctx context.Context) error {
		_, err := a.Store.Roles.Purge(ctx)
		return err
	})
}
