package pages

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// marked is a language whose every text is English between brackets, so that one sees where a text
// comes from.
func marked() *messages.Language {
	l := *english()
	var mark func(v reflect.Value) reflect.Value
	mark = func(v reflect.Value) reflect.Value {
		out := reflect.New(v.Type()).Elem()
		switch v.Kind() {
		case reflect.String:
			out.SetString("⟦" + v.String() + "⟧")
		case reflect.Struct:
			for i := range v.NumField() {
				out.Field(i).Set(mark(v.Field(i)))
			}
		case reflect.Map:
			out.Set(reflect.MakeMap(v.Type()))
			for _, key := range v.MapKeys() {
				out.SetMapIndex(key, mark(v.MapIndex(key)))
			}
		case reflect.Func:
			out.Set(reflect.MakeFunc(v.Type(), func(in []reflect.Value) []reflect.Value { return []reflect.Value{mark(v.Call(in)[0])} }))
		default:
			out.Set(v)
		}
		return out
	}
	l = mark(reflect.ValueOf(l)).Interface().(messages.Language)
	l.Tag, l.Country, l.Dates, l.Profile.NameOrder = "eo", "", messages.Dates{}, english().Profile.NameOrder
	return &l
}

// A third language is its file and its place in the list: every page is whole in it, and no page
// has a word of its own.
func TestALanguageIsAddedWithoutTouchingAPage(t *testing.T) {
	t.Parallel()
	third := marked()
	p, err := New(Config{Languages: messages.NewLanguages(append(slices.Clone(messages.All.List()), third)...)})
	if err != nil {
		t.Fatal(err)
	}
	if tags := p.Languages(); !slices.Equal(tags, append(messages.All.Tags(), "eo")) {
		t.Errorf("languages %q", tags)
	}
	r := httptest.NewRequest(http.MethodGet, "/login", nil)
	r.Header.Set("Accept-Language", "eo, en;q=0.5")
	if tag := p.Language(r); tag != "eo" {
		t.Errorf("a browser that prefers it gets %s", tag)
	}
	for _, page := range everyPage() {
		name := templateOf(page)
		w := render(p, "/x?lang=eo", page)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		checkPage(t, name, w.Body.Bytes(), "eo")
		for _, text := range wordsOf(t, w.Body.String()) {
			t.Errorf("%s says %q in every language", name, text)
		}
	}
}

// The data of everyPage, names of places and languages, and what is no word.
var data = regexp.MustCompile(`^(Bookshop|(: )?(Phone|Chrome on Linux|<key>)|mina@example\.org|Mina|B|G|WDJB-MJHT|192\.0\.2\.1|app|gone|x|else|UTC|GEZD GNBV|ABCDE-F012[34]|` +
	`English|한국어|app\.example|Google: mina@example\.org|: Google mina@example\.org|other: <b>|: other <b>|admin/admin|board/moderator|invalid_request|invalid_scope|The (redirect_uri|id_token_hint|scope) is not .*|<meta .*>|[^\p{L}]*)$`)

// wordsOf lists the texts of a page, and of attributes that are read to people, that are neither
// marked nor data.
func wordsOf(t *testing.T, body string) (words []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) {
		if text = strings.TrimSpace(text); !strings.Contains(text, "⟦") && !data.MatchString(text) {
			words = append(words, text)
		}
	}
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "option" {
			check(n.Data)
		}
		for _, a := range n.Attr {
			if slices.Contains([]string{"aria-label", "alt", "title", "data-show", "data-hide", "data-caps",
				"data-cancelled", "data-present", "data-unknown"}, a.Key) {
				check(a.Val)
			}
		}
	}
	return words
}

func TestEveryFieldOfTheProfileHasALabel(t *testing.T) {
	t.Parallel()
	for _, l := range messages.All.List() {
		for name := range profileFields {
			if l.Profile.Labels[name] == "" {
				t.Errorf("%s has no label for %s", l.Tag, name)
			}
		}
		if len(l.Profile.Labels) != len(profileFields) || len(profileFields) != len(profileOrder)+len(l.Profile.NameOrder) {
			t.Errorf("%s: %d labels of %d fields", l.Tag, len(l.Profile.Labels), len(profileFields))
		}
	}
}
