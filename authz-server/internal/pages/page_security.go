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
	NoPassword bool           // the person has none
	Identities IdentityList
}

// latest is how many events the page shows at once.
const latest = 10

// Latest are the events that the page shows at once.
func (p SecurityPage) Latest() []Event { return p.Events[:min(latest, len(p.Events))] }

// Earlier are those that it shows when asked to.
func (p SecurityPage) Earlier() []Event { return p.Events[len(p.Latest()):] }

// eventView is what the template of an event sees.
type eventView struct {
	Event
	T    *messages.Language
	When moment
}

// Event is an event for its template.
func (v view) Event(e Event) eventView { return eventView{e, v.T, v.Moment(e.At)} }

func (p SecurityPage) layout(*messages.Language) layout {
	l := accountLayout("account_security", securityTab)
	l.form, l.zone, l.passkeys = p.Form, p.Zone, p.Passkeys.On
	return l
}

// Event is something that happened to an account.
type Event struct {
	Kind     string // for which there are words: of package notices, or of package audit
	Detail   string // such as the name of a passkey or an app; may be empty
	Browser  string // empty: unknown, as is System
	System   string
	Address  string // empty: unknown, or nobody's
	Operator bool   // those who run the service did it
	At       time.Time
}

// CodesLeft is how many recovery codes were left after one was used; -1: none was.
func (e Event) CodesLeft() int {
	if left, err := strconv.Atoi(e.Detail); err == nil && e.Kind == "recovery_code_used" {
		return left
	}
	return -1
}
