package adminpages

import (
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func (a *Administration) invitationRoutes(r *mux.Router) {
	a.view(r, "/admin/invitations", (*visit).invitations)
	a.change(r, deed{path: "/admin/invitations/new", form: inviteForm, do: invite, problems: []translation{
		{is: store.ErrExists, field: "email", problem: messages.AdminAddressTaken}, {of: "note", field: "note", problem: messages.TextTooLong},
		{of: "send", field: "email", problem: messages.EmailMissing}, {of: "expires_in", field: "expires", problem: messages.AdminValue},
	}})
	a.change(r, deed{path: "/admin/invitations/{id}/withdraw", form: withdrawForm, do: withdraw})
}

type invitationsPage struct {
	Invitations []invitationRow
	Paging      paging
}

type invitationRow struct {
	For, Note, Roles, State string
	Class                   string // of the state
	Made, Until             time.Time
	UsedBy, Withdraw        string // paths
}

// GET /admin/invitations
func (v *visit) invitations() error {
	found, err := v.Admin.Invitations(v.r.Context(), v.actor, v.asked("after"), onePage)
	if err != nil {
		return err
	}
	words := v.t.Admin.People
	page := invitationsPage{Paging: v.pagingOf(found.Next)}
	for _, in := range found.Items {
		shown := invitationRow{
			For: in.Email, Note: in.Note, Roles: strings.Join(roles.Names(in.Roles), ", "), Made: in.CreatedAt, Until: in.ExpiresAt,
		}
		if shown.For == "" {
			shown.For = words.Anybody
		}
		switch {
		case !in.UsedAt.IsZero():
			shown.State, shown.Class = words.InvitationStates["used"], "quiet"
			if in.UsedBy != "" {
				shown.UsedBy = "/admin/users/" + in.UsedBy
			}
		case !in.ExpiresAt.After(v.Now()):
			shown.State, shown.Class = words.InvitationStates["expired"], "quiet"
		default:
			shown.State, shown.Withdraw = words.InvitationStates["open"], "/admin/invitations/"+in.ID+"/withdraw"
		}
		page.Invitations = append(page.Invitations, shown)
	}
	return v.show("invitations", page)
}

// lifetimes are how long an invitation can work.
var lifetimes = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

func inviteForm(v *visit) (form, error) {
	words := v.t.Admin.People
	boxes, err := v.roleBoxes("roles", nil)
	life := input{Kind: "select", Name: "expires", Label: words.Labels["expires"], Needed: true}
	chosen := v.value("expires", lifetimes[1].String())
	for _, one := range lifetimes {
		life.Options = append(life.Options, choice{Value: one.String(), Label: words.Lifetime(one), Chosen: chosen == one.String()})
	}
	return form{
		Title: words.Invite, Intro: []string{words.InviteIntro}, Button: words.Invite, Back: "/admin/invitations",
		Inputs: []input{
			{Kind: "email", Name: "email", Label: words.Labels["email"], Hint: words.Hints["email"], Value: v.value("email", "")},
			{Kind: "check", Name: "send", Label: words.Labels["send"], Ticked: v.ticked("send", false)},
			life, boxes,
			{Kind: "text", Name: "note", Label: words.Labels["note"], Hint: words.Hints["note"], Value: v.value("note", "")},
			v.reasonInput(false),
		},
	}, err
}

// shownOnce is a page with what is shown once: a link, or that it was sent.
type shownOnce struct {
	Title, Intro, Secret string
	Back                 string
}

func invite(v *visit) (outcome, error) {
	words := v.t.Admin.People
	in := admin.NewInvitation{Note: v.typed.Get("note"), Send: v.typed.Has("send"), Language: v.t.Tag}
	if strings.TrimSpace(v.typed.Get("email")) != "" {
		email, problem := profile.Email(v.typed.Get("email"))
		if problem != "" {
			return outcome{}, guard.FormError{"email": problem}
		}
		in.Email = email
	}
	var err error
	if in.Lifetime, err = time.ParseDuration(v.typed.Get("expires")); err != nil {
		return outcome{}, guard.FormError{"expires": messages.NothingChosen}
	}
	if in.Roles, err = v.typedRoles("roles"); err != nil {
		return outcome{}, err
	}
	_, secret, err := v.Admin.Invite(v.r.Context(), v.actor, in, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	if secret == "" {
		return done("/admin/invitations", "invited")
	}
	return shown("once", shownOnce{words.Invite, words.InvitationLink, secret, "/admin/invitations"})
}

func withdrawForm(v *visit) (form, error) {
	words := v.t.Admin.People
	return form{
		Title: words.Withdraw, Facts: []fact{{words.Labels["invitation"], v.in("id")}}, Intro: []string{words.WithdrawIntro}, Button: words.Withdraw,
		Danger: true, Back: "/admin/invitations", Inputs: []input{v.reasonInput(false)},
	}, nil
}

func withdraw(v *visit) (outcome, error) {
	if err := v.Admin.WithdrawInvitation(v.r.Context(), v.actor, v.in("id"), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/invitations", "withdrawn")
}
