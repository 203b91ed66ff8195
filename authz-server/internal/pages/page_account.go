package pages

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// accountLayout is what the account's pages have in common.
func accountLayout(template string, current tab) layout {
	return layout{template: template, tab: current, script: formScript, closed: true, reloads: true}
}

// AccountPage shows a person's account.
type AccountPage struct {
	Form
	Done  messages.Done
	Name  string // as typed
	Email string

	Verified  bool // the address is known to be the person's
	SendsMail bool // the address can be confirmed and changed

	Languages []LanguageOption // of pages and mail

	Administrator bool // there is a link to the administration
}

// LanguageOption is a language that a person can choose.
type LanguageOption struct {
	Tag, Name string
	Chosen    bool
}

func (p AccountPage) layout(t *messages.Language) layout {
	l := accountLayout("account", accountTab)
	l.form, l.fields = p.Form, []label{{"name", t.Name}}
	return l
}

// PasswordPage changes the password.
type PasswordPage struct {
	Form
	Email string
	First bool // there is none yet
}

func (p PasswordPage) layout(t *messages.Language) layout {
	l := accountLayout("account_password", securityTab)
	l.form, l.fields = p.Form, []label{{"new_password", t.NewPassword}}
	if !p.First {
		l.fields = append([]label{{"password", t.CurrentPassword}}, l.fields...)
	}
	return l
}

// SessionsPage lists where a person is logged in.
type SessionsPage struct {
	Done       messages.Done
	TokensLast time.Duration // how long apps can still use what they have, if some have just lost their access; 0: none has
	Sessions   []Session
	Zone       *time.Location // the person's; nil: unknown
}

func (p SessionsPage) layout(*messages.Language) layout {
	l := accountLayout("account_sessions", sessionsTab)
	l.zone = p.Zone
	return l
}

// Session is one browser's log-in.
type Session struct {
	ID       string
	Current  bool
	Browser  string         // empty: unknown
	System   string         // empty: unknown
	Address  string         // at log-in
	UsedFrom string         // since; empty: the same, or unknown
	Means    messages.Means // how they logged in; empty: unknown
	LoggedIn time.Time
	Seen     time.Duration // ago
}

// AppsPage lists what a person has allowed to whom.
type AppsPage struct {
	Done       messages.Done
	TokensLast time.Duration // as in SessionsPage
	Apps       []AllowedApp
}

func (p AppsPage) layout(*messages.Language) layout { return accountLayout("account_apps", appsTab) }

// AllowedApp is a client that a person has allowed something, or, without words, one that needs no
// consent.
type AllowedApp struct {
	App
	Words []string      // of package consent
	Since time.Duration // ago
	Used  time.Duration // ago, the last time; if UsedKnown

	UsedKnown bool
}
