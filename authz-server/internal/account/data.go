package account

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

const dataPage = "/account/data"

// GET /account/data: what is held of the person, and how to have it deleted.
func (a *Account) showData(w http.ResponseWriter, r *http.Request) {
	if current, ok := a.owner(w, r); ok {
		a.Pages.Render(w, r, http.StatusOK, pages.DataPage{Done: done(r), Session: current.ID})
	}
}

// POST /account/data: sends everything that is held as a file, or plans the deletion.
func (a *Account) postData(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, dataPage) {
		return
	}
	if shown := r.PostForm.Get("session"); shown != "" && shown != current.ID { // to somebody else, in this browser
		a.Guard.See(w, r, dataPage)
		return
	}
	switch r.PostForm.Get("do") {
	case "export":
		a.export(w, r, current)
	case "delete":
		a.planDeletion(w, r, current)
	default:
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter do must be export or delete.")
	}
}

// planDeletion lets the account wait to be deleted. It logs the person out everywhere, here too.
func (a *Account) planDeletion(w http.ResponseWriter, r *http.Request, current *session.Session) {
	posts := r.PostForm.Get("posts")
	if posts != "keep" && posts != "delete" {
		a.Guard.Refuse(w, r, guard.FormError{"posts": messages.PostsUndecided}, func(form pages.Form) pages.Page {
			return pages.DataPage{Form: form, Session: current.ID}
		})
		return
	}
	var at time.Time
	err := a.Store.KeepAdministrator(r.Context(), func(ctx context.Context) (err error) {
		if at, err = a.Store.Users.PlanDeletion(ctx, current.UserID, posts == "delete"); err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.DeletionPlanned, "")
	})
	if errors.Is(err, store.ErrNotFound) { // it waits already: this session has just ended
		a.Guard.See(w, r, dataPage)
		return
	}
	if errors.Is(err, store.ErrLastAdministrator) {
		a.Guard.Refuse(w, r, guard.FormError{"": messages.LastAdministrator}, func(form pages.Form) pages.Page {
			return pages.DataPage{Form: form, Session: current.ID}
		})
		return
	}
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Sessions.Forget(w)
	a.Pages.Render(w, r, http.StatusOK, pages.DeletionPage{At: at, Zone: current.User.Zone()})
}

// export sends what is held, and what the services hold, as a file.
func (a *Account) export(w http.ResponseWriter, r *http.Request, current *session.Session) {
	if err := a.Throttle.Export(r.Context(), current.UserID); err != nil {
		a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page { return pages.DataPage{Form: form, Session: current.ID} })
		return
	}
	all, err := a.held(r, current)
	if err == nil {
		err = a.Notices.Note(r.Context(), r, current.User, notices.DataExported, "")
	}
	var text []byte
	if err == nil {
		text, err = json.MarshalIndent(all, "", "  ")
	}
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write(text) //nolint:errcheck // the person went away
}
