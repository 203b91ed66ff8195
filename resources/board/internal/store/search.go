package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

// The bounds of one search.
const (
	searchesAtOnce = 2
	searchTime     = 500 * time.Millisecond // after which the page ends
	searchPosts    = 5000                   // whose texts it looks at
	searchChunk    = 50                     // of these, by one statement
	searchMatches  = 1000                   // in the index, beyond which the text is too common for it
)

// SearchPosts reads up to limit posts with text in title or body, the newest first, after a
// position, whose Pinned is ignored. An empty board means all boards. Case is ignored. next is as
// for [Store.Posts]. A page is shorter where few posts match: it ends after [searchPosts] or
// [searchTime].
//
// The newest posts are read first: they have what is common. What they lack is looked up in the
// index, which has what is rare. Its rows are read too, since their terms may stand apart. If even
// the index has too many, or if it has not caught up with all posts, older and older posts are read.
func (s *Store) SearchPosts(
	ctx context.Context, viewer Viewer, text, board string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, err error) {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	q := &search{Store: s, viewer: viewer, text: fold(text), board: board}
	q.terms = searchTerms(q.text)
	may := bounds{rows: limit, visits: searchPosts, chunk: searchChunk, until: time.Now().Add(searchTime)}
	return fill(after, Post.Position, may, func(after PostPosition, n int) ([]candidate[Post], error) {
		return q.read(ctx, after, n)
	})
}

// search is one under way.
type search struct {
	*Store
	viewer Viewer
	text   string // folded
	board  string
	terms  []string

	reads   int
	indexed bool
	matches []sqldb.TermRow // if indexed: what is left of them, the newest first
}

// read returns the next n candidates after a position.
func (q *search) read(ctx context.Context, after PostPosition, n int) ([]candidate[Post], error) {
	if q.reads++; q.reads == 2 && len(q.terms) > 0 {
		if err := q.lookUp(ctx, after); err != nil {
			return nil, err
		}
	}
	if q.indexed {
		return q.readMatches(ctx, n)
	}
	const columns = `SELECT ` + postColumns + `, ` + postVisible + `, p.body FROM posts p`
	if q.board == "" {
		return q.candidates(ctx, columns+` WHERE (p.created_at, p.id) < ($3, $4) ORDER BY p.created_at DESC, p.id DESC LIMIT $5`,
			q.viewer.Subject, q.viewer.Moderator, after.CreatedAt, after.ID, n)
	}
	return q.candidates(ctx, columns+` WHERE p.board = $3 AND (p.created_at, p.id) < ($4, $5) ORDER BY p.created_at DESC, p.id DESC LIMIT $6`,
		q.viewer.Subject, q.viewer.Moderator, q.board, after.CreatedAt, after.ID, n)
}

// lookUp asks the index for what comes after a position, if it can say.
func (q *search) lookUp(ctx context.Context, after PostPosition) error {
	if behind, err := unindexed(ctx, q.db.Reader(), 1); err != nil || len(behind) > 0 {
		return err
	}
	found, err := q.index.Find(ctx, q.terms, searchMatches+1)
	if err != nil || len(found) > searchMatches {
		return err
	}
	q.indexed = true
	q.matches = slices.DeleteFunc(found, func(r sqldb.TermRow) bool {
		return cmp.Or(cmp.Compare(r.Position, after.CreatedAt), strings.Compare(r.ID, after.ID)) >= 0
	})
	slices.SortFunc(q.matches, func(a, b sqldb.TermRow) int {
		return cmp.Or(cmp.Compare(b.Position, a.Position), strings.Compare(b.ID, a.ID))
	})
	return nil
}

var searchPlaces = func() string {
	places := make([]string, searchChunk)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+4)
	}
	return strings.Join(places, ", ")
}()

// readMatches reads the texts of the next n matches. Fewer come back only at their end.
func (q *search) readMatches(ctx context.Context, n int) ([]candidate[Post], error) {
	var all []candidate[Post]
	for len(all) < n && len(q.matches) > 0 {
		chunk := q.matches[:min(n-len(all), searchChunk, len(q.matches))]
		q.matches = q.matches[len(chunk):]
		args := []any{q.viewer.Subject, q.viewer.Moderator, q.board}
		for i := range searchChunk { // always as many, so that it is one statement
			args = append(args, chunk[min(i, len(chunk)-1)].ID)
		}
		read, err := q.candidates(ctx, `SELECT `+postColumns+`, `+postVisible+` AND (CAST($3 AS TEXT) = '' OR p.board = $3), p.body FROM posts p
			WHERE p.id IN (`+searchPlaces+`)`, args...)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(read, func(a, b candidate[Post]) int {
			return cmp.Or(b.row.CreatedAt.Compare(a.row.CreatedAt), strings.Compare(b.row.ID, a.row.ID))
		})
		all = append(all, read...)
	}
	return all, nil
}

// candidates runs a query of posts with their bodies, and looks at their texts.
func (q *search) candidates(ctx context.Context, query string, args ...any) ([]candidate[Post], error) {
	return sqldb.All(ctx, q.db.Reader(), func(rows *sql.Rows) (c candidate[Post], err error) {
		var body string
		c.row, err = scanPost(rows.Scan, &c.shown, &body)
		c.shown = c.shown && (strings.Contains(fold(c.row.Title), q.text) || strings.Contains(fold(body), q.text))
		return c, err
	}, query, args...)
}

const (
	indexPosts = 20               // that one transaction takes into the index
	indexTexts = 20_000           // bytes of their texts
	indexEvery = 5 * time.Second  // how often it is looked for posts that an older program wrote
	indexAgain = 10 * time.Second // after a failure
)

// unindexedPost is one whose text the index has yet to take.
type unindexedPost struct {
	id, title, body    string
	version, createdAt int64
}

// unindexed returns most of them at most. Only one index has this order, so that Postgres does not
// look for few of them by reading all posts.
func unindexed(ctx context.Context, db *sqldb.DB, most int) ([]unindexedPost, error) {
	return sqldb.All(ctx, db, func(rows *sql.Rows) (p unindexedPost, err error) {
		return p, rows.Scan(&p.id, &p.title, &p.body, &p.version, &p.createdAt)
	}, `SELECT id, title, body, version, created_at FROM posts WHERE indexed <> version AND NOT removed ORDER BY indexed, id LIMIT $1`, most)
}

// Index takes posts into the index of the search that are not in it yet, until ctx ends: those of a
// board from before there was an index, and those that an older program writes. It does so in small
// batches, with pauses for other writers.
func (s *Store) Index(ctx context.Context, log *slog.Logger) {
	for {
		wait := indexEvery
		if _, err := s.indexAll(ctx); err != nil && ctx.Err() == nil {
			log.Error("posts cannot be taken into the index yet; searches read them one by one", "error", err)
			wait = indexAgain
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *Store) indexAll(ctx context.Context) (posts int64, err error) {
	return s.db.Batches(ctx, 1, s.indexSome)
}

// indexSome takes some posts into the index and returns how many.
func (s *Store) indexSome(ctx context.Context) (posts int64, err error) {
	found, err := unindexed(ctx, s.db, indexPosts)
	if err != nil {
		return 0, err
	}
	texts := 0
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		posts, texts = 0, 0
		for _, p := range found {
			if texts += len(p.title) + len(p.body); posts > 0 && texts > indexTexts {
				return nil
			}
			posts++
			n, err := s.db.Exec(ctx, `UPDATE posts SET indexed = version WHERE id = $1 AND version = $2 AND NOT removed`, p.id, p.version)
			if err != nil {
				return err
			}
			if n == 1 { // otherwise it was changed meanwhile, and comes again
				if err := s.index.Set(ctx, p.id, p.createdAt, termsOf(p.title, p.body)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return posts, err
}
