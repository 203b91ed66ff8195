package accounts

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// EmailKey is equal for two spellings of an e-mail address that belong to the same account. It has
// the domain as DNS has it (UTS #46: bücher.example and xn--bcher-kva.example are one), and the
// local part composed (NFC, RFC 6532 §3.1) and in lower case. Addresses that a mail system tells
// apart by more than case have different keys. A text that is no address has a key too.
func EmailKey(email string) string {
	email = strings.TrimSpace(email)
	i := strings.LastIndexByte(email, '@')
	if i < 0 {
		return lowerCase(email)
	}
	// Lower case first, since the mapping turns ẞ into ss; but strings.ToLower turns İ into i,
	// which is another domain.
	domain, err := domains.ToASCII(strings.ToLower(strings.ReplaceAll(email[i+1:], "İ", "i\u0307")))
	if err != nil { // no name of the DNS, such as an address in brackets
		domain = lowerCase(email[i+1:])
	}
	return lowerCase(email[:i]) + "@" + domain
}

// domains accepts every name that DNS could have, and maps those beyond ASCII as browsers do.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.CheckHyphens(false))

// lowerCase is s composed and in lower case. Unlike [strings.ToLower] it keeps İ (U+0130) apart
// from i, and makes the two small forms of Σ equal.
func lowerCase(s string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(s) {
		switch r {
		case 'İ':
			b.WriteString("i\u0307") // Unicode's SpecialCasing
		case 'ς':
			b.WriteRune('σ')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return norm.NFC.String(b.String())
}

// formerEmailKey is the first version of EmailKey. See [Users.UpdateEmailKeys].
func formerEmailKey(email string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(email)))
}

// UserByEmail returns the account with this e-mail address in any spelling, disabled or not.
// ErrNotFound: there is none.
func (s *Users) UserByEmail(ctx context.Context, email string) (User, error) {
	key, former := EmailKey(email), formerEmailKey(email)
	if former != key {
		// Where UpdateEmailKeys found two accounts for one address, each is found by its own
		// spelling. A former key can be another address today: İ@ was i@.
		u, err := s.userByKey(ctx, former)
		if err == nil && EmailKey(u.Email) == key {
			return u, nil
		}
		if err != nil && !errors.Is(err, row.ErrNotFound) {
			return User{}, err
		}
	}
	return s.userByKey(ctx, key)
}

func (s *Users) userByKey(ctx context.Context, key string) (User, error) {
	return scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+` FROM users u WHERE u.email_key = $1`,
		key).Scan)
}

// UpdateEmailKeys gives accounts whose address is not plain ASCII their current [EmailKey], which
// has changed since the first version and follows Unicode. If two accounts turn out to have one
// address, the one that has the key keeps it, and the other keeps its former key, by which
// [Users.UserByEmail] still finds it. It returns the ids of those others. It works in batches, with
// pauses for others, and may run while requests come in.
func (s *Users) UpdateEmailKeys(ctx context.Context) (doubles []string, err error) {
	type row struct{ id, email, key string }
	const page = 500
	after := ""
	_, err = s.db.Batches(ctx, page, func(ctx context.Context) (int64, error) {
		batch, err := sqldb.All(ctx, s.db,
			func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.id, &r.email, &r.key) },
			`SELECT id, email, email_key FROM users
				WHERE octet_length(email) <> length(email) AND id > $1 ORDER BY id LIMIT 500`,
			after)
		if err != nil {
			return 0, err
		}
		for _, one := range batch {
			after = one.id
			key := EmailKey(one.email)
			if key == one.key {
				continue
			}
			changed, err := s.db.Exec(ctx, `UPDATE users SET email_key = $1, indexed_at = 0
				WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email_key = $1)`,
				key, one.id)
			if err != nil && !sqldb.IsDuplicate(err) { // which is somebody who signs up this very moment
				return 0, err
			}
			if changed == 0 {
				doubles = append(doubles, one.id)
			}
		}
		return int64(len(batch)), nil
	})
	return doubles, err
}
