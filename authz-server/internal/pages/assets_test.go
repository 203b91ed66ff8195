package pages

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

func TestAssetsAreCachedForEverUnderTheNameOfTheirContent(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	router := mux.NewRouter()
	p.Routes(router)
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w
	}
	for path, kind := range map[string]string{p.css: "text/css; charset=utf-8", p.mark.URL: "image/svg+xml"} {
		w := get(path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != kind ||
			!strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Body.Len() == 0 {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if !strings.Contains(render(p, "/", LoginPage{}).Body.String(), path) {
			t.Errorf("no page uses %s", path)
		}
	}
	for _, path := range []string{"/assets/maru.css", "/assets/", "/assets/layout.html", "/assets/x"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A browser's own bar has the colour of the page, and icons are where browsers look for them.
func TestBrowsersFindIconsAndColours(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	body := render(p, "/", LoginPage{}).Body.String()
	light, dark, _ := strings.Cut(string(p.assets[p.css].content), "@media (prefers-color-scheme: dark)")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		ground := regexp.MustCompile(`--ground: (#[0-9a-f]{6});`).FindStringSubmatch(text)
		if !strings.Contains(body, `<meta name="theme-color" content="`+ground[1]+`" media="(prefers-color-scheme: `+scheme+`)">`) {
			t.Errorf("no bar of %s in the %s scheme", ground[1], scheme)
		}
	}
	router := mux.NewRouter()
	p.Routes(router)
	for path, begin := range map[string]string{"/favicon.ico": "\x00\x00\x01\x00", "/apple-touch-icon.png": "\x89PNG"} {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), begin) ||
			!strings.HasPrefix(w.Header().Get("Content-Type"), "image/") || !strings.Contains(body, `href="`+path+`"`) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

// A colour that no part of the stylesheet names is the mistake of a letter.
func TestEveryColourThatTheStylesheetNamesIsThere(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	css := string(p.assets[p.css].content)
	for _, m := range regexp.MustCompile(`var\((--[a-z-]+)\)`).FindAllStringSubmatch(css, -1) {
		if strings.Count(css, m[1]+": #") != 2 {
			t.Errorf("%s is not there in light and dark mode", m[1])
		}
	}
}

// Old engines run the scripts that have to run for a redirect or a session's check: ES5 is what
// they all parse.
func TestScriptsAreOfASyntaxThatOldEnginesParse(t *testing.T) {
	t.Parallel()
	newer := regexp.MustCompile("=>|`|\\b(?:const|let|class|async|await)\\b|\\.\\.\\.|\\?\\.|\\?\\?|\\bfor \\([^;)]* of ")
	comment := regexp.MustCompile(`(?m)//.*$`)
	for _, name := range []string{"form.js", "form_post.js", "logged_out.js", "check_session.js"} {
		content, err := files.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := newer.FindString(comment.ReplaceAllString(string(content), "")); found != "" {
			t.Errorf("%s has %q", name, found)
		}
	}
}
