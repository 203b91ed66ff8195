package pages

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/internal/httpd"
)

// Page is what [Pages.Render] shows: one of this package's types whose names end in Page.
type Page interface {
	layout(t *messages.Language) layout
}

// layout says how a page is made, and what its headers must let through. The zero value of each
// field but template fits.
type layout struct {
	template string     // a file in templates/, without .html
	from     *Templates // where it is; nil: here
	content  any        // what the template sees; nil: the page

	form    Form
	fields  []label           // the inputs of the form, in the order of the page
	changed map[string]string // by field: what somebody else stored meanwhile, in words
	focus   string            // where the person types first when nothing is wrong

	admin    bool      // of the administration's pages
	sections []Section // of the administration
	who      string    // looks at it
	detail   string    // in English: what is wrong with the form
	done     string    // in words: what was just done

	tab      tab            // of the account's pages
	closed   bool           // no form of the page leads to an app
	script   string         // in assets/; the page works without it
	passkeys bool           // the page has a button that asks for a passkey
	logo     string         // URL of the logo of the app that is shown
	frames   []string       // URLs of hidden frames
	reloads  bool           // GET shows the page again also where it answers a POST, so that it can change its language
	zone     *time.Location // the person's
	refused  *refusal       // what was asked for and is not done, for the log
	clientID string         // who asked for it, for the log
}

// label is an input of a form and its label.
type label struct{ Name, Label string }

// refusal is an error for a developer.
type refusal struct{ code, detail string }

// tab is one of the account's pages.
type tab int

const (
	noTab tab = iota
	accountTab
	profileTab
	securityTab
	sessionsTab
	appsTab
	dataTab
)

type tabLink struct {
	Path, Label string
	Current     bool
}

func tabs(t *messages.Language, current tab) []tabLink {
	return []tabLink{
		{"/account", t.AccountTitle, current == accountTab},
		{"/account/profile", t.Profile.Title, current == profileTab},
		{"/account/security", t.Security.Title, current == securityTab},
		{"/account/sessions", t.SessionsTitle, current == sessionsTab},
		{"/account/apps", t.AppsTab, current == appsTab},
		{"/account/data", t.Data.Tab, current == dataTab},
	}
}

// noteRefusal notes for the log why a page refuses what was asked for, and which fields of a form,
// but nothing of what was typed into them.
func (l layout) noteRefusal(w http.ResponseWriter) {
	if l.clientID != "" {
		httpd.NoteClient(w, l.clientID)
	}
	if l.refused != nil {
		httpd.NoteRefusal(w, l.refused.code, l.refused.detail)
	}
	if len(l.form.Problems) == 0 {
		return
	}
	code, fields := "invalid_form", make([]string, 0, len(l.form.Problems))
	for _, field := range slices.Sorted(maps.Keys(l.form.Problems)) {
		if field == "" {
			code = string(l.form.Problems[field])
			continue
		}
		fields = append(fields, field+": "+string(l.form.Problems[field]))
	}
	httpd.NoteRefusal(w, code, strings.Join(fields, ", "))
}

// setHeaders sets the headers that [Pages.Render] speaks of.
func (l layout) setHeaders(header http.Header) {
	policy := []string{"default-src 'none'", "style-src 'self'", sources("img-src 'self'", l.logo)}
	if l.script != "" || l.passkeys {
		policy = append(policy, "script-src 'self'")
	}
	if l.passkeys {
		policy = append(policy, "connect-src 'self'")
	}
	if frames := sources("frame-src", l.frames...); frames != "frame-src" {
		policy = append(policy, frames)
	}
	policy = append(policy, "base-uri 'none'", "frame-ancestors 'none'")
	if l.closed {
		policy = append(policy, "form-action 'self'")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	header.Set("Content-Security-Policy", strings.Join(policy, "; "))
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
}

// sources appends the origins of urls to a directive of a Content-Security-Policy.
func sources(directive string, urls ...string) string {
	for _, raw := range urls {
		if origin := sourceOf(raw); origin != "" {
			directive += " " + origin
		}
	}
	return directive
}

// sourceOf is the origin of an http or https URL as a source of a Content-Security-Policy; empty
// when it cannot be one.
func sourceOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	for _, c := range []byte(u.Host) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(".-:[]", c) >= 0) {
			return ""
		}
	}
	return u.Scheme + "://" + u.Host
}
