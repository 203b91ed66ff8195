// Package boards serves the pages of the board service: boards, the search, posts with their
// comments, and the forms to write, change, delete and moderate them.
package boards

import (
	"net/url"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

const maxTitles = 1000

// Handlers serve the pages. They are safe for concurrent use.
type Handlers struct {
	boards   backend.Boards
	users    backend.Users // the authors
	markdown *markdown.Renderer
	titles   *lru.Cache[string, string] // of boards, by slug, as last seen
}

// New makes the handlers.
func New(boards backend.Boards, users backend.Users) *Handlers {
	titles, err := lru.New[string, string](maxTitles)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &Handlers{boards, users, markdown.New(), titles}
}

// All returns the boards that the person may see.
func (h *Handlers) All(v *site.Visit) ([]backend.Board, error) {
	boards, err := h.boards.List(v.R.Context(), v.Reader())
	for _, b := range boards {
		h.titles.Add(b.Slug, b.Title)
	}
	return boards, err
}

// title is a board's title, or its slug if the title has not been seen yet: posts name their board
// by slug only.
func (h *Handlers) title(slug string) string {
	if title, ok := h.titles.Get(slug); ok {
		return title
	}
	return slug
}

// List serves GET /boards.
func (h *Handlers) List(v *site.Visit) error {
	var page pages.Boards
	boards, err := h.All(v)
	if err == nil && v.Session == nil && len(boards) == 0 {
		return v.LogInFirst() // strangers may read none
	}
	if page.Notice, err = v.Notice(err); err != nil {
		return err
	}
	page.Boards = boards
	return v.Show(page)
}

// Board serves GET /boards/{slug}?q=…&cursor=….
func (h *Handlers) Board(v *site.Visit) error {
	slug := v.R.PathValue("slug")
	page := pages.Board{Board: backend.Board{Slug: slug, Title: h.title(slug)}, Write: v.Can("board:write")}
	board, err := h.boards.Board(v.R.Context(), v.Reader(), slug)
	if page.Notice, err = v.Notice(err); err != nil {
		return err
	}
	if page.Notice == "" {
		page.Board = board
		h.titles.Add(slug, board.Title)
		switch {
		case board.WriteRole != "":
			page.Write = page.Write && v.HasRole(board.WriteRole)
		case board.Moderators:
			page.Write = page.Write && v.Moderator()
		}
		if err := h.fill(v, &page, "/boards/"+url.PathEscape(slug)); err != nil {
			return err
		}
	}
	return v.Show(page)
}

// Search serves GET /search?q=…&cursor=…, in all boards.
func (h *Handlers) Search(v *site.Visit) error {
	var page pages.Board
	if strings.TrimSpace(v.R.FormValue("q")) != "" {
		if err := h.fill(v, &page, "/search"); err != nil {
			return err
		}
	}
	return v.Show(page)
}

// fill reads the posts that the request asks for. address is the page's, without a query.
func (h *Handlers) fill(v *site.Visit, page *pages.Board, address string) (err error) {
	query, cursor := strings.TrimSpace(v.R.FormValue("q")), v.R.FormValue("cursor")
	if query != "" && v.Session == nil {
		return flow.ErrLoginAgain // strangers may not search
	}
	page.Query = query
	var posts backend.List[backend.Post]
	keep := url.Values{}
	if query != "" {
		keep.Set("q", query)
		posts, err = h.boards.Search(v.R.Context(), v.Token, query, page.Board.Slug, cursor)
	} else {
		posts, err = h.boards.Posts(v.R.Context(), v.Reader(), page.Board.Slug, cursor)
	}
	if page.Notice, err = v.Notice(err); err != nil {
		return err
	}
	page.Posts = h.listed(posts.Items, page.Board.Slug)
	page.Pager = pages.NewPager(address, v.R.URL.Query(), keep, posts.Next)
	return nil
}

// listed makes the entries of a list of posts: of one board or, if board is empty, of all.
func (h *Handlers) listed(posts []backend.Post, board string) []pages.ListedPost {
	list := make([]pages.ListedPost, len(posts))
	for i, post := range posts {
		list[i].Post = post
		if post.Board != board {
			list[i].BoardTitle = h.title(post.Board)
		}
	}
	return list
}

// Person serves GET /people/{id}?cursor=….
func (h *Handlers) Person(v *site.Visit) error {
	id := v.R.PathValue("id")
	profile, err := h.users.User(v.R.Context(), v.Token, id)
	if err != nil {
		return err
	}
	page := pages.Person{Profile: profile, Own: v.Is(id)}
	posts, err := h.boards.PostsBy(v.R.Context(), v.Token, id, v.R.FormValue("cursor"))
	if page.Notice, err = v.Notice(err); err != nil {
		return err
	}
	page.Posts = h.listed(posts.Items, "")
	page.Pager = pages.NewPager("/people/"+url.PathEscape(id), v.R.URL.Query(), nil, posts.Next)
	return v.Show(page)
}

// preview lays out what is being written if the form asks for that; else it returns nil.
func (h *Handlers) preview(v *site.Visit, f *pages.Form, format string) (*markdown.Text, error) {
	if !f.Is("do", "preview") {
		return nil, nil
	}
	text, err := h.markdown.Render(v.R.Context(), markdown.Source{Format: format, Body: f.Get("body")})
	return &text, err
}

// confirm asks before something is deleted. again is the key of the reason to ask once more, or
// empty.
func confirm(v *site.Visit, page pages.Delete, again string) error {
	page.Action = v.R.URL.Path
	if again != "" {
		page.Notice = v.T(again)
	}
	return v.Show(page)
}

// deleted answers a form of [confirm]. err is what came of the deletion; ask asks again.
func deleted(v *site.Visit, err error, ask func(again string) error, then string) error {
	if site.Changed(err) {
		return ask("delete_changed")
	}
	if err != nil {
		return err
	}
	v.Session.SetFlash("deleted")
	return v.Redirect(then)
}
