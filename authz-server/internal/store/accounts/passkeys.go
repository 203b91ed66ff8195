package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Passkey is a credential of WebAuthn by which a person logs in.
type Passkey struct {
	ID           string
	UserID       string
	CredentialID []byte
	PublicKey    []byte // COSE_Key
	Name         string // as the person calls it
	AAGUID       string // the model of the authenticator, as a UUID; empty: unknown
	Transports   []string
	Format       string // of the attestation

	SignCount      uint32 // at the last use; 0: the authenticator does not count
	BackupEligible bool   // the key can leave the device that made it; never changes
	BackedUp       bool   // the key had left it, at the last use
	Browser        []byte // the hash of the secret of the browser that used it last

	CreatedAt time.Time // set by AddPasskey
	UsedAt    time.Time // zero: never since it was made
	ClonedAt  time.Time // its counter went backwards; zero: it never did
}

// MaxPasskeys is how many a person can have.
const MaxPasskeys = 20

// What keeps a passkey from being added or removed.
var (
	ErrTooMany = errors.New("there are as many as there can be")
	ErrLastWay = errors.New("nothing else would be left to log in by")
)

// Passkeys stores credentials of WebAuthn, and the challenges that wait for one.
type Passkeys struct {
	db  *sqldb.DB
	now func() time.Time

	events *streams.Streams
}

// NewPasskeys returns the passkeys in db. Events tells receivers of changes.
func NewPasskeys(db *sqldb.DB, now func() time.Time, events *streams.Streams) *Passkeys {
	return &Passkeys{db, now, events}
}

// handleSize is how long a user handle is, in bytes (WebAuthn §14.6.1 recommends 64 random ones).
const handleSize = 64

// UserHandle returns the bytes by which authenticators know the person. The first call makes them.
func (s *Passkeys) UserHandle(ctx context.Context, userID string) (handle []byte, err error) {
	fresh := make([]byte, handleSize)
	rand.Read(fresh)
	if _, err := s.db.Exec(ctx, `INSERT INTO passkey_handles (user_id, handle) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, userID, fresh); err != nil {
		return nil, err
	}
	err = s.db.QueryRow(ctx, `SELECT handle FROM passkey_handles WHERE user_id = $1`, userID).Scan(&handle)
	return handle, row.NotFound(err)
}

// SetUserHandle gives a new account the handle by which an authenticator knows its person already.
// ErrExists: it has one.
func (s *Passkeys) SetUserHandle(ctx context.Context, userID string, handle []byte) error {
	return row.Added(s.db.Exec(ctx, `INSERT INTO passkey_handles (user_id, handle) VALUES ($1, $2)
		ON CONFLICT DO NOTHING`, userID, handle))
}

const passkeyColumns = `p.id, p.user_id, p.credential_id, p.public_key, p.name, p.aaguid,
	p.transports, p.attestation_format, p.sign_count, p.backup_eligible, p.backup_state,
	p.browser_hash, p.created_at, p.used_at, p.cloned_at`

type passkeyRow struct {
	Passkey
	transports            string
	count                 int64
	created, used, cloned int64
}

func (r *passkeyRow) into() []any {
	return []any{&r.ID, &r.UserID, &r.CredentialID, &r.PublicKey, &r.Name, &r.AAGUID, &r.transports,
		&r.Format, &r.count, &r.BackupEligible, &r.BackedUp, &r.Browser, &r.created, &r.used, &r.cloned}
}

func (r *passkeyRow) passkey() Passkey {
	r.Transports, r.SignCount = strings.Fields(r.transports), uint32(r.count) //nolint:gosec // G115: AddPasskey and UsePasskey stored a uint32
	r.CreatedAt = sqldb.Time(r.created)
	if r.used > 0 {
		r.UsedAt = sqldb.Time(r.used)
	}
	if r.cloned > 0 {
		r.ClonedAt = sqldb.Time(r.cloned)
	}
	return r.Passkey
}

// AddPasskey stores a passkey of p.UserID and gives it its id and time. ErrNotFound: there is no
// such account, or it is disabled. ErrExists: somebody has a passkey with this credential id
// already. ErrTooMany: the person has [MaxPasskeys].
func (s *Passkeys) AddPasskey(ctx context.Context, p Passkey) (Passkey, error) {
	p.ID, p.CreatedAt = rand.Text(), s.now().UTC().Truncate(time.Microsecond)
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		// This locks the row, so that passkeys are added and removed one after another.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET passkey = TRUE
			WHERE id = $1 AND NOT disabled`, p.UserID)); err != nil {
			return err
		}
		present, err := s.Passkeys(ctx, p.UserID)
		if err != nil {
			return err
		}
		if len(present) >= MaxPasskeys {
			return ErrTooMany
		}
		if err := row.Added(s.db.Exec(ctx, `INSERT INTO passkeys (id, user_id, credential_id,
			public_key, name, aaguid, transports, attestation_format, sign_count, backup_eligible,
			backup_state, browser_hash, created_at, used_at, cloned_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0)
			ON CONFLICT DO NOTHING`,
			p.ID, p.UserID, p.CredentialID, p.PublicKey, p.Name, p.AAGUID,
			strings.Join(p.Transports, " "), p.Format, int64(p.SignCount), p.BackupEligible,
			p.BackedUp, bytesOf(p.Browser), sqldb.Micros(p.CreatedAt))); err != nil {
			return err
		}
		return credentialChanged(ctx, s.events, p.UserID, p.credentialType(), "create")
	})
	return p, err
}

// credentialType is what CAEP §3.3.1 calls a passkey: one of the device itself, or of a key that
// moves between devices.
func (p *Passkey) credentialType() string {
	if slices.Contains(p.Transports, "internal") {
		return "fido2-platform"
	}
	return "fido2-roaming"
}

// bytesOf is b, and never nil, which would be NULL.
func bytesOf(b []byte) []byte { return append([]byte{}, b...) }

// Passkeys returns a person's passkeys, the oldest first.
func (s *Passkeys) Passkeys(ctx context.Context, userID string) ([]Passkey, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (Passkey, error) {
		var row passkeyRow
		err := rows.Scan(row.into()...)
		return row.passkey(), err
	}, `SELECT `+passkeyColumns+` FROM passkeys p WHERE p.user_id = $1
		ORDER BY p.created_at, p.id LIMIT $2`, userID, MaxPasskeys)
}

// PasskeyByCredential returns the passkey with this credential id, its person, disabled or not, and
// the person's handle. ErrNotFound: nobody has it.
func (s *Passkeys) PasskeyByCredential(ctx context.Context, credentialID []byte) (p Passkey, u User, handle []byte, err error) {
	var found passkeyRow
	u, err = scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+`, `+passkeyColumns+`, h.handle
		FROM passkeys p JOIN users u ON u.id = p.user_id
		JOIN passkey_handles h ON h.user_id = p.user_id
		WHERE p.credential_id = $1`, credentialID).Scan, append(found.into(), &handle)...)
	if err != nil {
		return Passkey{}, User{}, nil, err
	}
	return found.passkey(), u, handle, nil
}

// UsePasskey notes that a passkey was used: p has the new SignCount, BackedUp and Browser.
// ErrStale: its counter has not grown, so somebody else has its key, or did the same at the same
// time; see [Passkeys.NoteClone]. ErrNotFound: it was removed.
func (s *Passkeys) UsePasskey(ctx context.Context, p Passkey) error {
	rows, err := s.db.Exec(ctx, `UPDATE passkeys
		SET sign_count = $1, backup_state = $2, browser_hash = $3, used_at = $4
		WHERE id = $5 AND (sign_count < $1 OR (sign_count = 0 AND $1 = 0))`,
		int64(p.SignCount), p.BackedUp, bytesOf(p.Browser), sqldb.Micros(s.now()), p.ID)
	if err != nil || rows == 1 {
		return err
	}
	var id string
	err = s.db.QueryRow(ctx, `SELECT id FROM passkeys WHERE id = $1`, p.ID).Scan(&id)
	if err == nil {
		return row.ErrStale
	}
	return row.NotFound(err)
}

// NoteClone notes that the counter of a passkey went backwards.
func (s *Passkeys) NoteClone(ctx context.Context, id string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE passkeys SET cloned_at = $1 WHERE id = $2`,
		sqldb.Micros(s.now()), id))
}

// RenamePasskey calls a person's passkey by another name. ErrNotFound: they have no such passkey.
func (s *Passkeys) RenamePasskey(ctx context.Context, userID, id, name string) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE passkeys SET name = $1 WHERE id = $2 AND user_id = $3`,
		name, id, userID))
}

// RemovePasskey removes a person's passkey and returns what it was. ErrNotFound: they have no such
// passkey. ErrLastWay: it is the last one, they have no password, and log in by no upstream that is
// enabled.
func (s *Passkeys) RemovePasskey(ctx context.Context, userID, id string) (removed Passkey, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		removed = Passkey{} // an earlier try, which was undone, may have found it
		var other bool
		// This locks the row: two that are removed at once go one after the other, and a password
		// that is set meanwhile is seen or comes later.
		if err := s.db.ExecReturning(ctx, `UPDATE users SET disabled = disabled WHERE id = $1
			RETURNING password_hash <> '' OR EXISTS (SELECT 1 FROM identities i JOIN upstreams p ON p.name = i.upstream
			WHERE i.user_id = users.id AND NOT p.disabled)`, userID).Scan(&other); err != nil {
			return row.NotFound(err)
		}
		present, err := s.Passkeys(ctx, userID)
		if err != nil {
			return err
		}
		for _, one := range present {
			if one.ID == id {
				removed = one
			}
		}
		if removed.ID == "" {
			return row.ErrNotFound
		}
		if len(present) == 1 && !other {
			return ErrLastWay
		}
		if err := row.Changed(s.db.Exec(ctx, `DELETE FROM passkeys WHERE id = $1 AND user_id = $2`,
			id, userID)); err != nil {
			return err
		}
		if err := credentialChanged(ctx, s.events, userID, removed.credentialType(), "delete"); err != nil {
			return err
		}
		return row.Changed(s.db.Exec(ctx, `UPDATE users SET passkey = $1 WHERE id = $2`,
			len(present) > 1, userID))
	})
	return removed, err
}

// Purpose is what a ceremony of WebAuthn is for.
type Purpose string

// The purposes that there are.
const (
	Register Purpose = "register" // a new passkey of a person
	LogIn    Purpose = "login"    // by whichever passkey the browser offers
	Confirm  Purpose = "confirm"  // a person who is known already, by one of their passkeys
)

// Ceremony is a challenge that waits for an authenticator. Only hashes of Challenge and Browser are
// stored.
type Ceremony struct {
	Challenge string // as the client repeats it
	Browser   string // the secret of the browser that began it
	Purpose   Purpose
	UserID    string // empty: whoever has the passkey
}

// CeremonyLifetime is how long a challenge waits.
const CeremonyLifetime = 5 * time.Minute

// BeginCeremony stores a challenge.
func (s *Passkeys) BeginCeremony(ctx context.Context, c Ceremony) error {
	_, err := s.db.Exec(ctx, `INSERT INTO passkey_ceremonies (challenge_hash, browser_hash, purpose,
		user_id, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		opaque.Hash(c.Challenge), opaque.Hash(c.Browser), string(c.Purpose), c.UserID,
		sqldb.Micros(s.now().Add(CeremonyLifetime)))
	return err
}

// SpendCeremony ends a ceremony; of several calls one succeeds. ErrNotFound: it is unknown, spent
// or expired, or was begun in another browser, for another purpose, or for somebody else.
func (s *Passkeys) SpendCeremony(ctx context.Context, c Ceremony) error {
	return row.Changed(s.db.Exec(ctx, `DELETE FROM passkey_ceremonies
		WHERE challenge_hash = $1 AND browser_hash = $2 AND purpose = $3 AND user_id = $4
		AND expires_at > $5`,
		opaque.Hash(c.Challenge), opaque.Hash(c.Browser), string(c.Purpose), c.UserID,
		sqldb.Micros(s.now())))
}

// Sweeps lists expired ceremonies.
func (s *Passkeys) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "ceremonies of passkeys", Rows: sqldb.Rows{
			Table: "passkey_ceremonies", Key: "challenge_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
