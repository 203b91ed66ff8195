package pages

import (
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// VerifyPage asks for the second step of a log-in.
type VerifyPage struct {
	Form
	Query    string // as of LoginPage
	App      *App   // nil: nobody sent the person
	Email    string // whose log-in it is
	OTP      bool   // the person has an authenticator app, and recovery codes
	Recovery bool   // the page asks for a recovery code, not for one of the app
	Passkey  bool   // a passkey would do as well
	Trusts   bool   // the browser can be trusted from now on
	Trust    bool   // the person wants that
}

func (p VerifyPage) layout(t *messages.Language) layout {
	l := layout{template: "verify", form: p.Form, logo: p.App.logo(), passkeys: p.Passkey, reloads: true}
	switch {
	case p.OTP && p.Recovery:
		l.focus, l.fields = "recovery", []label{{"recovery", t.SecondStep.RecoveryCode}}
	case p.OTP:
		l.focus, l.fields = "otp", []label{{"otp", t.SecondStep.Code}}
	}
	return l
}

// Button is b as it stands on the page.
func (p VerifyPage) Button(b passkeyButton) passkeyButton {
	if p.OTP {
		return b.Beside(false)
	}
	return b.Chief("")
}

// Other is the link to the page that asks for the other kind of code.
func (p VerifyPage) Other() string {
	if p.Recovery {
		return "/login/verify" + p.Query
	}
	return "/login/verify?" + strings.TrimPrefix(p.Query+"&recovery=yes", "?")
}

// SecondStep is what the page about an account's security shows of the second step.
type SecondStep struct {
	On       bool
	Since    time.Time
	Codes    int // recovery codes that are left
	Browsers []TrustedBrowser
}

// FewCodes is from how many recovery codes on people are told that few are left.
const FewCodes = 3

// Few tells whether the person should think of new recovery codes.
func (s SecondStep) Few() bool { return s.Codes <= FewCodes }

// TrustedBrowser is one that stands for the second step.
type TrustedBrowser struct {
	ID      string
	Browser string // empty: unknown, as is System
	System  string
	Address string // of the last log-in
	Seen    time.Duration
	Until   time.Time
}

// SetUpPage sets up an authenticator app. Without a key, it says what the person needs, and goes on
// by a click.
type SetUpPage struct {
	Form
	Path   string // where the form goes
	App    *App   // that demands it in a log-in; nil: the person is in their account
	Query  string // as of LoginPage
	Key    string // in groups; empty: not begun
	URI    string // that the QR code says
	QR     string // the path of its dark modules
	QRSize int    // of the square in which it is drawn
}

func (p SetUpPage) layout(t *messages.Language) layout {
	l := secondStepLayout("second_step_setup", p.App)
	if l.form = p.Form; p.Key != "" {
		l.focus, l.fields = "otp", []label{{"otp", t.SecondStep.Code}}
	}
	return l
}

// Link opens an authenticator app on the same device.
func (p SetUpPage) Link() template.URL {
	return template.URL(p.URI) //nolint:gosec // made by package factors; html/template would not let its scheme through
}

// secondStepLayout is that of a page in the account, or, for an application, in a log-in.
func secondStepLayout(name string, app *App) layout {
	if app == nil {
		return accountLayout(name, securityTab)
	}
	return layout{template: name, logo: app.logo(), script: formScript, reloads: true}
}

// RecoveryCodesPage shows recovery codes, once.
type RecoveryCodesPage struct {
	App   *App // as of SetUpPage
	Codes []string
	New   bool   // the second step was turned on just now
	Email string // whose they are
	Next  string // a path
}

func (p RecoveryCodesPage) layout(*messages.Language) layout {
	l := secondStepLayout("recovery_codes", p.App)
	l.reloads = false
	return l
}

// RecoveryCodesFor is the title of a file of recovery codes, in the language of a page for r.
func (p *Pages) RecoveryCodesFor(r *http.Request, email string) string {
	t := p.language(r)
	return t.SecondStep.CodesFor(email) + " (" + t.Brand + ")"
}

// Text is what a person copies.
func (p RecoveryCodesPage) Text() string { return strings.Join(p.Codes, "\n") }

// RecoveryLeftPage says that few recovery codes are left, to somebody who just used one.
type RecoveryLeftPage struct {
	App  *App // that the person goes on to; nil: none
	Left int
	Next string // a path
}

func (p RecoveryLeftPage) layout(*messages.Language) layout {
	return layout{template: "recovery_left", logo: p.App.logo()}
}

// SecondStepChangePage asks whether the person means it.
type SecondStepChangePage struct {
	Off bool // turn the second step off; otherwise make new recovery codes
}

func (SecondStepChangePage) layout(*messages.Language) layout {
	return accountLayout("second_step_change", securityTab)
}
