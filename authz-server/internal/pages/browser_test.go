package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// serve answers every path below /page/ with a page.
func serve(t testing.TB, p *Pages, data map[string]any) *httptest.Server {
	router := mux.NewRouter()
	p.Routes(router)
	router.HandleFunc("/page/{page}", func(w http.ResponseWriter, r *http.Request) {
		page := mux.Vars(r)["page"]
		p.Render(w, r, http.StatusOK, page, data[page])
	})
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server
}

func TestALogoThatIsMissingLeavesALetter(t *testing.T) {
	ctx := chrome.Tab(t)
	logos := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/logo.svg" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "image/svg+xml")
		w.Write([]byte(`<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`)) // the test would see
	}))
	defer logos.Close()
	pages := map[string]any{
		"login":   Login{App: &App{ID: "app", Name: "Bookshop", Logo: logos.URL + "/logo.svg"}},
		"consent": Consent{App: App{ID: "app", Name: "Bookshop", Logo: logos.URL + "/gone.png"}},
	}
	server := serve(t, newPages(t), pages)
	for page, want := range map[string]bool{"login": false, "consent": true} {
		if err := chrome.Do(ctx, chromedp.Navigate(server.URL+"/page/"+page), chromedp.WaitVisible(".logo")); err != nil {
			t.Fatal(err)
		}
		// What a person sees in the middle of the card's picture.
		letter, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => { const box = document.querySelector(".logo").getBoundingClientRect();
			return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).className === "letter" })()`))
		if err != nil || letter != want {
			t.Errorf("%s: the letter is seen: %v %v", page, letter, err)
		}
	}
}
