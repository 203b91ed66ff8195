package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func (a *Account) upstreamRoutes(r *mux.Router) {
	if a.Upstreams == nil {
		return
	}
	a.Guard.Route(r, "/account/security/upstreams/add", a.showAddUpstream, a.postAddUpstream)
	r.Handle("/account/security/upstreams/remove", a.Guard.Form(a.removeIdentity)).Methods(http.MethodPost)
}

// identities is what the page shows of who the person is at upstreams.
func (a *Account) identities(r *http.Request, current *session.Session) (list pages.IdentityList, err error) {
	if a.Upstreams == nil {
		return list, nil
	}
	all, err := a.Store.Upstreams.IdentitiesOf(r.Context(), current.UserID)
	if err != nil {
		return list, err
	}
	if list.Add, err = a.Upstreams.Buttons(r.Context(), nil); err != nil {
		return list, err
	}
	titles := make(map[string]string)
	for _, one := range list.Add {
		titles[one.Name] = one.Title
	}
	for _, one := range all {
		shown := pages.Identity{ID: one.ID, Title: titles[one.Upstream], Label: one.Label, Created: one.CreatedAt, Used: one.UsedAt,
			Unused: one.UsedAt.IsZero()}
		if shown.Title == "" {
			shown.Title, shown.Off = one.Upstream, true
		}
		list.All = append(list.All, shown)
	}
	return list, nil
}

// GET /account/security/upstreams/add: asks whether the person wants to log in by the upstream name.
func (a *Account) showAddUpstream(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, securityPath) {
		return
	}
	name := r.URL.Query().Get("name")
	title, err := a.Upstreams.Title(r.Context(), name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		a.Guard.See(w, r, securityPath)
	case err != nil:
		a.Guard.Fail(w, r, err)
	default:
		a.Pages.Render(w, r, http.StatusOK, pages.UpstreamAddPage{Name: name, Title: title})
	}
}

// POST /account/security/upstreams/add: sends the person to the upstream, to prove who they are
// there. That the account is theirs, they have proved within minutes.
func (a *Account) postAddUpstream(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, securityPath) {
		return
	}
	a.Upstreams.Begin(w, r, r.PostForm.Get("name"),
		upstreams.Login{Purpose: upstreams.Link, UserID: current.UserID, SessionID: current.ID}, arrival.Arrival{})
}

// POST /account/security/upstreams/remove
func (a *Account) removeIdentity(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, securityPath) {
		return
	}
	err := a.Store.KeepAdministrator(r.Context(), func(ctx context.Context) error {
		gone, err := a.Store.Upstreams.Unlink(ctx, current.UserID, r.PostForm.Get("identity"))
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.UpstreamUnlinked, gone.Upstream+": "+gone.Label)
	})
	switch {
	case errors.Is(err, store.ErrLastAdministrator):
		err = guard.FormError{"": messages.LastAdministrator}
	case errors.Is(err, upstreams.ErrLastWay):
		err = guard.FormError{"": messages.UpstreamLastWay}
	case errors.Is(err, store.ErrNotFound):
		err = guard.FormError{"": messages.UpstreamGone}
	}
	if err != nil {
		a.refuseSecurity(w, r, current, err)
		return
	}
	a.Guard.See(w, r, securityPath+"?done="+string(messages.UpstreamRemoved))
}
