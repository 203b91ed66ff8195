package api

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

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
		if p, err := parsePostCursor(cursor, name); err == nil && (postCursor(name, p) != cursor || !store.ValidID(p.ID) || p.CreatedAt < 0) {
			t.Errorf("post: %+v", p)
		}
		if p, err := parseBoardCursor(cursor, name); err == nil && (boardCursor(name, p) != cursor || !validSlug(p.Slug) || p.CreatedAt < 0) {
			t.Errorf("board: %+v", p)
		}
		if p, err := parseCommentCursor(cursor, name); err == nil && (commentCursor(name, p) != cursor || !store.ValidID(p.ID) || !store.ValidID(p.Thread) || p.Place < 0) {
			t.Errorf("comment: %+v", p)
		}
		if _, err := parsePostCursor(cursor, list("posts", "another")); err == nil && !strings.Contains(decoded(cursor), list("posts", "another")) {
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
	for _, name := range []string{list("boards"), list("posts", "a"), list("search", "a", ""), list("search", "", "a"), list("search", "a"), list("comments", "a"), list("search", "a,b"), list("search", "a", "b"), list("search", `a","b`)} {
		if seen[name] {
			t.Errorf("%s names two lists", name)
		}
		seen[name] = true
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, header := range []string{"*", `"1"`, `W/"1"`, `"1", "2" ,W/"3"`, `"`, `""`, `,,"x",`, `"1" "2"`, "\"\xff\""} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		tags, anything, err := parseTags(header)
		if err != nil && (tags != nil || anything) || len(tags) > maxTags {
			t.Errorf("%q: %q %v %v", header, tags, anything, err)
		}
		for _, tag := range tags {
			if len(tag) < 2 || tag[0] != '"' || strings.Count(tag, `"`) != 2 || !strings.Contains(header, tag) {
				t.Errorf("%q: tag %q", header, tag)
			}
		}
		if err == nil && !anything && len(tags) > 0 { // a client may send back what it was given, in any list
			again, _, err := parseTags(strings.Join(tags, ","))
			if err != nil || !slices.Equal(again, tags) {
				t.Errorf("%q: again %q %v", header, again, err)
			}
		}
		if mustMatch(header, 7) == nil && !anything && !strings.Contains(header, `"7"`) {
			t.Errorf("%q matches version 7", header)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"", " a ", "a\r\nb", "a\rb", norm.NFD.String("한글"), "\u3164", "\u202e", "\x00", "\xff", "e\u0301", "👩‍👩‍👧", "\r\r\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string, int, int) (string, error){"line": line, "lines": lines} {
			got, err := clean(text, 1, 50)
			if err != nil {
				if got != "" {
					t.Errorf("%s: text with an error", name)
				}
				continue
			}
			n := utf8.RuneCountInString(got)
			control := strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) && (name == "line" || r != '\n' && r != '\t') })
			if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || control || n < 1 || n > 50 || got != strings.TrimSpace(got) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
			if again, err := clean(got, 1, 50); again != got || err != nil {
				t.Errorf("%s: %q becomes %q when cleaned again: %v", name, got, again, err)
			}
		}
	})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"title":"a\r\nb","body":"\u1112\u1161\u11ab"}`))
	f.Add([]byte(`[1]`))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		var generic any
		if unmarshal(data, &generic) != nil {
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Errorf("%q was taken", data)
		}
		if object, ok := generic.(map[string]any); ok {
			for _, value := range object {
				if text, ok := value.(string); ok && (!norm.NFC.IsNormalString(text) || strings.Contains(text, "\r\n")) {
					t.Errorf("%q is not normalized", text)
				}
			}
		}
	})
}

func FuzzSlug(f *testing.F) {
	f.Add("free")
	f.Add("a b")
	f.Add("a\n")
	f.Fuzz(func(t *testing.T, slug string) {
		if validSlug(slug) != (slug != "" && len(slug) <= 40 && strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == "") {
			t.Errorf("%q", slug)
		}
	})
}
