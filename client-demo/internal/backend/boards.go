package backend

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

// List is one page of a list. Next is the cursor of the next page; it is empty on the last.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// Board is a place for posts.
type Board struct {
	Slug        string    `json:"slug"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Posts       int       `json:"posts"`
	Moderators  bool      `json:"moderators_only"` // only they write posts
	WriteRole   string    `json:"write_role"`      // only people with it write, whatever Moderators says; empty: none
	Public      bool      `json:"public_read"`     // everybody reads it, even without a token
	CreatedAt   time.Time `json:"created_at"`
}

// Author is who wrote something. Name is empty when the board service does not know it. The zero
// Author is nobody: their account was deleted.
type Author struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Post is a post; Body is empty in lists.
type Post struct {
	ID        string    `json:"id"`
	Board     string    `json:"board"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	Format    string    `json:"format"` // plain or markdown
	Author    Author    `json:"author"`
	Comments  int       `json:"comments"`
	Pinned    bool      `json:"pinned"`
	Locked    bool      `json:"locked"`
	Hidden    bool      `json:"hidden"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// PostText is what an author writes.
type PostText struct {
	Title  string `json:"title"`
	Body   string `json:"body"`
	Format string `json:"format"`
}

// Comment is a comment. Parent is the id of the comment that it replies to, or empty.
type Comment struct {
	ID        string    `json:"id"`
	Post      string    `json:"post"`
	Parent    string    `json:"parent"`
	Body      string    `json:"body"`   // empty in a stub, which is there for its replies
	Format    string    `json:"format"` // plain or markdown
	Author    Author    `json:"author"`
	Hidden    bool      `json:"hidden"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Boards is the board service.
type Boards struct{ service }

// NewBoards calls the board service at base. now is the clock by which kept answers grow old, and calls
// without a token are counted.
func NewBoards(base string, calls httpd.Calls, now func() time.Time) Boards {
	return Boards{newService("board", base, calls, now)}
}

func page(limit, cursor string) url.Values {
	query := url.Values{}
	if limit != "" {
		query.Set("limit", limit)
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return query
}

// List returns up to 100 boards; without a token, those that everybody may read.
func (b Boards) List(ctx context.Context, token TokenFunc) (boards []Board, err error) {
	var list List[Board]
	query := page("100", "")
	if token == nil {
		query.Set("public_read", "true")
	}
	_, err = b.do(ctx, token, call{method: "GET", path: path{"boards"}, query: query, out: &list})
	return list.Items, err
}

// Board returns a board.
func (b Boards) Board(ctx context.Context, token TokenFunc, slug string) (board Board, err error) {
	_, err = b.do(ctx, token, call{method: "GET", path: path{"boards", slug}, out: &board})
	return board, err
}

// Posts returns a page of a board's posts, pinned ones first, then the newest.
func (b Boards) Posts(ctx context.Context, token TokenFunc, slug, cursor string) (posts List[Post], err error) {
	in := path{"boards", slug, "posts"}
	_, err = b.do(ctx, token, call{method: "GET", path: in, query: page("", cursor), out: &posts})
	return posts, err
}

// Search returns a page of the posts that contain text: of one board or, if slug is empty, of all.
func (b Boards) Search(ctx context.Context, token TokenFunc, text, slug, cursor string) (posts List[Post], err error) {
	query := page("", cursor)
	query.Set("q", text)
	if slug != "" {
		query.Set("board", slug)
	}
	_, err = b.do(ctx, token, call{method: "GET", path: path{"posts"}, query: query, out: &posts})
	return posts, err
}

// PostsBy returns a page of an author's posts on all boards, the newest first.
func (b Boards) PostsBy(ctx context.Context, token TokenFunc, author, cursor string) (posts List[Post], err error) {
	query := page("", cursor)
	query.Set("author", author)
	_, err = b.do(ctx, token, call{method: "GET", path: path{"posts"}, query: query, out: &posts})
	return posts, err
}

// Write makes a post. Calls with the same key make one post.
func (b Boards) Write(ctx context.Context, token TokenFunc, slug, key string, text PostText) (post Post, err error) {
	_, err = b.do(ctx, token, call{method: "POST", path: path{"boards", slug, "posts"}, key: key, in: text, out: &post})
	return post, err
}

// Post returns a post and its ETag.
func (b Boards) Post(ctx context.Context, token TokenFunc, id string) (post Post, etag string, err error) {
	etag, err = b.do(ctx, token, call{method: "GET", path: path{"posts", id}, out: &post})
	return post, etag, err
}

// ChangePost changes a post if it still has etag.
func (b Boards) ChangePost(ctx context.Context, token TokenFunc, id, etag string, text PostText) error {
	_, err := b.do(ctx, token, call{method: "PATCH", path: path{"posts", id}, ifMatch: etag, in: text})
	return err
}

// DeletePost deletes a post if it still has etag.
func (b Boards) DeletePost(ctx context.Context, token TokenFunc, id, etag string) error {
	_, err := b.do(ctx, token, call{method: "DELETE", path: path{"posts", id}, ifMatch: etag})
	return err
}

// MarkPost turns a mark of a post on or off: pinned, locked or hidden.
func (b Boards) MarkPost(ctx context.Context, token TokenFunc, id, mark string, on bool) error {
	return b.mark(ctx, token, "posts", id, mark, on)
}

// HideComment hides a comment or shows it again.
func (b Boards) HideComment(ctx context.Context, token TokenFunc, id string, on bool) error {
	return b.mark(ctx, token, "comments", id, "hidden", on)
}

func (b Boards) mark(ctx context.Context, token TokenFunc, kind, id, mark string, on bool) error {
	method := "DELETE"
	if on {
		method = "PUT"
	}
	_, err := b.do(ctx, token, call{method: method, path: path{kind, id, mark}})
	return err
}

// Comments returns a page of a post's comments.
func (b Boards) Comments(ctx context.Context, token TokenFunc, post, cursor string) (list List[Comment], err error) {
	in := path{"posts", post, "comments"}
	_, err = b.do(ctx, token, call{method: "GET", path: in, query: page("100", cursor), out: &list})
	return list, err
}

// CommentText is what a person writes. Parent is the id of the comment that it replies to, or
// empty.
type CommentText struct {
	Body   string `json:"body"`
	Format string `json:"format"`
	Parent string `json:"parent,omitempty"`
}

// WriteComment makes a comment. Calls with the same key make one comment.
func (b Boards) WriteComment(ctx context.Context, token TokenFunc, post, key string, text CommentText) (made Comment, err error) {
	in := path{"posts", post, "comments"}
	_, err = b.do(ctx, token, call{method: "POST", path: in, key: key, in: text, out: &made})
	return made, err
}

// Comment returns a comment and its ETag.
func (b Boards) Comment(ctx context.Context, token TokenFunc, id string) (comment Comment, etag string, err error) {
	etag, err = b.do(ctx, token, call{method: "GET", path: path{"comments", id}, out: &comment})
	return comment, etag, err
}

// ChangeComment changes a comment if it still has etag.
func (b Boards) ChangeComment(ctx context.Context, token TokenFunc, id, etag, body string) error {
	in := struct {
		Body string `json:"body"`
	}{body}
	_, err := b.do(ctx, token, call{method: "PATCH", path: path{"comments", id}, ifMatch: etag, in: in})
	return err
}

// DeleteComment deletes a comment if it still has etag.
func (b Boards) DeleteComment(ctx context.Context, token TokenFunc, id, etag string) error {
	_, err := b.do(ctx, token, call{method: "DELETE", path: path{"comments", id}, ifMatch: etag})
	return err
}

// ExportPage is a part of all that the service keeps about a person. Items are as they are.
type ExportPage struct {
	Service string            `json:"service"`
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Items   []json.RawMessage `json:"items"`
	Next    string            `json:"next"` // empty: this is the last
}

// Export returns a page of all that the service keeps about the person. The error is an [Error]
// with StepUp if they must log in again first.
func (b Boards) Export(ctx context.Context, token TokenFunc, cursor string) (part ExportPage, err error) {
	// So few that the longest posts, with every character escaped, fit into an answer.
	_, err = b.do(ctx, token, call{method: "GET", path: path{"me", "export"}, query: page("10", cursor), out: &part})
	return part, err
}
