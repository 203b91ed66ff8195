package pages

import (
	"io/fs"
	"maps"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/language"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
)

// another is a language that the app does not speak. All its words are in brackets, so that what is
// outside them was not translated.
func another() *lang.Language {
	first := lang.All[0]
	l := &lang.Language{
		Tag: language.Make("eo"), Name: "Esperanto", Words: map[string]string{}, Counted: map[string]lang.Forms{},
		Date: func(t time.Time) string { return "⟦" + first.Date(t) + "⟧" },
	}
	for key, text := range first.Words {
		l.Words[key] = "⟦" + text + "⟧"
	}
	for key, forms := range first.Counted {
		l.Counted[key] = maps.Clone(forms)
		for form, text := range forms {
			l.Counted[key][form] = "⟦" + text + "⟧"
		}
	}
	return l
}

// every has each page, with all that it may show. Digits stand for what people write.
func every(l *lang.Language, languages lang.Languages) []Page {
	now := time.Now()
	author := backend.Author{ID: "1", Name: "1"}
	posts := PostList{
		Posts: []ListedPost{{backend.Post{ID: "1", Title: "1", Author: author, Pinned: true, Locked: true, Hidden: true,
			CreatedAt: now}, "2"}},
		Pager: Pager{"/", "/", "/", 2}, Notice: l.T("board_down"),
	}
	boards := []backend.Board{{Slug: "1", Title: "1", Description: "1", Posts: 1}}
	refused := NewForm(url.Values{"locale": {"1"}})
	wrong, theirs := map[string]string{}, map[string]string{}
	for _, field := range FieldNames() {
		wrong[field], theirs[field] = l.T("wrong_other"), ""
	}
	refused.Lose(l.T("lost_race"), theirs, "1")
	refused.Refuse(422, l.T("form_wrong"), wrong)
	own := Own{Form: refused, Notice: l.T("user_down")}
	text := markdown.Text{Body: "1", AsTyped: true}
	comment := Comment{Comment: backend.Comment{ID: "1", Author: author, Hidden: true, UpdatedAt: now}, Text: text,
		Mine: true, Moderate: true, Reply: true}
	post := backend.Post{ID: "1", Title: "1", Author: author, Hidden: true, CreatedAt: now, UpdatedAt: now.Add(1), Comments: 2}
	locked := post
	locked.Locked, locked.Pinned, locked.Author = true, true, backend.Author{}
	token := Token{ID: "id", Name: l.T("id_token"), About: l.T("id_token_about"), Raw: "1", Expires: now,
		Checks: []string{"form"}, Call: true,
		Claims: []Claim{{"1", "1", l.T("claim_iss")}}}
	return []Page{
		Home{Issuer: "1", IssuerNotice: l.T("issuer_down", "1"), LoggedOut: l.T("left"), BoardNotice: l.T("board_down"),
			UserNotice: l.T("user_down")},
		Home{Boards: boards, Profile: &backend.Profile{}},
		Boards{Boards: boards, Notice: l.T("board_down")}, Boards{},
		Board{Board: boards[0], Query: "1", Write: true, PostList: posts}, Board{Query: "1"}, Board{Board: boards[0], Write: true},
		Post{Post: post, Text: text, Mine: true, Edit: true, Moderate: true, Write: true, Form: refused, Preview: &text,
			Threads: []Thread{{comment, []Comment{comment, {}}}}},
		Post{Post: locked, Moderate: true, Form: NewForm(url.Values{"body": {"1"}})},
		Write{Form: refused, New: true, Preview: &text}, Write{Form: refused}, EditComment{Form: refused, Preview: &text},
		Delete{Title: l.T("delete_post_title"), Question: l.Count("delete_post", 2), Notice: l.T("delete_changed")},
		Person{Own: true, PostList: posts}, Person{Profile: backend.Profile{Website: "http://1", AvatarURL: "http://1"}, Own: true},
		Profile{Own: own}, Settings{own, languages}, Interests{own, []string{"1"}},
		Data{Notice: l.T("step_up_failed")}, Data{Confirmed: true},
		Tokens{Tokens: []Token{token, {Problem: l.T("opaque_token")}}, Docs: []string{"1"},
			Words: map[string]string{"good": l.T("js_good")}},
		Revoked{Title: l.T("revoked_waiting"), Waiting: true, Limit: "1", Services: []RevokedService{
			{ID: "1", Name: l.T("service_user"), Text: l.T("watch_waiting"), Detail: l.T("watch_since", "1")}}},
		Revoked{Title: l.T("revoke_failed_title"), Notice: l.T("revoke_failed")},
		Message{Status: 503, Title: l.T("failed_title"), Text: l.T("failed"), Retry: "/"},
		Login{Title: l.T("login_first_title"), Text: l.T("login_first")},
		Login{Title: l.T("login_first_title"), Text: l.T("login_first"), Kept: []KeptField{{"title", "1", 1}}},
	}
}

var (
	bracketed = regexp.MustCompile(`⟦[^⟦⟧]*⟧`)
	letters   = regexp.MustCompile(`\p{L}{2}`)
)

// outside returns what a page says outside brackets, in texts and in the attributes that are read
// out.
func outside(t *testing.T, page string) (found []string) {
	t.Helper()
	document, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		if rest := strings.TrimSpace(bracketed.ReplaceAllString(text, "")); letters.MatchString(rest) {
			found = append(found, rest)
		}
	}
	for n := range document.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "code" && n.Parent.Data != "script" {
			say(n.Data)
		}
		for _, a := range n.Attr {
			if slices.Contains([]string{"aria-label", "placeholder", "title", "alt", "data-counter"}, a.Key) {
				say(strings.TrimSuffix(a.Val, " UTC"))
			}
		}
	}
	return found
}

func TestALanguageIsAddedByWhatOneFileHas(t *testing.T) {
	t.Parallel()
	l := another()
	languages := append(slices.Clone(lang.All), l)
	p := New(languages)
	used := map[string]bool{}
	for _, member := range []*Member{nil, {"1", "1"}} {
		for _, page := range every(l, languages) {
			used[page.head(l).Template] = true
			w := httptest.NewRecorder()
			view := View{Lang: l, Now: time.Now(), Zone: time.UTC, Here: "/", Member: member,
				TakeFlash: func() string { return l.T("saved") }}
			if err := p.Show(w, view, page); err != nil {
				t.Fatalf("%T: %v", page, err)
			}
			// Languages are named in their own words; zones and addresses are not words.
			said := slices.DeleteFunc(outside(t, w.Body.String()), func(text string) bool {
				named := func(l *lang.Language) bool { return l.Name == text }
				return slices.ContainsFunc(languages, named) || slices.Contains(zones, text) || strings.HasPrefix(text, "http")
			})
			if len(said) > 0 {
				t.Errorf("%T says in another language: %q", page, said)
			}
			if !strings.Contains(w.Body.String(), `<html lang="eo"`) || w.Header().Get("Content-Language") != "eo" {
				t.Errorf("%T does not say which language it is in", page)
			}
		}
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !used[strings.TrimSuffix(path.Base(name), ".html")] {
			t.Errorf("%s was not looked at", name)
		}
	}
}
