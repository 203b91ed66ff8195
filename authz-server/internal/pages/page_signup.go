package pages

import (
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// SignupPage makes an account.
type SignupPage struct {
	Form
	Query string // as of LoginPage
	App   *App   // nil: nobody sent the person
	Email string
	Name  string

	Invited string   // the address that the invitation is for; empty: any
	Domains []string // of the addresses that are let in; nil: all
	Terms   Terms

	Passkeys  bool // there can be passkeys
	Upstreams []UpstreamButton
}

// Terms are what people agree to, and can read.
type Terms struct {
	URL     string // empty: there is nothing to agree to
	Privacy string // of the privacy policy; empty: there is none
	Version string // what the form sends of whoever agrees
}

func (p SignupPage) layout(t *messages.Language) layout {
	l := layout{template: "signup", form: p.Form, logo: p.App.logo(), script: formScript, passkeys: p.Passkeys, reloads: true,
		fields: []label{{"name", t.Name}, {"email", t.Email}, {"password", t.Password}}}
	if p.Terms.URL != "" {
		l.fields = append(l.fields, label{"terms", t.AppTerms})
	}
	return l
}

// EmailHint says which address to use.
func (p SignupPage) EmailHint(t *messages.Language) string {
	switch {
	case p.Invited != "":
		return t.Signup.Invited(p.Invited)
	case len(p.Domains) > 0:
		return t.Signup.Domains(strings.Join(p.Domains, ", "))
	}
	return ""
}

// NoSignupPage says why somebody cannot sign up, and leads to the log-in.
type NoSignupPage struct {
	Reason messages.NoSignup
	Query  string // as of LoginPage
	App    *App   // nil: nobody sent the person
}

func (p NoSignupPage) layout(*messages.Language) layout {
	return layout{template: "no_signup", logo: p.App.logo(), refused: &refusal{"access_denied", "sign-up: " + string(p.Reason)}}
}

// AgreePage asks somebody who is logged in to agree to the present terms.
type AgreePage struct {
	Query string // as of LoginPage
	App   *App   // nil: nobody sent the person
	Email string
	Terms Terms

	Session string // as of DataPage
}

func (p AgreePage) layout(*messages.Language) layout {
	return layout{template: "agree", logo: p.App.logo(), reloads: true}
}
