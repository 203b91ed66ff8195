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
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
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
	err := a.Store.Tx(r.Context(), func(ctx context.Context) (err error) {
		if at, err = a.Store.Users.PlanDeletion(ctx, current.UserID, posts == "delete"); err != nil {
			return err
		}
		return a.Notices.Note(ctx, r, current.User, notices.DeletionPlanned, "")
	})
	if errors.Is(err, store.ErrNotFound) { // it waits already: this session has just ended
		a.Guard.See(w, r, dataPage)
		return
	}
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	a.Sessions.Forget(w)
	a.Pages.Render(w, r, http.StatusOK, pages.DeletionPage{At: at, Zone: zoneOf(current.User)})
}

// held is everything that this server holds of a person, but for hashes and secrets, which would be
// of use to nobody but a thief.
type held struct {
	ExportedAt time.Time                  `json:"exported_at"`
	Account    heldAccount                `json:"account"`
	Claims     accounts.Claims            `json:"claims"`
	Sessions   []heldSession              `json:"sessions"`
	Browsers   []heldBrowser              `json:"trusted_browsers"`
	Passkeys   []heldPasskey              `json:"passkeys"`
	Apps       []heldApp                  `json:"apps"`
	History    []heldEvent                `json:"security_history"`
	Services   map[string]json.RawMessage `json:"services"` // what each resource service holds
}

type heldAccount struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Name          string    `json:"name"`
	Locale        string    `json:"locale,omitempty"`
	Roles         []string  `json:"roles,omitempty"`
	HasPassword   bool      `json:"has_password"`
	SecondStep    bool      `json:"second_step"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

type heldSession struct {
	LoggedInAt time.Time `json:"logged_in_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
	Proofs     []string  `json:"amr"`
}

type heldBrowser struct {
	Address      string    `json:"address"`
	UserAgent    string    `json:"user_agent"`
	LastLoginAt  time.Time `json:"last_login_at"`
	TrustedUntil time.Time `json:"trusted_until"`
}

type heldApp struct {
	ClientID  string    `json:"client_id"`
	Allowed   []string  `json:"allowed"`
	Declined  []string  `json:"declined,omitempty"`
	UpdatedAt time.Time `json:"updated_at"`
}

type heldEvent struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Detail    string    `json:"detail,omitempty"`
	Address   string    `json:"address,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

type heldPasskey struct {
	Name         string     `json:"name"`
	CredentialID []byte     `json:"credential_id"` // in base64
	PublicKey    []byte     `json:"public_key"`    // COSE_Key, in base64
	AAGUID       string     `json:"aaguid,omitempty"`
	Synced       bool       `json:"synced"`
	CreatedAt    time.Time  `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at,omitempty"`
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

func (a *Account) held(r *http.Request, current *session.Session) (held, error) {
	ctx, u := r.Context(), current.User
	all := held{
		ExportedAt: a.Now().UTC(), Claims: u.Claims, Services: a.Services(ctx, current.Session),
		Account: heldAccount{ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name, Locale: u.Locale, Roles: u.Roles,
			HasPassword: u.PasswordHash != "", SecondStep: u.SecondStep, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt},
	}
	sessions, err := a.Store.Sessions.SessionsOf(ctx, u.ID)
	if err != nil {
		return all, err
	}
	for _, one := range sessions {
		all.Sessions = append(all.Sessions, heldSession{one.AuthTime, one.SeenAt, one.Address, one.UserAgent, one.AMR})
	}
	browsers, err := a.Store.Browsers.TrustedBrowsers(ctx, u.ID)
	if err != nil {
		return all, err
	}
	for _, one := range browsers {
		all.Browsers = append(all.Browsers, heldBrowser{one.Address, one.UserAgent, one.SeenAt, one.TrustedUntil})
	}
	passkeys, err := a.Store.Passkeys.Passkeys(ctx, u.ID)
	if err != nil {
		return all, err
	}
	for _, one := range passkeys {
		held := heldPasskey{one.Name, one.CredentialID, one.PublicKey, one.AAGUID, one.BackupEligible, one.CreatedAt, nil}
		if !one.UsedAt.IsZero() {
			held.LastUsedAt = &one.UsedAt
		}
		all.Passkeys = append(all.Passkeys, held)
	}
	apps, err := a.Store.Consents.Connections(ctx, u.ID)
	if err != nil {
		return all, err
	}
	for _, one := range apps {
		all.Apps = append(all.Apps, heldApp{one.ClientID, one.Scope, one.Declined, one.UpdatedAt})
	}
	events, err := a.Store.History.Events(ctx, u.ID, exportedEvents)
	if err != nil {
		return all, err
	}
	for _, one := range events {
		all.History = append(all.History, heldEvent{one.At, one.Kind, one.Detail, one.Address, one.UserAgent})
	}
	return all, nil
}

// exportedEvents bounds the history in an export.
const exportedEvents = 10_000
