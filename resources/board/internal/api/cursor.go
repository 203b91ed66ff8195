package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// A cursor is a JSON array of strings in base64url: its version, the list that it belongs to, and
// where the page ended. It opens nothing, so it needs no signature; anything else that is sent as a
// cursor is refused. After a thousand comments that the caller may not see, it can name one of them.
const cursorVersion = "1"

var errCursor = errors.New("must be the next of a page of the same list")

// list names a list by its kind and its parameters, so that the cursor of one list is not accepted
// by another.
func list(kind string, asked ...string) string {
	text, err := json.Marshal(asked)
	if err != nil {
		panic(err) // strings can be marshalled
	}
	sum := sha256.Sum256(append([]byte(kind+"\x00"), text...))
	return hex.EncodeToString(sum[:8])
}

func encodeCursor(list string, position ...string) string {
	text, err := json.Marshal(append([]string{cursorVersion, list}, position...))
	if err != nil {
		panic(err) // strings can be marshalled
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// decodeCursor returns the n parts of the position in a cursor of list. A position has one form
// only.
func decodeCursor(cursor, list string, n int) ([]string, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, errCursor
	}
	var parts []string
	if json.Unmarshal(text, &parts) != nil || len(parts) != 2+n || parts[0] != cursorVersion ||
		parts[1] != list || encodeCursor(list, parts[2:]...) != cursor {
		return nil, errCursor
	}
	return parts[2:], nil
}

func formatMicros(micros int64) string { return strconv.FormatInt(micros, 10) }

func parseMicros(text string) (int64, error) {
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || micros < 0 || formatMicros(micros) != text {
		return 0, errCursor
	}
	return micros, nil
}

func boardCursor(list string, p store.BoardPosition) string {
	return encodeCursor(list, formatMicros(p.CreatedAt), p.Slug)
}

// parseBoardCursor returns the position before the first board for an empty cursor. Error: a
// problem with status 422.
func parseBoardCursor(cursor, list string) (p store.BoardPosition, err error) {
	if cursor == "" {
		return p, nil
	}
	parts, err := decodeCursor(cursor, list, 2)
	if err == nil {
		p.Slug = parts[1]
		p.CreatedAt, err = parseMicros(parts[0])
	}
	if err != nil || !validSlug(p.Slug) {
		return store.BoardPosition{}, rest.Invalid("query.cursor", errCursor)
	}
	return p, nil
}

func postCursor(list string, p store.PostPosition) string {
	return encodeCursor(list, strconv.FormatBool(p.Pinned), formatMicros(p.CreatedAt), p.ID)
}

// parsePostCursor returns the position before the first post for an empty cursor. Error: a problem
// with status 422.
func parsePostCursor(cursor, list string) (p store.PostPosition, err error) {
	if cursor == "" {
		return store.FirstPost(), nil
	}
	parts, err := decodeCursor(cursor, list, 3)
	if err == nil {
		p.Pinned, p.ID = parts[0] == "true", parts[2]
		p.CreatedAt, err = parseMicros(parts[1])
	}
	if err != nil || strconv.FormatBool(p.Pinned) != parts[0] || !store.ValidID(p.ID) {
		return store.PostPosition{}, rest.Invalid("query.cursor", errCursor)
	}
	return p, nil
}

func commentCursor(list string, p store.CommentPosition) string {
	return encodeCursor(list, formatMicros(p.ThreadAt), p.Thread, formatMicros(p.Place), p.ID)
}

// parseCommentCursor returns the position before the first comment for an empty cursor. Error: a
// problem with status 422.
func parseCommentCursor(cursor, list string) (p store.CommentPosition, err error) {
	if cursor == "" {
		return p, nil
	}
	parts, err := decodeCursor(cursor, list, 4)
	if err == nil {
		p.Thread, p.ID = parts[1], parts[3]
		p.ThreadAt, err = parseMicros(parts[0])
	}
	if err == nil {
		p.Place, err = parseMicros(parts[2])
	}
	if err != nil || !store.ValidID(p.Thread) || !store.ValidID(p.ID) {
		return store.CommentPosition{}, rest.Invalid("query.cursor", errCursor)
	}
	return p, nil
}

func writtenCursor(list string, p store.WrittenPosition) string {
	return encodeCursor(list, strconv.FormatBool(p.Comments), formatMicros(p.CreatedAt), p.ID)
}

// parseWrittenCursor returns the position before the first post for an empty cursor. Error: a
// problem with status 422.
func parseWrittenCursor(cursor, list string) (p store.WrittenPosition, err error) {
	if cursor == "" {
		return p, nil
	}
	parts, err := decodeCursor(cursor, list, 3)
	if err == nil {
		p.Comments, p.ID = parts[0] == "true", parts[2]
		p.CreatedAt, err = parseMicros(parts[1])
	}
	first := p == store.WrittenPosition{Comments: true} // all posts were listed, and no comment yet
	if err != nil || strconv.FormatBool(p.Comments) != parts[0] || !first && !store.ValidID(p.ID) {
		return store.WrittenPosition{}, rest.Invalid("query.cursor", errCursor)
	}
	return p, nil
}
