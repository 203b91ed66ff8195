package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// filled is a database with so many posts, and its store.
func filled(t *testing.T, databaseURL string, posts int) (*fill, *store.Store) {
	t.Helper()
	f := &fill{posts: posts, now: time.Now()}
	ok(t, Fill(t.Context(), databaseURL, f, io.Discard))
	if rows, err := bulk.Dangling(t.Context(), databaseURL); err != nil || rows != 0 {
		t.Errorf("%d rows refer to what is not there: %v", rows, err)
	}
	s, err := store.Open(t.Context(), databaseURL, time.Now)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return f, s
}

// What is filled is what the store itself would have written, as far as it can tell.
func TestTheStoreKnowsWhatIsFilled(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		f, s := filled(t, databaseURL, 1200)
		listed := 0
		for b := range boards {
			known, err := s.Board(ctx, slug(b))
			ok(t, err)
			var shown []store.Post
			for after := new(store.FirstPost()); after != nil; {
				var posts []store.Post
				posts, after, err = s.Posts(ctx, store.Anonymous, slug(b), *after, 100)
				ok(t, err)
				shown = append(shown, posts...)
			}
			for _, p := range shown {
				if age := f.now.Sub(p.CreatedAt); age < time.Hour || age > 3*365*24*time.Hour {
					t.Errorf("a post of %s is of %s", slug(b), p.CreatedAt)
				}
			}
			if int64(len(shown)) != known.Posts || !slices.IsSortedFunc(shown, newestFirst) {
				t.Errorf("%s has %d posts, and says %d", slug(b), len(shown), known.Posts)
			}
			listed += len(shown)
		}
		if f.at(0) >= f.at(1) || f.at(1) >= f.at(f.posts-1) {
			t.Error("posts do not come in their order")
		}
		if want := f.posts - f.posts/40; listed != want {
			t.Errorf("%d posts are listed, want %d", listed, want)
		}
		for _, i := range []int{4, 5, 8, 104, 1008} { // 12 comments, 2, 200, …
			checkComments(t, s, f.post(i))
		}
		names, err := s.Names(ctx, []string{f.post(1).author})
		ok(t, err)
		if len(names) != 1 || names[0].Name == "" {
			t.Errorf("%+v", names)
		}
		if rows, err := s.Sweep(ctx); err != nil || rows != 0 {
			t.Errorf("%d rows were swept: %v", rows, err)
		}
	})
}

func newestFirst(a, b store.Post) int {
	if a.Pinned != b.Pinned {
		if a.Pinned {
			return -1
		}
		return 1
	}
	return b.CreatedAt.Compare(a.CreatedAt)
}

func checkComments(t *testing.T, s *store.Store, want post) {
	t.Helper()
	p, err := s.Post(t.Context(), store.Anonymous, want.id)
	ok(t, err)
	if p.Title != want.title || p.Body != want.body || p.Author != want.author || sqldb.Micros(p.CreatedAt) != want.at {
		t.Errorf("post %d is %+v", want.i, p)
	}
	var shown int64
	for after := new(store.CommentPosition); after != nil; {
		var comments []store.Comment
		comments, after, err = s.Comments(t.Context(), store.Anonymous, want.id, *after, 50)
		ok(t, err)
		for _, c := range comments {
			if !c.Stub {
				shown++
			}
		}
	}
	if shown != p.Comments {
		t.Errorf("post %d has %d comments, and says %d", want.i, shown, p.Comments)
	}
}

// A search finds what reading all texts finds, also what is in the index alone.
func TestTheIndexHasWhatIsFilled(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f, s := filled(t, databaseURL, 1200)
		for _, text := range []string{rare, rareKorean, common, commonKorean, middling, nowhere, f.post(30).body} {
			var want []string
			f.each(func(p post) {
				if !p.hidden && strings.Contains(strings.ToLower(p.title+"\n"+p.body), strings.ToLower(text)) {
					want = append(want, p.id)
				}
			})
			if got := find(t, s, text); !slices.Equal(got, sorted(want)) {
				t.Errorf("%q is in %d posts, and found in %d", text, len(want), len(got))
			}
			if n := len(want); (text == rare || text == rareKorean) && n != rarePosts || text == nowhere && n > 0 {
				t.Errorf("%q is in %d posts", text, n)
			}
		}
		// What the store writes takes the place of what was filled.
		p, err := s.Post(t.Context(), store.Anonymous, f.post(30).id)
		ok(t, err)
		before := p.Body
		p.Body = nowhere
		_, err = s.UpdatePost(t.Context(), store.Anonymous, p, false)
		ok(t, err)
		if got := find(t, s, nowhere); len(got) != 1 {
			t.Errorf("what was written is in %q", got)
		}
		if got := find(t, s, before); len(got) != 0 {
			t.Errorf("what was overwritten is in %q", got)
		}
	})
}

func find(t *testing.T, s *store.Store, text string) (ids []string) {
	t.Helper()
	for after := new(store.FirstPost()); after != nil; {
		posts, next, err := s.SearchPosts(t.Context(), store.Anonymous, text, "", *after, 50)
		ok(t, err)
		for _, p := range posts {
			ids = append(ids, p.ID)
		}
		after = next
	}
	return sorted(ids)
}

func sorted(ids []string) []string {
	slices.Sort(ids)
	return ids
}

// The comparison itself runs, from the program's compilation to the JSON.
func TestEveryScenarioRuns(t *testing.T) {
	cmd := compareCommand{growth.Settings{Small: 300, Large: 600, Engines: []string{"sqlite"}, Each: time.Millisecond, Dir: t.TempDir()}}
	if err := cmd.Run(t.Context()); err != nil && !errors.Is(err, growth.ErrNotFlat) {
		t.Error(err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
