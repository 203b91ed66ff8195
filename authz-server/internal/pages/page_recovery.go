package pages

import "github.com/maru-auth/maru/authz-server/internal/messages"

// ForgotPage asks for the address of an account whose password is forgotten.
type ForgotPage struct {
	Form
	Query  string // as of LoginPage
	Email  string
	NoMail bool // this server sends none: it says whom to ask
}

func (p ForgotPage) layout(t *messages.Language) layout {
	return layout{template: "forgot", form: p.Form, focus: "email", closed: true, script: formScript, reloads: true,
		fields: []label{{"email", t.Email}}}
}

// CodePage asks for the code of a letter.
type CodePage struct {
	Form
	Action string // the path that takes the code: /verify or /reset
	Back   string // the path where another address is typed
	Email  string // where the letter went
	Again  bool   // it was just sent again
	Secret bool   // nobody must learn whether the address has an account
	App    *App   // nil: nobody sent the person
}

func (p CodePage) layout(t *messages.Language) layout {
	return layout{template: "code", form: p.Form, focus: "code", logo: p.App.logo(), script: formScript, reloads: true,
		fields: []label{{"code", t.Recovery.Code}}}
}

// ProveAddressPage asks somebody who followed a link whether the address is theirs.
type ProveAddressPage struct {
	Form
	Email     string
	Name      string // given at sign-up in another browser, whose password is asked for; empty: none is
	Signup    bool   // the link makes an account, which the person may not want
	MustLogIn bool   // in this browser, before it goes on
	App       *App   // nil: nobody sent the person
}

func (p ProveAddressPage) layout(t *messages.Language) layout {
	l := layout{template: "prove_address", form: p.Form, logo: p.App.logo(), script: formScript, reloads: true}
	if p.Name != "" {
		l.fields, l.focus = []label{{"password", t.Recovery.VerifyPassword}}, "password"
	}
	return l
}

// ResetPage asks for a new password.
type ResetPage struct {
	Form
	Email string
}

func (p ResetPage) layout(t *messages.Language) layout {
	return layout{template: "reset", form: p.Form, focus: "password", closed: true, script: formScript, reloads: true,
		fields: []label{{"password", t.NewPassword}}}
}

// LinkGonePage says that a mailed link is good for nothing any more.
type LinkGonePage struct {
	Reset bool // it was for a new password
}

func (p LinkGonePage) layout(*messages.Language) layout {
	return layout{template: "link_gone", closed: true, reloads: true}
}

// SignupDroppedPage says that a sign-up was thrown away.
type SignupDroppedPage struct{}

func (p SignupDroppedPage) layout(*messages.Language) layout {
	return layout{template: "signup_dropped", closed: true}
}

// AddressTakenPage says that an address has got an account since the letter went to it.
type AddressTakenPage struct{ Email string }

func (p AddressTakenPage) layout(*messages.Language) layout {
	return layout{template: "address_taken", closed: true}
}

// EmailPage changes the address of an account.
type EmailPage struct {
	Form
	Email    string
	Verified bool
	New      string // as typed
}

func (p EmailPage) layout(t *messages.Language) layout {
	l := accountLayout("account_email", accountTab)
	l.form, l.fields = p.Form, []label{{"email", t.Recovery.NewEmail}}
	return l
}
