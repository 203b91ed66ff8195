package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/maru-auth/maru/internal/sqldb"
)

// User is a person with an account.
type User struct {
	ID            string // the "sub" claim; set by CreateUser
	Email         string // as typed
	EmailVerified bool
	Name          string
	Locale        string // BCP 47 tag, or empty
	PasswordHash  string // argon2id PHC string
	Roles         []string
	Disabled      bool
	Claims        Claims
	CreatedAt     time.Time
	UpdatedAt     time.Time

	Key string // what the address is looked up and ordered by; set by the store
}

// Users are the accounts.
type Users struct {
	db       *sqldb.DB
	now      func() time.Time
	sessions *Sessions // which end with an account or a password
}

const userColumns = `u.id, u.email, u.email_verified, u.name, u.locale, u.password_hash, u.roles, u.disabled, u.claims, u.created_at, u.updated_at, u.email_key`

// scanUser reads userColumns and, behind them, what more the statement selects.
func scanUser(scan func(...any) error, more ...any) (User, error) {
	var u User
	var roles, claims string
	var created, updated int64
	into := append([]any{&u.ID, &u.Email, &u.EmailVerified, &u.Name, &u.Locale, &u.PasswordHash, &roles, &u.Disabled, &claims, &created, &updated, &u.Key}, more...)
	if err := scan(into...); err != nil {
		return User{}, notFound(err)
	}
	if err := json.Unmarshal([]byte(claims), &u.Claims); err != nil {
		return User{}, err
	}
	u.Roles = strings.Fields(roles)
	u.CreatedAt, u.UpdatedAt = sqldb.Time(created), sqldb.Time(updated)
	return u, nil
}

// notFound turns the absence of a row into ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// changed is ErrNotFound when a conditional statement changed nothing.
func changed(rows int64, err error) error {
	if err == nil && rows == 0 {
		return ErrNotFound
	}
	return err
}

// CreateUser stores a new account, with an id and times of its own. It returns ErrExists when the e-mail address has one.
func (s *Users) CreateUser(ctx context.Context, u User) (User, error) {
	u.ID = uuid.NewString()
	u.CreatedAt = s.now().UTC().Truncate(time.Microsecond)
	u.UpdatedAt = u.CreatedAt
	u.Key = EmailKey(u.Email)
	rows, err := s.db.Exec(ctx, `INSERT INTO users (id, email, email_key, email_verified, name, locale, password_hash, roles, disabled, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING`,
		u.ID, u.Email, u.Key, u.EmailVerified, u.Name, u.Locale, u.PasswordHash, strings.Join(u.Roles, " "), u.Disabled, sqldb.Micros(u.CreatedAt))
	if err != nil {
		return User{}, err
	}
	if rows == 0 {
		return User{}, ErrExists
	}
	return u, nil
}

// User returns the account with this id, disabled or not, or ErrNotFound.
func (s *Users) User(ctx context.Context, id string) (User, error) {
	return scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1`, id).Scan)
}

// ListUsers returns up to limit accounts in the order of their e-mail addresses, those behind the [User.Key] after ("": from the first).
func (s *Users) ListUsers(ctx context.Context, after string, limit int) ([]User, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (User, error) { return scanUser(rows.Scan) },
		`SELECT `+userColumns+` FROM users u WHERE u.email_key > $1 ORDER BY u.email_key LIMIT $2`, after, limit)
}

// SetName changes what the person is called.
func (s *Users) SetName(ctx context.Context, id, name string) error {
	return changed(s.db.Exec(ctx, `UPDATE users SET name = $1, updated_at = $2 WHERE id = $3`, name, sqldb.Micros(s.now()), id))
}

// SetRoles replaces the person's roles. Tokens issued before keep the old ones until they expire.
func (s *Users) SetRoles(ctx context.Context, id string, roles []string) error {
	roles = slices.Compact(slices.Sorted(slices.Values(roles)))
	return changed(s.db.Exec(ctx, `UPDATE users SET roles = $1, updated_at = $2 WHERE id = $3`, strings.Join(roles, " "), sqldb.Micros(s.now()), id))
}

// RehashPassword stores the same password under newer parameters, unless it was changed in between (ErrNotFound).
func (s *Users) RehashPassword(ctx context.Context, id, oldHash, newHash string) error {
	return changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`, newHash, id, oldHash))
}

// ChangePassword replaces the password that oldHash stands for, and ends every session of the person
// but keepSession, and every grant but those that were given in it (see [Store.EndSessionsOf]).
// keepSession gets a new cookie, which is returned: whoever stole the old one is out as well.
// ErrNotFound: the password is another by now, or keepSession has ended.
func (s *Users) ChangePassword(ctx context.Context, id, oldHash, newHash, keepSession string) (cookie string, err error) {
	now := sqldb.Micros(s.now())
	cookie = NewSecret()
	err = s.sessions.logouts.tx(ctx, func(ctx context.Context) error {
		if err := changed(s.db.Exec(ctx, `UPDATE users SET password_hash = $1, updated_at = $2 WHERE id = $3 AND password_hash = $4`,
			newHash, now, id, oldHash)); err != nil {
			return err
		}
		if err := changed(s.db.Exec(ctx, `UPDATE sessions SET cookie_hash = $1 WHERE id = $2 AND user_id = $3 AND idle_expires_at > $4`,
			Hash(cookie), keepSession, id, now)); err != nil {
			return err
		}
		return s.sessions.endAllOf(ctx, id, keepSession)
	})
	if err != nil {
		return "", err
	}
	return cookie, nil
}

// SetDisabled closes an account, which ends all its sessions and revokes all its grants, or opens it again.
func (s *Users) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return s.sessions.logouts.tx(ctx, func(ctx context.Context) error {
		now := sqldb.Micros(s.now())
		// The row stays locked until the end: a log-in that is under way comes wholly before (and is ended below) or wholly after.
		if err := changed(s.db.Exec(ctx, `UPDATE users SET disabled = $1, updated_at = $2 WHERE id = $3`, disabled, now, id)); err != nil {
			return err
		}
		if !disabled {
			return nil
		}
		return s.sessions.endAllOf(ctx, id, "")
	})
}
