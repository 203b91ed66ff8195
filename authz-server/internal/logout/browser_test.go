package logout_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// In a real browser: an application's page asks the check_session_iframe, which answers "unchanged"
// and, after the log-out, "changed"; before the browser gets back to the application, the frame for
// the front channel has been loaded.
func TestFramesAndSessionStateInABrowser(t *testing.T) {
	t.Parallel()
	ctx := chrome.Tab(t)
	f := providertest.One(t)
	_, cookie, err := f.Store.Sessions.CreateSession(t.Context(), accounts.Session{UserID: f.User.ID, ACR: "1", AMR: []string{"pwd"}},
		f.User.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	var app *httptest.Server
	state, told := "", make(chan url.Values, 10)
	routes := http.NewServeMux()
	// asks shows what the frame answers to the session state that the application was given, and to
	// nonsense.
	asks := func(w http.ResponseWriter, then string) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>app</title>%s<iframe id="op" src="%s/oauth2/check_session"></iframe><script>
			const op = document.getElementById("op"), issuer = %q;
			addEventListener("message", (e) => {
				const said = document.createElement("p");
				said.id = "said-" + (e.origin === issuer ? e.data : "by-" + e.origin);
				said.textContent = e.data;
				document.body.append(said);
			});
			op.addEventListener("load", () => [%q, "nonsense"].forEach((question) => op.contentWindow.postMessage(question, issuer)));
		</script>`, then, f.Issuer, f.Issuer, "browser-app "+state)
	}
	routes.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		// Cookies know no ports: this one is the issuer's as well.
		http.SetCookie(w, &http.Cookie{Name: "maru-session", Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		form := providertest.Parameters("client_id", "browser-app", "redirect_uri", app.URL+"/cb")
		http.Redirect(w, r, f.Issuer+"/oauth2/authorize?"+form.Encode(), http.StatusSeeOther)
	})
	routes.HandleFunc("/cb", func(w http.ResponseWriter, r *http.Request) {
		state = r.FormValue("session_state")
		id := f.Tokens(f.Token("browser-app", url.Values{
			"grant_type": {"authorization_code"}, "code": {r.FormValue("code")}, "redirect_uri": {app.URL + "/cb"},
			"code_verifier": {providertest.Verifier},
		})).ID
		out := f.Issuer + "/oauth2/logout?" + url.Values{
			"id_token_hint": {id}, "post_logout_redirect_uri": {app.URL + "/bye"}, "state": {"s"},
		}.Encode()
		asks(w, `<a id="out" href="`+html.EscapeString(out)+`">Log out</a>`)
	})
	routes.HandleFunc("/front", func(_ http.ResponseWriter, r *http.Request) { told <- r.URL.Query() })
	routes.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) {
		select {
		case q := <-told:
			if q.Get("iss") != f.Issuer || q.Get("sid") == "" {
				t.Errorf("the frame was asked for with %v", q)
			}
		default:
			t.Error("back at the application before the frame was loaded")
		}
		asks(w, `<p id="bye">`+html.EscapeString(r.FormValue("state")))
	})
	app = httptest.NewServer(routes)
	defer app.Close()
	f.AddClient("browser-app", func(c *client.Client) {
		c.RedirectURIs, c.PostLogoutRedirectURIs, c.ApplicationType = []string{app.URL + "/cb"}, []string{app.URL + "/bye"}, "native"
		c.FrontchannelLogoutURI = app.URL + "/front"
	})

	err = chrome.Do(ctx,
		chromedp.Navigate(app.URL+"/start"),
		chromedp.WaitVisible("#out"),
		chromedp.WaitVisible("#said-unchanged"),
		chromedp.WaitVisible("#said-error"),
		chromedp.Click("#out"),
		chromedp.WaitVisible("#bye"),
		chromedp.WaitVisible("#said-changed"),
		chromedp.WaitVisible("#said-error"),
	)
	if err != nil {
		at, _ := chromedp.Run(ctx, chromedp.Location())
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
		t.Errorf("%v, at %s: %s", err, at, text)
	}
}
