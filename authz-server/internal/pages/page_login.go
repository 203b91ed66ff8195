package pages

import "github.com/maru-auth/maru/authz-server/internal/messages"

// LoginPage asks who it is.
type LoginPage struct {
	Form
	Query   string // of the pages that a log-in leads through, with its question mark, or empty
	App     *App   // nil: nobody sent the person
	Email   string
	Confirm bool // somebody who is logged in is to prove again who they are: the address is theirs

	PasskeyOnly bool // with Confirm: the person has no password
	Code        bool // there were too many tries: a code of an authenticator app can be typed with the password
	NoSignup    bool // nobody makes an account from here
	Done        messages.Done
	Passkeys    bool // there can be passkeys

	Upstreams    []UpstreamButton
	UpstreamOnly bool // with Confirm: the person has neither password nor passkey
}

// Autofill tells whether the field for the address offers passkeys too.
func (p LoginPage) Autofill() bool { return p.Passkeys && !p.Confirm }

// Button is the button for a passkey as it stands on the page.
func (p LoginPage) Button(b passkeyButton) passkeyButton {
	if p.PasskeyOnly {
		return b.Chief("")
	}
	return b.Beside(p.Autofill())
}

func (p LoginPage) layout(t *messages.Language) layout {
	l := layout{template: "login", form: p.Form, focus: "email", logo: p.App.logo(), script: formScript, passkeys: p.Passkeys,
		reloads: true}
	l.fields = []label{{"email", t.Email}, {"password", t.Password}}
	if p.Code {
		l.fields = append(l.fields, label{"otp", t.SecondStep.Code})
	}
	switch {
	case p.PasskeyOnly || p.UpstreamOnly:
		l.fields, l.focus = nil, ""
	case p.Email != "":
		l.focus = "password"
	}
	return l
}
