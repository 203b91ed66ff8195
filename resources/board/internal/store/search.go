package store

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"math"
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
	searchWidth    = 20                     // times what these span is where the index is asked first
	searchLeast    = 10                     // that the index is asked for
	searchBehind   = 20                     // posts that the index lacks, after which it is of no use
	searchNewest   = 300                    // that are read instead of the index, if so many are likely to fill the page
)

// SearchPosts reads up to limit posts with text in title or body, the newest first, after a
// position, whose Pinned is ignored. An empty board means all boards. Case is ignored. next is as
// for [Store.Posts]. A page is shorter where few posts match: it ends after [searchPosts] or
// [searchTime].
//
// The newest posts are read first: they have what is common. What they lack is looked up in the index,
// the newest first, as many as the page needs. These are read too, since their terms may stand apart.
// Where the index lacks many posts, and what it has no terms for, older and older posts are read.
func (s *Store) SearchPosts(
	ctx context.Context, viewer Viewer, text, board string, after PostPosition, limit int,
) (posts []Post, next *PostPosition, err error) {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	return s.newSearch(viewer, text, board, limit).page(ctx, after)
}

func (s *Store) newSearch(viewer Viewer, text, board string, limit int) *search {
	q := &search{Store: s, viewer: viewer, text: fold(text), board: board, wanted: limit, until: time.Now().Add(s.searchTime)}
	if q.terms = searchTerms(q.text); len(q.terms) > 0 && board != "" {
		q.terms = append(q.terms, boardTerm(board))
	}
	return q
}

func (q *search) page(ctx context.Context, after PostPosition) (posts []Post, next *PostPosition, err error) {
	q.at = sqldb.TermRow{ID: after.ID, Position: after.CreatedAt}
	may := bounds{rows: q.wanted, visits: searchPosts, chunk: searchChunk, until: q.until, more: func() bool { return q.more }}
	return fill(after, Post.Position, may, func(_ PostPosition, n int) ([]candidate[Post], error) { return q.read(ctx, n) })
}

// search is one under way.
type search struct {
	*Store
	viewer Viewer
	text   string // folded
	board  string
	terms  []string
	until  time.Time

	wanted int // posts on the page
	reads  int
	newest int           // posts that were read
	shown  int           // of these
	filled int           // posts on the page so far
	more   bool          // the index has more than was read
	at     sqldb.TermRow // where it goes on: after this, which may be a part of a post
	asked  bool          // the index was

	indexed bool            // the index is asked on
	floor   int64           // a position: only beyond it the index has all, but for behind
	width   int64           // as the index is asked
	behind  []sqldb.TermRow // of what comes next, the newest first
	last    string          // post that the index found
}

// read returns the next n candidates, of those that the index finds as many as the page lacks. The first ones take the time that they take, so
// that each page gets further; whatever comes then ends in time, with errNoTime.
func (q *search) read(ctx context.Context, n int) (found []candidate[Post], err error) {
	if q.reads++; q.reads == 1 {
		return q.readNewest(ctx, n)
	}
	limited, cancel := context.WithDeadline(sqldb.Watched(ctx), q.until)
	defer cancel()
	q.more = false
	if !q.asked && len(q.terms) > 0 && !q.fillsSoon() {
		q.asked = true
		found, err = q.lookUp(limited, n)
	} else if q.indexed {
		found, err = q.readMatches(limited, n)
	}
	if err == nil && !q.indexed {
		var rest []candidate[Post]
		rest, err = q.readNewest(limited, max(n-len(found), 1))
		found = append(found, rest...)
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

// readNewest returns the next n posts, whatever they say.
func (q *search) readNewest(ctx context.Context, n int) (found []candidate[Post], err error) {
	const columns = `SELECT ` + postColumns + `, ` + postVisible + `, p.body FROM posts p`
	if q.board == "" {
		found, err = q.candidates(ctx, columns+` WHERE (p.created_at, p.id) < ($3, $4) ORDER BY p.created_at DESC, p.id DESC LIMIT $5`,
			q.viewer.Subject, q.viewer.Moderator, q.at.Position, q.at.ID, n)
	} else {
		found, err = q.candidates(ctx, columns+` WHERE p.board = $3 AND (p.created_at, p.id) < ($4, $5) ORDER BY p.created_at DESC, p.id DESC LIMIT $6`,
			q.viewer.Subject, q.viewer.Moderator, q.board, q.at.Position, q.at.ID, n)
	}
	for _, c := range found {
		q.at = sqldb.TermRow{ID: c.row.ID, Position: sqldb.Micros(c.row.CreatedAt)}
		if q.newest++; c.shown {
			q.shown++
		}
	}
	if q.reads == 1 && len(found) > 0 {
		q.width = searchWidth * (sqldb.Micros(found[0].row.CreatedAt) - q.at.Position)
	}
	return found, err
}

// lookUp asks the index for the first time. It may take half of the time that is left: after that,
// older and older posts are read. Up to [searchBehind] posts that the index lacks count as matches;
// from the next one on, it is of no use. They are looked up first: one that is taken in meanwhile is
// then found twice, and not never.
func (q *search) lookUp(ctx context.Context, n int) (found []candidate[Post], err error) {
	limited, cancel := context.WithTimeout(ctx, time.Until(q.until)/2)
	defer cancel()
	begin := q.at
	if q.behind, err = behind(limited, q.db.Reader(), q.at.Position, searchBehind+1); err == nil {
		q.indexed, q.floor = true, math.MinInt64
		if len(q.behind) > searchBehind {
			q.floor = q.behind[searchBehind].Position
		}
		slices.SortFunc(q.behind, func(a, b sqldb.TermRow) int { return b.Compare(a) })
		q.behind = slices.DeleteFunc(q.behind, func(r sqldb.TermRow) bool { return r.Compare(q.at) >= 0 || r.Position <= q.floor })
		found, err = q.readMatches(limited, n)
	}
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		q.indexed, q.at = false, begin
		return nil, nil
	}
	return found, err
}

// readMatches reads the texts of the next matches, up to n: as many as the page lacks, one to know that
// there is a next, and some more, since a few are hidden or have the terms apart. If the index ends, it says so by q.more; if it does so at the floor, it is not
// asked any more.
func (q *search) readMatches(ctx context.Context, n int) (all []candidate[Post], err error) {
	lacks := q.wanted - q.filled + 1
	matches, more, err := q.nextMatches(ctx, min(n, max(lacks+lacks/4, searchLeast)))
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(matches, searchChunk) {
		found, err := q.readPosts(ctx, chunk)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	q.more = more
	return all, nil
}

// nextMatches returns the ids of the next n posts or a few more that the index finds or lacks, and
// whether it has more.
func (q *search) nextMatches(ctx context.Context, n int) (posts []string, more bool, err error) {
	rows, err := q.index.Newest(ctx, q.terms, q.at, q.width, n)
	if err != nil {
		return nil, false, err
	}
	if more = len(rows) >= n; more {
		q.at = rows[len(rows)-1]
		more = q.at.Position > q.floor
	}
	rows = slices.DeleteFunc(rows, func(r sqldb.TermRow) bool { return r.Position <= q.floor })
	for i := range rows {
		rows[i].ID = postOfPart(rows[i].ID)
	}
	for len(q.behind) > 0 && (!more || q.behind[0].Compare(q.at) > 0) {
		rows, q.behind = append(rows, q.behind[0]), q.behind[1:]
	}
	slices.SortFunc(rows, func(a, b sqldb.TermRow) int { return b.Compare(a) })
	for _, r := range rows {
		if r.ID != q.last { // another part of the same post
			posts, q.last = append(posts, r.ID), r.ID
		}
	}
	if !more && q.floor != math.MinInt64 {
		q.indexed, q.at = false, sqldb.TermRow{Position: q.floor + 1}
	}
	return posts, more, nil
}

var searchPlaces = func() string {
	places := make([]string, searchChunk)
	for i := range places {
		places[i] = "$" + strconv.Itoa(i+3)
	}
	return strings.Join(places, ", ")
}()

// readPosts reads up to [searchChunk] posts, the newest first.
func (q *search) readPosts(ctx context.Context, ids []string) ([]candidate[Post], error) {
	args := []any{q.viewer.Subject, q.viewer.Moderator}
	for i := range searchChunk { // always as many, so that it is one statement
		args = append(args, ids[min(i, len(ids)-1)])
	}
	found, err := q.candidates(ctx, `SELECT `+postColumns+`, `+postVisible+`, p.body FROM posts p
		WHERE p.id IN (`+searchPlaces+`)`, args...)
	slices.SortFunc(found, func(a, b candidate[Post]) int {
		return cmp.Or(b.row.CreatedAt.Compare(a.row.CreatedAt), strings.Compare(b.row.ID, a.row.ID))
	})
	return found, err
}

// candidates runs a query of posts with their bodies, and looks at their texts.
func (q *search) candidates(ctx context.Context, query string, args ...any) ([]candidate[Post], error) {
	return sqldb.All(ctx, q.db.Reader(), func(rows *sql.Rows) (c candidate[Post], err error) {
		var body string
		c.row, err = scanPost(rows.Scan, &c.seen, &body)
		c.shown = c.seen && (q.board == "" || c.row.Board == q.board) && (strings.Contains(fold(c.row.Title), q.text) || strings.Contains(fold(body), q.text))
		if c.shown {
			q.filled++
		}
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
	id, board, title, body string
	version, createdAt     int64
}

// unindexed returns most of them at most, the newest first: where a search begins, the index is
// complete soonest. Only one index has this order, so that Postgres does not look for few of them by
// reading all posts.
func unindexed(ctx context.Context, db *sqldb.DB, most int) ([]unindexedPost, error) {
	return sqldb.All(ctx, db, func(rows *sql.Rows) (p unindexedPost, err error) {
		return p, rows.Scan(&p.id, &p.board, &p.title, &p.body, &p.version, &p.createdAt)
	}, `SELECT id, board, title, body, version, created_at FROM posts WHERE searchable <> version AND NOT removed ORDER BY -created_at, id LIMIT $1`, most)
}

// behind is unindexed without the texts, from a position on.
func behind(ctx context.Context, db *sqldb.DB, from int64, most int) ([]sqldb.TermRow, error) {
	return sqldb.All(ctx, db, func(rows *sql.Rows) (r sqldb.TermRow, err error) { return r, rows.Scan(&r.ID, &r.Position) },
		`SELECT id, created_at FROM posts WHERE searchable <> version AND NOT removed AND -created_at >= $1 ORDER BY -created_at, id LIMIT $2`, -from, most)
}

// setTerms writes the terms of a post in the transaction that writes the post, or wakes [Store.Index]
// for those of a long one.
func (s *Store) setTerms(ctx context.Context, id, board string, at int64, parts [][]string) error {
	if len(parts) > 1 {
		s.db.AfterCommit(ctx, s.wakeIndex)
		return nil
	}
	return s.index.Set(ctx, id, at, append(parts[0], boardTerm(board)))
}

// removeTerms removes a post from the index, and from the one that an older program keeps, if there is
// one: nothing stays of what is gone, and what has changed such a program takes in again.
func (s *Store) removeTerms(ctx context.Context, id string) error {
	if s.formerIndex != nil {
		if err := s.formerIndex.Remove(ctx, partIDs(id)...); err != nil {
			return err
		}
	}
	return s.index.Remove(ctx, partIDs(id)...)
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
	n, err := s.db.Exec(ctx, `UPDATE posts SET searchable = $1 WHERE id = $2 AND version = $3 AND NOT removed`, indexed, p.id, p.version)
	if err != nil || n == 0 {
		return false, err
	}
	return true, s.index.Set(ctx, partID(p.id, part), p.createdAt, append(terms, boardTerm(p.board)))
}
