package admin

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Account is an account as operators see it: without the hash of its password.
type Account struct {
	ID            string       `json:"id"`
	Email         string       `json:"email"`
	EmailVerified bool         `json:"email_verified"`
	Name          string       `json:"name"`
	Locale        string       `json:"locale,omitempty"` // a BCP 47 tag
	Roles         []roles.Role `json:"roles"`            // given directly
	Disabled      bool         `json:"disabled"`
	DeleteAt      time.Time    `json:"delete_at,omitzero"` // when it goes; zero: it stays
	DeletePosts   bool         `json:"delete_posts,omitempty"`
	Password      bool         `json:"password"`    // it has one
	SecondStep    bool         `json:"second_step"` // a password alone is not enough
	Passkey       bool         `json:"passkey"`     // it has at least one
	Directory     string       `json:"directory,omitempty" doc:"The client_id of the directory that keeps it by SCIM. Absent: none does, or this is a list."`
	CreatedAt     time.Time    `json:"created_at"`
	UpdatedAt     time.Time    `json:"updated_at"`
	Version       string       `json:"version"` // for If-Match
}

func accountOf(u accounts.User) Account {
	return Account{
		ID: u.ID, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name, Locale: u.Locale,
		Roles: append([]roles.Role{}, u.Roles...), Disabled: u.Disabled, DeleteAt: u.DeleteAt, DeletePosts: u.DeletePosts,
		Password: u.PasswordHash != "", SecondStep: u.SecondStep, Passkey: u.Passkey,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, Version: versionOf(u.UpdatedAt),
	}
}

// versionOf is the version of what was changed last at that time.
func versionOf(updated time.Time) string { return strconv.FormatInt(updated.UnixMicro(), 36) }

// Known is all that is known of a person, but for hashes and secrets, which would be of use to nobody
// but a thief. What services keep of the person is not here: the person can ask for it.
type Known struct {
	Account       Account          `json:"account"`
	Claims        accounts.Claims  `json:"claims"`
	Administrator bool             `json:"administrator"` // has a role of the resource admin
	Roles         []HeldRole       `json:"roles"`         // with those that groups give
	Groups        []KnownGroup     `json:"groups"`        // the first 100
	SecondStep    *KnownSecondStep `json:"second_step,omitempty"`
	Passkeys      []KnownPasskey   `json:"passkeys"`
	Identities    []KnownIdentity  `json:"identities"` // at other providers, by which the person logs in
	Sessions      []KnownSession   `json:"sessions"`
	Browsers      []KnownBrowser   `json:"browsers"`
	Consents      []KnownConsent   `json:"consents"`
	Grants        []Grant          `json:"grants"` // the first 100; [Admin.GrantsOf] has all
	Agreements    []KnownAgreement `json:"agreements"`
	Invitation    *KnownInvitation `json:"invitation,omitempty"` // by which the account was made
	Letters       []KnownLetter    `json:"letters"`              // with links that wait to be opened
	History       []LogEntry       `json:"history"`              // the newest 100 of the audit log
	Held          []Throttled      `json:"held"`                 // tries that failed lately
}

// The parts of [Known].
type (
	// HeldRole is a role and by what the person has it.
	HeldRole struct {
		roles.Role
		Direct bool     `json:"direct"`
		Groups []string `json:"groups,omitempty"` // their names
	}
	// KnownGroup is a group of the person.
	KnownGroup struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	// KnownSecondStep is the state of the person's second step.
	KnownSecondStep struct {
		Since         time.Time `json:"since"`
		RecoveryCodes int       `json:"recovery_codes_left"`
	}
	// KnownPasskey is a passkey, without its key.
	KnownPasskey struct {
		ID        string    `json:"id"`
		Name      string    `json:"name"`
		AAGUID    string    `json:"aaguid,omitempty"`
		Synced    bool      `json:"synced"` // it can leave the device that made it
		CreatedAt time.Time `json:"created_at"`
		UsedAt    time.Time `json:"used_at,omitzero"`
		ClonedAt  time.Time `json:"cloned_at,omitzero"` // its counter went back: a copy of it may exist
	}
	// KnownIdentity is who the person is at another provider.
	KnownIdentity struct {
		ID        string    `json:"id"`
		Upstream  string    `json:"upstream"`
		Issuer    string    `json:"issuer"`
		Subject   string    `json:"subject"`
		Label     string    `json:"label,omitempty"`
		CreatedAt time.Time `json:"created_at"`
		UsedAt    time.Time `json:"used_at,omitzero"`
	}
	// KnownSession is a log-in. Its id is no secret.
	KnownSession struct {
		ID          string    `json:"id"`
		AuthTime    time.Time `json:"auth_time"`
		AMR         []string  `json:"amr"`
		ACR         string    `json:"acr"`
		Address     string    `json:"address"`
		SeenAddress string    `json:"seen_address,omitempty"`
		UserAgent   string    `json:"user_agent"`
		SeenAt      time.Time `json:"seen_at"`
		ExpiresAt   time.Time `json:"expires_at"`
	}
	// KnownBrowser is a browser in which the person has logged in.
	KnownBrowser struct {
		ID        string    `json:"id"`
		Address   string    `json:"address"`
		UserAgent string    `json:"user_agent"`
		Trusted   bool      `json:"trusted"` // it stands for the second step
		SeenAt    time.Time `json:"seen_at"`
	}
	// KnownConsent is what the person allowed a client.
	KnownConsent struct {
		ClientID  string    `json:"client_id"`
		Scope     []string  `json:"scope"`
		Declined  []string  `json:"declined,omitempty"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	// KnownAgreement is a version of the terms that the person agreed to.
	KnownAgreement struct {
		Version string    `json:"version"`
		Address string    `json:"address"`
		At      time.Time `json:"at"`
	}
	// KnownInvitation is the invitation that made the account.
	KnownInvitation struct {
		ID     string    `json:"id"`
		Note   string    `json:"note,omitempty"`
		UsedAt time.Time `json:"used_at"`
	}
	// KnownLetter is a link that went to an address of the person.
	KnownLetter struct {
		Purpose   string    `json:"purpose"`
		Email     string    `json:"email"`
		CreatedAt time.Time `json:"created_at"`
		ExpiresAt time.Time `json:"expires_at"`
	}
)

// knownAtMost is how many of what has no smaller bound [Known] has.
const knownAtMost = 100

// Known returns everything about a person, and notes that the actor saw it.
func (a *Admin) Known(ctx context.Context, actor Actor, id string) (k Known, err error) {
	err = a.change(ctx, actor, ReadPersonal, "", func(ctx context.Context) error {
		user, err := a.Store.Users.User(ctx, id)
		if err != nil {
			return err
		}
		k = Known{Account: accountOf(user), Claims: user.Claims}
		if k.Account, err = a.withKeeper(ctx, k.Account, nil); err != nil {
			return err
		}
		for _, collect := range []func(context.Context, accounts.User, *Known) error{
			a.knownRoles, a.knownFactors, a.knownLogins, a.knownApps, a.knownRest,
		} {
			if err := collect(ctx, user, &k); err != nil {
				return err
			}
		}
		return a.note(ctx, audit.UserViewed, user, nil)
	})
	return k, err
}

func (a *Admin) knownRoles(ctx context.Context, user accounts.User, k *Known) error {
	held, err := a.Store.Roles.Of(ctx, user.ID)
	if err != nil {
		return err
	}
	k.Roles, k.Groups = []HeldRole{}, []KnownGroup{}
	for _, one := range held {
		k.Roles = append(k.Roles, HeldRole{one.Role, one.Direct, one.Groups})
		k.Administrator = k.Administrator || one.Role.Administers()
	}
	groups, err := a.Store.Roles.GroupsOf(ctx, user.ID, "", knownAtMost)
	for _, one := range groups {
		k.Groups = append(k.Groups, KnownGroup{one.ID, one.Name})
	}
	return err
}

func (a *Admin) knownFactors(ctx context.Context, user accounts.User, k *Known) error {
	if user.SecondStep {
		app, err := a.Store.Factors.TOTP(ctx, user.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) { // turned off this moment
			return err
		}
		k.SecondStep = &KnownSecondStep{Since: app.CreatedAt}
		if k.SecondStep.RecoveryCodes, err = a.Store.Factors.RecoveryCodes(ctx, user.ID); err != nil {
			return err
		}
	}
	k.Passkeys = []KnownPasskey{}
	passkeys, err := a.Store.Passkeys.Passkeys(ctx, user.ID)
	for _, p := range passkeys {
		k.Passkeys = append(k.Passkeys, KnownPasskey{
			p.ID, p.Name, p.AAGUID, p.BackupEligible, p.CreatedAt, p.UsedAt, p.ClonedAt,
		})
	}
	if err != nil {
		return err
	}
	k.Identities = []KnownIdentity{}
	identities, err := a.Store.Upstreams.IdentitiesOf(ctx, user.ID)
	for _, i := range identities {
		k.Identities = append(k.Identities, identityOf(i))
	}
	return err
}

func (a *Admin) knownLogins(ctx context.Context, user accounts.User, k *Known) error {
	k.Sessions, k.Browsers = []KnownSession{}, []KnownBrowser{}
	sessions, err := a.Store.Sessions.SessionsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		k.Sessions = append(k.Sessions, KnownSession{
			s.ID, s.AuthTime, s.AMR, s.ACR, s.Address, s.SeenAddress, s.UserAgent, s.SeenAt, s.ExpiresAt,
		})
	}
	browsers, err := a.Store.Browsers.KnownBrowsers(ctx, user.ID)
	if err != nil {
		return err
	}
	trusted, err := a.Store.Browsers.TrustedBrowsers(ctx, user.ID)
	if err != nil {
		return err
	}
	stands := map[string]bool{}
	for _, b := range trusted {
		stands[b.ID] = true
	}
	for _, b := range browsers {
		k.Browsers = append(k.Browsers, KnownBrowser{b.ID, b.Address, b.UserAgent, stands[b.ID], b.SeenAt})
	}
	return nil
}

func (a *Admin) knownApps(ctx context.Context, user accounts.User, k *Known) error {
	k.Consents, k.Grants = []KnownConsent{}, []Grant{}
	consents, err := a.Store.Consents.Connections(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, c := range consents {
		k.Consents = append(k.Consents, KnownConsent{c.ClientID, c.Scope, c.Declined, c.UpdatedAt})
	}
	all, err := a.Store.Grants.GrantsOf(ctx, user.ID, grants.Listed{}, knownAtMost)
	for _, g := range all {
		k.Grants = append(k.Grants, grantOf(g))
	}
	return err
}

func (a *Admin) knownRest(ctx context.Context, user accounts.User, k *Known) error {
	k.Agreements, k.Letters, k.History = []KnownAgreement{}, []KnownLetter{}, []LogEntry{}
	agreements, err := a.Store.Agreements.AgreementsOf(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, one := range agreements {
		k.Agreements = append(k.Agreements, KnownAgreement{one.Version, one.Address, one.At})
	}
	in, err := a.Store.Invitations.InvitationOf(ctx, user.ID)
	switch {
	case err == nil:
		k.Invitation = &KnownInvitation{in.ID, in.Note, in.UsedAt}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	letters, err := a.Store.Mailed.MailedOf(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, m := range letters {
		k.Letters = append(k.Letters, KnownLetter{string(m.Purpose), m.Email, m.CreatedAt, m.ExpiresAt})
	}
	entries, err := a.Audit.List(ctx, auditlog.Filter{UserID: user.ID, Limit: knownAtMost})
	if err != nil {
		return err
	}
	for _, e := range entries {
		k.History = append(k.History, logEntryOf(e))
	}
	k.Held, err = a.heldBack(ctx, user)
	return err
}
