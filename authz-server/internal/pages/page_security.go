package pages

import (
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// SecurityPage shows how a person logs in, and what happened to their account.
type SecurityPage struct {
	Form
	Done       messages.Done
	Passkeys   PasskeyList
	SecondStep SecondStep
	Events     []Event        // the latest first
	Zone       *time.Location // the person's; nil: unknown
}

func (p SecurityPage) layout(*messages.Language) layout {
	l := accountLayout("account_security", securityTab)
	l.form, l.zone, l.passkeys = p.Form, p.Zone, p.Passkeys.On
	return l
}

// Event is something that happened to an account.
type Event struct {
	Kind    string // of package notices
	Detail  string // such as the name of a passkey; may be empty
	Browser string // empty: unknown, as is System
	System  string
	Address string // empty: an operator did it
	At      time.Time
}

// CodesLeft is how many recovery codes were left after one was used; -1: none was.
func (e Event) CodesLeft() int {
	if left, err := strconv.Atoi(e.Detail); err == nil && e.Kind == "recovery_code_used" {
		return left
	}
	return -1
}
