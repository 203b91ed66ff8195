package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheDatabaseTakesSearchesLiterally(t *testing.T) {
	s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	texts := rapid.StringOfN(rapid.RuneFrom([]rune(`aB%_\'"가나`)), 1, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		title, query := texts.Draw(rt, "title"), texts.Draw(rt, "query")
		p, err := s.CreatePost(t.Context(), IdempotencyKey{}, ann, Post{Board: "free", Title: title, Body: "-", Format: "plain", Author: "ann"})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.DeletePost(t.Context(), p.ID, 0)
		found, _, err := s.SearchPosts(t.Context(), Viewer{Subject: "bob"}, query, "free", FirstPost(), 1)
		if err != nil {
			rt.Fatal(err)
		}
		if want := strings.Contains(strings.ToLower(title), strings.ToLower(query)); (len(found) == 1) != want {
			rt.Errorf("%q in %q: found %d, want %v", query, title, len(found), want)
		}
	})
}

func TestSearchesWaitForEachOtherAndNoLongerThanTheirCaller(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for range searchesAtOnce {
			s.searches <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.SearchPosts(ctx, ann, "x", "", FirstPost(), 1); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-s.searches
		if _, _, err := s.SearchPosts(t.Context(), ann, "x", "", FirstPost(), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestASearchGoesOnWhereItStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		old := annsPost(t, s)
		_, err := s.db.Exec(ctx, `INSERT INTO posts
			(id, board, title, body, format, author, pinned, locked, hidden, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
			SELECT 'p' || i, 'free', 'noise', 'noise', 'plain', 'ann', false, false, false, 1, CAST($1 AS BIGINT) + i, 0 FROM n`,
			old.CreatedAt.UnixMicro())
		ok(t, err)
		var found []string
		pages, at := 0, FirstPost()
		for after := &at; after != nil; pages++ {
			posts, next, err := s.SearchPosts(ctx, ann, "t", "free", *after, 10)
			ok(t, err)
			for _, p := range posts {
				found = append(found, p.ID)
			}
			after = next
		}
		if fmt.Sprint(found) != fmt.Sprint([]string{old.ID}) || pages < 2 {
			t.Errorf("found %v in %d pages", found, pages)
		}
	})
}
