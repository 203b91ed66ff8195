package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// serve answers every path below /page/ with a page.
func serve(t testing.TB, p *Pages, pages map[string]Page) *httptest.Server {
	router := mux.NewRouter()
	p.Routes(router)
	router.HandleFunc("/page/{page}", func(w http.ResponseWriter, r *http.Request) {
		page := mux.Vars(r)["page"]
		p.Render(w, r, http.StatusOK, pages[page])
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
	pages := map[string]Page{
		"login":   LoginPage{App: &App{ID: "app", Name: "Bookshop", Logo: logos.URL + "/logo.svg"}},
		"consent": ConsentPage{Question: Question{App: App{ID: "app", Name: "Bookshop", Logo: logos.URL + "/gone.png"}}},
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

// What the script adds: a password that can be looked at, what is thought of a new one, and a
// notice that a reload removes.
func TestFormsAreFriendlierWithScripts(t *testing.T) {
	ctx := chrome.Tab(t)
	server := serve(t, newPages(t), map[string]Page{"signup": SignupPage{}, "account": AccountPage{Done: messages.NameChanged}})
	run := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chrome.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	is := func(script string) {
		t.Helper()
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script)); err != nil || !ok {
			t.Errorf("not %s: %v", script, err)
		}
	}
	run(chromedp.Navigate(server.URL+"/page/signup"), chromedp.SendKeys("#password", "short"), chromedp.WaitVisible(".strength"))
	is(`document.querySelector(".strength").textContent === "Too short"`)
	run(chromedp.SendKeys("#password", " but now four unrelated words"))
	is(`document.querySelector(".strength").textContent === "Good"`)
	is(`document.getElementById("password").type === "password"`)
	run(chromedp.Click(".reveal"))
	is(`document.getElementById("password").type === "text" && document.querySelector(".reveal").textContent === "Hide"`)
	is(`document.getElementById("password").dispatchEvent(new KeyboardEvent("keydown", { key: "A", modifierCapsLock: true })) &&
		document.body.textContent.includes("Caps Lock is on.")`)

	run(chromedp.Navigate(server.URL+"/page/account?done=name&x=1"), chromedp.WaitVisible("#name"))
	is(`location.search === "?x=1"`)
}
