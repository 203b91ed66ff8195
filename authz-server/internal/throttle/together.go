package throttle

import (
	"context"
	"net/http"
)

// Together takes the right to check one password and one code of the second step that were typed
// together. It counts for the networks of r's sender alone: a stranger who has neither uses up
// nothing of the account's, and so cannot keep its owner out. Whoever has one of them is counted by
// [Throttle.PasswordBesideCode] or [Throttle.SecondStep]. Errors: as of LogIn.
func (t *Throttle) Together(ctx context.Context, r *http.Request) (Tries, error) {
	return t.reserve(ctx, "log-in", t.ofSender(r, "address")...)
}

// PasswordBesideCode takes the right to check one password of the person whose code was right.
// Errors: as of LogIn.
func (t *Throttle) PasswordBesideCode(ctx context.Context, userID string) (Tries, error) {
	return t.reserve(ctx, "log-in with a code", limited{name: besideCode + userID, limit: t.limits.Account})
}
