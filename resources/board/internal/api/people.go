package api

import (
	"context"
	"time"
)

// GET /v1/me/export

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
