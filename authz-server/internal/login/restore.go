package login

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// GET /restore: asks somebody whose account waits to be deleted whether they want to keep it. Until
// they do, their session leads nowhere else.
func (l *Login) showRestore(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.restoreArrival(w, r)
	if !ok {
		return
	}
	l.Pages.Render(w, r, http.StatusOK, pages.RestorePage{Query: a.Query(), App: a.App, Email: current.User.Email, At: current.User.DeleteAt})
}

// POST /restore: keeps the account, or logs out and leaves it to be deleted.
func (l *Login) postRestore(w http.ResponseWriter, r *http.Request) {
	a, current, r, ok := l.restoreArrival(w, r)
	if !ok {
		return
	}
	farewell, err := l.Upstreams.Farewell(r.Context(), current)
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	switch r.PostForm.Get("decision") {
	case "keep":
		err = l.Store.Tx(r.Context(), func(ctx context.Context) error {
			if err := l.Store.Users.CancelDeletion(ctx, current.UserID); err != nil {
				return err
			}
			if err := l.Notices.Reopened(ctx, current.UserID); err != nil {
				return err
			}
			return l.Notices.Note(ctx, r, current.User, notices.DeletionCancelled, "")
		})
		if errors.Is(err, store.ErrNotFound) { // a second click
			err = nil
		}
	case "leave":
		err = l.Sessions.EndSession(w, r, current.ID)
	default:
		l.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter decision must be keep or leave.")
		return
	}
	if err != nil {
		l.Guard.Fail(w, r, err)
		return
	}
	if r.PostForm.Get("decision") == "leave" {
		page := pages.LoggedOutPage{}
		if farewell != nil {
			page.Upstream = farewell.Title
		}
		l.Pages.Render(w, r, http.StatusOK, page)
		return
	}
	l.Arrivals.Onward(w, r, a.Handle)
}

// restoreArrival finds out whose account waits to be deleted. If none does, it leads on and returns
// false.
func (l *Login) restoreArrival(w http.ResponseWriter, r *http.Request) (a arrival.Arrival, current *session.Session,
	with *http.Request, ok bool) {
	if a, current, r, ok = l.Arrivals.Person(w, r); !ok {
		return a, nil, r, false
	}
	if current == nil || current.User.DeleteAt.IsZero() {
		l.Arrivals.Onward(w, r, a.Handle)
		return arrival.Arrival{}, nil, r, false
	}
	return a, current, r, true
}
