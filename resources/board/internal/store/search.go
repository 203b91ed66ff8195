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
	searchBehind   = 20                     // posts that the index lacks, beyond which it is of no use yet
	searchNewest   = 300                    // that are read instead of the index, if so many are likely to fill the page
)

// SearchPosts reads up to limit posts with text in title or body, the newest first, after a
// position, whose Pinned is ignored. An empty board means all boards. Case is ignored. next is as
// for [Store.Posts]. A page is shorter where few posts match: it ends after [searchPosts] or
// [searchTime].
//
// The newest posts are read first: they have what is common, of which Postgres would collect all that
// its index has, however few are wanted. What they lack is looked up in the index, which has what is
// rare. Its rows are read too, since their terms may stand apart. If even the index has too many, or
// if it lacks many posts, older and older posts are read.
func (s *Store) SearchPosts(
	ctx context.Context, viewer Viewer, text, board string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, err error) {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	q := &search{Store: s, viewer: viewer, text: fold(text), board: board, wanted: limit, until: time.Now().Add(searchTime)}
	q.terms = searchTerms(q.text)
	return q.page(ctx, after)
}

func (q *search) page(ctx context.Context, after PostPosition) (posts []Post, next *PostPosition, err error) {
	may := bounds{rows: q.wanted, visits: searchPosts, chunk: searchChunk, until: q.until}
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
	until  time.Time

	wanted  int // posts on the page
	reads   int
	newest  int  // posts that were read
	shown   int  // of these
	asked   bool // the index was
	indexed bool
	matches []sqldb.TermRow // if indexed: what is left of them, the newest first
}

// read returns the next n candidates after a position. The first ones take the time that they take,
// so that each page gets further; whatever comes then ends in time, with errNoTime.
func (q *search) read(ctx context.Context, after PostPosition, n int) (found []candidate[Post], err error) {
	if q.reads++; q.reads == 1 {
		return q.readNewest(ctx, after, n)
	}
	limited, cancel := context.WithDeadline(sqldb.Watched(ctx), q.until)
	defer cancel()
	if !q.asked && len(q.terms) > 0 && !q.fillsSoon() {
		q.asked = true
		err = q.lookUp(limited, after)
	}
	switch {
	case err != nil:
	case q.indexed:
		found, err = q.readMatches(limited, n)
	default:
		found, err = q.readNewest(limited, after, n)
	}
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, errNoTime
	}
	return found, err
}

// fillsSoon tells whether a few posts more fill the page, if they match as often as those before.
func (q *search) fillsSoon() bool {
	return q.shown > 0 && (q.wanted-q.shown)*q.newest/q.shown <= searchNewest
}

// readNewest returns the next n posts after a position, whatever they say.
func (q *search) readNewest(ctx context.Context, after PostPosition, n int) (found []candidate[Post], err error) {
	defer func() {
		q.newest += len(found)
		for _, c := range found {
			if c.shown {
				q.shown++
			}
		}
	}()
	const columns = `SELECT ` + postColumns + `, ` + postVisible + `, p.body FROM posts p`
	if q.board == "" {
		return q.candidates(ctx, columns+` WHERE (p.created_at, p.id) < ($3, $4) ORDER BY p.created_at DESC, p.id DESC LIMIT $5`,
			q.viewer.Subject, q.viewer.Moderator, after.CreatedAt, after.ID, n)
	}
	return q.candidates(ctx, columns+` WHERE p.board = $3 AND (p.created_at, p.id) < ($4, $5) ORDER BY p.created_at DESC, p.id DESC LIMIT $6`,
		q.viewer.Subject, q.viewer.Moderator, q.board, after.CreatedAt, after.ID, n)
}

// lookUp asks the index for what comes after a position, if it can say. It may take half of the time
// that is left: after that, older and older posts are read. Posts that the index lacks count as
// matches, unless they are many. They are looked up first: one that is taken in meanwhile is then
// found twice, and not never.
func (q *search) lookUp(ctx context.Context, after PostPosition) error {
	limited, cancel := context.WithTimeout(ctx, time.Until(q.until)/2)
	defer cancel()
	behind, err := behind(limited, q.db.Reader(), searchBehind+1)
	if err != nil || len(behind) > searchBehind {
		return unlessOver(limited, ctx, err)
	}
	found, err := q.index.Find(limited, q.terms, searchMatches+1)
	if err != nil || len(found) > searchMatches {
		return unlessOver(limited, ctx, err)
	}
	for i := range found {
		found[i].ID = postOfPart(found[i].ID)
	}
	found = append(found, behind...)
	q.indexed = true
	q.matches = slices.DeleteFunc(found, func(r sqldb.TermRow) bool {
		return cmp.Or(cmp.Compare(r.Position, after.CreatedAt), strings.Compare(r.ID, after.ID)) >= 0
	})
	slices.SortFunc(q.matches, func(a, b sqldb.TermRow) int {
		return cmp.Or(cmp.Compare(b.Position, a.Position), strings.Compare(b.ID, a.ID))
	})
	q.matches = slices.Compact(q.matches)
	return nil
}

// unlessOver is err, or nil if it is because limited is over and ctx is not.
func unlessOver(limited, ctx context.Context, err error) error {
	if limited.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

var searchPlaces = func() string {
	places := make([]string, searchChunk)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+3)
	}
	return strings.Join(places, ", ")
}()

// readMatches reads the texts of the next n matches. Fewer come back only at their end.
func (q *search) readMatches(ctx context.Context, n int) ([]candidate[Post], error) {
	var all []candidate[Post]
	for len(all) < n && len(q.matches) > 0 {
		chunk := q.matches[:min(n-len(all), searchChunk, len(q.matches))]
		q.matches = q.matches[len(chunk):]
		args := []any{q.viewer.Subject, q.viewer.Moderator}
		for i := range searchChunk { // always as many, so that it is one statement
			args = append(args, chunk[min(i, len(chunk)-1)].ID)
		}
		read, err := q.candidates(ctx, `SELECT `+postColumns+`, `+postVisible+`, p.body FROM posts p
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
		c.row, err = scanPost(rows.Scan, &c.seen, &body)
		c.shown = c.seen && (q.board == "" || c.row.Board == q.board) && (strings.Contains(fold(c.row.Title), q.text) || strings.Contains(fold(body), q.text))
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

// behind is unindexed without the texts.
func behind(ctx context.Context, db *sqldb.DB, most int) ([]sqldb.TermRow, error) {
	return sqldb.All(ctx, db, func(rows *sql.Rows) (r sqldb.TermRow, err error) { return r, rows.Scan(&r.ID, &r.Position) },
		`SELECT id, created_at FROM posts WHERE indexed <> version AND NOT removed ORDER BY indexed, id LIMIT $1`, most)
}

// setTerms writes the terms of a post in the transaction that writes the post, or wakes [Store.Index]
// for those of a long one.
func (s *Store) setTerms(ctx context.Context, id string, at int64, parts [][]string) error {
	if len(parts) > 1 {
		s.db.AfterCommit(ctx, s.wakeIndex)
		return nil
	}
	return s.index.Set(ctx, id, at, parts[0])
}

func (s *Store) wakeIndex() {
	select {
	case s.unindexed <- struct{}{}:
	default: // it is awake
	}
}

// Index takes posts into the index of the search that are not in it yet, until ctx ends: those of a
// board from before there was an index, those that an older program writes, and long ones. It does so
// in small batches, with pauses for other writers.
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
		case <-s.unindexed:
		case <-time.After(wait):
		}
	}
}

func (s *Store) indexAll(ctx context.Context) (posts int64, err error) {
	return s.db.Batches(ctx, 1, s.indexSome)
}

// indexSome takes some posts into the index, or a long one, and returns how many.
func (s *Store) indexSome(ctx context.Context) (posts int64, err error) {
	found, err := unindexed(ctx, s.db, indexPosts)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	terms, texts := make([][]string, 0, len(found)), 0
	for i, p := range found {
		parts := partsOf(p.title, p.body)
		if i == 0 && len(parts) > 1 {
			return 1, s.indexLong(ctx, p, parts)
		}
		if texts += len(p.title) + len(p.body); len(parts) > 1 || i > 0 && texts > indexTexts {
			break
		}
		terms = append(terms, parts[0])
	}
	return int64(len(terms)), s.db.Tx(ctx, func(ctx context.Context) error {
		for i, one := range terms {
			if _, err := s.indexPart(ctx, found[i], found[i].version, 0, one); err != nil {
				return err
			}
		}
		return nil
	})
}

// indexLong takes a long post into the index, part by part with pauses.
func (s *Store) indexLong(ctx context.Context, p unindexedPost, parts [][]string) error {
	part := 0
	_, err := s.db.Batches(ctx, 1, func(ctx context.Context) (more int64, err error) {
		var indexed int64
		if part == len(parts)-1 {
			indexed = p.version
		}
		err = s.db.Tx(ctx, func(ctx context.Context) error {
			same, err := s.indexPart(ctx, p, indexed, part, parts[part])
			if more = 0; same && indexed == 0 {
				more = 1
			}
			return err
		})
		part++
		return more, err
	})
	return err
}

// indexPart takes a part of a post into the index, and notes which version of the post that has now;
// 0: a part of it is missing. same is false if the post was changed meanwhile, and comes again.
func (s *Store) indexPart(ctx context.Context, p unindexedPost, indexed int64, part int, terms []string) (same bool, err error) {
	n, err := s.db.Exec(ctx, `UPDATE posts SET indexed = $1 WHERE id = $2 AND version = $3 AND NOT removed`, indexed, p.id, p.version)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.index.Set(ctx, partID(p.id, part), p.createdAt, terms)
}
