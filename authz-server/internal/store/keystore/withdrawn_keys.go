package keystore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Withdrawal says which keys to withdraw, and what signs instead.
type Withdrawal struct {
	KIDs   []string
	Reason string    // for the operator
	Until  time.Time // how long the keys are named as withdrawn

	// Missing lets keys be named that are not in the database.
	Missing bool
	// Replacements has a new key by algorithm, for each line that has no other key to go on with.
	// Its Generation and ActivatesAt are ignored.
	Replacements map[string]SigningKey

	// Also is done in the same transaction; nil: nothing.
	Also func(ctx context.Context) error
}

// WithdrawnKey is a key that was withdrawn. Its PrivateKey is gone, and its Alg is empty if it was
// not in this database.
type WithdrawnKey struct {
	SigningKey
	WithdrawnAt time.Time
	ExpiresAt   time.Time // named as withdrawn until then
	Reason      string
}

// NoSuccessorError says that a withdrawal would leave no key to sign with.
type NoSuccessorError struct{ Alg string }

func (e *NoSuccessorError) Error() string { return fmt.Sprintf("no key follows for %s", e.Alg) }

// Withdraw removes keys, remembers that they are withdrawn, and lets their successors sign: the key
// that waits, or else a replacement. All of it happens, or nothing. Keys that are withdrawn already
// stay as they are. Errors: a *[NoSuccessorError] if w lacks a replacement; ErrNotFound, wrapped
// with the kid, for a key that is not in the database.
func (s *Keys) Withdraw(ctx context.Context, w Withdrawal) error {
	return s.db.Tx(ctx, func(ctx context.Context) error {
		last := map[string]place{}
		for _, kid := range w.KIDs {
			left, err := s.withdraw(ctx, w, kid)
			if err != nil {
				return fmt.Errorf("%s: %w", kid, err)
			}
			before, ok := last[left.alg]
			if left.alg != "" && (!ok || left.after(before)) {
				last[left.alg] = left
			}
		}
		for alg, left := range last {
			if err := s.succeed(ctx, alg, left, w.Replacements); err != nil {
				return err
			}
		}
		if w.Also == nil {
			return nil
		}
		return w.Also(ctx)
	})
}

// place is the one that a withdrawn key leaves in its line.
type place struct {
	alg        string
	generation int64
	signed     bool
}

// after compares the places of one line: of those who signed, the latest counts.
func (p place) after(other place) bool {
	if p.signed != other.signed {
		return p.signed
	}
	return p.generation > other.generation
}

// withdraw moves one key among the withdrawn ones. The zero place: nobody has to follow it.
func (s *Keys) withdraw(ctx context.Context, w Withdrawal, kid string) (place, error) {
	now := sqldb.Micros(s.now())
	var left place
	var created, activates int64
	// The statement decides: of two withdrawals at once one finds the row, and of a withdrawal and
	// an activation the second sees what the first did.
	err := s.db.ExecReturning(ctx, `DELETE FROM signing_keys WHERE kid = $1
		RETURNING alg, generation, created_at, activates_at`, kid).Scan(&left.alg, &left.generation, &created, &activates)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.withdrawMissing(ctx, w, kid)
		return place{}, err
	}
	if err != nil {
		return place{}, err
	}
	left.signed = activates <= now
	_, err = s.db.Exec(ctx, `INSERT INTO withdrawn_keys (kid, alg, generation, created_at, activates_at, withdrawn_at, expires_at, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		kid, left.alg, left.generation, created, activates, now, sqldb.Micros(w.Until), w.Reason)
	return left, err
}

func (s *Keys) withdrawMissing(ctx context.Context, w Withdrawal, kid string) error {
	if w.Missing {
		rows, err := s.db.Exec(ctx, `INSERT INTO withdrawn_keys (kid, alg, generation, created_at, activates_at, withdrawn_at, expires_at, reason)
			SELECT $1, '', 0, $2, $2, $2, $3, $4 WHERE (SELECT count(*) FROM withdrawn_keys WHERE alg = '') < $5
			ON CONFLICT DO NOTHING`,
			kid, sqldb.Micros(s.now()), sqldb.Micros(w.Until), w.Reason, maxMissing)
		if err != nil || rows > 0 {
			return err
		}
	}
	var one int
	err := row.NotFound(s.db.QueryRow(ctx, `SELECT 1 FROM withdrawn_keys WHERE kid = $1`, kid).Scan(&one))
	if w.Missing && errors.Is(err, row.ErrNotFound) {
		err = ErrTooManyMissing
	}
	return err
}

// maxMissing is how many keys can be withdrawn at a time that are not in the database: each replica
// reads all of them, and services are told of a thousand.
const maxMissing = 100

// ErrTooManyMissing says that there are as many already.
var ErrTooManyMissing = fmt.Errorf("are too many: %d keys are withdrawn already that this server does not have", maxMissing)

// succeed sees to it that the line has a key to sign with from now on.
func (s *Keys) succeed(ctx context.Context, alg string, left place, replacements map[string]SigningKey) error {
	now := sqldb.Micros(s.now())
	after := left.generation
	if !left.signed {
		after = 0 // one that was to follow: whatever signs goes on
	}
	var one int
	err := s.db.QueryRow(ctx, `SELECT 1 FROM signing_keys WHERE alg = $1 AND generation > $2 AND activates_at <= $3 LIMIT 1`,
		alg, after, now).Scan(&one)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	activated, err := s.activateAfter(ctx, alg, after)
	if err != nil || activated {
		return err
	}
	made, ok := replacements[alg]
	if !ok {
		return &NoSuccessorError{alg}
	}
	made.Alg, made.Generation, made.ActivatesAt = alg, left.generation+1, sqldb.Time(now)
	err = s.AddSigningKey(ctx, made)
	if !errors.Is(err, row.ErrExists) {
		return err
	}
	// Another replica has just made the next one.
	if activated, err = s.activateAfter(ctx, alg, after); err == nil && !activated {
		err = row.ErrStale
	}
	return err
}

// activateAfter lets the next key of a line sign from now on, if one waits.
func (s *Keys) activateAfter(ctx context.Context, alg string, generation int64) (bool, error) {
	rows, err := s.db.Exec(ctx, `UPDATE signing_keys SET activates_at = $3 WHERE alg = $1 AND activates_at > $3
		AND generation = (SELECT min(generation) FROM signing_keys WHERE alg = $1 AND generation > $2)`,
		alg, generation, sqldb.Micros(s.now()))
	return rows > 0, err
}

// WithdrawnKIDs returns the ids of the keys that were withdrawn, in order. It is quick: replicas
// ask all the time.
func (s *Keys) WithdrawnKIDs(ctx context.Context) ([]string, error) {
	return sqldb.All(ctx, s.db, row.Text, `SELECT kid FROM withdrawn_keys ORDER BY kid`)
}

// ForgetWithdrawnKeys removes those that need not be named any more.
func (s *Keys) ForgetWithdrawnKeys(ctx context.Context) error {
	_, err := s.db.Exec(ctx, `DELETE FROM withdrawn_keys WHERE expires_at <= $1`, sqldb.Micros(s.now()))
	return err
}
