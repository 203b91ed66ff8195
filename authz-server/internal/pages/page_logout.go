package pages

import (
	"html/template"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// LogoutPage asks whether to log out. Its form posts Hidden to Action.
type LogoutPage struct {
	Action string
	Hidden url.Values
	App    *App   // who asks; nil: nobody
	Email  string // who would be logged out

	// Upstream is what people call the one by which they logged in, and where they log out, too; empty:
	// none.
	Upstream string
}

func (p LogoutPage) layout(*messages.Language) layout {
	return layout{template: "logout", logo: p.App.logo()}
}

// LoggedOutPage says that the person is logged out.
type LoggedOutPage struct {
	Frames []string // URLs to load in hidden frames: OpenID front-channel log-out
	Next   string   // where to go on, registered by the app and checked, of an app's own scheme maybe; empty: nowhere
	App    *App     // whose address Next is, if the person should decide to go there; nil: the page leads on by itself

	Upstream string        // what people call the one by which the person logged in; empty: none
	There    UpstreamState // of their log-in there
}

// UpstreamState is what is known of a log-in at an upstream when that here has ended.
type UpstreamState int

// The states.
const (
	StillThere UpstreamState = iota // nobody leads the person there, and they may be logged in
	GoingThere                      // Next leads there, to log out
	BackFrom                        // they come from there
)

// UpstreamNote says what is known of the log-in at the upstream; empty: there is none.
func (p LoggedOutPage) UpstreamNote(t *messages.Language) string {
	switch {
	case p.Upstream == "":
		return ""
	case p.There == GoingThere:
		return t.Upstream.LoggingOut(p.Upstream)
	case p.There == BackFrom:
		return t.Upstream.LoggedOut(p.Upstream)
	}
	return t.Upstream.LoggedInStill(p.Upstream)
}

func (p LoggedOutPage) layout(*messages.Language) layout {
	l := layout{template: "logged_out", logo: p.App.logo(), frames: p.Frames}
	if p.GoesOn() {
		l.script = "logged_out.js"
	}
	return l
}

// GoesOn tells whether the page leads on by itself, when the frames have loaded.
func (p LoggedOutPage) GoesOn() bool {
	return p.NextLink() != "" && (len(p.Frames) > 0 || p.There == GoingThere) && p.App == nil
}

// NextLink is Next as a link.
func (p LoggedOutPage) NextLink() template.URL { return appLink(p.Next) }

// CannotLogOutPage says that a request to log out was refused.
type CannotLogOutPage struct {
	Code   string // OAuth error code
	Detail string // for a developer
}

func (p CannotLogOutPage) layout(*messages.Language) layout {
	return layout{template: "cannot_log_out", refused: &refusal{p.Code, p.Detail}}
}
