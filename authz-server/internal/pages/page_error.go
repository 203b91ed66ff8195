package pages

import (
	"html/template"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// ErrorPage says that something did not work, in a sentence for the person and with Code and Detail
// for a developer.
type ErrorPage struct {
	Code        string // OAuth error code
	Detail      string // for a developer
	ServerFault bool   // the server is at fault, not the app
	Expired     bool   // the log-in that was asked for is over
	NotFound    bool   // nothing is at this address
	App         *App   // the app that the person can go back to, at its Home; nil: unknown
}

func (p ErrorPage) layout(*messages.Language) layout {
	return layout{template: "error", refused: &refusal{p.Code, p.Detail}}
}

// Title says in a few words what did not work.
func (p ErrorPage) Title(t *messages.Language) string {
	switch {
	case p.Expired:
		return t.ExpiredTitle
	case p.NotFound:
		return t.NotFoundTitle
	}
	return t.ErrorTitle
}

// Intro says what a person can do about it.
func (p ErrorPage) Intro(t *messages.Language) string {
	switch {
	case p.ServerFault:
		return t.ErrorServer
	case p.Expired:
		return t.ExpiredIntro
	case p.NotFound:
		return t.NotFoundIntro
	}
	return t.ErrorApp
}

// ErrorReturnPage says what did not work, and leaves it to the person whether to go back to the app
// with the error.
type ErrorReturnPage struct {
	Code   string // OAuth error code
	Detail string // for a developer
	App    App
	To     string     // the app's address, with the answer in it unless there are Fields
	Fields url.Values // what is posted there; nil: it is a link
}

func (p ErrorReturnPage) layout(*messages.Language) layout {
	return layout{template: "error_return", logo: p.App.logo(), refused: &refusal{p.Code, p.Detail}, clientID: p.App.ID}
}

// Link is To as a link.
func (p ErrorReturnPage) Link() template.URL { return appLink(p.To) }

// AlreadyPage says that what the person asks for again is done.
type AlreadyPage struct {
	App App
	To  string // where to go on, a path of this server; empty: only the app knows
}

func (p AlreadyPage) layout(*messages.Language) layout {
	return layout{template: "already", logo: p.App.logo()}
}

// FormPostPage posts Fields to Action by itself, and by a button where scripts are off (OAuth 2.0
// Form Post Response Mode).
type FormPostPage struct {
	Action string // an http or https address
	Fields url.Values
}

func (p FormPostPage) layout(*messages.Language) layout {
	return layout{template: "form_post", script: "form_post.js"}
}
