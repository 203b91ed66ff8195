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

// EmailKey is what makes two spellings of an e-mail address the same account: the domain as DNS has it
// (UTS #46: bücher.example and xn--bcher-kva.example are one), and the local part composed (NFC, RFC
// 6532 §3.1) and in small letters. Two addresses that a mail system tells apart for more than case
// have two keys. What is no address gets a key too.
func EmailKey(email string) string {
	email = strings.TrimSpace(email)
	i := strings.LastIndexByte(email, '@')
	if i < 0 {
		return smallLetters(email)
	}
	// In small letters first, for the mapping makes ẞ ss; but strings.ToLower makes İ i, another domain.
	domain, err := domains.ToASCII(strings.ToLower(strings.ReplaceAll(email[i+1:], "İ", "i\u0307")))
	if err != nil { // no name of the DNS, such as an address in brackets
		domain = smallLetters(email[i+1:])
	}
	return smallLetters(email[:i]) + "@" + domain
}

// domains takes every name that DNS could have. Those beyond ASCII are mapped as browsers map them.
var domains = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// smallLetters is s composed and in small letters. Unlike [strings.ToLower] it keeps İ (U+0130) apart
// from i, and takes the two small forms of Σ for one.
func smallLetters(s string) string {
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

// formerEmailKey is what EmailKey was at first. See [Store.UpdateEmailKeys].
func formerEmailKey(email string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(email)))
}

// UserByEmail returns the account with this e-mail address in any spelling, disabled or not, or ErrNotFound.
func (s *Users) UserByEmail(ctx context.Context, email string) (User, error) {
	key, former := EmailKey(email), formerEmailKey(email)
	if former != key {
		// Of two accounts that UpdateEmailKeys could not make one, each is found by its own spelling. A key
		// of the former kind can be another address by now: İ@ was i@.
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
	return scanUser(s.db.QueryRow(ctx, `SELECT `+userColumns+` FROM users u WHERE u.email_key = $1`, key).Scan)
}

// UpdateEmailKeys gives the accounts whose address is not plain ASCII the keys of today: [EmailKey] was
// another function once, and follows Unicode. All other keys stay what they are. No account is lost where
// two turn out to have one address: whoever has the key keeps it, and the other keeps its former one, by
// which [Store.UserByEmail] finds it. It returns the ids of those others.
func (s *Users) UpdateEmailKeys(ctx context.Context) (doubles []string, err error) {
	type row struct{ id, email, key string }
	for after := ""; ; {
		batch, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.id, &r.email, &r.key) },
			`SELECT id, email, email_key FROM users WHERE octet_length(email) <> length(email) AND id > $1 ORDER BY id LIMIT 500`, after)
		if err != nil || len(batch) == 0 {
			return doubles, err
		}
		for _, one := range batch {
			after = one.id
			key := EmailKey(one.email)
			if key == one.key {
				continue
			}
			changed, err := s.db.Exec(ctx, `UPDATE users SET email_key = $1 WHERE id = $2 AND NOT EXISTS (SELECT 1 FROM users o WHERE o.email_key = $1)`, key, one.id)
			if err != nil {
				return nil, err
			}
			if changed == 0 {
				doubles = append(doubles, one.id)
			}
		}
	}
}
