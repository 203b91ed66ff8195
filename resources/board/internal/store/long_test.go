package store

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// different is a text of so many different characters: the dearest to index.
func different(n int) string {
	runes := make([]rune, n)
	for i := range runes {
		if runes[i] = rune(0xAC00 + i); i >= 11_000 {
			runes[i] = rune(0x4E00 + i - 11_000)
		}
	}
	return string(runes)
}

func indexRows(t *testing.T, s *Store) (n int) {
	t.Helper()
	ok(t, s.db.QueryRow(t.Context(), `SELECT count(*) FROM post_terms_by_time`).Scan(&n))
	return n
}

func TestALongPostIsIndexedPartByPartAndFoundAllTheTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		body := different(20_000)
		p := write(t, s, "제목", body)
		if n := indexRows(t, s); n != 0 {
			t.Errorf("the transaction that wrote the post wrote the terms of %d parts", n)
		}
		select {
		case <-s.unindexed:
		default:
			t.Error("nobody is told that a long post is to be indexed")
		}
		noise(t, s, 3*searchPosts)
		runes := []rune(body)
		find := func(when string) {
			t.Helper()
			for _, at := range []int{0, 1, partLength - partOverlap, partLength - 50, partLength - 1, partLength, 19_900} {
				if titles, pages := searched(t, s, string(runes[at:at+100]), ""); len(titles) != 1 || pages != 1 {
					t.Errorf("%s, what begins at %d: %q in %d pages", when, at, titles, pages)
				}
			}
			if titles, _ := searched(t, s, "제목", "free"); len(titles) != 1 {
				t.Errorf("%s, the title: %q", when, titles)
			}
		}
		find("not indexed")
		if n, err := s.indexAll(t.Context()); err != nil || n != 1 {
			t.Errorf("%d posts: %v", n, err)
		}
		if n := indexRows(t, s); n != 11 {
			t.Errorf("%d parts", n)
		}
		find("indexed")

		p.Body = "short"
		p, err := s.UpdatePost(t.Context(), ann, p, false)
		if ok(t, err); indexRows(t, s) != 1 {
			t.Errorf("after a change to a short text, %d parts", indexRows(t, s))
		}
		p.Body = body
		_, err = s.UpdatePost(t.Context(), ann, p, false)
		ok(t, err)
		find("changed")
		_, err = s.indexAll(t.Context())
		ok(t, err)
		ok(t, s.DeletePost(t.Context(), p.ID, 0))
		if n := indexRows(t, s); n != 0 {
			t.Errorf("%d parts of a deleted post", n)
		}
	})
}

func TestALongPostThatChangesWhileItIsIndexedIsIndexedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		p := write(t, s, "t", different(3*partLength))
		old, err := unindexed(t.Context(), s.db, 1)
		ok(t, err)
		parts := partsOf(p.Title, p.Body)
		_, err = s.indexPart(t.Context(), old[0], 0, 0, parts[0])
		ok(t, err)
		p.Body = "new " + p.Body
		_, err = s.UpdatePost(t.Context(), ann, p, false)
		ok(t, err)
		if ok(t, s.indexLong(t.Context(), old[0], parts)); indexRows(t, s) != 0 {
			t.Errorf("%d parts of an old version", indexRows(t, s))
		}
		if n, err := s.indexAll(t.Context()); err != nil || n != 1 || indexRows(t, s) != 4 {
			t.Errorf("%d posts, %d parts, %v", n, indexRows(t, s), err)
		}
	})
}

func TestOneTransactionWritesABoundedNumberOfTerms(t *testing.T) {
	for _, part := range partsOf(different(200), different(20_000)) {
		if len(part) > 3*(partLength+200) {
			t.Errorf("%d terms", len(part))
		}
	}
}

func TestASearchAsksTheIndexForAFewTerms(t *testing.T) {
	for _, text := range []string{different(100), strings.Repeat("가 나 ", 25), "a 마루에앉아 b c d e f g h i j k l m n o"} {
		terms := searchTerms(fold(text))
		if len(terms) > askedTerms || len(terms) == 0 {
			t.Errorf("%d terms of %q", len(terms), text)
		}
		if strings.Contains(text, "마루에") && !slices.Contains(terms, "마루에") {
			t.Errorf("what tells most is left out: %q", terms)
		}
	}
}

func TestASearchThatRunsOutOfTimeEndsWithWhatItHas(t *testing.T) {
	type row struct{ n int }
	reads := 0
	rows, next, err := fill(0, func(r row) int { return r.n }, bounds{rows: 10, visits: 100, chunk: 2}, func(after, n int) ([]candidate[row], error) {
		if reads++; reads == 2 {
			return nil, errNoTime
		}
		return []candidate[row]{{row: row{after + 1}, shown: true}, {row: row{after + 2}, seen: true}}, nil
	})
	if err != nil || len(rows) != 1 || next == nil || *next != 2 {
		t.Errorf("%v, next %v, %v", rows, next, err)
	}
}

func TestALookUpThatTakesTooLongIsGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		write(t, s, "마루", "b")
		noise(t, s, 2*searchChunk)
		q := s.newSearch(bob, "마루", "", 20)
		q.at, q.until = sqldb.TermRow{Position: math.MaxInt64}, time.Now().Add(-time.Second)
		if found, err := q.lookUp(t.Context(), 10); err != nil || q.indexed || found != nil {
			t.Errorf("indexed %v, %v, %v", q.indexed, found, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q.until = time.Now().Add(time.Minute)
		if _, err := q.lookUp(ctx, 10); err == nil {
			t.Error("a caller who is gone is searched for")
		}
	})
}

// Postgres collects all rows that the index has of a term, before the first comes.
func TestTheIndexIsNotAskedForWhatTheNewestPostsHave(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i := range 4 * searchChunk {
			title := "nothing"
			if i%3 == 0 {
				title = "often"
			}
			if i < searchChunk && i%10 == 0 {
				title = "seldom"
			}
			write(t, s, title, "b")
		}
		for text, want := range map[string]struct {
			posts int
			asked bool
		}{"often": {20, false}, "seldom": {5, true}} {
			q := s.newSearch(bob, text, "", 20)
			q.until = time.Now().Add(time.Minute)
			posts, _, err := q.page(t.Context(), FirstPost())
			if ok(t, err); len(posts) != want.posts || q.asked != want.asked {
				t.Errorf("%s: %d posts, the index was asked: %v", text, len(posts), q.asked)
			}
		}
	})
}

// hiddenPosts writes so many that only bob may see, the newest of all, with the text.
func hiddenPosts(t *testing.T, s *Store, posts int, text string) {
	t.Helper()
	_, err := s.db.Exec(t.Context(), `INSERT INTO posts
		(id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		SELECT 'hhhhhhhhhhhhhhhhhhhhh' || (10000 + i), 'free', CAST($2 AS TEXT), '.', 'plain', 'bob', false, false, true, 1, 1,
			CAST($3 AS BIGINT) + i, 0 FROM n`, posts, text, time.Now().Add(2*time.Hour).UnixMicro())
	ok(t, err)
}

func TestACursorNamesNoPostThatTheViewerMayNotSee(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		noise(t, s, 100)
		hiddenPosts(t, s, 2*searchPosts+3, "secret")
		lists := map[string]func(after PostPosition) ([]Post, *PostPosition, error){
			"list": func(after PostPosition) ([]Post, *PostPosition, error) { return s.Posts(ctx, ann, "free", after, 10) },
			"by":   func(after PostPosition) ([]Post, *PostPosition, error) { return s.PostsBy(ctx, ann, "bob", after, 10) },
			"search": func(after PostPosition) ([]Post, *PostPosition, error) {
				return s.SearchPosts(ctx, ann, "secret", "", after, 10)
			},
			"all": func(after PostPosition) ([]Post, *PostPosition, error) {
				posts, next, _, err := s.PostsForAll(ctx, false, "free", after, 10)
				return posts, next, err
			},
		}
		for name, list := range lists {
			shown, at := 0, FirstPost()
			for after := &at; after != nil && shown < 100; {
				posts, next, err := list(*after)
				ok(t, err)
				shown += len(posts)
				if next != nil && strings.HasPrefix(next.ID, "hhhhhh") {
					t.Fatalf("%s: the cursor names the hidden post %s", name, next.ID)
				}
				after = next
			}
			if want := map[string]int{"list": 100, "all": 100}[name]; shown != want {
				t.Errorf("%s shows %d posts, want %d", name, shown, want)
			}
		}
		// One that matches among those that do not: the page ends at a post that everybody sees.
		_, err := s.db.Exec(ctx, `DELETE FROM posts WHERE author = 'bob'`)
		ok(t, err)
		hiddenPosts(t, s, 1, "secret")
		q := s.newSearch(ann, "secret", "", 20)
		q.at = sqldb.TermRow{Position: math.MaxInt64}
		found, err := q.readNewest(ctx, 2)
		if ok(t, err); len(found) != 2 || found[0].seen || found[0].shown || !found[1].seen || found[1].shown {
			t.Errorf("%+v", found)
		}
	})
}
