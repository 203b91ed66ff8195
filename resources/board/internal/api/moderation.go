package api

import (
	"context"

	"github.com/maru-auth/maru/resources/board/internal/store"
)

// PUT and DELETE /v1/posts/{id}/pinned, /locked and /hidden, and /v1/comments/{id}/hidden

type setMark func(ctx context.Context, id string, on bool) error

type markInput struct {
	ID string `path:"id" doc:"The id of the post or comment."`
}

// marker returns the handler that sets or unsets a mark. Only moderators get there, and they see
// everything.
func marker(set setMark, on bool) func(context.Context, *markInput) (*struct{}, error) {
	return func(ctx context.Context, in *markInput) (*struct{}, error) {
		if !store.ValidID(in.ID) {
			return nil, store.ErrNotFound
		}
		return nil, set(ctx, in.ID, on)
	}
}
