// Package api is the HTTP interface of the board service: paths under /v1, described by OpenAPI at
// /openapi.json, and the service's metadata as a protected resource (RFC 9728).
//
// Who may do what is decided in access.go and, where it depends on the post or comment, at the top
// of each handler. A table in the service's README says all of it, and a test compares the two.
package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/authors"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// MaxBody is the largest request body in bytes: the longest post, with every character outside the
// BMP and escaped (\uD83D\uDE00).
const MaxBody = 256 << 10

// Config is what the interface needs. Store and Names are required to serve.
type Config struct {
	rest.Config
	Store *store.Store
	Names *authors.Names
	Now   func() time.Time // nil: time.Now

	// DailyCharacters is how many characters one person may write within a day. 0: no bound.
	DailyCharacters int
}

// service is what the handlers share. It is immutable once made, apart from searches, anonymous,
// pages and writing.
type service struct {
	api       *rest.API
	store     *store.Store
	names     *authors.Names
	audience  string
	searches  searches
	anonymous *rest.SenderLimit
	pages     *pages
	writing   *writing
}

// New returns the service's handler, or an error that says what is wrong with the configuration.
func New(cfg Config) (http.Handler, error) {
	api, err := rest.New(cfg.Config, resource)
	if err != nil {
		return nil, err
	}
	s := &service{api: api, store: cfg.Store, names: cfg.Names, audience: cfg.Audience, anonymous: rest.NewSenderLimit(cfg.Now)}
	if s.writing, err = newWriting(cfg.DailyCharacters, cfg.Now); err != nil {
		return nil, err
	}
	s.pages = newPages(s.store.Writes, time.Now) // the monotonic clock, whatever cfg.Now says
	s.routes()
	if err := api.Events(cfg.Now, s.applyEvent); err != nil {
		return nil, err
	}
	return api.Handler()
}

// Document returns the OpenAPI 3.1 document of the service that has the audience and trusts the
// issuer, indented.
func Document(issuer, audience string) ([]byte, error) {
	api, err := rest.New(rest.Config{Issuer: issuer, Audience: audience}, resource)
	if err != nil {
		return nil, err
	}
	s := &service{api: api}
	s.routes()
	if err := api.Events(nil, s.applyEvent); err != nil {
		return nil, err
	}
	return api.Document()
}

// routes is the whole interface: every path, and what a token needs for it.
func (s *service) routes() {
	api, mayReadPublic := s.api, s.mayReadPublic()

	boards := describe{tag: "boards"}
	rest.Route(api, mayReadPublic, boards.op("list-boards", "GET /v1/boards", "List the boards",
		"The oldest first.", 429), s.listBoards)
	rest.Route(api, mayModerate, boards.op("create-board", "POST /v1/boards", "Make a board",
		"", 409), s.createBoard)
	rest.Route(api, mayReadPublic, boards.op("get-board", "GET /v1/boards/{slug}", "Get a board",
		"", 404, 429), s.getBoard)
	rest.Route(api, mayModerate, boards.op("update-board", "PATCH /v1/boards/{slug}", "Change a board",
		mergePatchDoc, 404), s.updateBoard)

	posts := describe{tag: "posts"}
	rest.Route(api, mayReadPublic, posts.op("list-posts", "GET /v1/boards/{slug}/posts", "List the posts of a board",
		"Pinned ones first, then the newest; without their bodies.", 404, 429), s.listPosts)
	rest.Route(api, mayWrite, posts.op("create-post", "POST /v1/boards/{slug}/posts", "Write a post",
		"On a board with write_role, only people with that role may; on one with moderators_only, only moderators.", 404, 410, 429), s.createPost)
	rest.Route(api, mayRead, posts.op("search-posts", "GET /v1/posts", "Search posts, or list those of a person",
		"The newest first; without their bodies. The search takes the text literally, in title and body, "+
			"and ignores case. With author instead of q: what that person wrote, on all boards.", 429), s.searchPosts)
	rest.Route(api, mayReadPublic, posts.op("get-post", "GET /v1/posts/{id}", "Get a post",
		"", 404, 429), s.getPost)
	rest.Route(api, mayWrite, posts.op("update-post", "PATCH /v1/posts/{id}", "Change one's own post",
		"Not while it is locked, except for moderators. "+mergePatchDoc, 404, 410, 429), s.updatePost)
	rest.Route(api, mayDelete, posts.op("delete-post", "DELETE /v1/posts/{id}", "Delete a post and its comments",
		"Your own; as a moderator, any.", 400, 404, 412), s.deletePost)

	comments := describe{tag: "comments"}
	rest.Route(api, mayReadPublic, comments.op("list-comments", "GET /v1/posts/{id}/comments", "List the comments of a post",
		"Thread by thread, the oldest first, each comment followed by its replies. A comment that is deleted "+
			"or hidden is left out, or, if it has replies, a stub without body and author.", 404, 429), s.listComments)
	rest.Route(api, mayWrite, comments.op("create-comment", "POST /v1/posts/{id}/comments", "Write a comment",
		"Not while the post is locked, except for moderators; on a board with write_role, only people with that role may.", 404, 410, 429), s.createComment)
	rest.Route(api, mayRead, comments.op("get-comment", "GET /v1/comments/{id}", "Get a comment",
		"To get its ETag before you change it.", 404), s.getComment)
	rest.Route(api, mayWrite, comments.op("update-comment", "PATCH /v1/comments/{id}", "Change one's own comment",
		"Not while its post is locked, except for moderators. "+mergePatchDoc, 404, 410, 429), s.updateComment)
	rest.Route(api, mayDelete, comments.op("delete-comment", "DELETE /v1/comments/{id}", "Delete a comment",
		"Your own; as a moderator, any. Its replies stay.", 400, 404, 412), s.deleteComment)

	rest.Route(api, mayExport, describe{tag: "me"}.op("export-me", "GET /v1/me/export", "Get everything that the service keeps about oneself",
		"Posts, then comments, the oldest first; hidden ones too. The person must have been authenticated within the last "+
			"10 minutes, also for the later pages."), s.exportMe)
	moderation := describe{tag: "moderation"}
	for _, mark := range []struct {
		name, path, on, off string
		set                 setMark
	}{
		{"post-pinned", "/v1/posts/{id}/pinned", "Pin a post to the top of its board", "Put a pinned post back in its place", s.store.SetPinned},
		{"post-locked", "/v1/posts/{id}/locked", "Lock a post: no changes and no new comments", "Unlock a post", s.store.SetLocked},
		{"post-hidden", "/v1/posts/{id}/hidden",
			"Hide a post from all but its author and moderators", "Show a hidden post again", s.store.SetHidden},
		{"comment-hidden", "/v1/comments/{id}/hidden",
			"Hide a comment from all but its author and moderators", "Show a hidden comment again", s.store.SetCommentHidden},
	} {
		const doc = "Repeating it changes nothing. The ETag stays the same."
		rest.Route(api, mayModerate, moderation.op("set-"+mark.name, "PUT "+mark.path, mark.on, doc, 404), marker(mark.set, true))
		rest.Route(api, mayModerate, moderation.op("unset-"+mark.name, "DELETE "+mark.path, mark.off, doc, 404), marker(mark.set, false))
	}
}

const mergePatchDoc = "A JSON Merge Patch (RFC 7396): members that you leave out stay as they are."

// describe makes the operations of one tag.
type describe struct{ tag string }

// op describes an operation; errors are the statuses of its own errors.
func (d describe) op(id, methodAndPath, summary, description string, errors ...int) huma.Operation {
	method, path, _ := strings.Cut(methodAndPath, " ")
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{d.tag}, Errors: errors,
	}
	switch method {
	case http.MethodPost:
		op.DefaultStatus, op.MaxBodyBytes = http.StatusCreated, MaxBody
		op.Errors = append(op.Errors, 400, 413, 415)
	case http.MethodPatch:
		op.MaxBodyBytes = MaxBody
		op.Errors = append(op.Errors, 400, 412, 413, 415, 428)
	}
	return op
}
