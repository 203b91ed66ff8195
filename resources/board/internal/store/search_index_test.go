package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// noise writes so many posts with nothing in them but what is common, in one statement, as indexed
// already; they are newer than all others.
func noise(t *testing.T, s *Store, posts int) {
	t.Helper()
	_, err := s.db.Exec(t.Context(), `INSERT INTO posts
		(id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		SELECT 'z' || i, 'free', '...', '...', 'plain', 'ann', false, false, false, 1, 1, CAST($2 AS BIGINT) + i, 0 FROM n`,
		posts, time.Now().Add(time.Hour).UnixMicro())
	ok(t, err)
}

// searched is the titles of all posts that a search finds, page by page.
func searched(t *testing.T, s *Store, text, board string) (titles []string, pages int) {
	t.Helper()
	at := FirstPost()
	for after := &at; after != nil; pages++ {
		posts, next, err := s.SearchPosts(t.Context(), bob, text, board, *after, 3)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		for _, p := range posts {
			titles = append(titles, p.Title)
		}
		after = next
	}
	return titles, pages
}

func write(t *testing.T, s *Store, title, body string) Post {
	t.Helper()
	p, err := s.CreatePost(t.Context(), IdempotencyKey{}, ann, Post{Board: "free", Title: title, Body: body, Format: "plain", Author: "ann"})
	ok(t, err)
	return p
}

func TestSearchesFindTheSameTextsOnBothEngines(t *testing.T) {
	corpus := []string{
		"마루에 앉아 책을 읽는다", "대청마루", "마 루", "루마니아", "서울의 봄", "봄", "김치찌개 2인분", "쀍", "ㅋㅋㅋ", "한국어와 English가 섞인 글",
		"The Quick Brown Fox", "quicksand", "C++ 20", "100% sure", "under_score", `back\slash`, "it's", `"quoted"`, "a-b-c", "e-mail@example.com",
		"Ünïcödé ÉCOLE", "école", "STRASSE", "straße", "ΣΊΣΥΦΟΣ", "σίσυφος", "🙂", "👩‍👩‍👧 가족", "tab\tand\nline", "x", "xy", "日本語", "ﬁn",
		"1234567890", "NULL", "OR AND NOT", "a & b | c", "foo:* !bar", "<p>", "가나다라마바사", "　전각　공백", "ﾊﾝｶｸ", "İstanbul", "K K",
		norm.NFD.String("한글은 소리글자"), norm.NFD.String("café"),
	}
	queries := []string{
		"마루", "마", "루", "마 루", "앉아 책", "봄", "쀍", "ㅋ", "ㅋㅋ", "글", "english가", "QUICK", "ick", "c++", "++", "100%", "%", "_", "er_sc", `\`, `k\s`, "'", `"`,
		"ÉCOLE", "ünïcödé", "strasse", "straße", "σίσυφοσ", "🙂", "👩", "가족", "and", "x", "xy", "本", "日本語", "fin", "ﬁn", "567", "null", "or and", "&", "b | c",
		":*", "!bar", "<p>", "나다라", "전각 공백", "　", "ﾝｶ", "istanbul", "i", "k", "한글", "소리글자", "café", "cafe", "없는말", "nowhere at all", "ab", "z",
		strings.Repeat("가", 100),
	}
	for i, q := range queries {
		queries[i] = norm.NFC.String(q)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 { // pieces of the texts, in some other case
		runes := []rune(norm.NFC.String(corpus[random.IntN(len(corpus))]))
		from := random.IntN(len(runes))
		to := from + 1 + random.IntN(len(runes)-from)
		queries = append(queries, strings.ToUpper(string(runes[from:to])))
	}
	onBoth(t, func(t *testing.T, s *Store) {
		for i, text := range corpus {
			if i%2 == 0 {
				write(t, s, fmt.Sprint(i), text)
			} else {
				write(t, s, text, fmt.Sprint(i))
			}
		}
		noise(t, s, searchChunk) // so that the index is needed
		for _, q := range queries {
			got, _ := searched(t, s, q, "")
			var want []string
			for i, text := range slices.Backward(corpus) {
				if strings.Contains(sameCase(text), sameCase(q)) || strings.Contains(fmt.Sprint(i), q) {
					if i%2 == 0 {
						text = fmt.Sprint(i)
					}
					want = append(want, text)
				}
			}
			slices.Sort(got) // they are of one moment: see the clock
			slices.Sort(want)
			got = slices.DeleteFunc(got, func(title string) bool { return title == "..." })
			if !slices.Equal(got, want) {
				t.Errorf("%q: found %q, want %q", q, got, want)
			}
		}
	})
}

// sameCase makes texts equal that differ in nothing but the case of letters, one for one.
func sameCase(text string) string {
	return strings.ReplaceAll(strings.ToLower(norm.NFC.String(text)), "ς", "σ")
}

func TestWhatIsRareIsFoundAtOnceAmongManyPosts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		write(t, s, "쀍", "마루 밑의 needle")
		noise(t, s, 3*searchPosts)
		for _, text := range []string{"쀍", "마루", "마루 밑", "NEEDLE", "ne"} {
			for board, want := range map[string]int{"": 1, "free": 1, "notice": 0} {
				titles, pages := searched(t, s, text, board)
				if len(titles) != want || pages != 1 {
					t.Errorf("%q on %q: %q in %d pages", text, board, titles, pages)
				}
			}
		}
		if titles, pages := searched(t, s, "없는 말", ""); len(titles) != 0 || pages != 1 {
			t.Errorf("what is nowhere: %q in %d pages", titles, pages)
		}
	})
}

func TestTheIndexFollowsChangesAndDeletions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		p := write(t, s, "before", "the text")
		noise(t, s, searchChunk)
		p.Title = "after"
		p, err := s.UpdatePost(t.Context(), ann, p, false)
		ok(t, err)
		if titles, _ := searched(t, s, "before", ""); len(titles) != 0 {
			t.Errorf("the old title is found: %q", titles)
		}
		if titles, _ := searched(t, s, "fter", ""); !slices.Equal(titles, []string{"after"}) {
			t.Errorf("the new title: %q", titles)
		}
		ok(t, s.DeletePost(t.Context(), p.ID, 0))
		rows, err := s.index.Newest(t.Context(), []string{"fte"}, sqldb.TermRow{Position: math.MaxInt64}, 1, 10)
		if ok(t, err); len(rows) != 0 {
			t.Errorf("the index keeps a deleted post: %v", rows)
		}
	})
}

// Whatever is in the index and whatever it lacks, pages have what reading everything finds, in order,
// while others write.
func TestPagesOfASearchHaveWhatReadingEverythingFinds(t *testing.T) {
	const posts, hour = 700, int64(time.Hour / time.Microsecond)
	for name, lacks := range map[string]func(i int) bool{
		"nothing": func(int) bool { return false }, "a few": func(i int) bool { return i%50 == 7 },
		"many, in the middle": func(i int) bool { return i > 200 && i < 300 }, "many, all over": func(i int) bool { return i%3 == 0 },
		"the newest": func(i int) bool { return i > 600 }, "all": func(int) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				ctx, r := t.Context(), rand.New(rand.NewPCG(7, 8))
				var all []Post
				for i := range posts {
					p := Post{ID: strings.Repeat(string(rune('a'+r.IntN(26))), 20) + fmt.Sprint(100_000+i), Board: []string{"free", "free", "notice"}[r.IntN(3)],
						Title: "글", Hidden: r.IntN(10) == 0, CreatedAt: time.UnixMicro(hour * int64(400_000+i-i%4)).UTC()} // four of a moment
					for _, word := range []string{"하나", "둘 둘", "셋셋"} {
						if r.IntN(4) == 0 {
							p.Title += " " + word
						}
					}
					all = append(all, p)
					_, err := s.db.Exec(ctx, `INSERT INTO posts
						(id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at)
						VALUES ($1, $2, $3, 'b', 'plain', 'ann', false, false, $4, 1, 0, $5, 1)`, p.ID, p.Board, p.Title, p.Hidden, p.CreatedAt.UnixMicro())
					if ok(t, err); lacks(i) {
						continue
					}
					_, err = s.db.Exec(ctx, `UPDATE posts SET searchable = 1 WHERE id = $1`, p.ID)
					ok(t, err)
					ok(t, s.setTerms(ctx, p.ID, p.Board, p.CreatedAt.UnixMicro(), partsOf(p.Title, "b")))
				}
				slices.SortFunc(all, func(a, b Post) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID)) })
				for _, text := range []string{"하나", "둘 둘", "셋", "둘 셋", "둘 둘 셋셋", "하나 셋", "글", "없음"} {
					for _, board := range []string{"", "notice"} {
						var want, got []string
						for _, p := range all {
							if !p.Hidden && (board == "" || p.Board == board) && strings.Contains(p.Title, text) {
								want = append(want, p.ID)
							}
						}
						for after := new(FirstPost()); after != nil; {
							found, next, err := s.SearchPosts(ctx, bob, text, board, *after, 9)
							ok(t, err)
							for _, p := range found {
								got = append(got, p.ID)
							}
							if after = next; len(got) == 9 { // it comes before what this reader has reached
								ok(t, s.DeletePost(ctx, write(t, s, text, "new").ID, 0))
							}
						}
						if !slices.Equal(got, want) {
							t.Fatalf("%q on %q: %d posts, want %d: %v, want %v", text, board, len(got), len(want), got, want)
						}
					}
				}
			})
		})
	}
}

// A program from before the index by time keeps its own, and finds by it what this one writes.
func TestAnOlderProgramAndThisOneLeaveEachOtherNothingThatIsGone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		former, err := s.db.TermIndex(ctx, "post_terms")
		ok(t, err)
		s.formerIndex = former
		p := write(t, s, "before", "the text")
		var waits int
		ok(t, s.db.QueryRow(ctx, `SELECT count(*) FROM posts WHERE id = $1 AND indexed <> version`, p.ID).Scan(&waits))
		ok(t, former.Set(ctx, p.ID, 1, []string{"bef"})) // as the older program does, since the post waits for it
		_, err = s.db.Exec(ctx, `UPDATE posts SET indexed = version WHERE id = $1`, p.ID)
		ok(t, err)
		p.Title = "after"
		p, err = s.UpdatePost(ctx, ann, p, false)
		ok(t, err)
		var again, kept int
		ok(t, s.db.QueryRow(ctx, `SELECT count(*) FROM posts WHERE id = $1 AND indexed <> version`, p.ID).Scan(&again))
		ok(t, s.db.QueryRow(ctx, `SELECT count(*) FROM post_terms`).Scan(&kept))
		if waits != 1 || again != 1 || kept != 0 {
			t.Errorf("waits for the older program: %d, and after a change %d; %d rows of the former text", waits, again, kept)
		}
		ok(t, former.Set(ctx, p.ID, 1, []string{"aft"}))
		ok(t, s.DeletePost(ctx, p.ID, 0))
		if ok(t, s.db.QueryRow(ctx, `SELECT count(*) FROM post_terms`).Scan(&kept)); kept != 0 {
			t.Errorf("%d rows of a deleted post", kept)
		}
	})
}

// What an older program writes: it knows nothing of the column.
func TestPostsOfAnOlderProgramAreFoundBeforeAndAfterTheyAreIndexed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		changed := write(t, s, "the first words", "b")
		for i := range 2*indexPosts + 1 {
			_, err := s.db.Exec(ctx, `INSERT INTO posts
				(id, board, title, body, format, author, pinned, locked, hidden, version, created_at, updated_at)
				VALUES ($1, 'free', $2, 'b', 'plain', 'ann', false, false, false, 1, 1, 1)`, fmt.Sprint("old", i), fmt.Sprint("오래된 글 ", i))
			ok(t, err)
		}
		_, err := s.db.Exec(ctx, `UPDATE posts SET title = 'other words', version = version + 1 WHERE id = $1`, changed.ID)
		ok(t, err)
		noise(t, s, searchChunk)
		want := func(when string) {
			t.Helper()
			for text, count := range map[string]int{"오래된": 2*indexPosts + 1, "first": 0, "other": 1} {
				if titles, _ := searched(t, s, text, ""); len(titles) != count {
					t.Errorf("%s, %q: %q", when, text, titles)
				}
			}
		}
		want("not indexed")
		n, err := s.indexAll(ctx)
		if ok(t, err); n != 2*indexPosts+2 {
			t.Errorf("%d posts were indexed", n)
		}
		if behind, err := unindexed(ctx, s.db, 1); err != nil || len(behind) > 0 {
			t.Errorf("not indexed: %v %v", behind, err)
		}
		want("indexed")
	})
}

func TestIndexingPostsTakesSmallSteps(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i := range 3 {
			_, err := s.db.Exec(t.Context(), `INSERT INTO posts
				(id, board, title, body, format, author, pinned, locked, hidden, version, created_at, updated_at)
				VALUES ($1, 'free', 't', $2, 'plain', 'ann', false, false, false, 1, 1, 1)`, fmt.Sprint("old", i), strings.Repeat("a", indexTexts-100))
			ok(t, err)
		}
		for range 3 {
			if n, err := s.indexSome(t.Context()); err != nil || n != 1 {
				t.Errorf("one step took %d long posts: %v", n, err)
			}
		}
	})
}

func TestTermsOfATextContainThoseOfEveryPartOfIt(t *testing.T) {
	for _, text := range []string{"마루에 앉아", "The QUICK fox", "C++ & 한글mix", "👩‍👩‍👧 a b"} {
		terms := termsOf(text)
		runes := []rune(fold(text))
		for i := range runes {
			for j := i + 1; j <= len(runes); j++ {
				for _, term := range searchTerms(string(runes[i:j])) {
					if !slices.Contains(terms, term) {
						t.Errorf("%q in %q needs %q", string(runes[i:j]), text, term)
					}
				}
			}
		}
	}
}

// BenchmarkSearch searches a board of 50,000 posts for what is common, rare and nowhere.
func BenchmarkSearch(b *testing.B) {
	for name, databaseURL := range map[string]func(testing.TB) string{"sqlite": sqldbtest.SQLite, "postgres": sqldbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			s, err := Open(ctx, databaseURL(b), time.Now)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			fillForSearch(b, s, 50_000)
			for _, text := range []string{"오늘", "rare 77777", "쀍", "nowhere at all", "x"} {
				b.Run(text, func(b *testing.B) {
					for b.Loop() {
						if _, _, err := s.SearchPosts(ctx, bob, text, "", FirstPost(), 20); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func fillForSearch(b *testing.B, s *Store, posts int) {
	b.Helper()
	words := strings.Fields("오늘은 날씨가 좋아서 마루에 앉아 책을 읽고 차를 마셨다 the weather was fine and we read a book on the wooden floor")
	random := rand.New(rand.NewPCG(3, 4))
	for i := 0; i < posts; i += 500 {
		if err := s.db.Tx(b.Context(), func(ctx context.Context) error {
			for j := i; j < i+500; j++ {
				var body strings.Builder
				for range 40 {
					body.WriteString(words[random.IntN(len(words))] + " ")
				}
				title := fmt.Sprint("rare ", j)
				if _, err := s.db.Exec(ctx, `INSERT INTO posts
					(id, board, title, body, format, author, pinned, locked, hidden, version, searchable, created_at, updated_at)
					VALUES ($1, 'free', $2, $3, 'plain', 'ann', false, false, false, 1, 1, $4, 1)`,
					fmt.Sprint("p", j), title, body.String(), int64(j)*60e6); err != nil {
					return err
				}
				if err := s.index.Set(ctx, fmt.Sprint("p", j), int64(j)*60e6, Terms("free", title, body.String())); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}
