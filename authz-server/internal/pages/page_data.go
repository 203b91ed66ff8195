package pages

import (
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// DataPage gives people what is held of them, and deletes their account.
type DataPage struct {
	Form
	Done    messages.Done
	Session string // whose page it is: another person's, in the same browser, is not answered by it
}

func (p DataPage) layout(t *messages.Language) layout {
	l := accountLayout("account_data", dataTab)
	l.form, l.fields = p.Form, []label{{"posts", t.Data.PostsQuestion}}
	return l
}

// DeletionPage says that an account waits to be deleted. Nobody is logged in any more.
type DeletionPage struct {
	At   time.Time
	Zone *time.Location // the person's; nil: unknown
}

func (p DeletionPage) layout(*messages.Language) layout {
	return layout{template: "deletion", script: formScript, closed: true, zone: p.Zone}
}

// RestorePage asks somebody whose account waits to be deleted whether they want to keep it.
type RestorePage struct {
	Query string // as of LoginPage
	App   *App   // nil: nobody sent the person
	Email string
	At    time.Time
}

func (p RestorePage) layout(*messages.Language) layout {
	return layout{template: "restore", logo: p.App.logo(), script: formScript, reloads: true}
}

// InvitationPage asks whether somebody wants the roles that go with an invitation.
type InvitationPage struct {
	Form
	Email string
	Roles []string // in their text form
}

func (p InvitationPage) layout(*messages.Language) layout {
	l := accountLayout("invitation", accountTab)
	l.form = p.Form
	return l
}
