package pages

import (
	"html/template"
	"net/http"

	"github.com/maru-auth/maru/client-demo/internal/lang"
)

// Page is one of the app's pages.
type Page interface{ head(l *lang.Language) Head }

// Head says how to show a page, and what goes around it.
type Head struct {
	Template string // the file in templates, without .html
	Title    string // empty: the app's name alone
	Status   int    // 0: 200
	Menu     menu
	Form     *Form // nil: it has none that can be refused
	Reload   bool  // it changes by itself: a browser without scripts loads it again every second
}

// menu has, for each of the menu's entries, its attribute aria-current on the page.
type menu struct{ Home, Boards, Tokens, Own template.HTMLAttr }

const (
	thisPage template.HTMLAttr = ` aria-current="page"` // the entry leads here
	partOf   template.HTMLAttr = ` aria-current="true"` // it leads to what the page is part of
)

// missing is the status of a page whose main part is missing if there is a notice.
func missing(notice string) int {
	if notice != "" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

func (p Home) head(*lang.Language) Head {
	return Head{Template: "home", Menu: menu{Home: thisPage}, Status: missing(p.IssuerNotice)}
}

func (p Boards) head(l *lang.Language) Head {
	return Head{Template: "boards", Title: l.T("boards"), Menu: menu{Boards: thisPage}, Status: missing(p.Notice)}
}

func (p Board) head(l *lang.Language) Head {
	title := p.Board.Title
	if p.Everywhere() {
		title = l.T("search_title")
	}
	return Head{Template: "board", Title: title, Menu: menu{Boards: partOf}, Status: missing(p.Notice)}
}

func (p Post) head(*lang.Language) Head {
	return Head{Template: "post", Title: p.Post.Title, Menu: menu{Boards: partOf}, Status: p.Form.Status, Form: p.Form}
}

func (p Write) head(l *lang.Language) Head {
	title := l.T("edit_title")
	if p.New {
		title = l.T("write_title")
	}
	return Head{Template: "write", Title: title, Menu: menu{Boards: partOf}, Status: p.Form.Status, Form: p.Form}
}

func (p EditComment) head(l *lang.Language) Head {
	return Head{Template: "comment", Title: l.T("edit_comment_title"), Menu: menu{Boards: partOf},
		Status: p.Form.Status, Form: p.Form}
}

func (p Delete) head(*lang.Language) Head {
	head := Head{Template: "delete", Title: p.Title, Menu: menu{Boards: partOf}}
	if p.Notice != "" {
		head.Status = http.StatusConflict
	}
	return head
}

func (p Person) head(l *lang.Language) Head {
	title := p.DisplayName
	if title == "" {
		title = l.T("nameless")
	}
	return Head{Template: "person", Title: title}
}

func (p Profile) head(l *lang.Language) Head   { return p.own("profile", l.T("profile")) }
func (p Settings) head(l *lang.Language) Head  { return p.own("settings", l.T("settings")) }
func (p Interests) head(l *lang.Language) Head { return p.own("interests", l.T("interests")) }

func (p Own) own(template, title string) Head {
	head := Head{Template: template, Title: title, Menu: menu{Own: thisPage}, Status: missing(p.Notice)}
	if p.Form != nil {
		head.Form, head.Status = p.Form, p.Form.Status
	}
	return head
}

func (p Data) head(l *lang.Language) Head {
	return Head{Template: "data", Title: l.T("my_data"), Status: p.Status, Menu: menu{Own: thisPage}}
}

func (p Tokens) head(l *lang.Language) Head {
	return Head{Template: "tokens", Title: l.T("tokens"), Menu: menu{Tokens: thisPage}}
}

func (p Revoked) head(*lang.Language) Head {
	head := Head{Template: "revoked", Title: p.Title, Menu: menu{Tokens: partOf}, Reload: p.Waiting}
	if p.Notice != "" {
		head.Status = http.StatusBadGateway
	}
	return head
}

func (p Message) head(*lang.Language) Head {
	return Head{Template: "message", Title: p.Title, Status: p.Status}
}

func (p Login) head(*lang.Language) Head {
	return Head{Template: "login", Title: p.Title, Status: http.StatusForbidden}
}
