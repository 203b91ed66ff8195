package accounts

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// TOTP is the secret of a person's authenticator app.
type TOTP struct {
	Secret    []byte // encrypted; see package factors
	On        bool   // the person has shown a code; otherwise it is being set up
	CreatedAt time.Time
}

// TOTPSetup is how long a person has from [Factors.BeginTOTP] to the first code.
const TOTPSetup = 30 * time.Minute

// Factors stores people's authenticator apps and recovery codes.
type Factors struct {
	db  *sqldb.DB
	now func() time.Time

	events *streams.Streams
}

// NewFactors returns the apps and codes in db. Events tells receivers of changes.
func NewFactors(db *sqldb.DB, now func() time.Time, events *streams.Streams) *Factors {
	return &Factors{db, now, events}
}

// TOTP returns a person's secret. ErrNotFound: they have none, or began to set it up too long ago.
func (s *Factors) TOTP(ctx context.Context, userID string) (TOTP, error) {
	var t TOTP
	var confirmed, created int64
	err := s.db.QueryRow(ctx, `SELECT secret, confirmed_at, created_at FROM totp
		WHERE user_id = $1 AND (confirmed_at > 0 OR created_at > $2)`,
		userID, sqldb.Micros(s.now().Add(-TOTPSetup))).Scan(&t.Secret, &confirmed, &created)
	t.On, t.CreatedAt = confirmed > 0, sqldb.Time(created)
	return t, row.NotFound(err)
}

// BeginTOTP stores the encrypted secret of an app that is being set up, in place of an earlier one
// that was not confirmed. ErrExists: the person has an app.
func (s *Factors) BeginTOTP(ctx context.Context, userID string, secret []byte) error {
	return row.Added(s.db.Exec(ctx, `INSERT INTO totp (user_id, secret, confirmed_at, last_step, created_at)
		VALUES ($1, $2, 0, 0, $3)
		ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
		WHERE totp.confirmed_at = 0`,
		userID, secret, sqldb.Micros(s.now())))
}

// ConfirmTOTP turns on the app whose encrypted secret is pending, and from now on secret, after its
// first code, which is that of the time step step, with hashes of new recovery codes. ErrNotFound:
// the person has no such app that is being set up.
func (s *Factors) ConfirmTOTP(ctx context.Context, userID string, pending, secret []byte, step int64, codes [][]byte) error {
	now := s.now()
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.setSecondStep(ctx, userID, true); err != nil {
			return err
		}
		if err := row.Changed(s.db.Exec(ctx, `UPDATE totp SET confirmed_at = $1, last_step = $2, secret = $3
			WHERE user_id = $4 AND secret = $5 AND confirmed_at = 0 AND created_at > $6`,
			sqldb.Micros(now), step, secret, userID, pending, sqldb.Micros(now.Add(-TOTPSetup)))); err != nil {
			return err
		}
		if err := credentialChanged(ctx, s.events, userID, "app", "create"); err != nil {
			return err
		}
		return s.replaceCodes(ctx, userID, codes)
	})
}

// UseTOTP spends the code of a time step, which the app with this encrypted secret showed, and all
// codes before it. ErrNotFound: that code or a later one was used already, or the app is another by
// now.
func (s *Factors) UseTOTP(ctx context.Context, userID string, secret []byte, step int64) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE totp SET last_step = $1
		WHERE user_id = $2 AND secret = $3 AND last_step < $1 AND confirmed_at > 0`, step, userID, secret))
}

// UseRecoveryCode spends a recovery code, and returns how many are left. ErrNotFound: the person
// has no such code, or used it already.
func (s *Factors) UseRecoveryCode(ctx context.Context, userID string, hash []byte) (left int, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		if err := row.Changed(s.db.Exec(ctx, `UPDATE recovery_codes SET used_at = $1
			WHERE user_id = $2 AND code_hash = $3 AND used_at = 0`, sqldb.Micros(s.now()), userID, hash)); err != nil {
			return err
		}
		left, err = s.RecoveryCodes(ctx, userID)
		return err
	})
	return left, err
}

// RecoveryCodes returns how many recovery codes a person has left.
func (s *Factors) RecoveryCodes(ctx context.Context, userID string) (left int, err error) {
	err = s.db.QueryRow(ctx, `SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at = 0`, userID).Scan(&left)
	return left, err
}

// ReplaceRecoveryCodes gives a person new recovery codes: the old ones are good no more.
// ErrNotFound: they have no second step.
func (s *Factors) ReplaceRecoveryCodes(ctx context.Context, userID string, codes [][]byte) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		// This changes nothing and locks the row: of two at once, one gets all of its codes.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET second_step = second_step
			WHERE id = $1 AND second_step`, userID)); err != nil {
			return err
		}
		return s.replaceCodes(ctx, userID, codes)
	})
}

func (s *Factors) replaceCodes(ctx context.Context, userID string, codes [][]byte) error {
	if _, err := s.db.Exec(ctx, `DELETE FROM recovery_codes WHERE user_id = $1`, userID); err != nil {
		return err
	}
	for _, hash := range codes {
		if _, err := s.db.Exec(ctx, `INSERT INTO recovery_codes (user_id, code_hash, created_at) VALUES ($1, $2, $3)`,
			userID, hash, sqldb.Micros(s.now())); err != nil {
			return err
		}
	}
	return nil
}

// RemoveTOTP removes a person's app and recovery codes. ErrNotFound: they have none.
func (s *Factors) RemoveTOTP(ctx context.Context, userID string) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if err := s.setSecondStep(ctx, userID, false); err != nil {
			return err
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM totp WHERE user_id = $1`, userID); err != nil {
			return err
		}
		if err := credentialChanged(ctx, s.events, userID, "app", "delete"); err != nil {
			return err
		}
		return s.replaceCodes(ctx, userID, nil)
	})
}

// setSecondStep notes whether a person has a second step, and ends the trust of all browsers. It
// comes first in every transaction: the person's row is locked before all others. ErrNotFound: it
// is so already.
func (s *Factors) setSecondStep(ctx context.Context, userID string, on bool) error {
	if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET second_step = $1, updated_at = $2
		WHERE id = $3 AND second_step <> $1`, on, sqldb.Micros(s.now()), userID)); err != nil {
		return err
	}
	return endTrust(ctx, s.db, userID)
}

// Sweeps lists apps that nobody went on to set up.
func (s *Factors) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "authenticator apps not set up", Keep: TOTPSetup, Rows: sqldb.Rows{
			Table: "totp", Key: "user_id", Where: "confirmed_at = 0 AND created_at <= $1", Order: "created_at"}},
	}
}
