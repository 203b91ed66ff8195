// Package keystore stores the server's signing keys and other secrets, all of them encrypted by
// package keys.
package keystore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// SigningKey is a private key as the database keeps it. Whether it is next, current or retired
// follows from the clock.
type SigningKey struct {
	KID         string
	Alg         string // JOSE name, such as "RS256"
	Generation  int64  // counts up from 1, for each Alg
	PrivateKey  []byte // encrypted; see package keys
	CreatedAt   time.Time
	ActivatesAt time.Time // signs from here on, until a later generation activates
}

// Keys stores the signing keys and the server's other secrets.
type Keys struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewKeys returns the keys in db.
func NewKeys(db *sqldb.DB, now func() time.Time) *Keys { return &Keys{db, now} }

// CheckClock returns an error when nothing may be removed for its age. See [sqldb.DB.CheckClock].
func (s *Keys) CheckClock(ctx context.Context) error { return s.db.CheckClock(ctx) }

// SigningKeys returns every key, by algorithm and generation, and those that were withdrawn, by
// kid, as of one moment.
func (s *Keys) SigningKeys(ctx context.Context) (keys []SigningKey, withdrawn []WithdrawnKey, err error) {
	all, err := sqldb.All(ctx, s.db, scanKey, `SELECT kid, alg, generation, private_key, created_at, activates_at,
			0 AS withdrawn_at, 0, '' FROM signing_keys
		UNION ALL
		SELECT kid, alg, generation, NULL, created_at, activates_at, withdrawn_at, expires_at, reason FROM withdrawn_keys
		ORDER BY alg, generation, kid`)
	for _, one := range all {
		if one.WithdrawnAt.IsZero() {
			keys = append(keys, one.SigningKey)
		} else {
			withdrawn = append(withdrawn, one)
		}
	}
	slices.SortFunc(withdrawn, func(a, b WithdrawnKey) int { return cmp.Compare(a.KID, b.KID) })
	return keys, withdrawn, err
}

func scanKey(rows *sql.Rows) (k WithdrawnKey, err error) {
	var created, activates, withdrawn, expires int64
	err = rows.Scan(&k.KID, &k.Alg, &k.Generation, &k.PrivateKey, &created, &activates, &withdrawn, &expires, &k.Reason)
	k.CreatedAt, k.ActivatesAt = sqldb.Time(created), sqldb.Time(activates)
	k.WithdrawnAt, k.ExpiresAt = sqldb.Time(withdrawn), sqldb.Time(expires)
	return k, err
}

// Tx runs f in one transaction. See [sqldb.DB.Tx].
func (s *Keys) Tx(ctx context.Context, f func(ctx context.Context) error) error {
	return s.db.Tx(ctx, f)
}

// AddSigningKey stores a key. Of several replicas that add the same generation at once, one wins.
// ErrExists: another one did.
func (s *Keys) AddSigningKey(ctx context.Context, k SigningKey) error {
	return row.Added(s.db.Exec(ctx, `INSERT INTO signing_keys (kid, alg, generation, private_key,
		created_at, activates_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		k.KID, k.Alg, k.Generation, k.PrivateKey, sqldb.Micros(s.now()), sqldb.Micros(k.ActivatesAt)))
}

// ActivateSigningKey lets the newest key of an algorithm sign from now on. ErrNotFound: it does so
// already.
func (s *Keys) ActivateSigningKey(ctx context.Context, alg string) (kid string, err error) {
	now := sqldb.Micros(s.now())
	err = s.db.ExecReturning(ctx, `UPDATE signing_keys SET activates_at = $2
		WHERE alg = $1 AND activates_at > $2
		AND generation = (SELECT max(generation) FROM signing_keys WHERE alg = $1) RETURNING kid`,
		alg, now).Scan(&kid)
	return kid, row.NotFound(err)
}

// RewrapSigningKey replaces a key's encrypted form. ErrNotFound: another process has done so since
// it was read, or the key is gone.
func (s *Keys) RewrapSigningKey(ctx context.Context, kid string, from, to []byte) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE signing_keys SET private_key = $3
		WHERE kid = $1 AND private_key = $2`, kid, from, to))
}

// DeleteSigningKey removes a key. What it signed no longer verifies. ErrNotFound: it is gone
// already.
func (s *Keys) DeleteSigningKey(ctx context.Context, kid string) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM signing_keys WHERE kid = $1`, kid))
}
