package accounts

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// MailedLifetime is how long a mailed link, and the code beside it, are valid.
const MailedLifetime = 30 * time.Minute

// MaxMailedTries is how often somebody may type the code of a letter, or the password that a link
// asks for.
const MaxMailedTries = 5

// MailPurpose is what a mailed link is for. It is good for nothing else.
type MailPurpose string

// The purposes.
const (
	ToSignUp        MailPurpose = "signup"
	ToReset         MailPurpose = "reset"   // a password
	ToChangeAddress MailPurpose = "address" // or to verify the one that an account has
)

// Mailed is a link, and the code beside it, that went to an address.
type Mailed struct {
	Purpose   MailPurpose
	User      User   // whose account it concerns; zero: nobody's
	Email     string // where it went
	Data      string // JSON of the purpose
	Tries     int    // how many there were
	CreatedAt time.Time
	ExpiresAt time.Time // zero: MailedLifetime from now, for AddMailed

	link, browser []byte // hashes
}

// Of tells whether the browser with this secret asked for it.
func (m *Mailed) Of(browser string) bool {
	return browser != "" && bytes.Equal(m.browser, opaque.Hash(browser))
}

// MailedLinks stores links and codes. Only hashes are stored: of the link's secret; and of the code
// with the secret of the browser that asked, which the database does not have, so that whoever
// steals it cannot try the million codes there are.
type MailedLinks struct {
	db  *sqldb.DB
	now func() time.Time
}

// NewMailedLinks returns the links in db.
func NewMailedLinks(db *sqldb.DB, now func() time.Time) *MailedLinks { return &MailedLinks{db, now} }

func codeHash(purpose MailPurpose, browser, code string) []byte {
	return opaque.Hash(string(purpose) + " " + browser + " " + code)
}

// AddMailed stores a link with this secret and the code beside it, asked for by the browser with
// that secret ("" stands for an operator, who gets no code). Codes that the browser had asked for
// before, for the same purpose, are over. Call it in the transaction that queues the letter.
func (s *MailedLinks) AddMailed(ctx context.Context, m Mailed, link, code, browser string) error {
	now := s.now()
	if m.ExpiresAt.IsZero() {
		m.ExpiresAt = now.Add(MailedLifetime)
	}
	asked, hash := []byte{}, []byte{}
	if browser != "" {
		asked, hash = opaque.Hash(browser), codeHash(m.Purpose, browser, code)
		if _, err := s.db.Exec(ctx, `UPDATE mailed SET code_hash = $1
			WHERE browser_hash = $2 AND purpose = $3`, []byte{}, asked, string(m.Purpose)); err != nil {
			return err
		}
	}
	_, err := s.db.Exec(ctx, `INSERT INTO mailed (link_hash, purpose, user_id, password_hash,
		account_key, email, email_key, data, browser_hash, code_hash, tries, created_at, expires_at,
		spent_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, 0)`,
		opaque.Hash(link), string(m.Purpose), sql.NullString{String: m.User.ID, Valid: m.User.ID != ""},
		m.User.PasswordHash, m.User.Key, m.Email, EmailKey(m.Email), m.Data, asked, hash,
		sqldb.Micros(now), sqldb.Micros(m.ExpiresAt))
	return err
}

const mailedColumns = `m.link_hash, m.purpose, COALESCE(m.user_id, ''), m.email, m.data,
	m.browser_hash, m.tries, m.created_at, m.expires_at`

func (s *MailedLinks) find(ctx context.Context, condition string, args ...any) (Mailed, error) {
	var m Mailed
	var user string
	var created, expires int64
	err := s.db.QueryRow(ctx, `SELECT `+mailedColumns+` FROM mailed m WHERE `+condition, args...).Scan(
		&m.link, &m.Purpose, &user, &m.Email, &m.Data, &m.browser, &m.Tries, &created, &expires)
	if err != nil {
		return Mailed{}, row.NotFound(err)
	}
	m.CreatedAt, m.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
	// Also if it is nobody's: the time must not tell who has an account.
	m.User, err = scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+`
		FROM mailed m JOIN users u ON u.id = m.user_id
		WHERE m.link_hash = $1 AND NOT u.disabled AND u.password_hash = m.password_hash
		AND u.email_key = m.account_key`, m.link).Scan)
	if user == "" && errors.Is(err, row.ErrNotFound) {
		err = nil
	}
	return m, err
}

// MailedByLink returns the link with this secret. ErrNotFound: there is none for that purpose; or
// it is spent, or has expired; or its account has another password or address since, or was
// disabled.
func (s *MailedLinks) MailedByLink(ctx context.Context, purpose MailPurpose, link string) (Mailed, error) {
	return s.find(ctx, `m.link_hash = $1 AND m.purpose = $2 AND m.spent_at = 0 AND m.expires_at > $3`,
		opaque.Hash(link), string(purpose), sqldb.Micros(s.now()))
}

// MailedToBrowser returns the letter for which the browser asked last and whose code it can type.
// ErrNotFound is as of [MailedLinks.MailedByLink].
func (s *MailedLinks) MailedToBrowser(ctx context.Context, purpose MailPurpose, browser string) (Mailed, error) {
	return s.find(ctx, `m.browser_hash = $1 AND m.purpose = $2 AND m.spent_at = 0
		AND m.expires_at > $3 AND m.code_hash <> $4 ORDER BY m.created_at DESC LIMIT 1`,
		opaque.Hash(browser), string(purpose), sqldb.Micros(s.now()), []byte{})
}

// MailedOf returns what waits for a person to open it, the oldest first.
func (s *MailedLinks) MailedOf(ctx context.Context, userID string) ([]Mailed, error) {
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (m Mailed, err error) {
		var created, expires int64
		err = rows.Scan(&m.Purpose, &m.Email, &m.Tries, &created, &expires)
		m.CreatedAt, m.ExpiresAt = sqldb.Time(created), sqldb.Time(expires)
		return m, err
	}, `SELECT purpose, email, tries, created_at, expires_at FROM mailed
		WHERE user_id = $1 AND spent_at = 0 AND expires_at > $2 ORDER BY created_at LIMIT 100`,
		userID, sqldb.Micros(s.now()))
}

// SpentMailed returns the address that a spent link went to. ErrNotFound: no such link was spent.
func (s *MailedLinks) SpentMailed(ctx context.Context, purpose MailPurpose, link string) (email string, err error) {
	err = s.db.QueryRow(ctx, `SELECT email FROM mailed
		WHERE link_hash = $1 AND purpose = $2 AND spent_at > 0`,
		opaque.Hash(link), string(purpose)).Scan(&email)
	return email, row.NotFound(err)
}

// CountMailedTry counts a try of what belongs to m, before it is looked at. ErrNotFound: there were
// [MaxMailedTries] already.
func (s *MailedLinks) CountMailedTry(ctx context.Context, m Mailed) error {
	return row.Changed(s.db.Exec(ctx, `UPDATE mailed SET tries = tries + 1
		WHERE link_hash = $1 AND tries < $2 AND spent_at = 0`, m.link, MaxMailedTries))
}

// ExchangeCode returns a new secret for the link of m, in exchange for the code that the browser
// with this secret was to type: the link in the letter and the code are over then. Count the try
// before, in a transaction of its own. ErrNotFound: the code is wrong, or over.
func (s *MailedLinks) ExchangeCode(ctx context.Context, m Mailed, browser, code string) (link string, err error) {
	link = opaque.New()
	return link, row.Changed(s.db.Exec(ctx, `UPDATE mailed SET link_hash = $1, code_hash = $2
		WHERE link_hash = $3 AND code_hash = $4 AND spent_at = 0`,
		opaque.Hash(link), []byte{}, m.link, codeHash(m.Purpose, browser, code)))
}

// SpendMailed spends a link. Call it first in the transaction of what the link is for: of several
// calls at once, one succeeds. ErrNotFound is as of [MailedLinks.MailedByLink].
func (s *MailedLinks) SpendMailed(ctx context.Context, m Mailed) error {
	if m.User.ID != "" {
		// This locks the person's row: a change of the password comes wholly before or after.
		if err := row.Changed(s.db.Exec(ctx, `UPDATE users SET disabled = disabled
			WHERE id = $1 AND NOT disabled
			AND password_hash = (SELECT password_hash FROM mailed WHERE link_hash = $2)
			AND email_key = (SELECT account_key FROM mailed WHERE link_hash = $2)`,
			m.User.ID, m.link)); err != nil {
			return err
		}
	}
	if m.Purpose == ToSignUp {
		// Of several at once that sign up with one address, each would lock its own link, and the first
		// then wait for the others' ([MailedLinks.DropSignups]). So each locks all of them, at once.
		if _, err := s.db.Exec(ctx, `UPDATE mailed SET spent_at = spent_at
			WHERE email_key = $1 AND purpose = $2 AND spent_at = 0`, EmailKey(m.Email), string(ToSignUp)); err != nil {
			return err
		}
	}
	now := sqldb.Micros(s.now())
	return row.Changed(s.db.Exec(ctx, `UPDATE mailed SET spent_at = $1
		WHERE link_hash = $2 AND purpose = $3 AND spent_at = 0 AND expires_at > $1`,
		now, m.link, string(m.Purpose)))
}

// DropMailed throws a link away.
func (s *MailedLinks) DropMailed(ctx context.Context, m Mailed) error {
	_, err := s.db.Exec(ctx, `DELETE FROM mailed WHERE link_hash = $1`, m.link)
	return err
}

// DropMailedOf throws away all links of a person that are not spent.
func (s *MailedLinks) DropMailedOf(ctx context.Context, userID string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM mailed WHERE user_id = $1 AND spent_at = 0`, userID)
	return err
}

// DropSignups throws away what is under way to sign up with this address.
func (s *MailedLinks) DropSignups(ctx context.Context, email string) error {
	_, err := s.db.Exec(ctx, `DELETE FROM mailed
		WHERE email_key = $1 AND purpose = $2 AND spent_at = 0`, EmailKey(email), string(ToSignUp))
	return err
}

// Sweeps lists expired links.
func (s *MailedLinks) Sweeps() []sqldb.Sweep {
	return []sqldb.Sweep{
		{Name: "mailed links", Rows: sqldb.Rows{
			Table: "mailed", Key: "link_hash", Where: "expires_at <= $1", Order: "expires_at"}},
	}
}
