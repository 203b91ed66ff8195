package api

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// GET and POST /v1/posts/{id}/comments; GET, PATCH and DELETE /v1/comments/{id}

type comment struct {
	_         struct{}  `json:"-" additionalProperties:"true"`
	ID        string    `json:"id"`
	Post      string    `json:"post" doc:"Id of its post."`
	Parent    string    `json:"parent,omitempty" doc:"Id of the comment that it replies to. Absent: it is not a reply."`
	Body      string    `json:"body" maxLength:"2000" doc:"As it was written; Markdown is not rendered, and must not be trusted. Empty in a stub."`
	Format    string    `json:"format" enum:"plain,markdown" doc:"How to show the body."`
	Author    **author  `json:"author,omitempty" doc:"null: the author's account was deleted. Absent in a stub: a comment that is deleted, or hidden from the caller, but has replies."`
	Hidden    bool      `json:"hidden" doc:"Only its author and moderators see it."`
	Deleted   bool      `json:"deleted" doc:"It is deleted, and here only for its replies."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func newComment(c store.Comment, names map[string]string) comment {
	out := comment{
		ID: c.ID, Post: c.Post, Parent: c.Parent, Body: c.Body, Format: c.Format,
		Hidden: c.Hidden, Deleted: c.Deleted, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if !c.Stub {
		by := newAuthor(c.Author, names)
		out.Author = &by // a pointer to nil is null, and not left out
	}
	return out
}

func (s *service) newComment(ctx context.Context, c store.Comment) comment {
	return newComment(c, s.names.Of(ctx, []string{c.Author}))
}

type newCommentBody struct {
	Body   string `json:"body" minLength:"1" maxLength:"2000" doc:"Without control characters other than line feed and tab."`
	Format string `json:"format,omitempty" enum:"plain,markdown" default:"plain" doc:"How to show the body."`
	Parent string `json:"parent,omitempty" doc:"Id of the comment of this post to reply to, which must not itself be a reply. Absent: none."`
}

type commentPatch struct {
	Body   rest.Patch[string] `json:"body,omitempty" minLength:"1" maxLength:"2000" doc:"Without control characters other than line feed and tab."`
	Format rest.Patch[string] `json:"format,omitempty" enum:"plain,markdown" doc:"How to show the body."`
}

type commentsPage struct {
	_     struct{}  `json:"-" additionalProperties:"true"`
	Items []comment `json:"items"`
	Next  string    `json:"next,omitempty" doc:"The cursor of the next page. Absent: this is the last. A page with fewer items than the limit need not be the last."`
}

type listCommentsInput struct {
	PostInput
	PageInput
}

func (s *service) listComments(ctx context.Context, in *listCommentsInput) (*listOf[commentsPage], error) {
	name := list("comments", in.ID)
	after, err := parseCommentCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	p, err := s.post(ctx, in.ID)
	if err := s.checkPostReader(ctx, p, err); err != nil {
		return nil, err
	}
	comments, next, err := s.store.Comments(ctx, callerOf(ctx).viewer(), p.ID, after, in.Limit)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(comments))
	for i, c := range comments {
		ids[i] = c.Author
	}
	names := s.names.Of(ctx, ids)
	page := commentsPage{Items: make([]comment, len(comments))}
	for i, c := range comments {
		page.Items[i] = newComment(c, names)
	}
	if next != nil {
		page.Next = commentCursor(name, *next)
	}
	return &listOf[commentsPage]{page}, nil
}

type createCommentInput struct {
	PostInput
	CreateInput
	Body newCommentBody
}

func (s *service) createComment(ctx context.Context, in *createCommentInput) (*created[comment], error) {
	caller := callerOf(ctx)
	if !store.ValidID(in.ID) {
		return nil, store.ErrNotFound
	}
	body, err := commentBody(in.Body.Body)
	if err != nil {
		return nil, rest.Invalid("body.body", err)
	}
	if in.Body.Parent != "" && !store.ValidID(in.Body.Parent) {
		return nil, store.ErrParent
	}
	asked := store.Comment{Post: in.ID, Parent: in.Body.Parent, Body: body, Format: in.Body.Format, Author: caller.subject}
	key, err := in.key(ctx, "create-comment", asked)
	if err != nil {
		return nil, err
	}
	// What was created stays, however much was written since.
	_, known, err := s.store.Known(ctx, key)
	if err == nil && !known {
		err = s.writing.allowComment(caller.subject, body)
	}
	if err != nil {
		return nil, err
	}
	c, err := s.store.CreateComment(ctx, key, caller.viewer(), asked, caller.moderator)
	if err != nil {
		return nil, err
	}
	return &created[comment]{s.api.Location("/v1/comments/" + c.ID), rest.ETag(c.Version), s.newComment(ctx, c)}, nil
}

// CommentInput is what a path with a comment takes.
type CommentInput struct {
	ID string `path:"id" doc:"The comment's id."`
}

// comment reads the comment that a path names, if the caller can see it.
func (s *service) comment(ctx context.Context, id string) (store.Comment, error) {
	if !store.ValidID(id) {
		return store.Comment{}, store.ErrNotFound
	}
	return s.store.Comment(ctx, callerOf(ctx).viewer(), id)
}

func (s *service) getComment(ctx context.Context, in *CommentInput) (*answer[comment], error) {
	c, err := s.comment(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &answer[comment]{rest.ETag(c.Version), s.newComment(ctx, c)}, nil
}

type updateCommentInput struct {
	CommentInput
	rest.ChangeInput
	Body commentPatch `contentType:"application/merge-patch+json"`
}

func (s *service) updateComment(ctx context.Context, in *updateCommentInput) (*answer[comment], error) {
	caller := callerOf(ctx)
	c, err := s.comment(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case c.Author != caller.subject:
		return nil, forbidden("Only its author may change a comment.")
	case c.PostLocked && !caller.moderator:
		return nil, store.ErrLocked
	}
	if err := caller.viewer().MayWriteOn(c.WriteRole); err != nil {
		return nil, err
	}
	if err := rest.RequireMatch(in.IfMatch, c.Version); err != nil {
		return nil, err
	}
	if err := errors.Join(
		in.Body.Body.Apply("body.body", &c.Body, commentBody),
		in.Body.Format.Apply("body.format", &c.Format, asItIs),
	); err != nil {
		return nil, err
	}
	if err := s.writing.allowComment(caller.subject, c.Body); err != nil {
		return nil, err
	}
	if c, err = s.store.UpdateComment(ctx, caller.viewer(), c, caller.moderator); err != nil {
		return nil, err
	}
	return &answer[comment]{rest.ETag(c.Version), s.newComment(ctx, c)}, nil
}

type deleteCommentInput struct {
	CommentInput
	IfMatch string `header:"If-Match" doc:"ETag that you read with what is to be deleted. Absent: whatever version is there."`
}

func (s *service) deleteComment(ctx context.Context, in *deleteCommentInput) (*struct{}, error) {
	caller := callerOf(ctx)
	c, err := s.comment(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Author != caller.subject && !caller.moderator {
		return nil, forbidden("Only its author and moderators may delete a comment.")
	}
	version, err := rest.OptionalMatch(in.IfMatch, c.Version)
	if err != nil {
		return nil, err
	}
	return nil, s.store.DeleteComment(ctx, c.ID, version)
}
