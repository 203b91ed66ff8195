package pages

import (
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
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
	for path, kind := range map[string]string{p.css: "text/css; charset=utf-8", p.icon: "image/svg+xml"} {
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
	css, err := files.ReadFile("assets/maru.css")
	if err != nil {
		t.Fatal(err)
	}
	body := render(p, "/", LoginPage{}).Body.String()
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
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

var cssColour = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// WCAG 2.2: 4.5 for text (1.4.3), 3 for the edges of what can be used (1.4.11), in light and dark.
func TestColoursContrast(t *testing.T) {
	t.Parallel()
	css, err := files.ReadFile("assets/maru.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark colours")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		luminance := make(map[string]float64)
		for _, m := range cssColour.FindAllStringSubmatch(text, -1) {
			n, err := strconv.ParseUint(m[2], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			channel := func(shift uint) float64 {
				c := float64(n>>shift&255) / 255
				if c <= 0.04045 {
					return c / 12.92
				}
				return math.Pow((c+0.055)/1.055, 2.4)
			}
			luminance[m[1]] = 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
		}
		for _, pair := range []struct {
			on, colour string
			least      float64
		}{
			{"ground", "ink", 4.5}, {"ground", "soft", 4.5}, {"sheet", "ink", 4.5}, {"sheet", "soft", 4.5}, {"sheet", "accent", 4.5}, {"ground",
				"accent", 4.5}, {"tint", "accent", 4.5}, {"tint", "ink", 4.5},
			{"sheet", "bad", 4.5}, {"bad-tint", "bad", 4.5}, {"good-tint", "good", 4.5}, {"accent", "on-accent", 4.5}, {"accent-strong",
				"on-accent", 4.5}, {"sheet", "field", 3}, {"ground", "accent-strong", 4.5},
		} {
			a, okA := luminance[pair.on]
			b, okB := luminance[pair.colour]
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); !okA || !okB || ratio < pair.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f", scheme, pair.colour, pair.on, ratio)
			}
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
