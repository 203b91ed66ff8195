package api

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// GET and POST /v1/boards/{slug}/posts; GET /v1/posts?q=…; GET, PATCH and DELETE /v1/posts/{id}

type author struct {
	_    struct{} `json:"-" additionalProperties:"true" nullable:"true"`
	ID   string   `json:"id" doc:"The person's id: the subject of their tokens, opaque."`
	Name string   `json:"name" doc:"The name that the user service gave last. Empty: unknown." example:"김지수"`
}

// newAuthor returns nil for nobody: the author's account was deleted.
func newAuthor(subject string, names map[string]string) *author {
	if subject == "" {
		return nil
	}
	return &author{ID: subject, Name: names[subject]}
}

// PostSummary is a post as lists have it.
type PostSummary struct {
	_         struct{}  `json:"-" additionalProperties:"true"`
	ID        string    `json:"id"`
	Board     string    `json:"board" doc:"Slug of its board." example:"free"`
	Title     string    `json:"title" maxLength:"200"`
	Format    string    `json:"format" enum:"plain,markdown" doc:"How to show the body."`
	Author    *author   `json:"author" doc:"null: the author's account was deleted."`
	Comments  int64     `json:"comments" doc:"Number of its comments that are neither hidden nor deleted."`
	Pinned    bool      `json:"pinned" doc:"It comes before the others of its board."`
	Locked    bool      `json:"locked" doc:"It takes no changes and no new comments."`
	Hidden    bool      `json:"hidden" doc:"Only its author and moderators see it."`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at" doc:"When its author changed it last."`
}

type post struct {
	PostSummary
	Body string `json:"body" maxLength:"20000" doc:"As it was written; Markdown is not rendered, and must not be trusted."`
}

func newSummary(p store.Post, names map[string]string) PostSummary {
	return PostSummary{
		ID: p.ID, Board: p.Board, Title: p.Title, Format: p.Format, Author: newAuthor(p.Author, names),
		Comments: p.Comments, Pinned: p.Pinned, Locked: p.Locked, Hidden: p.Hidden, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

func (s *service) newPost(ctx context.Context, p store.Post) post {
	return post{newSummary(p, s.names.Of(ctx, []string{p.Author})), p.Body}
}

type newPostBody struct {
	Title  string `json:"title" minLength:"1" maxLength:"200" doc:"One line."`
	Body   string `json:"body" minLength:"1" maxLength:"20000" doc:"Without control characters other than line feed and tab."`
	Format string `json:"format,omitempty" enum:"plain,markdown" default:"plain" doc:"How to show the body."`
}

type postPatch struct {
	Title  rest.Patch[string] `json:"title,omitempty" minLength:"1" maxLength:"200" doc:"One line."`
	Body   rest.Patch[string] `json:"body,omitempty" minLength:"1" maxLength:"20000" doc:"Without control characters other than line feed and tab."`
	Format rest.Patch[string] `json:"format,omitempty" enum:"plain,markdown" doc:"How to show the body."`
}

type postsPage struct {
	_     struct{}      `json:"-" additionalProperties:"true"`
	Items []PostSummary `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The cursor of the next page. Absent: this is the last. A page with fewer items than the limit need not be the last."`

	encoded []byte // all of it; nil: it is to be encoded
}

// EncodedJSON implements [rest.Encoded].
func (p postsPage) EncodedJSON() []byte { return p.encoded }

func (s *service) newPostsPage(ctx context.Context, name string, posts []store.Post, next *store.PostPosition) *listOf[postsPage] {
	ids := make([]string, len(posts))
	for i, p := range posts {
		ids[i] = p.Author
	}
	names := s.names.Of(ctx, ids)
	page := postsPage{Items: make([]PostSummary, len(posts))}
	for i, p := range posts {
		page.Items[i] = newSummary(p, names)
	}
	if next != nil {
		page.Next = postCursor(name, *next)
	}
	return &listOf[postsPage]{page}
}

type listPostsInput struct {
	BoardInput
	PageInput
}

func (s *service) listPosts(ctx context.Context, in *listPostsInput) (*listOf[postsPage], error) {
	name := list("posts", in.Slug)
	after, err := parsePostCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	caller := callerOf(ctx)
	if caller.anonymous {
		b, err := s.board(ctx, in.Slug)
		if err := s.checkReader(ctx, b, err); err != nil {
			return nil, err
		}
	}
	if !validSlug(in.Slug) {
		return nil, store.ErrNotFound
	}
	body, ok, err := s.pages.get(pageName{name, in.Cursor, in.Limit, caller.moderator}, caller.subject, func() (page, error) {
		posts, next, but, err := s.store.PostsForAll(ctx, caller.moderator, in.Slug, after, in.Limit)
		if err != nil {
			return page{}, err
		}
		list, err := s.postsPageOf(ctx, in.Slug, name, posts, next)
		if err != nil {
			return page{}, err
		}
		body, err := rest.Encode(list.Body)
		return page{body: body, but: but}, err
	})
	if ok || err != nil {
		return &listOf[postsPage]{postsPage{encoded: body}}, err
	}
	posts, next, err := s.store.Posts(ctx, caller.viewer(), in.Slug, after, in.Limit)
	if err != nil {
		return nil, err
	}
	return s.postsPageOf(ctx, in.Slug, name, posts, next)
}

// postsPageOf is newPostsPage of a board. Error: [store.ErrNotFound] if there is no such board.
func (s *service) postsPageOf(
	ctx context.Context, board, name string, posts []store.Post, next *store.PostPosition,
) (*listOf[postsPage], error) {
	if len(posts) == 0 && next == nil { // posts are proof enough that there is a board
		if _, err := s.store.Board(ctx, board); err != nil {
			return nil, err
		}
	}
	return s.newPostsPage(ctx, name, posts, next), nil
}

type searchInput struct {
	PageInput
	Query  string `query:"q" maxLength:"400" doc:"What to search for: 1 to 100 characters. Required without author, and not allowed with it." example:"마루"`
	Board  string `query:"board" doc:"Slug of the board to search. Absent: all boards."`
	Author string `query:"author" maxLength:"255" doc:"Id of a person: lists their posts, on all boards."`
}

// postsOf lists the posts of an author.
func (s *service) postsOf(ctx context.Context, in *searchInput) (*listOf[postsPage], error) {
	switch {
	case in.Query != "":
		return nil, rest.Invalid("query.q", errors.New("must not be combined with author"))
	case in.Board != "":
		return nil, rest.Invalid("query.board", errors.New("must not be combined with author"))
	case !rest.ValidSubject(in.Author):
		return nil, rest.Invalid("query.author", errors.New("must be the id of a person"))
	}
	name := list("author", in.Author)
	after, err := parsePostCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	posts, next, err := s.store.PostsBy(ctx, callerOf(ctx).viewer(), in.Author, after, in.Limit)
	if err != nil {
		return nil, err
	}
	return s.newPostsPage(ctx, name, posts, next), nil
}

func (s *service) searchPosts(ctx context.Context, in *searchInput) (*listOf[postsPage], error) {
	if in.Author != "" {
		return s.postsOf(ctx, in)
	}
	query, err := searchText(in.Query)
	if err != nil {
		return nil, rest.Invalid("query.q", err)
	}
	if in.Board != "" && !validSlug(in.Board) {
		return nil, rest.Invalid("query.board", errors.New("must be the slug of a board"))
	}
	name := list("search", query, in.Board)
	after, err := parsePostCursor(in.Cursor, name)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := s.searches.enter(ctx, callerOf(ctx).subject)
	if err != nil {
		return nil, err
	}
	defer leave()
	posts, next, err := s.store.SearchPosts(ctx, callerOf(ctx).viewer(), query, in.Board, after, in.Limit)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	return s.newPostsPage(ctx, name, posts, next), nil
}

type createPostInput struct {
	BoardInput
	CreateInput
	Body newPostBody
}

func (s *service) createPost(ctx context.Context, in *createPostInput) (*created[post], error) {
	caller := callerOf(ctx)
	b, err := s.board(ctx, in.Slug)
	if err != nil {
		return nil, err
	}
	asked := store.Post{Board: b.Slug, Format: in.Body.Format, Author: caller.subject}
	if asked.Title, err = postTitle(in.Body.Title); err != nil {
		return nil, rest.Invalid("body.title", err)
	}
	if asked.Body, err = postBody(in.Body.Body); err != nil {
		return nil, rest.Invalid("body.body", err)
	}
	key, err := in.key(ctx, "create-post", asked)
	if err != nil {
		return nil, err
	}
	// What was created stays, whatever the board's rules are by now.
	id, known, err := s.store.Known(ctx, key)
	if err != nil {
		return nil, err
	}
	var p store.Post
	if known {
		p, err = s.store.Post(ctx, caller.viewer(), id)
	} else if err = s.mayCreate(caller, b, asked); err == nil {
		p, err = s.store.CreatePost(ctx, key, caller.viewer(), asked)
	}
	if err != nil {
		return nil, err
	}
	return &created[post]{s.api.Location("/v1/posts/" + p.ID), rest.ETag(p.Version), s.newPost(ctx, p)}, nil
}

// mayCreate refuses a new post on a board before it costs anything. The store decides again.
func (s *service) mayCreate(caller caller, b store.Board, p store.Post) error {
	if err := caller.viewer().MayPostOn(b); err != nil {
		return err
	}
	return s.writing.allowPost(caller.subject, p.Title, p.Body)
}

// PostInput is what a path with a post takes.
type PostInput struct {
	ID string `path:"id" doc:"The post's id."`
}

// post reads the post that a path names, if the caller can see it.
func (s *service) post(ctx context.Context, id string) (store.Post, error) {
	if !store.ValidID(id) {
		return store.Post{}, store.ErrNotFound
	}
	return s.store.Post(ctx, callerOf(ctx).viewer(), id)
}

func (s *service) getPost(ctx context.Context, in *PostInput) (*answer[post], error) {
	p, err := s.post(ctx, in.ID)
	if err := s.checkPostReader(ctx, p, err); err != nil {
		return nil, err
	}
	return &answer[post]{rest.ETag(p.Version), s.newPost(ctx, p)}, nil
}

type updatePostInput struct {
	PostInput
	rest.ChangeInput
	Body postPatch `contentType:"application/merge-patch+json"`
}

func (s *service) updatePost(ctx context.Context, in *updatePostInput) (*answer[post], error) {
	caller := callerOf(ctx)
	p, err := s.post(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case p.Author != caller.subject: // moderators do not put words into other people's mouths either
		return nil, forbidden("Only its author may change a post.")
	case p.Locked && !caller.moderator:
		return nil, store.ErrLocked
	}
	if err := caller.viewer().MayWriteOn(p.WriteRole); err != nil {
		return nil, err
	}
	if err := rest.RequireMatch(in.IfMatch, p.Version); err != nil {
		return nil, err
	}
	if err := errors.Join(
		in.Body.Title.Apply("body.title", &p.Title, postTitle),
		in.Body.Body.Apply("body.body", &p.Body, postBody),
		in.Body.Format.Apply("body.format", &p.Format, asItIs),
	); err != nil {
		return nil, err
	}
	if err := s.writing.allowPost(caller.subject, p.Title, p.Body); err != nil {
		return nil, err
	}
	if p, err = s.store.UpdatePost(ctx, caller.viewer(), p, caller.moderator); err != nil {
		return nil, err
	}
	return &answer[post]{rest.ETag(p.Version), s.newPost(ctx, p)}, nil
}

type deletePostInput struct {
	PostInput
	IfMatch string `header:"If-Match" doc:"ETag that you read with what is to be deleted. Absent: whatever version is there."`
}

func (s *service) deletePost(ctx context.Context, in *deletePostInput) (*struct{}, error) {
	caller := callerOf(ctx)
	p, err := s.post(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if p.Author != caller.subject && !caller.moderator {
		return nil, forbidden("Only its author and moderators may delete a post.")
	}
	version, err := rest.OptionalMatch(in.IfMatch, p.Version)
	if err != nil {
		return nil, err
	}
	return nil, s.store.DeletePost(ctx, p.ID, version)
}
