package api

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

const someID = "abcdefghijklmnopqrstuvwxyz"

func FuzzCursor(f *testing.F) {
	name := list("posts", "free")
	f.Add(postCursor(name, store.PostPosition{Pinned: true, CreatedAt: 1, ID: someID}))
	f.Add(postCursor(list("posts", "other"), store.PostPosition{CreatedAt: 1, ID: someID}))
	f.Add(boardCursor(name, store.BoardPosition{CreatedAt: 1, Slug: "free"}))
	f.Add(commentCursor(name, store.CommentPosition{ThreadAt: 1, Thread: someID, Place: 2, ID: someID}))
	f.Add(encodeCursor(name, "TRUE", "1", someID))
	f.Add(encodeCursor(name, "true", "+1", someID))
	f.Add(encodeCursor(name, "true", "-1", "\x00"))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`["1"]`)))
	f.Add("====")
	f.Fuzz(func(t *testing.T, cursor string) {
		if cursor == "" {
			return
		}
		// What is taken has one form only, and nothing in it that a database would choke on.
		if p, err := parsePostCursor(cursor, name); err == nil &&
			(postCursor(name, p) != cursor || !store.ValidID(p.ID) || p.CreatedAt < 0) {
			t.Errorf("post: %+v", p)
		}
		if p, err := parseBoardCursor(cursor, name); err == nil &&
			(boardCursor(name, p) != cursor || !validSlug(p.Slug) || p.CreatedAt < 0) {
			t.Errorf("board: %+v", p)
		}
		if p, err := parseCommentCursor(cursor, name); err == nil &&
			(commentCursor(name, p) != cursor || !store.ValidID(p.ID) || !store.ValidID(p.Thread) || p.Place < 0) {
			t.Errorf("comment: %+v", p)
		}
		if _, err := parsePostCursor(cursor, list("posts", "another")); err == nil &&
			!strings.Contains(decoded(cursor), list("posts", "another")) {
			t.Error("taken for another list")
		}
	})
}

func decoded(cursor string) string {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return ""
	}
	return string(text)
}

func TestListsAreToldApart(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{
		list("boards"), list("posts", "a"), list("search", "a", ""), list("search", "", "a"), list("search", "a"),
		list("comments", "a"), list("search", "a,b"), list("search", "a", "b"), list("search", `a","b`),
	} {
		if seen[name] {
			t.Errorf("%s names two lists", name)
		}
		seen[name] = true
	}
}
