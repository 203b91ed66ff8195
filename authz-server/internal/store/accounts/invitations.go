package accounts

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Invitation is the right to make one account.
type Invitation struct {
	ID        string // no secret; set by CreateInvitation
	Email     string // whom it is for; empty: whoever has the link, or it was used
	Mailed    bool   // to Email, and shown to nobody else: who has the link has the address
	Note      string // for the operator's own records
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: it can still be used
	UsedBy    string    // the account that it made; empty: none, or it is gone

	// Roles are what whoever uses it gets, be it for a new account or for their own. With them, it
	// counts whoever may sign up otherwise.
	Roles []roles.Role
	// MadeBy is the person who gives the role of administrators with it. Who is none any more by the
	// time that it is used gives nothing. Empty: the machine does, or it makes no administrator.
	MadeBy string
}

// The notes of invitations that the machine makes for somebody to become an administrator. The one for
// the first is worth nothing once there is one who can act as such: it can be in the log of a start.
const (
	ForFirstAdministrator   = "bootstrap-admin"
	ForAnotherAdministrator = "bootstrap-admin --force"
)

// InvitationRetention is how long an invitation is kept after it expired, so that its link says so,
// and an operator sees whom it let in.
const InvitationRetention = 90 * 24 * time.Hour

// Invitations stores invitations.
type Invitations struct {
	db               *sqldb.DB
	now              func() time.Time
	hasAdministrator func(ctx context.Context) (bool, error)
}

// NewInvitations returns the invitations in db. hasAdministrator tells whether there is an administrator
// who can act as one.
func NewInvitations(
	db *sqldb.DB, now func() time.Time, hasAdministrator func(ctx context.Context) (bool, error),
) *Invitations {
	return &Invitations{db, now, hasAdministrator}
}

const invitationColumns = `id, email, mailed, note, created_at, expires_at, used_at, used_by, roles, made_by`

func scanInvitation(scan func(...any) error) (in Invitation, err error) {
	var created, expires, used int64
	var given string
	if err := scan(&in.ID, &in.Email, &in.Mailed, &in.Note, &created, &expires, &used, &in.UsedBy, &given, &in.MadeBy); err != nil {
		return Invitation{}, row.NotFound(err)
	}
	if in.Roles, err = readRoles(given); err != nil {
		return Invitation{}, err
	}
	in.CreatedAt, in.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
	if used != 0 {
		in.UsedAt = sqldb.Time(used)
	}
	return in, nil
}

// readRoles reads the text forms of roles.
func readRoles(text string) (all []roles.Role, err error) {
	for name := range strings.FieldsSeq(text) {
		one, err := roles.Parse(name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// CreateInvitation stores an invitation (Email, Mailed, Note, Roles, MadeBy and ExpiresAt of in), and returns it
// with the secret for its link, which is stored nowhere.
func (s *Invitations) CreateInvitation(ctx context.Context, in Invitation) (made Invitation, secret string, err error) {
	secret = opaque.New()
	in.ID, in.CreatedAt = rand.Text()[:12], s.now().UTC().Truncate(time.Microsecond)
	key := ""
	if in.Email != "" {
		key = EmailKey(in.Email)
	}
	_, err = s.db.Exec(ctx, `INSERT INTO invitations (id, secret_hash, email, email_key, mailed, note,
		created_at, expires_at, roles, made_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		in.ID, opaque.Hash(secret), in.Email, key, in.Mailed, in.Note, sqldb.Micros(in.CreatedAt), sqldb.Micros(in.ExpiresAt),
		strings.Join(roles.Names(in.Roles), " "), in.MadeBy)
	if err != nil {
		return Invitation{}, "", err
	}
	return in, secret, nil
}

// Invitation returns the invitation with this secret, used and expired or not. ErrNotFound: there
// is none.
func (s *Invitations) Invitation(ctx context.Context, secret string) (Invitation, error) {
	return scanInvitation(s.db.QueryRow(ctx, `SELECT `+invitationColumns+` FROM invitations
		WHERE secret_hash = $1`, opaque.Hash(secret)).Scan)
}

// InvitationByID returns an invitation, used and expired or not. ErrNotFound: there is none.
func (s *Invitations) InvitationByID(ctx context.Context, id string) (Invitation, error) {
	return scanInvitation(s.db.QueryRow(ctx, `SELECT `+invitationColumns+` FROM invitations WHERE id = $1`, id).Scan)
}

// SpendInvitation uses up the invitation with this id for the account userID, which is being made
// with this address, or which has it, and returns the roles that go with it. Call it in the
// transaction that makes the account or gives it the roles. The invitation forgets whom it was for,
// which the account knows and takes along when it goes. ErrNotFound: it is unknown, used, expired
// or for another address, or whoever made it has lost the right to since, or it is
// [ForFirstAdministrator], and there is one.
func (s *Invitations) SpendInvitation(ctx context.Context, id, userID, email string) ([]roles.Role, error) {
	var given, by, note string
	if err := s.db.ExecReturning(ctx, `UPDATE invitations SET used_at = $1, used_by = $2,
		email = '', email_key = ''
		WHERE id = $3 AND used_at = 0 AND expires_at > $1 AND email_key IN ('', $4) RETURNING roles, made_by, note`,
		sqldb.Micros(s.now()), userID, id, EmailKey(email)).Scan(&given, &by, &note); err != nil {
		return nil, row.NotFound(err)
	}
	if by != "" {
		if still, err := s.administers(ctx, by); err != nil || !still {
			return nil, cmp.Or(err, row.ErrNotFound)
		}
	}
	if by == "" && note == ForFirstAdministrator {
		if has, err := s.hasAdministrator(ctx); err != nil || has {
			return nil, cmp.Or(err, row.ErrNotFound)
		}
	}
	return readRoles(given)
}

// administers tells whether a person has the role of administrators, and an account that is open.
func (s *Invitations) administers(ctx context.Context, userID string) (still bool, err error) {
	return still, s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM users u
		WHERE u.id = $1 AND NOT u.disabled AND u.delete_at = 0 AND (
		EXISTS (SELECT 1 FROM user_roles r WHERE r.user_id = u.id AND r.resource = $2 AND r.role = $3)
		OR EXISTS (SELECT 1 FROM group_members m JOIN groups g ON g.id = m.group_id
			JOIN group_roles r ON r.group_id = m.group_id
			WHERE m.user_id = u.id AND g.removed_at = 0 AND r.removed_at = 0 AND r.resource = $2 AND r.role = $3)))`,
		userID, roles.Admin.Resource, roles.Admin.Name).Scan(&still)
}

// ListInvitations returns up to limit invitations in the order of their ids, starting after the id
// after ("" starts at the first).
func (s *Invitations) ListInvitations(ctx context.Context, after string, limit int) ([]Invitation, error) {
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (Invitation, error) { return scanInvitation(rows.Scan) },
		`SELECT `+invitationColumns+` FROM invitations WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// InvitationOf returns the invitation by which an account was made. ErrNotFound: there is none, or
// it was long ago.
func (s *Invitations) InvitationOf(ctx context.Context, userID string) (Invitation, error) {
	return scanInvitation(s.db.QueryRow(ctx, `SELECT `+invitationColumns+` FROM invitations
		WHERE used_by = $1 AND used_by <> '' LIMIT 1`, userID).Scan)
}

// RevokeInvitation removes an invitation that is not used, and returns it. ErrNotFound: there is none
// with this id.
func (s *Invitations) RevokeInvitation(ctx context.Context, id string) (Invitation, error) {
	return scanInvitation(s.db.ExecReturning(ctx, `DELETE FROM invitations
		WHERE id = $1 AND used_at = 0 RETURNING `+invitationColumns, id).Scan)
}

// RevokeNoted removes the invitations of the machine with a note that can still be used, and returns
// their ids.
func (s *Invitations) RevokeNoted(ctx context.Context, note string) (ids []string, err error) {
	return sqldb.All(ctx, s.db, row.Text, `DELETE FROM invitations
		WHERE expires_at > $1 AND used_at = 0 AND made_by = '' AND note = $2 RETURNING id`, sqldb.Micros(s.now()), note)
}

// Sweeps lists invitations that expired long ago.
func (s *Invitations) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{{Name: "old invitations", Keep: InvitationRetention, Rows: sqldb.Rows{
		Table: "invitations", Key: "id", Where: "expires_at <= $1", Order: "expires_at"}}}
}
