package account

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/passkeys"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// securityPath is where people look after their passkeys.
const securityPath = "/account/security"

func (a *Account) passkeyRoutes(r *mux.Router) {
	if !a.Passkeys.On() {
		return
	}
	r.Handle("/account/passkeys/begin", a.Guard.Script(a.beginPasskey)).Methods(http.MethodPost)
	r.Handle("/account/passkeys/finish", a.Guard.Script(a.finishPasskey)).Methods(http.MethodPost)
	r.Handle("/account/passkeys/rename", a.Guard.Form(a.renamePasskey)).Methods(http.MethodPost)
	r.Handle("/account/passkeys/remove", a.Guard.Form(a.removePasskey)).Methods(http.MethodPost)
}

// passkeyList is what the page shows of the person's passkeys.
func (a *Account) passkeyList(r *http.Request, current *session.Session) (list pages.PasskeyList, err error) {
	if !a.Passkeys.On() {
		return list, nil
	}
	list = pages.PasskeyList{On: true, RP: a.Passkeys.RelyingParty()}
	all, err := a.Store.Passkeys.Passkeys(r.Context(), current.UserID)
	if err != nil {
		return list, err
	}
	if len(all) > 0 {
		handle, err := a.Store.Passkeys.UserHandle(r.Context(), current.UserID)
		if err != nil {
			return list, err
		}
		list.Handle = base64.RawURLEncoding.EncodeToString(handle)
	}
	device := a.Sessions.DeviceSecret(r)
	for _, one := range all {
		shown := pages.Passkey{
			ID: one.ID, Credential: base64.RawURLEncoding.EncodeToString(one.CredentialID), Name: one.Name,
			Synced: one.BackupEligible, Cloned: !one.ClonedAt.IsZero(), Created: a.Now().Sub(one.CreatedAt),
			Used: a.Now().Sub(one.UsedAt), Unused: one.UsedAt.IsZero(),
			ThisBrowser: device != "" && slices.Equal(one.Browser, opaque.Hash(device)),
		}
		if keeper := passkeys.Provider(one); keeper != one.Name {
			shown.Keeper = keeper
		}
		list.All = append(list.All, shown)
	}
	return list, nil
}

// scriptOwner is owner and recent for a script, which it tells where the person proves who they
// are.
func (a *Account) scriptOwner(w http.ResponseWriter, r *http.Request) (*session.Session, bool) {
	current, err := a.Sessions.Session(r)
	to := "/login"
	switch {
	case err != nil:
	case current == nil:
		a.want(w, securityPath)
	default:
		to, err = a.unproved(w, r, current, securityPath)
	}
	if err != nil {
		a.Guard.RefuseScript(w, r, err)
		return nil, false
	}
	if to != "" {
		a.Guard.LeadScript(w, to)
		return nil, false
	}
	return current, true
}

// POST /account/passkeys/begin: the options by which the browser makes a passkey.
func (a *Account) beginPasskey(w http.ResponseWriter, r *http.Request, _ []byte) {
	current, ok := a.scriptOwner(w, r)
	if !ok {
		return
	}
	a.Sessions.EnsureBrowser(w, r)
	if !a.Sessions.HasBrowser(r) { // this answer sets the cookie
		a.Guard.RefuseScript(w, r, guard.FormError{"": messages.NeedsCookies})
		return
	}
	err := a.Throttle.Ceremony(r)
	var options []byte
	if err == nil {
		options, err = a.Passkeys.BeginRegistration(r.Context(), a.browser(r), current.User)
	}
	if errors.Is(err, accounts.ErrTooMany) {
		err = guard.FormError{"": messages.PasskeysFull}
	}
	if err != nil {
		a.Guard.RefuseScript(w, r, err)
		return
	}
	a.Guard.TellRaw(w, options)
}

// browser is the one that sent r.
func (a *Account) browser(r *http.Request) passkeys.Browser {
	return passkeys.Browser{Secret: a.Sessions.Browser(r), Device: a.Sessions.DeviceSecret(r)}
}

// POST /account/passkeys/finish: stores the passkey that the browser has made.
func (a *Account) finishPasskey(w http.ResponseWriter, r *http.Request, answer []byte) {
	current, ok := a.scriptOwner(w, r)
	if !ok {
		return
	}
	made, err := a.Passkeys.FinishRegistration(r.Context(), a.browser(r), current.User, answer)
	if err == nil {
		browser, system := sender.Browser(r.UserAgent())
		made.Name = a.Pages.PasskeyName(r, passkeys.Provider(made), browser, system)
		err = a.Store.Tx(r.Context(), func(ctx context.Context) error {
			if _, err := a.Store.Passkeys.AddPasskey(ctx, made); err != nil {
				return err
			}
			return a.Notices.Note(ctx, r, current.User, notices.PasskeyAdded, made.Name)
		})
	}
	var refused *passkeys.RefusedError
	switch {
	case err == nil:
		a.Guard.LeadScript(w, securityPath+"?done="+string(messages.PasskeyMade))
		return
	case errors.As(err, &refused):
		a.Guard.RefuseScriptFor(w, r, messages.PasskeyNotMade, refused.Reason, "")
		return
	case errors.Is(err, accounts.ErrTooMany):
		err = guard.FormError{"": messages.PasskeysFull}
	case errors.Is(err, store.ErrExists):
		err = guard.FormError{"": messages.PasskeyExists}
	}
	a.Guard.RefuseScript(w, r, err)
}

// POST /account/passkeys/rename
func (a *Account) renamePasskey(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	name, problem := profile.Name(r.PostForm.Get("name"))
	var err error
	if problem != "" {
		err = guard.FormError{"": problem}
	} else {
		err = a.Store.Passkeys.RenamePasskey(r.Context(), current.UserID, r.PostForm.Get("passkey"), name)
	}
	a.passkeyDone(w, r, current, messages.PasskeyRenamed, err)
}

// POST /account/passkeys/remove
func (a *Account) removePasskey(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok || !a.recent(w, r, current, securityPath) {
		return
	}
	err := a.Store.KeepAdministrator(r.Context(), func(ctx context.Context) error {
		removed, err := a.Store.Passkeys.RemovePasskey(ctx, current.UserID, r.PostForm.Get("passkey"))
		if err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.PasskeyRemoved, removed.Name)
	})
	if errors.Is(err, accounts.ErrLastWay) {
		err = guard.FormError{"": messages.PasskeyLastWay}
	}
	if errors.Is(err, store.ErrLastAdministrator) {
		err = guard.FormError{"": messages.LastAdministrator}
	}
	a.passkeyDone(w, r, current, messages.PasskeyDropped, err)
}

// passkeyDone answers a form about a passkey.
func (a *Account) passkeyDone(w http.ResponseWriter, r *http.Request, current *session.Session, what messages.Done, err error) {
	if errors.Is(err, store.ErrNotFound) {
		err = guard.FormError{"": messages.PasskeyGone}
	}
	if err != nil {
		a.refuseSecurity(w, r, current, err)
		return
	}
	a.Guard.See(w, r, securityPath+"?done="+string(what))
}
