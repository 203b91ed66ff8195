package pages

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
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
	b := chrome.Start(t, "en")
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
		b.Open(server.URL + "/page/" + page)
		b.Visible(".logo")
		// What a person sees in the middle of the card's picture.
		letter := chrome.Eval[bool](b, `(() => { const box = document.querySelector(".logo").getBoundingClientRect();
			return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).className === "letter" })()`)
		if letter != want {
			t.Errorf("%s: the letter is seen: %v", page, letter)
		}
	}
}

// What the script adds: a password that can be looked at, what is thought of a new one, times in the
// browser's zone, and a notice that a reload removes.
func TestFormsAreFriendlierWithScripts(t *testing.T) {
	b := chrome.Start(t, "en")
	server := serve(t, newPages(t), map[string]Page{"signup": SignupPage{}, "account": AccountPage{Done: messages.NameChanged},
		"deletion": DeletionPage{At: time.Unix(1_790_000_000, 0)}})
	b.Open(server.URL + "/page/signup")
	b.Fill("#password", "short")
	b.See(".strength", "Too short")
	b.Do(chromedp.SendKeys("#password", " but now four unrelated words"))
	b.See(".strength", "Good")
	b.Is(`document.getElementById("password").type === "password"`)
	b.Click(".reveal")
	b.Is(`document.getElementById("password").type === "text" && document.querySelector(".reveal").textContent === "Hide"`)
	b.Is(`document.getElementById("password").dispatchEvent(new KeyboardEvent("keydown", { key: "A", modifierCapsLock: true })) &&
		document.body.textContent.includes("Caps Lock is on.")`)

	chrome.Call(b, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Seoul"})
	b.Open(server.URL + "/page/deletion")
	b.See("time", "September 21, 2026 at 11:13")
	b.See(".zone", "Times are in the time zone Asia/Seoul.")
	b.Visible(".zone")

	b.Open(server.URL + "/page/account?done=name&x=1")
	b.Visible("#name")
	b.Is(`location.search === "?x=1"`)
}
