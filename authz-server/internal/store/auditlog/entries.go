// Package auditlog stores the audit log: entries, their chain, and the parts of them that are
// personal and can be erased. Package audit says what they mean.
package auditlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// Entry is a row of the log, with its parts.
type Entry struct {
	ID                   string // set by Add
	At                   time.Time
	Kind                 string
	ActorKind, ActorID   string // no id: a person, or nobody in particular
	TargetKind, TargetID string // no id: a person, or nothing
	By, About            Part
	ByHash, AboutHash    []byte // set by Add; empty: the entry was made without the part
	Position             int64  // in the chain, from 1 on; 0: it waits for its place
	MAC                  []byte
}

// Part is what is personal of an entry. It goes with the account of its person.
type Part struct {
	UserID string // whose it is; empty: it concerns nobody's account
	Salt   []byte // set by Add
	Data   string // JSON; empty: the entry was made without it, or it is erased
}

// Hash is what commits an entry to the part: nobody can tell what it was once salt and data are
// gone, and nobody can put anything else in its place. That of a part of nobody's ends in nobodys.
func (p Part) Hash() []byte {
	if p.Data == "" {
		return []byte{}
	}
	h := sha256.New()
	h.Write(p.Salt)
	h.Write([]byte(p.Data))
	if p.UserID == "" {
		return append(h.Sum(nil), nobodys)
	}
	return h.Sum(nil)
}

// nobodys marks the hash of a part that goes with no account.
const nobodys = 1

// Erased tells whether an entry had a part, by its hash, that is gone.
func (p Part) Erased(hash []byte) bool { return len(hash) > 0 && p.Data == "" }

// Matches tells whether the part is what its hash stands for, or went with an account.
func (p Part) Matches(hash []byte) bool {
	if p.Erased(hash) {
		return len(hash) == sha256.Size
	}
	return bytes.Equal(p.Hash(), hash) && (p.Data == "" || len(p.Salt) == saltSize)
}

// saltSize is how long a salt is, in bytes: nobody can find out a person's id by trying all.
const saltSize = 16

// Entries is the log.
type Entries struct {
	db     *sqldb.DB
	now    func() time.Time
	added  atomic.Uint32
	counts *counts
}

// NewEntries returns the entries in db.
func NewEntries(db *sqldb.DB, now func() time.Time) *Entries {
	return &Entries{db: db, now: now, counts: newCounts()}
}

// Add adds an entry, in the transaction of what happened. It takes a place in the chain later, so
// that requests do not wait for one another.
func (s *Entries) Add(ctx context.Context, e Entry) error {
	now := sqldb.Micros(s.now())
	// The counter keeps the order of what one process adds within a microsecond.
	e.ID = fmt.Sprintf("%s%08x%s", idAt(now), s.added.Add(1), rand.Text()[:8])
	var parts []any
	query := `INSERT INTO audit_personal (entry_id, part, user_id, salt, data) VALUES `
	for i, p := range []*Part{&e.By, &e.About} {
		if p.Data == "" {
			continue
		}
		p.Salt = make([]byte, saltSize)
		rand.Read(p.Salt)
		if len(parts) == 0 {
			query += `($1, $2, $3, $4, $5)`
		} else {
			query += `, ($6, $7, $8, $9, $10)`
		}
		parts = append(parts, e.ID, partNames[i], sql.NullString{String: p.UserID, Valid: p.UserID != ""}, p.Salt, p.Data)
	}
	return s.db.Tx(ctx, func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, `INSERT INTO audit_log (id, at, kind, actor_kind, actor_id,
			target_kind, target_id, by_hash, about_hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			e.ID, now, e.Kind, e.ActorKind, e.ActorID, e.TargetKind, e.TargetID,
			e.By.Hash(), e.About.Hash()); err != nil || len(parts) == 0 {
			return err
		}
		_, err := s.db.Exec(ctx, query, parts...)
		return err
	})
}

// partNames are the parts of an entry, in the order of its fields.
var partNames = [2]string{"by", "about"}

// idAt is what the ids of entries of that time, in microseconds, begin with.
func idAt(micros int64) string { return fmt.Sprintf("%016x", max(micros, 0)) }

const entryColumns = `e.id, e.at, e.kind, e.actor_kind, e.actor_id, e.target_kind, e.target_id,
	e.by_hash, e.about_hash, e.position, e.mac, b.user_id, b.salt, b.data, a.user_id, a.salt, a.data`

func scanEntry(rows *sql.Rows) (e Entry, err error) {
	var at int64
	var position sql.NullInt64
	var byUser, byData, aboutUser, aboutData sql.NullString
	err = rows.Scan(&e.ID, &at, &e.Kind, &e.ActorKind, &e.ActorID, &e.TargetKind, &e.TargetID,
		&e.ByHash, &e.AboutHash, &position, &e.MAC, &byUser, &e.By.Salt, &byData, &aboutUser, &e.About.Salt, &aboutData)
	e.At, e.Position = sqldb.Time(at), position.Int64
	e.By.UserID, e.By.Data, e.About.UserID, e.About.Data = byUser.String, byData.String, aboutUser.String, aboutData.String
	return e, err
}

// After returns entries of the chain that follow a position, in their order.
func (s *Entries) After(ctx context.Context, position int64, limit int) ([]Entry, error) {
	return s.all(ctx, `SELECT * FROM audit_log WHERE position > $1 ORDER BY position LIMIT $2`, `e.position`, position, limit)
}

// Filter chooses entries. Empty fields choose all.
type Filter struct {
	UserID       string // who did it, or whom it concerns
	ActorID      string // of a client that did it
	TargetID     string // such as a client's
	Kind         string
	Since, Until time.Time // from, and before
	Before       string    // the id of the entry that was read last
	Limit        int
}

// List returns entries, the latest first, those that wait for their place in the chain included.
func (s *Entries) List(ctx context.Context, f Filter) ([]Entry, error) {
	before := f.Before
	if until := idAt(sqldb.Micros(f.Until)); !f.Until.IsZero() && (before == "" || until < before) {
		before = until
	}
	if before == "" {
		before = "g" // after all hexadecimal digits
	}
	args := []any{idAt(sqldb.Micros(f.Since)), before, f.Limit}
	and := func(condition, value string) string {
		if value == "" {
			return ""
		}
		args = append(args, value)
		return fmt.Sprintf(condition, len(args))
	}
	if f.UserID != "" {
		return s.all(ctx, `SELECT l.* FROM audit_personal p JOIN audit_log l ON l.id = p.entry_id
			WHERE p.entry_id >= $1 AND p.entry_id < $2`+and(` AND p.user_id = $%d`, f.UserID)+
			and(` AND l.actor_id = $%d`, f.ActorID)+and(` AND l.target_id = $%d`, f.TargetID)+and(` AND l.kind = $%d`, f.Kind)+`
			ORDER BY p.entry_id DESC LIMIT $3`, `e.id DESC`, args...)
	}
	return s.all(ctx, `SELECT l.* FROM audit_log l
		WHERE l.id >= $1 AND l.id < $2`+and(` AND l.actor_id <> '' AND l.actor_id = $%d`, f.ActorID)+
		and(` AND l.target_id <> '' AND l.target_id = $%d`, f.TargetID)+and(` AND l.kind = $%d`, f.Kind)+`
		ORDER BY l.id DESC LIMIT $3`, `e.id DESC`, args...)
}

// all returns the entries of a page, in that order, with their personal parts. The page is chosen
// first: where hardly any entry has a part, Postgres would rather read all parts for each page.
func (s *Entries) all(ctx context.Context, page, order string, args ...any) ([]Entry, error) {
	return sqldb.All(ctx, s.db, scanEntry, `SELECT `+entryColumns+` FROM (`+page+`) e
		LEFT JOIN audit_personal b ON b.entry_id = e.id AND b.part = 'by'
		LEFT JOIN audit_personal a ON a.entry_id = e.id AND a.part = 'about'
		ORDER BY `+order, args...)
}
