package pages

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

// branded are the pages of an installation with these settings.
func branded(t testing.TB, s brand.Settings) *Pages {
	t.Helper()
	own, err := brand.New(s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Brand: own})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Not in a title, a sentence, a picture or an address of a file.
func TestNoPageOfAnotherProductNamesMaru(t *testing.T) {
	t.Parallel()
	p := branded(t, brand.Settings{Name: "가온 & Co", Color: "#1a5fb4", Support: "help@gaon.example"})
	everything := append(everyPage(), LoginPage{App: &uncheckedApp}, ErrorReturnPage{App: uncheckedApp, To: "https://x.example/"},
		ErrorPage{Code: "server_error", ServerFault: true}, ErrorPage{Expired: true}, ErrorPage{NotFound: true}, LoggedOutPage{})
	for _, page := range everything {
		for _, l := range messages.All.List() {
			body := render(p, "/x?lang="+l.Tag, page).Body.String()
			if found := regexp.MustCompile(`(?i).*(maru|마루|\{brand).*`).FindString(body); found != "" {
				t.Errorf("%s in %s: %s", templateOf(page), l.Tag, found)
			}
			checkPage(t, templateOf(page), []byte(body), l.Tag)
			if !strings.Contains(body, " · 가온 &amp; Co</title>") || !strings.Contains(body, `href="mailto:help@gaon.example"`) ||
				!strings.Contains(body, `content="#f4f5f6"`) {
				t.Errorf("%s in %s:\n%s", templateOf(page), l.Tag, body)
			}
		}
	}
	if body := render(p, "/", ErrorPage{Code: "server_error"}).Body.String(); !strings.Contains(body, ">help@gaon.example</a>") {
		t.Errorf("an error says nothing of help:\n%s", body)
	}
	if css := string(p.assets[p.css].content); !strings.Contains(css, "--accent: #1a5fb4;") || strings.Contains(css, "#8a4b25") {
		t.Error("the stylesheet has other colours")
	}
}

// The logo is a file of the issuer, named by its content, that a browser can do nothing with but
// show it; the page needs no other source for it.
func TestALogoIsServedAsAnInertFile(t *testing.T) {
	t.Parallel()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 90, 30))); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ content, kind, shown string }{
		"mark.svg":     {`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>`, "image/svg+xml", `" alt="">Acme</a>`},
		"wordmark.png": {picture.String(), "image/png", `" alt="Acme"></a>`},
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		p := branded(t, brand.Settings{Name: "Acme", LogoFile: file})
		page := render(p, "/", LoginPage{})
		if body := page.Body.String(); !strings.Contains(body, p.logo.URL+test.shown) || strings.Contains(body, "favicon.ico") {
			t.Errorf("%s:\n%s", name, body)
		}
		if csp := page.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self';") {
			t.Errorf("%s: %s", name, csp)
		}
		router := mux.NewRouter()
		p.Routes(router)
		for _, path := range []string{p.logo.URL, p.mark.URL, "/favicon.ico"} {
			w := httptest.NewRecorder()
			router.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			h := w.Header()
			if w.Code != http.StatusOK || h.Get("X-Content-Type-Options") != "nosniff" || w.Body.Len() == 0 ||
				h.Get("Content-Security-Policy") != "default-src 'none'; style-src 'unsafe-inline'; sandbox" {
				t.Errorf("%s %s: %d %v", name, path, w.Code, h)
			}
			if path == p.logo.URL && (w.Body.String() != test.content || h.Get("Content-Type") != test.kind) {
				t.Errorf("%s: %v", name, h)
			}
		}
	}
}
