package account

import (
	"context"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
)

// GET /account/apps
func (a *Account) showApps(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	connections, err := a.Store.Consents.Connections(r.Context(), current.UserID)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	used, err := a.Store.Consents.LastUses(r.Context(), current.UserID)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	page := pages.AppsPage{Done: done(r)}
	if page.Done != "" {
		page.TokensLast = a.AccessToken
	}
	for _, one := range connections {
		app, err := a.Apps.App(r, one.ClientID, "")
		if err != nil {
			a.Guard.Fail(w, r, err)
			return
		}
		shown := pages.AllowedApp{App: app, Words: one.Scope, Since: a.Now().Sub(one.UpdatedAt)}
		if at, ok := used[one.ClientID]; ok {
			shown.Used, shown.UsedKnown = a.Now().Sub(at), true
		}
		page.Apps = append(page.Apps, shown)
	}
	a.Pages.Render(w, r, http.StatusOK, page)
}

// POST /account/apps: takes back what an application was allowed.
func (a *Account) postApps(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	client := r.PostForm.Get("client")
	if client == "" {
		a.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter client is missing.")
		return
	}
	if err := a.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := a.Store.Consents.WithdrawConsent(ctx, current.UserID, client); err != nil {
			return err
		}
		e := audit.OfPerson(audit.ConsentWithdrawn, r, current.UserID, current.User.Email)
		e.Target, e.Proof = audit.Target{Kind: "client", ID: client}, current.ACR
		return audit.New(a.Store).Record(ctx, e)
	}); err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Guard.See(w, r, "/account/apps?done="+string(messages.AppWithdrawn))
}
