package people

import (
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

func invitationRoutes(r *frame.Routes) {
	r.View("/admin/invitations", showInvitations)
	r.Change(frame.Deed{Path: "/admin/invitations/new", Form: inviteForm, Do: invite, Problems: []frame.Translation{
		{Is: store.ErrExists, Field: "email", Problem: messages.AdminAddressTaken},
		{Of: "note", Field: "note", Problem: messages.TextTooLong},
		{Of: "send", Field: "email", Problem: messages.EmailMissing},
		{Of: "expires_in", Field: "expires", Problem: messages.AdminValue},
	}})
	r.Change(frame.Deed{Path: "/admin/invitations/{id}/withdraw", Form: withdrawForm, Do: withdraw})
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
func showInvitations(v *frame.Visit) error {
	found, err := v.Admin.Invitations(v.R.Context(), v.Actor, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	words := v.T.Admin.People
	page := invitationsPage{Paging: pagingOf(v, found.Next)}
	for _, in := range found.Items {
		shown := invitationRow{
			For: in.Email, Note: in.Note, Roles: strings.Join(roles.Names(in.Roles), ", "), Made: in.CreatedAt,
			Until: in.ExpiresAt,
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
	return v.Show("invitations", page)
}

// lifetimes are how long an invitation can work.
var lifetimes = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

func inviteForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.People
	boxes, err := roleBoxes(v, "roles", nil)
	life := frame.Input{Kind: "select", Name: "expires", Label: words.Labels["expires"], Needed: true}
	chosen := v.Value("expires", lifetimes[1].String())
	for _, one := range lifetimes {
		life.Options = append(life.Options, frame.Choice{Value: one.String(), Label: words.Lifetime(one),
			Chosen: chosen == one.String()})
	}
	return frame.Form{
		Title: words.Invite, Intro: []string{words.InviteIntro}, Button: words.Invite, Back: "/admin/invitations",
		Inputs: []frame.Input{
			{Kind: "email", Name: "email", Label: words.Labels["email"], Hint: words.Hints["email"],
				Value: v.Value("email", "")},
			{Kind: "check", Name: "send", Label: words.Labels["send"], Ticked: v.Ticked("send", false)},
			life, boxes,
			{Kind: "text", Name: "note", Label: words.Labels["note"], Hint: words.Hints["note"], Value: v.Value("note", "")},
			v.ReasonInput(false),
		},
	}, err
}

// shownOnce is a page with what is shown once: a link, or that it was sent.
type shownOnce struct {
	Title, Intro, Secret string
	Back                 string
}

func invite(v *frame.Visit) (frame.Outcome, error) {
	words := v.T.Admin.People
	in := admin.NewInvitation{Note: v.Typed.Get("note"), Send: v.Typed.Has("send"), Language: v.T.Tag}
	if strings.TrimSpace(v.Typed.Get("email")) != "" {
		email, problem := profile.Email(v.Typed.Get("email"))
		if problem != "" {
			return frame.Outcome{}, guard.FormError{"email": problem}
		}
		in.Email = email
	}
	var err error
	if in.Lifetime, err = time.ParseDuration(v.Typed.Get("expires")); err != nil {
		return frame.Outcome{}, guard.FormError{"expires": messages.NothingChosen}
	}
	if in.Roles, err = typedRoles(v, "roles"); err != nil {
		return frame.Outcome{}, err
	}
	_, secret, err := v.Admin.Invite(v.R.Context(), v.Actor, in, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	if secret == "" {
		return frame.Done("/admin/invitations", "invited")
	}
	return frame.ShownOnce("once", shownOnce{words.Invite, words.InvitationLink, secret, "/admin/invitations"})
}

func withdrawForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.People
	return frame.Form{
		Title: words.Withdraw, Facts: []frame.Fact{{Name: words.Labels["invitation"], Value: v.In("id")}},
		Intro: []string{words.WithdrawIntro}, Button: words.Withdraw, Danger: true, Back: "/admin/invitations",
		Inputs: []frame.Input{v.ReasonInput(false)},
	}, nil
}

func withdraw(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.WithdrawInvitation(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/invitations", "withdrawn")
}
