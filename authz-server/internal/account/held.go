package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// held is everything that this server holds of a person, but for hashes and secrets, which would be
// of use to nobody but a thief. A test holds it to the tables.
type held struct {
	ExportedAt time.Time       `json:"exported_at"`
	Account    heldAccount     `json:"account"`
	Claims     accounts.Claims `json:"claims"`
	Groups     []heldGroup     `json:"groups,omitempty"`
	External   []accounts.Name `json:"external_ids,omitempty"` // what directories call the person
	SecondStep *heldSecondStep `json:"second_step,omitempty"`
	Passkeys   []heldPasskey   `json:"passkeys"`
	Identities []heldIdentity  `json:"upstream_identities,omitempty"`
	Sessions   []heldSession   `json:"sessions"`
	Browsers   []heldBrowser   `json:"browsers"`
	Apps       []heldApp       `json:"apps"`
	Agreements []heldAgreement `json:"agreements"`
	Invitation *heldInvitation `json:"invitation,omitempty"` // by which the account was made
	Letters    []heldLetter    `json:"letters"`              // with links that wait to be opened
	History    []heldEvent     `json:"security_history"`

	Services map[string]json.RawMessage            `json:"services"` // what each resource service holds
	OfApps   map[string]map[string]json.RawMessage `json:"services_for_apps,omitempty"`
}

type heldAccount struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Name          string    `json:"name"`
	Locale        string    `json:"locale,omitempty"`
	Roles         []string  `json:"roles,omitempty"`
	HasPassword   bool      `json:"has_password"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

type heldGroup struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

type heldSecondStep struct {
	Since         time.Time `json:"since"`
	RecoveryCodes int       `json:"recovery_codes_left"`
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

type heldIdentity struct {
	Upstream   string     `json:"upstream"`
	Issuer     string     `json:"issuer"`
	Subject    string     `json:"sub"`
	Label      string     `json:"label"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

type heldSession struct {
	LoggedInAt  time.Time `json:"logged_in_at"`
	LastUsedAt  time.Time `json:"last_used_at"`
	Address     string    `json:"address"`
	SeenAddress string    `json:"last_used_address,omitempty"`
	UserAgent   string    `json:"user_agent"`
	Proofs      []string  `json:"amr"`
}

type heldBrowser struct {
	Address      string     `json:"address"`
	UserAgent    string     `json:"user_agent"`
	FirstLoginAt time.Time  `json:"first_login_at"`
	LastLoginAt  time.Time  `json:"last_login_at"`
	TrustedUntil *time.Time `json:"trusted_until,omitempty"`
}

type heldApp struct {
	ClientID   string     `json:"client_id"`
	Allowed    []string   `json:"allowed"`
	Declined   []string   `json:"declined,omitempty"`
	UpdatedAt  time.Time  `json:"updated_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
}

type heldAgreement struct {
	Version string    `json:"version"` // of the terms
	At      time.Time `json:"at"`
	Address string    `json:"address"`
}

type heldInvitation struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at"`
}

type heldLetter struct {
	Purpose   string    `json:"purpose"`
	Email     string    `json:"email"`
	SentAt    time.Time `json:"sent_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

type heldEvent struct {
	At        time.Time      `json:"at"`
	Kind      string         `json:"kind"`
	By        string         `json:"by,omitempty"` // whether a person, a client, an operator by a command, or the server did it
	About     string         `json:"about,omitempty"`
	Address   string         `json:"address,omitempty"`
	UserAgent string         `json:"user_agent,omitempty"`
	Proof     string         `json:"proof,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
}

// maybe is nil for the zero time.
func maybe(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// exportedEvents bounds the history in an export.
const exportedEvents = 10_000

func (a *Account) held(r *http.Request, current *session.Session) (held, error) {
	ctx, u := r.Context(), current.User
	all := held{
		ExportedAt: a.Now().UTC(), Claims: u.Claims,
		Account: heldAccount{ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name, Locale: u.Locale, Roles: roles.Names(u.Roles),
			HasPassword: u.PasswordHash != "", CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt},
	}
	for _, add := range []func(context.Context, accounts.User, *held) error{
		a.heldGroups, a.heldNames, a.heldProofs, a.heldLogins, a.heldApps, a.heldSignup, a.heldHistory,
	} {
		if err := add(ctx, u, &all); err != nil {
			return all, err
		}
	}
	var err error
	all.Services, all.OfApps, err = a.Services(ctx, current.Session)
	return all, err
}

func (a *Account) heldNames(ctx context.Context, u accounts.User, all *held) (err error) {
	all.External, err = a.Store.Users.NamesOf(ctx, u.ID, 100)
	return err
}

func (a *Account) heldGroups(ctx context.Context, u accounts.User, all *held) error {
	const page = 100
	for last := ""; ; {
		groups, err := a.Store.Roles.GroupsOf(ctx, u.ID, last, page)
		if err != nil {
			return err
		}
		for _, one := range groups {
			has, err := a.Store.Roles.GroupRoles(ctx, one.ID)
			if err != nil {
				return err
			}
			all.Groups = append(all.Groups, heldGroup{one.Name, roles.Names(has)})
			last = one.ID
		}
		if len(groups) < page {
			return nil
		}
	}
}

func (a *Account) heldProofs(ctx context.Context, u accounts.User, all *held) error {
	state, err := a.Factors.State(ctx, u)
	if err != nil {
		return err
	}
	if state.On {
		all.SecondStep = &heldSecondStep{state.Since, state.Codes}
	}
	passkeys, err := a.Store.Passkeys.Passkeys(ctx, u.ID)
	for _, one := range passkeys {
		all.Passkeys = append(all.Passkeys, heldPasskey{one.Name, one.CredentialID, one.PublicKey, one.AAGUID, one.BackupEligible,
			one.CreatedAt, maybe(one.UsedAt)})
	}
	if err != nil {
		return err
	}
	identities, err := a.Store.Upstreams.IdentitiesOf(ctx, u.ID)
	for _, one := range identities {
		all.Identities = append(all.Identities, heldIdentity{one.Upstream, one.Issuer, one.Subject, one.Label, one.CreatedAt, maybe(one.UsedAt)})
	}
	return err
}

func (a *Account) heldLogins(ctx context.Context, u accounts.User, all *held) error {
	sessions, err := a.Store.Sessions.SessionsOf(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, one := range sessions {
		all.Sessions = append(all.Sessions, heldSession{one.AuthTime, one.SeenAt, one.Address, one.SeenAddress, one.UserAgent, one.AMR})
	}
	browsers, err := a.Store.Browsers.KnownBrowsers(ctx, u.ID)
	for _, one := range browsers {
		all.Browsers = append(all.Browsers, heldBrowser{one.Address, one.UserAgent, one.CreatedAt, one.SeenAt, maybe(one.TrustedUntil)})
	}
	return err
}

func (a *Account) heldApps(ctx context.Context, u accounts.User, all *held) error {
	apps, err := a.Store.Consents.Connections(ctx, u.ID)
	if err != nil {
		return err
	}
	used, err := a.Store.Consents.LastUses(ctx, u.ID)
	for _, one := range apps {
		all.Apps = append(all.Apps, heldApp{one.ClientID, one.Scope, one.Declined, one.UpdatedAt, maybe(used[one.ClientID])})
	}
	return err
}

func (a *Account) heldSignup(ctx context.Context, u accounts.User, all *held) error {
	agreements, err := a.Store.Agreements.AgreementsOf(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, one := range agreements {
		all.Agreements = append(all.Agreements, heldAgreement{one.Version, one.At, one.Address})
	}
	switch invited, err := a.Store.Invitations.InvitationOf(ctx, u.ID); {
	case err == nil:
		all.Invitation = &heldInvitation{invited.ID, invited.CreatedAt, invited.UsedAt}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	letters, err := a.Store.Mailed.MailedOf(ctx, u.ID)
	for _, one := range letters {
		all.Letters = append(all.Letters, heldLetter{string(one.Purpose), one.Email, one.CreatedAt, one.ExpiresAt})
	}
	return err
}

func (a *Account) heldHistory(ctx context.Context, u accounts.User, all *held) error {
	past, err := a.past(ctx, u.ID, exportedEvents)
	for _, e := range past {
		one := heldEvent{At: e.At, Kind: string(e.Kind), By: string(e.Actor.Kind), Address: e.From, UserAgent: e.UserAgent, Proof: e.Proof,
			Detail: e.Detail}
		if e.Target.Kind != "" {
			one.About = e.Target.Kind + " " + cmp.Or(e.Target.Label, e.Target.ID)
		}
		all.History = append(all.History, one)
	}
	return err
}
