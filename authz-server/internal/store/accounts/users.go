// Package accounts stores people: their accounts, passwords and claims, and the sessions in which
// they are logged in. A session ends here, and with it its grants (package grants) and what its
// clients are to be told (package outbox).
package accounts

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// User is a person with an account.
type User struct {
	ID            string // the "sub" claim; set by CreateUser
	Email         string // as typed
	EmailVerified bool
	Name          string
	Locale        string       // BCP 47 tag, or empty
	PasswordHash  string       // argon2id PHC string, or bcrypt if imported; empty: no password
	SecondStep    bool         // a password alone is not enough; the store of second steps sets it
	Passkey       bool         // the person has one; the store of passkeys sets it
	Roles         []roles.Role // given directly, in their order; groups may add others ([roles.Roles.Of])
	Disabled      bool
	DeleteAt      time.Time // when the account goes, as its person wants; zero: it stays
	DeletePosts   bool      // what they wrote goes with it
	Claims        Claims
	CreatedAt     time.Time
	UpdatedAt     time.Time

	Key string // what the address is looked up and ordered by; set by the store
}

// Zone is the time zone that the person says they are in; nil: they do not.
func (u User) Zone() *time.Location {
	if u.Claims.Zoneinfo == "" {
		return nil
	}
	zone, err := time.LoadLocation(u.Claims.Zoneinfo)
	if err != nil {
		return nil
	}
	return zone
}

// Users stores accounts.
type Users struct {
	db       *sqldb.DB
	now      func() time.Time
	sessions *Sessions // which end with an account or a password
	events   *streams.Streams
	roles    *roles.Roles
}

// NewUsers returns the accounts in db. Closing one ends its sessions. Events tells receivers of
// changes. Roles stores those that an account is made with.
func NewUsers(db *sqldb.DB, now func() time.Time, sessions *Sessions, events *streams.Streams, roles *roles.Roles) *Users {
	return &Users{db, now, sessions, events, roles}
}

const userColumns = `u.id, u.email, u.email_verified, u.name, u.locale, u.password_hash,
	COALESCE((SELECT string_agg(r.resource || '/' || r.role, ' ') FROM user_roles r WHERE r.user_id = u.id), ''),
	u.disabled, u.claims, u.created_at, u.updated_at, u.email_key, u.second_step, u.passkey,
	u.delete_at, u.delete_posts`

// scanUser reads userColumns and then the further columns that the statement selects.
func scanUser(scan func(...any) error, more ...any) (User, error) {
	var u User
	var given, claims string
	var created, updated, deleteAt int64
	into := append([]any{&u.ID, &u.Email, &u.EmailVerified, &u.Name, &u.Locale, &u.PasswordHash,
		&given, &u.Disabled, &claims, &created, &updated, &u.Key, &u.SecondStep, &u.Passkey, &deleteAt, &u.DeletePosts}, more...)
	if err := scan(into...); err != nil {
		return User{}, row.NotFound(err)
	}
	if err := json.Unmarshal([]byte(claims), &u.Claims); err != nil {
		return User{}, err
	}
	for text := range strings.FieldsSeq(given) {
		one, err := roles.Parse(text)
		if err != nil {
			return User{}, err
		}
		u.Roles = append(u.Roles, one)
	}
	slices.SortFunc(u.Roles, roles.Compare)
	u.DeleteAt = sqldb.Time(deleteAt)
	u.CreatedAt, u.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return u, nil
}

// CreateUser stores a new account and gives it its id and times. ErrExists: the e-mail address has
// an account. roles.ErrUnknown: nobody defined one of its roles.
func (s *Users) CreateUser(ctx context.Context, u User) (User, error) {
	u.ID = uuid.NewString()
	u.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	u.UpdatedAt = u.CreatedAt
	u.Key = EmailKey(u.Email)
	insert := func(ctx context.Context) error {
		return row.Added(s.db.Exec(ctx, `INSERT INTO users (id, email, email_key, email_verified, name,
			locale, password_hash, roles, disabled, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, $9) ON CONFLICT DO NOTHING`,
			u.ID, u.Email, u.Key, u.EmailVerified, u.Name, u.Locale, u.PasswordHash,
			u.Disabled, sqldb.Micros(u.CreatedAt)))
	}
	var err error
	if len(u.Roles) == 0 {
		err = insert(ctx)
	} else {
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			if err := insert(ctx); err != nil {
				return err
			}
			return s.roles.Insert(ctx, u.ID, u.Roles)
		})
	}
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// User returns the account with this id, disabled or not. ErrNotFound: there is none.
func (s *Users) User(ctx context.Context, id string) (User, error) {
	return scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`,
		id).Scan)
}

// Hold locks an account's row, in a transaction, and changes nothing: what is read of it afterwards
// stays so until the transaction ends. ErrNotFound: there is no such account.
func (s *Users) Hold(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled WHERE id = $1`, id))
}

// ListUsers returns up to limit accounts in the order of their e-mail addresses, starting after the
// [User.Key] after ("" starts at the first).
func (s *Users) ListUsers(ctx context.Context, after string, limit int) ([]User, error) {
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (User, error) { return scanUser(rows.Scan) },
		`SELECT `+userColumns+` FROM users u WHERE u.email_key > $1 ORDER BY u.email_key LIMIT $2`,
		after, limit)
}

// State is a state of accounts that operators look for.
type State string

// The states.
const (
	AnyState State = ""
	Closed   State = "disabled" // by an operator
	Leaving  State = "leaving"  // it waits to be deleted
)

// ListUsersIn is ListUsers for the accounts in a state.
func (s *Users) ListUsersIn(ctx context.Context, state State, after string, limit int) ([]User, error) {
	condition := ""
	switch state {
	case AnyState:
		return s.ListUsers(ctx, after, limit)
	case Closed:
		condition = "u.disabled"
	case Leaving:
		condition = "u.delete_at > 0"
	default:
		return nil, nil
	}
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (User, error) { return scanUser(rows.Scan) },
		`SELECT `+userColumns+` FROM users u WHERE `+condition+` AND u.email_key > $1
		ORDER BY u.email_key LIMIT $2`, after, limit)
}

// ListUsersWith returns up to limit accounts that a role was given to directly, in the order of their
// ids, starting after the id after.
func (s *Users) ListUsersWith(ctx context.Context, role roles.Role, after string, limit int) ([]User, error) {
	return sqldb.All(ctx, s.db.Reader(), func(rows *sql.Rows) (User, error) { return scanUser(rows.Scan) },
		`SELECT `+userColumns+` FROM (SELECT user_id FROM user_roles
			WHERE resource = $1 AND role = $2 AND user_id > $3 ORDER BY user_id LIMIT $4) h
		JOIN users u ON u.id = h.user_id ORDER BY h.user_id`,
		role.Resource, role.Name, after, limit)
}

// SetName changes a person's name.
func (s *Users) SetName(ctx context.Context, id, name string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET name = $1, updated_at = $2, indexed_at = 0 WHERE id = $3`,
			name, sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		return s.claimsChanged(ctx, id, streams.ByAdmin, map[string]any{"name": name})
	})
}

// claimsChanged tells receivers of claims that have new values.
func (s *Users) claimsChanged(ctx context.Context, id, by string, claims map[string]any) error {
	return s.events.Emit(ctx, streams.Event{Type: streams.TokenClaimsChange, UserID: id, Detail: streams.Detail{
		Cause: streams.Cause{By: by, Reason: "The account was changed."}, Claims: claims}})
}

// SetVerified notes that a person has proved that the address of their account is theirs.
func (s *Users) SetVerified(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET email_verified = TRUE, updated_at = $1
		WHERE id = $2`, sqldb.Micros(s.now()), id))
}

// SetEmail gives an account another address, which its person has proved to be theirs. ErrExists:
// it has an account.
func (s *Users) SetEmail(ctx context.Context, id, email string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		var before string
		// This locks the row, so that the address is the one that is replaced.
		err := s.db.ExecReturning(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2 RETURNING email`,
			sqldb.Micros(s.now()), id).Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rows, err := s.db.Exec(ctx, `UPDATE users SET email = $1, email_key = $2, email_verified = TRUE, indexed_at = 0
			WHERE id = $3
			AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email_key = $2 AND o.id <> $3)`,
			email, EmailKey(email), id)
		if sqldb.IsDuplicate(err) { // another account got it this very moment
			err = row.ErrExists
		}
		if err := row.Added(rows, err); err != nil || before == email {
			return err
		}
		return s.events.Emit(ctx, streams.Event{Type: streams.IdentifierChanged, UserID: id,
			Detail: streams.Detail{Email: before, NewEmail: email}})
	})
}

// SetDisabled disables an account, which ends all its sessions and revokes all its grants, or
// enables it again.
func (s *Users) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		// This locks the row until the transaction ends: a log-in under way comes wholly before,
		// and is ended below, or wholly after.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2`,
			now, id)); err != nil {
			return err
		}
		changed, err := s.db.Exec(ctx, `UPDATE users SET disabled = $1 WHERE id = $2 AND disabled <> $1`,
			disabled, id)
		if err != nil {
			return err
		}
		if changed > 0 {
			told := streams.Event{Type: streams.AccountEnabled, UserID: id}
			if disabled {
				told.Type = streams.AccountDisabled
			}
			if err := s.events.Emit(ctx, told); err != nil {
				return err
			}
		}
		if !disabled {
			return nil
		}
		return s.sessions.endAllOf(ctx, disabledAccount, id, "")
	})
}

// EditUser changes an account's Name, EmailVerified, Locale and Claims, and nothing else, as edit
// does. Nobody else can change the account between what edit sees and what is stored. If edit
// returns an error, EditUser returns it and changes nothing. ErrNotFound: there is no such account.
func (s *Users) EditUser(ctx context.Context, id string, edit func(*User) error) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// This comes first because it locks the row: on Postgres two edits could otherwise start
		// from the same state.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET updated_at = $1 WHERE id = $2`,
			sqldb.Micros(s.now()), id)); err != nil {
			return err
		}
		u, err := s.User(ctx, id)
		if err != nil {
			return err
		}
		name := u.Name
		if err := edit(&u); err != nil {
			return err
		}
		claims, err := json.Marshal(u.Claims)
		if err != nil {
			return err
		}
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users
			SET name = $1, email_verified = $2, locale = $3, claims = $4, indexed_at = 0 WHERE id = $5`,
			u.Name, u.EmailVerified, u.Locale, string(claims), id)); err != nil || u.Name == name {
			return err
		}
		return s.claimsChanged(ctx, id, "", map[string]any{"name": u.Name})
	})
}
