package store

import (
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
)

func TestAPostWithManyCommentsIsGoneAtOnceAndItsRowsSoon(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := annsPost(t, s)
		c := annsComment(t, s, p.ID, "")
		_, err := s.db.Exec(ctx, `INSERT INTO comments
			(id, post, parent, thread_at, thread, place, body, author, hidden, deleted, version, created_at, updated_at)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
			SELECT 'c' || i, $1, '', i, 'c' || i, 0, 'b', 'ann', false, false, 1, i, i FROM n`, p.ID)
		ok(t, err)
		ok(t, s.DeletePost(ctx, p.ID, 0))
		for name, err := range map[string]error{
			"read":            func() error { _, err := s.Post(ctx, ann, p.ID); return err }(),
			"read its part":   func() error { _, err := s.Comment(ctx, ann, c.ID); return err }(),
			"pin":             s.SetPinned(ctx, p.ID, true),
			"lock":            s.SetLocked(ctx, p.ID, true),
			"hide":            s.SetHidden(ctx, p.ID, true),
			"delete":          s.DeletePost(ctx, p.ID, 0),
			"delete its part": s.DeleteComment(ctx, c.ID, 0),
			"hide its part":   s.SetCommentHidden(ctx, c.ID, true),
			"comment": func() error {
				_, err := s.CreateComment(ctx, IdempotencyKey{}, ann, Comment{Post: p.ID, Body: "c", Author: "ann"}, true)
				return err
			}(),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if list, _, err := s.Posts(ctx, Viewer{Subject: "m", Moderator: true}, "free", FirstPost(), 10); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
		var largest int64
		for {
			n, err := s.sweepPosts(ctx, time.Now())
			ok(t, err)
			if n == 0 {
				break
			}
			largest = max(largest, n)
		}
		if largest > sqldb.BatchRows+1 {
			t.Errorf("one batch removed %d rows", largest)
		}
		var posts, comments int
		ok(t, s.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM comments)`).Scan(&posts, &comments))
		if posts != 0 || comments != 0 {
			t.Errorf("%d posts and %d comments are left", posts, comments)
		}
	})
}
