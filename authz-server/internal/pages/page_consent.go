package pages

import (
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// Question is what every page has that asks whether an app may have something. Its form posts what
// [consent.Read] reads.
type Question struct {
	Form
	App     App
	Session string // the login session that is asked
	Email   string // whose it is
	Choices []consent.Choice
}

// Refuse puts on the page why [consent.Read] took no answer, and returns the status that goes with
// it; 0: the person can do nothing about err.
func (q *Question) Refuse(err error) (status int) {
	problem := messages.NothingChosen
	switch {
	case errors.Is(err, consent.ErrOtherSession):
		status, problem = http.StatusConflict, messages.ConsentOfSomeOther
	case errors.Is(err, consent.ErrNothingChosen):
		status = http.StatusUnprocessableEntity
		for i := range q.Choices {
			q.Choices[i].Ticked = q.Choices[i].Required
		}
	default:
		return 0
	}
	q.Problems = map[string]messages.Problem{"": problem}
	return status
}

// ConsentPage asks whether an app may have what its authorization request asks for.
type ConsentPage struct {
	Question
	Interaction string
}

func (p ConsentPage) layout(*messages.Language) layout {
	return layout{template: "consent", form: p.Form, logo: p.App.logo(), reloads: true}
}

// UserCodePage asks for the code that a device shows.
type UserCodePage struct {
	Form
	UserCode string // as typed, or filled in
	Email    string // who is logged in
}

func (p UserCodePage) layout(t *messages.Language) layout {
	return layout{template: "user_code", form: p.Form, fields: []label{{"user_code", t.DeviceCode}}, focus: "user_code",
		closed: true}
}

// DevicePage asks whether a device may be connected.
type DevicePage struct {
	Question
	UserCode string
	Address  string        // where the device asked from
	Browser  string        // empty: unknown
	System   string        // empty: unknown
	Asked    time.Duration // ago
}

func (p DevicePage) layout(*messages.Language) layout {
	return layout{template: "device", form: p.Form, logo: p.App.logo(), closed: true}
}

// DeviceDonePage says that a device is connected, or that it is not.
type DeviceDonePage struct {
	App     App
	Allowed bool
}

func (p DeviceDonePage) layout(*messages.Language) layout {
	return layout{template: "device_done", closed: true}
}
