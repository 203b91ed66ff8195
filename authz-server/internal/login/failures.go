package login

import (
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// failed notes in the audit log that somebody could not prove to be user, by proof. It does so
// after the answer, whose time would tell otherwise that there is such an account. The zero User is
// nobody: the metrics count it.
func (l *Login) failed(r *http.Request, user accounts.User, proof string) {
	if user.ID != "" {
		l.Later.Record(r.Context(), byUnknown(audit.LogInFailed, r, user, proof))
	}
}

// throttled notes that the log-ins of an account are put off, if err says so, and returns err.
func (l *Login) throttled(r *http.Request, user accounts.User, err error) error {
	var wait *throttle.WaitError
	if errors.As(err, &wait) && user.ID != "" {
		l.Later.Once(r.Context(), byUnknown(audit.UserThrottled, r, user, wait.What))
	}
	return err
}

func byUnknown(kind audit.Kind, r *http.Request, user accounts.User, what string) audit.Entry {
	e := audit.OfRequest(kind, r)
	e.Actor.Kind, e.Person, e.Target.Label = audit.Unknown, user.ID, user.Email
	e.Detail = map[string]any{"tried": what}
	return e
}
