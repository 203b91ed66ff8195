package adminpages_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// stop says where the keyboard is: at the element that a selector names, at something else, or at
// something that a person does not see.
const stop = `(() => {
	const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
	if (at !== document.body && (style.outlineStyle === "none" || box.width < 8 || box.height < 8 || box.bottom < 0 || box.top > innerHeight)) {
		return "unseen: " + at.outerHTML.slice(0, 200);
	}
	return at.matches(%q) ? "there" : "elsewhere";
})()`

// Somebody without a mouse logs in, finds a person, and disables their account with a reason. Wherever
// the keyboard stops, they see it.
func TestAPersonIsDisabledByTheKeyboardAlone(t *testing.T) {
	f := fill(t, newWorld(t), false)
	b := chrome.Start(t, "en")
	keys := func(keys string) { b.Do(chromedp.KeyEvent(keys)) }
	// tabTo presses Tab until the keyboard is at an element, and returns how often.
	tabTo := func(selector string) int {
		t.Helper()
		for n := 1; n <= 60; n++ {
			keys(kb.Tab)
			switch at := chrome.Eval[string](b, fmt.Sprintf(stop, selector)); at {
			case "there":
				return n
			case "elsewhere":
			default:
				t.Errorf("on the way to %s: %s", selector, at)
			}
		}
		t.Fatalf("the keyboard does not come to %s", selector)
		return 0
	}
	at := func(path string) {
		t.Helper()
		b.Is(fmt.Sprintf("location.pathname === %q && document.readyState === 'complete'", path))
	}
	focused := func(selector string) {
		t.Helper()
		b.Is(fmt.Sprintf("document.activeElement.matches(%q)", selector))
	}

	b.Open(f.Server.URL + "/login")
	focused("#email")
	keys(root)
	tabTo("#password")
	keys(peopletest.Password + kb.Enter)
	focused("#otp")
	keys(f.app.Next() + kb.Enter)
	at("/account")
	tabTo("a[href='/admin']")
	keys(kb.Enter)
	at("/admin")
	if n := tabTo(".skip"); n != 1 {
		t.Errorf("the way past the navigation is the stop %d of the page", n)
	}
	keys(kb.Enter)
	focused("main")
	b.Is("location.hash === '#main'")
	tabTo("nav a[href='/admin/users']")
	keys(kb.Enter)
	at("/admin/users")
	tabTo("#q")
	keys("kim" + kb.Enter)
	b.Is("location.search.includes('q=kim') && document.readyState === 'complete'")
	mina := "/admin/users/" + f.Mina.ID
	tabTo("a[href='" + mina + "']")
	keys(kb.Enter)
	at(mina)
	tabTo("a[href='" + mina + "/disable']")
	keys(kb.Enter)
	at(mina + "/disable")
	tabTo(".skip")
	keys(kb.Enter)
	focused("main")
	tabTo("#reason")
	keys("She asked for it")
	if n := tabTo(".deed button[type=submit]"); n != 1 {
		t.Errorf("the button is %d stops from the reason", n)
	}
	keys(kb.Enter)
	at(mina)
	b.See("[role=status]", "The account is disabled.")
	user, err := f.Store.Users.User(t.Context(), f.Mina.ID)
	storetest.OK(t, err)
	if !user.Disabled {
		t.Error("the account is not disabled")
	}
	b.Calm()
}
