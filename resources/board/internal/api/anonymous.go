package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// What everybody may read of a board with public_read, without a token.

// publicCache: what is hidden meanwhile may be seen for so long. Caches keep the answer to a
// request without a token apart from the answers to others (Vary).
const publicCache = "public, max-age=10"

// admitAnonymous decides on a request without a token: a network may make so many.
func (s *service) admitAnonymous(ctx huma.Context) bool {
	r, w := humamux.Unwrap(ctx)
	if !s.anonymous.Allow(httpd.ClientAddr(r.Context())) {
		w.Header().Set("Retry-After", "1")
		httpd.WriteProblem(w, r, httpd.Problem{
			Status: http.StatusTooManyRequests,
			Detail: "Too many requests without a token from this network. Wait a second, or send a token.",
		})
		return false
	}
	ctx.SetHeader("Cache-Control", publicCache)
	return true
}

// checkReader lets every caller with a token read a board, and others a public one. err is that of
// the board's look-up: whether there is such a board is not told without a token either. But a failure
// of the database is one for everybody: a token would not help. Error: the challenge for a token, or
// err.
func (s *service) checkReader(ctx context.Context, b store.Board, err error) error {
	failed := err != nil && !errors.Is(err, store.ErrNotFound)
	if callerOf(ctx).anonymous && !failed && (err != nil || !b.PublicRead) {
		return s.api.NoToken()
	}
	return err
}

// checkPostReader is checkReader for what belongs to a post.
func (s *service) checkPostReader(ctx context.Context, p store.Post, err error) error {
	if !callerOf(ctx).anonymous {
		return err
	}
	var b store.Board
	if err == nil {
		b, err = s.store.Board(ctx, p.Board)
	}
	return s.checkReader(ctx, b, err)
}
