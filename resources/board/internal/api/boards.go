package api

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// GET and POST /v1/boards; GET and PATCH /v1/boards/{slug}

type board struct {
	_              struct{}  `json:"-" additionalProperties:"true"`
	Slug           string    `json:"slug" doc:"The board's name in URLs." example:"free"`
	Title          string    `json:"title" maxLength:"100" example:"자유 게시판 · Free board"`
	Description    string    `json:"description" maxLength:"500" doc:"May be empty."`
	ModeratorsOnly bool      `json:"moderators_only" doc:"Only moderators may write posts; everybody may comment."`
	PublicRead     bool      `json:"public_read" doc:"Everybody reads this board, its posts and their comments, even without a token."`
	WriteRole      string    `json:"write_role" doc:"The role that writing posts and comments takes, as tokens for this service name it; moderators_only does not count then. Empty: none." example:"editor"`
	Posts          int64     `json:"posts" doc:"Number of its posts that are not hidden."`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

func newBoard(b store.Board) board {
	return board{
		Slug: b.Slug, Title: b.Title, Description: b.Description, ModeratorsOnly: b.ModeratorsOnly, PublicRead: b.PublicRead, WriteRole: b.WriteRole,
		Posts: b.Posts, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
	}
}

type newBoardBody struct {
	Slug           string `json:"slug" pattern:"^[a-z0-9-]{1,40}$" patternDescription:"1 to 40 lower-case letters a to z, digits and hyphens" doc:"The board's name in URLs, which never changes." example:"free"`
	Title          string `json:"title" minLength:"1" maxLength:"100" doc:"One line." example:"자유 게시판 · Free board"`
	Description    string `json:"description,omitempty" maxLength:"500"`
	ModeratorsOnly bool   `json:"moderators_only,omitempty" doc:"Only moderators may write posts. Absent: everybody."`
	PublicRead     bool   `json:"public_read,omitempty" doc:"Everybody reads it, even without a token. Absent: only callers whose token has the scope."`
	WriteRole      string `json:"write_role,omitempty" pattern:"^([a-z][a-z0-9_-]{0,31})?$" patternDescription:"empty, or 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter" doc:"The role that writing takes. Absent: none." example:"editor"`
}

type boardPatch struct {
	Title          rest.Patch[string] `json:"title,omitempty" minLength:"1" maxLength:"100" doc:"One line."`
	Description    rest.Patch[string] `json:"description,omitempty" maxLength:"500"`
	ModeratorsOnly rest.Patch[bool]   `json:"moderators_only,omitempty" doc:"Only moderators may write posts."`
	PublicRead     rest.Patch[bool]   `json:"public_read,omitempty" doc:"Everybody reads it, even without a token."`
	WriteRole      rest.Patch[string] `json:"write_role,omitempty" pattern:"^([a-z][a-z0-9_-]{0,31})?$" patternDescription:"empty, or 1 to 32 characters from a-z, 0-9, _ and -, the first of them a letter" doc:"The role that writing takes. Empty: none." example:"editor"`
}

type boardsPage struct {
	_     struct{} `json:"-" additionalProperties:"true"`
	Items []board  `json:"items"`
	Next  string   `json:"next,omitempty" doc:"The cursor of the next page. Absent: this is the last."`
}

type listBoardsInput struct {
	PageInput
	PublicRead bool `query:"public_read" doc:"Only boards that everybody reads. Without a token, this must be true."`
}

func (s *service) listBoards(ctx context.Context, in *listBoardsInput) (*listOf[boardsPage], error) {
	if callerOf(ctx).anonymous && !in.PublicRead {
		return nil, s.api.NoToken()
	}
	name := list("boards")
	if in.PublicRead {
		name = list("public boards")
	}
	after, err := parseBoardCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	boards, more, err := s.store.Boards(ctx, in.PublicRead, after, in.Limit)
	if err != nil {
		return nil, err
	}
	page := boardsPage{Items: make([]board, len(boards))}
	for i, b := range boards {
		page.Items[i] = newBoard(b)
	}
	if more {
		page.Next = boardCursor(name, boards[len(boards)-1].Position())
	}
	return &listOf[boardsPage]{page}, nil
}

// BoardInput is what a path with a board takes.
type BoardInput struct {
	Slug string `path:"slug" doc:"The board's name in URLs." example:"free"`
}

// board reads the board that a path names.
func (s *service) board(ctx context.Context, slug string) (store.Board, error) {
	if !validSlug(slug) {
		return store.Board{}, store.ErrNotFound
	}
	return s.store.Board(ctx, slug)
}

func (s *service) getBoard(ctx context.Context, in *BoardInput) (*answer[board], error) {
	b, err := s.board(ctx, in.Slug)
	if err := s.checkReader(ctx, b, err); err != nil {
		return nil, err
	}
	return &answer[board]{rest.ETag(b.Version), newBoard(b)}, nil
}

type createBoardInput struct {
	CreateInput
	Body newBoardBody
}

func (s *service) createBoard(ctx context.Context, in *createBoardInput) (*created[board], error) {
	title, err := boardTitle(in.Body.Title)
	if err != nil {
		return nil, rest.Invalid("body.title", err)
	}
	description, err := boardDescription(in.Body.Description)
	if err != nil {
		return nil, rest.Invalid("body.description", err)
	}
	if !validSlug(in.Body.Slug) {
		return nil, rest.Invalid("body.slug", errors.New("must be 1 to 40 lower-case letters a to z, digits and hyphens"))
	}
	asked := store.Board{
		Slug: in.Body.Slug, Title: title, Description: description,
		ModeratorsOnly: in.Body.ModeratorsOnly, PublicRead: in.Body.PublicRead,
	}
	if asked.WriteRole, err = boardRole(in.Body.WriteRole); err != nil {
		return nil, rest.Invalid("body.write_role", err)
	}
	key, err := in.key(ctx, "create-board", asked)
	if err != nil {
		return nil, err
	}
	b, err := s.store.CreateBoard(ctx, key, asked)
	if err != nil {
		return nil, err
	}
	return &created[board]{s.api.Location("/v1/boards/" + b.Slug), rest.ETag(b.Version), newBoard(b)}, nil
}

type updateBoardInput struct {
	BoardInput
	rest.ChangeInput
	Body boardPatch `contentType:"application/merge-patch+json"`
}

func (s *service) updateBoard(ctx context.Context, in *updateBoardInput) (*answer[board], error) {
	b, err := s.board(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	if err := rest.RequireMatch(in.IfMatch, b.Version); err != nil {
		return nil, err
	}
	if err := errors.Join(
		in.Body.Title.Apply("body.title", &b.Title, boardTitle),
		in.Body.Description.Apply("body.description", &b.Description, boardDescription),
		in.Body.ModeratorsOnly.Apply("body.moderators_only", &b.ModeratorsOnly, asItIs),
		in.Body.PublicRead.Apply("body.public_read", &b.PublicRead, asItIs),
		in.Body.WriteRole.Apply("body.write_role", &b.WriteRole, boardRole),
	); err != nil {
		return nil, err
	}
	if b, err = s.store.UpdateBoard(ctx, b); err != nil {
		return nil, err
	}
	return &answer[board]{rest.ETag(b.Version), newBoard(b)}, nil
}
