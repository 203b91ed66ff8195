package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// GET /account/sessions
func (a *Account) showSessions(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	all, err := a.Store.Sessions.SessionsOf(r.Context(), current.UserID)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	now := a.Now()
	page := pages.SessionsPage{Done: done(r), Zone: current.User.Zone()}
	if page.Done != "" {
		page.TokensLast = a.AccessToken
	}
	for _, one := range all {
		shown := pages.Session{ID: one.ID, Current: one.ID == current.ID, Address: one.Address, LoggedIn: one.CreatedAt,
			Seen: now.Sub(one.SeenAt)}
		shown.Browser, shown.System = sender.Browser(one.UserAgent)
		if shown.Means = meansOf(one); one.SeenAddress != one.Address {
			shown.UsedFrom = one.SeenAddress
		}
		if shown.Current {
			page.Sessions = append([]pages.Session{shown}, page.Sessions...)
			continue
		}
		page.Sessions = append(page.Sessions, shown)
	}
	a.Pages.Render(w, r, http.StatusOK, page)
}

// meansOf is how the person of a session logged in.
func meansOf(s accounts.Session) messages.Means {
	proof := proofs.Proof(s.AMR)
	switch acr := proof.ACR(); {
	case acr == proofs.PhishingResistant:
		return messages.ByPasskey
	case proof.Federated():
		return messages.ByUpstream
	}
	switch proof.ACR() {
	case proofs.SeveralFactors:
		return messages.ByCode
	case proofs.OneFactor:
		return messages.ByPassword
	}
	return ""
}

// POST /account/sessions: ends one of the person's other sessions, or all of them.
func (a *Account) postSessions(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	what, err := messages.SessionEnded, error(nil)
	if id := r.PostForm.Get("session"); id != "" {
		err = a.Store.Tx(r.Context(), func(ctx context.Context) error {
			if err := a.Store.Sessions.EndSessionOf(ctx, current.UserID, id); err != nil {
				return err
			}
			return a.Notices.Note(ctx, r, current.User, notices.SessionsEnded, "")
		})
	} else if r.PostForm.Get("others") == "yes" {
		what, err = messages.OthersEnded, a.Store.Tx(r.Context(), func(ctx context.Context) error {
			if err := a.Store.Sessions.EndSessionsOf(ctx, current.UserID, current.ID); err != nil {
				return err
			}
			return a.Notices.Note(ctx, r, current.User, notices.SessionsEnded, "")
		})
	} else {
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter session is missing.")
		return
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) { // what has ended already, or was never theirs, needs no end
		a.Guard.Fail(w, r, err)
		return
	}
	a.Guard.See(w, r, "/account/sessions?done="+string(what))
}
