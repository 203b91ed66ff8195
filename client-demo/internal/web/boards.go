package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// home serves GET /.
func (a *App) home(v *visit) error {
	data := struct {
		Issuer       string
		IssuerNotice string
		Boards       []backend.Board
		BoardNotice  string
		Profile      *backend.Profile
		UserNotice   string
		LoggedOut    string // name of the message about a log-out
	}{Issuer: a.cfg.Issuer}
	if v.session == nil {
		if a.flow.LoggedOut(v.w, v.r) {
			v.setLeft("logged_out")
			return v.redirect("/") // so that a reload says nothing of it any more
		}
		data.LoggedOut = v.takeLeft()
		status := http.StatusOK
		if err := a.flow.Reachable(v.r.Context()); err != nil {
			data.IssuerNotice, status = v.t("issuer_down", a.cfg.Issuer), http.StatusServiceUnavailable
		}
		return v.render(status, "home", v.t("home_title"), data)
	}
	boards, err := a.listBoards(v)
	if data.BoardNotice, err = v.notice(err); err != nil {
		return err
	}
	data.Boards = boards
	profile, _, err := a.users.Me(v.r.Context(), v.token)
	if data.UserNotice, err = v.notice(err); err != nil {
		return err
	}
	if data.UserNotice == "" {
		v.session.SetName(profile.DisplayName)
		data.Profile = &profile
	}
	return v.render(http.StatusOK, "home", v.t("home_title"), data)
}

// listBoards reads the boards, and remembers their titles for pages of single posts.
func (a *App) listBoards(v *visit) ([]backend.Board, error) {
	boards, err := a.boards.List(v.r.Context(), v.reader())
	for _, b := range boards {
		a.titles.Add(b.Slug, b.Title)
	}
	return boards, err
}

// titleOf is a board's title, or its slug if no list of boards was seen yet.
func (a *App) titleOf(slug string) string {
	if title, ok := a.titles.Get(slug); ok {
		return title
	}
	return slug
}

// boardList serves GET /boards.
func (a *App) boardList(v *visit) error {
	var data struct {
		Boards []backend.Board
		Notice string
	}
	boards, err := a.listBoards(v)
	if err == nil && v.session == nil && len(boards) == 0 {
		return v.logInFirst() // none is for everybody
	}
	if data.Notice, err = v.notice(err); err != nil {
		return err
	}
	data.Boards = boards
	return v.render(statusOf(data.Notice), "boards", v.t("boards"), data)
}

// statusOf is the status of a page whose main part is missing.
func statusOf(notice string) int {
	if notice != "" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// postList is a page of posts, of one board or found by a search.
type postList struct {
	Board  backend.Board
	Slug   string // empty: all boards
	Query  string
	Posts  []backend.Post
	Pager  pager
	Write  bool
	Notice string

	TitleOf func(slug string) string
}

// board serves GET /boards/{slug}?q=…&cursor=….
func (a *App) board(v *visit) error {
	slug := v.r.PathValue("slug")
	data := postList{TitleOf: a.titleOf, Slug: slug, Board: backend.Board{Slug: slug, Title: a.titleOf(slug)}, Write: v.can("board:write")}
	board, err := a.boards.Board(v.r.Context(), v.reader(), slug)
	if data.Notice, err = v.notice(err); err != nil {
		return err
	}
	if data.Notice == "" {
		data.Board = board
		a.titles.Add(slug, board.Title)
		if board.Moderators && !v.moderator() {
			data.Write = false
		}
		if err := a.fill(v, &data, "/boards/"+url.PathEscape(slug)); err != nil {
			return err
		}
	}
	return v.render(statusOf(data.Notice), "board", data.Board.Title, data)
}

// search serves GET /search?q=…&cursor=…, in all boards.
func (a *App) search(v *visit) error {
	data := postList{TitleOf: a.titleOf}
	if strings.TrimSpace(v.r.FormValue("q")) != "" {
		if err := a.fill(v, &data, "/search"); err != nil {
			return err
		}
	}
	return v.render(statusOf(data.Notice), "board", v.t("search_title"), data)
}

// fill reads the page of posts that the request asks for.
func (a *App) fill(v *visit, data *postList, address string) error {
	query, cursor := strings.TrimSpace(v.r.FormValue("q")), v.r.FormValue("cursor")
	if query != "" && v.session == nil {
		return flow.ErrLoginAgain // a search is for those who have an account
	}
	data.Query = query
	var posts backend.List[backend.Post]
	var err error
	if query != "" {
		posts, err = a.boards.Search(v.r.Context(), v.token, query, data.Slug, cursor)
	} else {
		posts, err = a.boards.Posts(v.r.Context(), v.reader(), data.Slug, cursor)
	}
	if data.Notice, err = v.notice(err); err != nil {
		return err
	}
	data.Posts = posts.Items
	keep := url.Values{}
	if query != "" {
		keep.Set("q", query)
	}
	data.Pager = newPager(address, v.r.URL.Query(), keep, posts.Next)
	return nil
}
