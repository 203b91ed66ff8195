package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) peopleRoutes() {
	const tag = "people"
	route(s, tag, "list-users", "GET /v1/users", "Search people, or list them",
		"Without q, all of them, by their addresses.", []int{422}, s.listUsers)
	route(s, tag, "create-user", "POST /v1/users", "Make an account",
		"Without a password, the person chooses one by a link: see send-reset-mail.", []int{409}, s.createUser)
	route(s, tag, "get-user", "GET /v1/users/{id}", "Get an account", "By the person's id, or their e-mail address.", []int{404}, s.getUser)
	route(s, tag, "update-user", "PATCH /v1/users/{id}", "Change an account",
		mergePatchDoc+" A disabled account's sessions and grants end, and nobody can log in to it.", []int{404, 409, 412, 428}, s.updateUser)
	route(s, tag, "delete-user", "DELETE /v1/users/{id}", "Have an account deleted",
		"In seven days, in which its person can keep it by logging in; or at once.", []int{404, 409}, s.deleteUser)
	route(s, tag, "keep-user", "DELETE /v1/users/{id}/deletion", "Keep an account that waits to be deleted", "", []int{404, 409}, s.keepUser)
	route(s, tag, "get-everything", "GET /v1/users/{id}/everything", "Get everything that is known of a person",
		"But for hashes and secrets. The audit log says who looked.", []int{404}, s.everything)
	route(s, tag, "list-sessions", "GET /v1/users/{id}/sessions", "List where a person is logged in",
		"The audit log says who looked.", []int{404}, s.listSessions)
	route(s, tag, "end-sessions", "DELETE /v1/users/{id}/sessions", "Log a person out everywhere",
		"What they allowed to applications in these sessions is revoked, and they are told.", []int{404, 409}, s.endSessions)
	route(s, tag, "end-session", "DELETE /v1/users/{id}/sessions/{session_id}", "End one session of a person", "", []int{404, 409}, s.endSession)
	route(s, tag, "reset-factors", "DELETE /v1/users/{id}/factors", "Remove a person's second step",
		"The code of an app, and the recovery codes: a password alone lets them in then. They are told.", []int{404, 409}, s.resetFactors)
	route(s, tag, "remove-passkey", "DELETE /v1/users/{id}/passkeys/{passkey_id}", "Remove a passkey of a person",
		"They are told. The last way to log in stays.", []int{404, 409}, s.removePasskey)
	route(s, tag, "list-identities", "GET /v1/users/{id}/identities", "List who a person is at other providers",
		"By which they log in. The audit log says who looked.", []int{404}, s.listIdentities)
	route(s, tag, "unlink-identity", "DELETE /v1/users/{id}/identities/{identity_id}", "Take from a person who they are at another provider",
		"They are told, and stay logged in. The last way to log in stays, but with force.", []int{404, 409}, s.unlinkIdentity)
	route(s, tag, "send-reset-mail", "POST /v1/users/{id}/reset-mails", "Send a person a link by which they choose a password", "",
		[]int{404, 409}, s.sendReset)
	route(s, tag, "lift-throttle", "DELETE /v1/users/{id}/throttle", "Let a person try again at once",
		"Forgets what counts against the account. Whoever guessed its password can try again, too.", []int{404, 409}, s.unlock)
	route(s, tag, "replace-user-roles", "PUT /v1/users/{id}/roles", "Replace the roles that a person was given directly", "",
		[]int{404, 409}, s.setRoles)
	route(s, tag, "give-role", "PUT /v1/users/{id}/roles/{resource}/{role}", "Give a person a role", "It changes nothing if they have it.",
		[]int{404, 409}, s.giveRole)
	route(s, tag, "take-role", "DELETE /v1/users/{id}/roles/{resource}/{role}", "Take a role from a person",
		"One that they were given directly. Tokens that say it are revoked.", []int{404, 409}, s.takeRole)

	const invitations = "invitations"
	route(s, invitations, "list-invitations", "GET /v1/invitations", "List invitations",
		"Those that were used or expired in the last 90 days, too; without their links.", []int{422}, s.listInvitations)
	route(s, invitations, "create-invitation", "POST /v1/invitations", "Invite somebody",
		"The answer has the link, which is shown once; with send, the link is mailed and nobody else gets it.", []int{409}, s.invite)
	route(s, invitations, "withdraw-invitation", "DELETE /v1/invitations/{id}", "Withdraw an invitation", "One that was not used yet.",
		[]int{404}, s.withdrawInvitation)
}

const mergePatchDoc = "A JSON Merge Patch (RFC 7396): members that you leave out stay as they are, and null removes one."

type usersInput struct {
	PageInput
	Query string `query:"q" maxLength:"200" doc:"The beginning of the address, or of a word of the name."`
	Role  string `query:"role" maxLength:"65" doc:"Only people who were given this role directly, such as board/moderator."`
	State string `query:"state" enum:"disabled,leaving" doc:"Only accounts in this state."`
}

func (s *service) listUsers(ctx context.Context, actor admin.Actor, in *usersInput) (*listOf[admin.Account], error) {
	q := admin.PeopleQuery{Text: in.Query, State: accounts.State(in.State), After: in.Cursor, Limit: in.Limit}
	if in.Role != "" {
		var err error
		if q.Role, err = roles.Parse(in.Role); err != nil {
			return nil, rest.Invalid("query.role", err)
		}
	}
	return listed(s.admin.People(ctx, actor, q))
}

// account is the answer with an account.
func account(found admin.Account, err error) (*versioned[admin.Account], error) {
	if err != nil {
		return nil, err
	}
	return &versioned[admin.Account]{rest.ETag(found.Version), found}, nil
}

func (s *service) getUser(ctx context.Context, actor admin.Actor, in *UserInput) (*versioned[admin.Account], error) {
	return account(s.admin.Find(ctx, actor, string(in.ID)))
}

type createUserInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Email         string       `json:"email" maxLength:"254"`
		EmailVerified bool         `json:"email_verified,omitempty" doc:"You know that the address is the person's."`
		Name          string       `json:"name" maxLength:"200"`
		Password      string       `json:"password,omitempty" maxLength:"1024" doc:"Absent: none, until the person chooses one."`
		Roles         []roles.Role `json:"roles,omitempty" maxItems:"100"`
	}
}

func (s *service) createUser(ctx context.Context, actor admin.Actor, in *createUserInput) (*createdVersion[admin.Account], error) {
	b := in.Body
	made, err := once(ctx, s, in.CreateInput, "create-user", b, func(ctx context.Context) (admin.Account, error) {
		return s.admin.CreatePerson(ctx, actor, admin.NewPerson{
			Email: b.Email, EmailVerified: b.EmailVerified, Name: b.Name, Password: b.Password, Roles: b.Roles,
		}, b.Reason.Reason)
	}, func(id string) (admin.Account, error) { return s.admin.Find(ctx, actor, id) })
	return newAt(s, "/v1/users/", made.ID, made.Version, made, err)
}

// userChange is a merge patch of an account. The claims, which have forms of their own, are read by
// [admin.PatchClaims].
type userChange struct {
	Reason        string             `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
	Email         rest.Patch[string] `json:"email,omitempty" doc:"A new address: the person is told at the old one."`
	EmailVerified rest.Patch[bool]   `json:"email_verified,omitempty" doc:"You know that the address is the person's. It becomes false with a new address."`
	Disabled      rest.Patch[bool]   `json:"disabled,omitempty"`

	Name   rest.RemovablePatch[string]         `json:"name,omitempty"`
	Locale rest.RemovablePatch[string]         `json:"locale,omitempty" doc:"A BCP 47 tag."`
	Claims rest.RemovablePatch[map[string]any] `json:"claims,omitempty" doc:"OpenID claims, such as given_name, zoneinfo or address. Those that it does not name stay, and null or an empty value removes one."`
}

type updateUserInput struct {
	UserInput
	rest.ChangeInput
	Body userChange `contentType:"application/merge-patch+json"`
}

func (s *service) updateUser(ctx context.Context, actor admin.Actor, in *updateUserInput) (*versioned[admin.Account], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	change, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	found, err := s.admin.Find(ctx, actor, string(in.ID))
	version, err := seen(in.IfMatch, found.Version, err)
	if err != nil {
		return nil, err
	}
	if err := s.admin.ChangePerson(ctx, actor, found.ID, version, change, in.Body.Reason); err != nil {
		return nil, err
	}
	return account(s.admin.Find(ctx, actor, found.ID))
}

func same[T any](value T) (T, error) { return value, nil }

// change is what a patch says to [admin.Admin.ChangePerson].
func (p userChange) change() (c admin.PersonChange, err error) {
	var name, locale *string
	var claims *map[string]any
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	c.Email, err = p.Email.Value("body.email", same)
	note(err)
	c.EmailVerified, err = p.EmailVerified.Value("body.email_verified", same)
	note(err)
	c.Disabled, err = p.Disabled.Value("body.disabled", same)
	note(err)
	name, err = p.Name.Value("body.name", same)
	note(err)
	locale, err = p.Locale.Value("body.locale", same)
	note(err)
	claims, err = p.Claims.Value("body.claims", same)
	note(err)
	if err := errors.Join(errs...); err != nil {
		return c, err
	}
	patch := map[string]any{}
	if claims != nil {
		patch = *claims
	}
	for _, one := range []string{"name", "locale", "email", "email_verified"} { // which are members of their own
		if _, there := patch[one]; there {
			return c, rest.Invalid("body.claims", errors.New("must not have "+one+", which is a member of the account"))
		}
	}
	for claim, value := range patch {
		if value == nil {
			patch[claim] = removedClaim(claim)
		}
	}
	for claim, value := range map[string]*string{"name": name, "locale": locale} {
		if value != nil {
			if patch == nil {
				patch = map[string]any{}
			}
			patch[claim] = *value
		}
	}
	if len(patch) > 0 {
		c.Claims, err = json.Marshal(patch)
	}
	return c, err
}

// removedClaim is the value by which a claim is removed.
func removedClaim(claim string) any {
	switch claim {
	case "address":
		return accounts.Address{}
	case "phone_number_verified":
		return false
	}
	return ""
}

type deleteUserInput struct {
	UserInput
	ReasonInput
	Now   bool `query:"now" doc:"Delete it within a minute."`
	Posts bool `query:"posts" doc:"What the person wrote goes, too. Absent: as the person chose, or no."`
}

type deletion struct {
	DeleteAt time.Time `json:"delete_at" doc:"When the account goes."`
}

func (s *service) deleteUser(ctx context.Context, actor admin.Actor, in *deleteUserInput) (*answer[deletion], error) {
	wish := admin.DeletionWish{Now: in.Now}
	if in.Posts {
		wish.Posts = &in.Posts
	}
	at, err := s.admin.DeletePerson(ctx, actor, string(in.ID), wish, in.Reason)
	if errors.Is(err, store.ErrExists) {
		err = conflict("The account waits to be deleted already.")
	}
	return &answer[deletion]{deletion{at}}, err
}

// AboutUser is what a change of a person takes that needs nothing else.
type AboutUser struct {
	UserInput
	ReasonInput
}

func (s *service) keepUser(ctx context.Context, actor admin.Actor, in *AboutUser) (*nothing, error) {
	return done(s.admin.KeepPerson(ctx, actor, string(in.ID), in.Reason))
}

func (s *service) everything(ctx context.Context, actor admin.Actor, in *UserInput) (*answer[admin.Known], error) {
	known, err := s.admin.Known(ctx, actor, string(in.ID))
	return &answer[admin.Known]{known}, err
}

func (s *service) listSessions(ctx context.Context, actor admin.Actor, in *UserInput) (*listOf[admin.KnownSession], error) {
	return all(s.admin.SessionsOf(ctx, actor, string(in.ID)))
}

func (s *service) endSessions(ctx context.Context, actor admin.Actor, in *AboutUser) (*nothing, error) {
	return done(s.admin.EndSessions(ctx, actor, string(in.ID), in.Reason))
}

type sessionInput struct {
	AboutUser
	Session Text `path:"session_id"`
}

func (s *service) endSession(ctx context.Context, actor admin.Actor, in *sessionInput) (*nothing, error) {
	return done(s.admin.EndSession(ctx, actor, string(in.ID), string(in.Session), in.Reason))
}

func (s *service) resetFactors(ctx context.Context, actor admin.Actor, in *AboutUser) (*nothing, error) {
	return done(s.admin.RemoveFactors(ctx, actor, string(in.ID), in.Reason))
}

type passkeyInput struct {
	AboutUser
	Passkey Text `path:"passkey_id"`
}

func (s *service) removePasskey(ctx context.Context, actor admin.Actor, in *passkeyInput) (*nothing, error) {
	return done(s.admin.RemovePasskey(ctx, actor, string(in.ID), string(in.Passkey), in.Reason))
}

func (s *service) listIdentities(ctx context.Context, actor admin.Actor, in *UserInput) (*listOf[admin.KnownIdentity], error) {
	return all(s.admin.IdentitiesOf(ctx, actor, string(in.ID)))
}

type identityInput struct {
	AboutUser
	Identity Text `path:"identity_id"`
	Force    bool `query:"force" doc:"Also if they can log in by nothing else, and have to reset their password."`
}

func (s *service) unlinkIdentity(ctx context.Context, actor admin.Actor, in *identityInput) (*nothing, error) {
	return done(s.admin.UnlinkIdentity(ctx, actor, string(in.ID), string(in.Identity), in.Force, in.Reason))
}

type resetInput struct {
	UserInput
	rest.CreateInput
	Body struct{ Reason }
}

// accepted is the answer 202.
type accepted struct{}

func (s *service) sendReset(ctx context.Context, actor admin.Actor, in *resetInput) (*accepted, error) {
	return once(ctx, s, in.CreateInput, "send-reset-mail", []any{in.ID, in.Body}, func(ctx context.Context) (*accepted, error) {
		return &accepted{}, s.admin.SendReset(ctx, actor, string(in.ID), in.Body.Reason.Reason)
	}, func(string) (*accepted, error) { return &accepted{}, nil })
}

func (s *service) unlock(ctx context.Context, actor admin.Actor, in *AboutUser) (*listOf[admin.Throttled], error) {
	return all(s.admin.Unlock(ctx, actor, string(in.ID), in.Reason))
}

type rolesInput struct {
	UserInput
	Body struct {
		Reason
		Roles []roles.Role `json:"roles" maxItems:"100"`
	}
}

func (s *service) setRoles(ctx context.Context, actor admin.Actor, in *rolesInput) (*versioned[admin.Account], error) {
	if _, err := s.admin.SetRoles(ctx, actor, string(in.ID), in.Body.Roles, in.Body.Reason.Reason); err != nil {
		return nil, err
	}
	return account(s.admin.Find(ctx, actor, string(in.ID)))
}

// RoleInput names a role.
type RoleInput struct {
	Resource Text `path:"resource" doc:"The short name of the role's resource, such as board."`
	Role     Text `path:"role" doc:"The role's name, such as moderator."`
}

func (in RoleInput) role() roles.Role {
	return roles.Role{Resource: string(in.Resource), Name: string(in.Role)}
}

type userRoleInput struct {
	AboutUser
	RoleInput
}

func (s *service) giveRole(ctx context.Context, actor admin.Actor, in *userRoleInput) (*nothing, error) {
	return done(s.admin.GiveRole(ctx, actor, string(in.ID), in.role(), in.Reason))
}

func (s *service) takeRole(ctx context.Context, actor admin.Actor, in *userRoleInput) (*nothing, error) {
	return done(s.admin.TakeRole(ctx, actor, string(in.ID), in.role(), in.Reason))
}

// Invitation is one without its link.
type Invitation struct {
	ID        string       `json:"id"`
	Email     string       `json:"email,omitempty" doc:"Whom it is for. Absent: whoever has the link, or it was used."`
	Mailed    bool         `json:"mailed"`
	Note      string       `json:"note,omitempty"`
	Roles     []roles.Role `json:"roles" doc:"What whoever uses it gets."`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt time.Time    `json:"expires_at"`
	UsedAt    time.Time    `json:"used_at,omitzero"`
	UsedBy    string       `json:"used_by,omitempty" doc:"The account that it made."`
}

func invitationOf(in accounts.Invitation) Invitation {
	return Invitation{
		ID: in.ID, Email: in.Email, Mailed: in.Mailed, Note: in.Note, Roles: append([]roles.Role{}, in.Roles...),
		CreatedAt: in.CreatedAt, ExpiresAt: in.ExpiresAt, UsedAt: in.UsedAt, UsedBy: in.UsedBy,
	}
}

func (s *service) listInvitations(ctx context.Context, actor admin.Actor, in *PageInput) (*listOf[Invitation], error) {
	page, err := s.admin.Invitations(ctx, actor, in.Cursor, in.Limit)
	return listedAs(page, err, invitationOf)
}

type inviteInput struct {
	rest.CreateInput
	Body struct {
		Reason
		Email     string       `json:"email,omitempty" maxLength:"254" doc:"The address that the account must have. Absent: any."`
		ExpiresIn int64        `json:"expires_in,omitempty" minimum:"60" maximum:"31536000" doc:"Seconds. Absent: seven days."`
		Note      string       `json:"note,omitempty" maxLength:"255" doc:"For your own records."`
		Send      bool         `json:"send,omitempty" doc:"Mail it to the address."`
		Language  string       `json:"language,omitempty" maxLength:"35" doc:"Of the mail, a BCP 47 tag."`
		Roles     []roles.Role `json:"roles,omitempty" maxItems:"100" doc:"What whoever uses it gets. With them, somebody who has an account can use it, too."`
	}
}

type newInvitation struct {
	Invitation
	Link string `json:"link,omitempty" doc:"Shown once. Absent: it was mailed, or shown before."`
}

func newInvitationOf(in accounts.Invitation, link string) newInvitation {
	return newInvitation{invitationOf(in), link}
}

func (s *service) invite(ctx context.Context, actor admin.Actor, in *inviteInput) (*created[newInvitation], error) {
	b := in.Body
	lifetime := 7 * 24 * time.Hour
	if b.ExpiresIn != 0 {
		lifetime = time.Duration(b.ExpiresIn) * time.Second
	}
	made, err := once(ctx, s, in.CreateInput, "create-invitation", b, func(ctx context.Context) (newInvitation, error) {
		made, link, err := s.admin.Invite(ctx, actor, admin.NewInvitation{
			Email: b.Email, Lifetime: lifetime, Note: b.Note, Send: b.Send, Language: b.Language, Roles: b.Roles,
		}, b.Reason.Reason)
		return newInvitationOf(made, link), err
	}, func(id string) (newInvitation, error) {
		found, err := s.admin.Invitation(ctx, actor, id)
		return newInvitationOf(found, ""), err
	})
	if errors.Is(err, store.ErrExists) {
		err = conflict("The address has an account.")
	}
	if err != nil {
		return nil, err
	}
	return &created[newInvitation]{s.api.Location("/v1/invitations/" + url.PathEscape(made.ID)), made}, nil
}

type withdrawInvitationInput struct {
	ID Text `path:"id"`
	ReasonInput
}

func (s *service) withdrawInvitation(ctx context.Context, actor admin.Actor, in *withdrawInvitationInput) (*nothing, error) {
	return done(s.admin.WithdrawInvitation(ctx, actor, string(in.ID), in.Reason))
}
