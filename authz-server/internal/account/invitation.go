package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// invitationPage is where somebody who has an account takes the roles of an invitation. Its link
// leads to /signup, which keeps its secret in the browser and leads here.
const invitationPage = "/account/invitation"

// GET /account/invitation: asks whether the person wants the roles.
func (a *Account) showInvitation(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, invitationPage) {
		return
	}
	if in, ok := a.invitation(w, r, current); ok {
		a.Pages.Render(w, r, http.StatusOK, pages.InvitationPage{Email: current.User.Email, Roles: roles.Names(in.Roles)})
	}
}

// POST /account/invitation: gives the person the roles, and uses up the invitation.
func (a *Account) postInvitation(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, invitationPage) {
		return
	}
	in, ok := a.invitation(w, r, current)
	if !ok {
		return
	}
	err := a.Store.Tx(r.Context(), func(ctx context.Context) error { return a.take(ctx, r, current, in) })
	if errors.Is(err, store.ErrNotFound) { // it was used, or withdrawn, this moment
		a.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: messages.InvitationUsed})
		return
	}
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Sessions.ForgetInvitation(w)
	if !current.User.SecondStep && !current.User.Passkey { // without which administrators do nothing
		a.Guard.See(w, r, appPage)
		return
	}
	a.Guard.See(w, r, "/account?done="+string(messages.RolesTaken))
}

func (a *Account) take(ctx context.Context, r *http.Request, current *session.Session, in accounts.Invitation) error {
	administers, err := a.Store.Roles.Administers(ctx, current.UserID)
	if err != nil {
		return err
	}
	given, err := a.Store.Invitations.SpendInvitation(ctx, in.ID, current.UserID, current.User.Email)
	if err != nil {
		return err
	}
	for _, one := range given {
		err := a.Store.Roles.Give(ctx, current.UserID, one)
		if errors.Is(err, roles.ErrUnknown) { // nobody defines it any more
			continue
		}
		if err != nil {
			return err
		}
		e := audit.OfRequest(audit.RoleGranted, r)
		e.Actor, e.Person = audit.Actor{Kind: audit.Person, ID: current.UserID, Label: current.User.Email}, current.UserID
		e.Proof, e.Target, e.Detail = current.ACR, audit.Target{Kind: "role", ID: one.String()}, map[string]any{"invitation": in.ID}
		if err := audit.New(a.Store).Record(ctx, e); err != nil {
			return err
		}
	}
	if administers {
		return nil
	}
	if administers, err = a.Store.Roles.Administers(ctx, current.UserID); err != nil || !administers {
		return err
	}
	// Whoever else is logged in to the account would administer the server too.
	if err := a.Store.Sessions.EndSessionsOf(ctx, current.UserID, current.ID); err != nil {
		return err
	}
	return a.Notices.Note(ctx, r, current.User, notices.BecameAdministrator, "")
}

// invitation is the one that the browser keeps, if the person can take it. If not, it answers and
// returns false. Guesses are counted.
func (a *Account) invitation(w http.ResponseWriter, r *http.Request, current *session.Session) (in accounts.Invitation, ok bool) {
	try, err := a.Throttle.Invitation(r.Context(), r)
	if err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page { return pages.InvitationPage{Form: form} })
		return in, false
	}
	in, err = a.Store.Invitations.Invitation(r.Context(), a.Sessions.Invitation(r))
	if errors.Is(err, store.ErrNotFound) {
		try.Fail(r.Context())
		a.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: messages.InvitationUnknown})
		return in, false
	}
	try.Release(r.Context())
	if err != nil {
		a.Guard.Fail(w, r, err)
		return in, false
	}
	reason := messages.NoSignup("")
	switch {
	case !in.UsedAt.IsZero():
		reason = messages.InvitationUsed
	case !in.ExpiresAt.After(a.Now()):
		reason = messages.InvitationExpired
	case len(in.Roles) == 0, in.Email != "" && accounts.EmailKey(in.Email) != current.User.Key:
		reason = messages.InvitationUnknown
	}
	if reason != "" {
		a.Pages.Render(w, r, http.StatusForbidden, pages.NoSignupPage{Reason: reason})
		return in, false
	}
	return in, true
}
