package pages

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// UpstreamParameter is the query parameter by which a page is told what came of a log-in at an
// upstream.
const UpstreamParameter = "upstream"

// UpstreamProblem is what a page says to a value of [UpstreamParameter]; empty: nothing.
func UpstreamProblem(value string) messages.Problem {
	switch value {
	case "":
		return ""
	case "late":
		return messages.UpstreamLate
	case "refused":
		return messages.UpstreamRefused
	case "taken":
		return messages.UpstreamTaken
	case "stale":
		return messages.UpstreamStale
	case "undated":
		return messages.UpstreamUndated
	case "unproved":
		return messages.UpstreamUnproved
	case "unreachable":
		return messages.UpstreamUnreachable
	case "limited":
		return messages.UpstreamLimited
	case "cookies":
		return messages.NeedsCookies
	}
	return messages.UpstreamFailed
}

// UpstreamButton is a button that logs in by an upstream.
type UpstreamButton struct {
	Name  string // in addresses
	Title string // as people call it
}

// Path is where the button sends people.
func (b UpstreamButton) Path() string { return "/login/upstream/" + b.Name }

// UpstreamJoinPage is for somebody who came from an upstream and whose identity there is nobody's
// yet: they make an account, or log in to theirs.
type UpstreamJoinPage struct {
	Form
	Title    string // what people call the upstream
	Label    string // who the person is there
	App      *App   // nil: nobody sent the person
	Name     string
	Email    string
	Proved   bool              // the upstream vouches for the address
	Known    bool              // which has an account already
	NoSignup bool              // nobody makes an account by this upstream
	Refused  messages.NoSignup // why the person cannot make one; empty: they can
	Invited  string            // as of SignupPage
	Domains  []string
	Terms    Terms
}

// Signs tells whether the page has a form that makes an account.
func (p UpstreamJoinPage) Signs() bool { return !p.Known && !p.NoSignup && p.Refused == "" }

// EmailHint says what is special about the address.
func (p UpstreamJoinPage) EmailHint(t *messages.Language) string {
	if p.Proved {
		return t.Upstream.Proved
	}
	return SignupPage{Invited: p.Invited, Domains: p.Domains}.EmailHint(t)
}

func (p UpstreamJoinPage) layout(t *messages.Language) layout {
	l := layout{template: "upstream_join", form: p.Form, logo: p.App.logo(), script: formScript, reloads: true}
	if p.Signs() {
		l.fields = []label{{"name", t.Name}, {"email", t.Email}}
		if p.Terms.URL != "" {
			l.fields = append(l.fields, label{"terms", t.AppTerms})
		}
	}
	return l
}

// UpstreamLinkPage asks somebody who came from an upstream, and has logged in since, whether that
// identity is to open their account.
type UpstreamLinkPage struct {
	Form
	Title, Label string // as of UpstreamJoinPage
	App          *App
	Email        string // of the account
	Session      string // as of DataPage
}

func (p UpstreamLinkPage) layout(*messages.Language) layout {
	return layout{template: "upstream_link", form: p.Form, logo: p.App.logo(), reloads: true}
}

// UpstreamAddPage leads somebody who is logged in to an upstream. It is a page of its own because
// browsers apply the form-action of the account's pages to where a form leads in the end.
type UpstreamAddPage struct {
	Name, Title string
}

func (p UpstreamAddPage) layout(*messages.Language) layout { return layout{template: "upstream_add"} }

// IdentityList is who a person is at upstreams.
type IdentityList struct {
	All []Identity
	Add []UpstreamButton // those that there are
}

// Shown tells whether there is anything to show.
func (l IdentityList) Shown() bool { return len(l.All) > 0 || len(l.Add) > 0 }

// Identity is one of them.
type Identity struct {
	ID, Title, Label string
	Created, Used    time.Time
	Unused           bool // Used is nothing
	Off              bool // nobody can log in by the upstream at the moment
}
