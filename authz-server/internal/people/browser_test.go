package people_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// In a real browser, with scripts off: the forms work, our own policy blocks nothing of ours, and a
// form leads on to an application on another origin, and from there to a third (which form-action
// would forbid).
func TestPagesInABrowserWithoutScripts(t *testing.T) {
	ctx := chrome.Tab(t)
	s := peopletest.New(t)
	// Without a logo to load from elsewhere.
	if err := s.Store.Clients.CreateClient(t.Context(), client.Client{ID: "local", Name: "Local"}); err != nil {
		t.Fatal(err)
	}

	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<title>at the application</title><p id="arrived">arrived`)
	}))
	defer third.Close()
	application := httptest.NewServer(http.RedirectHandler(strings.Replace(third.URL, "127.0.0.1", "localhost", 1), http.StatusSeeOther))
	defer application.Close()
	s.Authorize(func(w http.ResponseWriter, r *http.Request) {
		switch handle := r.URL.Query().Get("interaction"); {
		case handle == "":
			handle, err := s.People.Begin(w, r, requests.Interaction{ClientID: "local", Form: url.Values{"scope": {"openid email"}}})
			if err != nil {
				t.Error(err)
			}
			http.Redirect(w, r, "/signup?interaction="+handle, http.StatusSeeOther)
		default:
			in, err := s.People.Interaction(r, handle)
			if err != nil {
				t.Error(err)
			}
			if in.Consent == "" {
				http.Redirect(w, r, "/consent?interaction="+handle, http.StatusSeeOther)
				return
			}
			http.Redirect(w, r, application.URL+"/callback", http.StatusSeeOther)
		}
	})

	var mu sync.Mutex
	var blocked []string
	err := chrome.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if err := chromedp.Listen(ctx, func(event any) {
			if failed, ok := event.(*network.EventLoadingFailed); ok && failed.BlockedReason != "" {
				mu.Lock()
				defer mu.Unlock()
				blocked = append(blocked, fmt.Sprint(failed.Type, " ", failed.BlockedReason))
			}
		}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}),
		chromedp.Navigate(s.Server.URL+"/oauth2/authorize"),
		chromedp.SendKeys("#name", "김민아"),
		chromedp.SendKeys("#email", "mina@example.org"),
		chromedp.SendKeys("#password", peopletest.Password),
		chromedp.Click("#signup"),
		chromedp.WaitVisible("#allow"),
		chromedp.Click("#allow"),
		chromedp.WaitVisible("#arrived"),
		chromedp.Navigate(s.Server.URL+"/account"),
		chromedp.WaitVisible("#logout"),
	)
	if err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(blocked) > 0 {
		t.Errorf("blocked: %q", blocked)
	}
}
