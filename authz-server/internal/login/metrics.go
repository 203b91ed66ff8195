package login

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// Counts counts what people prove who they are by, and what comes of it. It is safe for concurrent
// use; a nil *Counts counts nothing.
type Counts struct{ logins *prometheus.CounterVec }

// What somebody can show.
const (
	byPassword = "password"
	byPasskey  = "passkey"
	byOTP      = "otp"
	byRecovery = "recovery_code"
)

// What can come of it.
const (
	loggedIn   = "success"     // the person is logged in, or has proved again who they are
	secondStep = "second_step" // the password is right, and more is owed
	refused    = "refused"     // it is wrong, or of no use any more
	limited    = "limited"     // there were too many tries: it was not looked at
	busy       = "busy"        // others were served first: it was not looked at
	failed     = "failed"      // the server's fault
)

// NewCounts makes Counts that registry publishes; nil: nobody does. The error is one of registry.
func NewCounts(registry prometheus.Registerer) (*Counts, error) {
	logins := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authz_logins_total",
		Help: "Proofs that people showed at a log-in, by proof (password, passkey, otp, recovery_code) and outcome: success, second_step " +
			"(the password was right, and more is owed), refused, limited (too many tries), busy, or failed (the server's fault).",
	}, []string{"proof", "outcome"})
	for _, proof := range []string{byPassword, byPasskey, byOTP, byRecovery} { // from the start, so that rates work
		for _, outcome := range []string{loggedIn, refused, limited, busy, failed} {
			logins.WithLabelValues(proof, outcome)
		}
	}
	logins.WithLabelValues(byPassword, secondStep)
	if registry == nil {
		return &Counts{logins}, nil
	}
	return &Counts{logins}, registry.Register(logins)
}

// note counts a proof by the error that came of it.
func (c *Counts) note(proof string, owed proofs.Owed, err error) {
	if c == nil {
		return
	}
	c.logins.WithLabelValues(proof, outcomeOf(owed, err)).Inc()
}

func outcomeOf(owed proofs.Owed, err error) string {
	var wrong guard.FormError
	var wait *throttle.WaitError
	var passkey *passkeys.RefusedError
	var elsewhere errElsewhere
	switch {
	case err == nil && owed == proofs.SecondStep:
		return secondStep
	case err == nil:
		return loggedIn
	case errors.As(err, &wait):
		return limited
	case throttle.IsBusy(err):
		return busy
	case errors.As(err, &wrong), errors.As(err, &passkey), errors.As(err, &elsewhere), errors.Is(err, store.ErrNotFound):
		return refused
	}
	return failed
}
