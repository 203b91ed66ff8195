package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// GET /v1/me/export and DELETE /v1/users/{id}

// exportPage is a part of everything that the service keeps about a person.
type exportPage struct {
	_       struct{}  `json:"-" additionalProperties:"true"`
	Service string    `json:"service" doc:"The service that this is from: its audience."`
	ID      string    `json:"id" doc:"The person's id: the subject of their tokens."`
	Name    string    `json:"name" doc:"The name that the user service gave last. Empty: unknown."`
	Items   []written `json:"items"`
	Next    string    `json:"next,omitempty" doc:"The cursor of the next page. Absent: this is the last. A page with fewer items than the limit need not be the last."`
}

// written is a post or a comment.
type written struct {
	_         struct{}  `json:"-" additionalProperties:"true"`
	Kind      string    `json:"kind" enum:"post,comment"`
	ID        string    `json:"id"`
	Board     string    `json:"board,omitempty" doc:"Slug of a post's board."`
	Title     string    `json:"title,omitempty" doc:"Of a post."`
	Post      string    `json:"post,omitempty" doc:"Id of a comment's post."`
	Parent    string    `json:"parent,omitempty" doc:"Id of the comment that a comment replies to."`
	Body      string    `json:"body"`
	Format    string    `json:"format" enum:"plain,markdown" doc:"How to show the body."`
	Hidden    bool      `json:"hidden" doc:"Only its author and moderators see it."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (s *service) exportMe(ctx context.Context, in *PageInput) (*listOf[exportPage], error) {
	id := callerOf(ctx).subject
	name := list("export", id)
	after, err := parseWrittenCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	posts, comments, next, err := s.store.Written(ctx, id, after, in.Limit)
	if err != nil {
		return nil, err
	}
	kept, err := s.store.Names(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	page := exportPage{Service: s.audience, ID: id, Items: make([]written, 0, len(posts)+len(comments))}
	for _, one := range kept {
		page.Name = one.Name
	}
	for _, p := range posts {
		page.Items = append(page.Items, written{
			Kind: "post", ID: p.ID, Board: p.Board, Title: p.Title, Body: p.Body, Format: p.Format,
			Hidden: p.Hidden, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
		})
	}
	for _, c := range comments {
		page.Items = append(page.Items, written{
			Kind: "comment", ID: c.ID, Post: c.Post, Parent: c.Parent, Body: c.Body, Format: c.Format,
			Hidden: c.Hidden, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
		})
	}
	if next != nil {
		page.Next = writtenCursor(name, *next)
	}
	return &listOf[exportPage]{page}, nil
}

type deleteUserInput struct {
	ID    string `path:"id" doc:"The person's id, percent-encoded."`
	Posts string `query:"posts" required:"true" enum:"keep,delete" doc:"keep: posts and comments stay, and their author becomes null. delete: they go."`
}

type deletion struct {
	Status     int
	RetryAfter string `header:"Retry-After" doc:"With 202: seconds to wait before the request is repeated."`
}

func (s *service) deleteUser(ctx context.Context, in *deleteUserInput) (*deletion, error) {
	id, err := url.PathUnescape(in.ID) // the router matches paths as they were sent
	if err != nil || !rest.ValidSubject(id) {
		return nil, store.ErrNotFound // there cannot be such a person
	}
	done, err := s.store.DeleteAuthor(ctx, id, in.Posts == "delete")
	switch {
	case err != nil:
		return nil, err
	case done:
		return &deletion{Status: http.StatusNoContent}, nil
	}
	return &deletion{http.StatusAccepted, "1"}, nil
}
