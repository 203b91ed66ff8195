package accounts

import (
	"context"
	"database/sql"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Operators find accounts by the beginning of the address, or of any word of the name. The words of
// an account are rows, as bytes: what Postgres thinks of the order of texts depends on its locale.
// They follow the account rather than being written with it, so that accounts that an older program
// writes are found too, and so that no other statement has to know of them.

// The bounds of an account's words.
const (
	maxWord  = 254 // bytes
	maxWords = 24

	indexedAtOnce = 100 // accounts that one transaction takes into the index
	indexEvery    = 5 * time.Second
)

// words are what an account is found by the beginning of: its address, its user name, and its names
// from each of their words on, so that "kim min" finds "Kim Mina" and so does "mina".
func words(u User) []string {
	all := []string{u.Key, folded(u.Email)}
	for _, text := range []string{u.Name, u.Claims.GivenName, u.Claims.FamilyName, u.Claims.PreferredUsername} {
		for text = folded(text); text != ""; {
			all = append(all, text)
			_, text, _ = strings.Cut(text, " ")
		}
	}
	for i, one := range all {
		all[i] = cut(one)
	}
	slices.Sort(all)
	all = slices.Compact(slices.DeleteFunc(all, func(one string) bool { return one == "" }))
	return all[:min(len(all), maxWords)]
}

// Words are those of an account, for a program that fills a database.
func Words(u User) []string { return words(u) }

// folded is a text without regard to case and to how its spaces are written.
func folded(text string) string { return lowerCase(strings.Join(strings.Fields(text), " ")) }

// cut is a text of at most maxWord bytes, of whole characters.
func cut(text string) string {
	if len(text) <= maxWord {
		return text
	}
	end := maxWord
	for end > 0 && text[end]&0xc0 == 0x80 {
		end--
	}
	return text[:end]
}

// A Found is an account that a search found. Cursor is where the next page begins after it.
type Found struct {
	User

	Cursor string
}

// Search returns up to limit accounts that have a word that begins with text, whatever its case, in
// the order of these words, after a cursor ("" starts at the first). An account comes once, however
// many of its words do. No text, or a cursor that is none, finds nobody.
func (s *Users) Search(ctx context.Context, text, after string, limit int) ([]Found, error) {
	prefix := cut(folded(text))
	word, id, ok := readCursor(after)
	if prefix == "" || !ok || strings.ContainsFunc(prefix, unicode.IsControl) {
		return nil, nil
	}
	if _, err := s.IndexSome(ctx); err != nil {
		return nil, err
	}
	from := max(word, prefix)
	// The bound above: no text in UTF-8 has the byte 0xff.
	return sqldb.All(ctx, s.db, func(rows *sql.Rows) (f Found, err error) {
		var word []byte
		f.User, err = scanUser(rows.Scan, &word)
		f.Cursor = cursor(string(word), f.ID)
		return f, err
	}, `SELECT `+userColumns+`, w.word FROM user_words w JOIN users u ON u.id = w.user_id
		WHERE w.word >= $1 AND w.word < $2 AND (w.word > $1 OR w.user_id > $3)
		AND NOT EXISTS (SELECT 1 FROM user_words o
			WHERE o.user_id = w.user_id AND o.word >= $4 AND o.word < w.word)
		ORDER BY w.word, w.user_id LIMIT $5`,
		[]byte(from), []byte(prefix+"\xff"), id, []byte(prefix), limit)
}

func cursor(word, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(word + "\x00" + id))
}

func readCursor(text string) (word, id string, ok bool) {
	if text == "" {
		return "", "", true
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", "", false
	}
	word, id, ok = strings.Cut(string(plain), "\x00")
	return word, id, ok && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// IndexSome takes some accounts into the index whose words are not those that they have now, and
// returns how many it looked at.
func (s *Users) IndexSome(ctx context.Context) (accounts int64, err error) {
	// Only one index has this order, so that Postgres does not look for few of them by reading all.
	behind, err := sqldb.All(ctx, s.db, row.Text, `SELECT id FROM users
		WHERE indexed_at <> updated_at ORDER BY indexed_at, id LIMIT $1`, indexedAtOnce)
	if err != nil || len(behind) == 0 {
		return 0, err
	}
	return int64(len(behind)), s.db.Tx(ctx, func(ctx context.Context) error {
		for _, id := range behind {
			if err := s.index(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// index stores the words of an account.
func (s *Users) index(ctx context.Context, id string) error {
	// This locks the row, so that the words are those of the version that is noted.
	if n, err := s.db.Exec(ctx, `UPDATE users SET indexed_at = updated_at WHERE id = $1
		AND indexed_at <> updated_at`, id); err != nil || n == 0 {
		return err
	}
	user, err := s.User(ctx, id)
	if err != nil {
		return err
	}
	present, err := sqldb.All(ctx, s.db, func(rows *sql.Rows) (word []byte, err error) { return word, rows.Scan(&word) },
		`SELECT word FROM user_words WHERE user_id = $1`, id)
	if err != nil {
		return err
	}
	missing := words(user)
	for _, word := range present {
		if i := slices.Index(missing, string(word)); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
			continue
		}
		if _, err := s.db.Exec(ctx, `DELETE FROM user_words WHERE word = $1 AND user_id = $2`, word, id); err != nil {
			return err
		}
	}
	for _, word := range missing {
		if _, err := s.db.Exec(ctx, `INSERT INTO user_words (word, user_id) VALUES ($1, $2)
			ON CONFLICT DO NOTHING`, []byte(word), id); err != nil {
			return err
		}
	}
	return nil
}

// Index takes accounts into the index until ctx ends: those from before there was one, and those
// that were written since. It does so in small batches, with pauses for other writers.
func (s *Users) Index(ctx context.Context, log *slog.Logger) {
	for {
		if _, err := s.db.Batches(ctx, indexedAtOnce, s.IndexSome); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "operators do not find the newest accounts by name", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(indexEvery):
		}
	}
}
