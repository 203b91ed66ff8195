package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/deploy/stack"
)

func TestPeopleTryTheInterfacesInTheirReference(t *testing.T) {
	b := newTab(t, "en")
	r := start(t, 1)
	for i, tc := range []struct{ service, operation, status string }{
		{"user", "#operations-me-get-me", "200"},
		{"board", "#operations-boards-list-boards", "200"},
	} {
		b.open(r.API + "/" + tc.service + "/docs")
		b.visible(tc.operation)
		b.is("(window.open = (address) => { window.asked = address }, true)") // a window of our own follows
		b.press(".auth-wrapper .authorize")
		b.is("document.querySelector('#client_id_authorizationCode')?.value === 'api-docs'")
		b.press(".auth-container .scopes h2 a") // all scopes
		b.press(".auth-container .auth-btn-wrapper .authorize")
		b.is("!!window.asked && window.asked.includes('code_challenge_method=S256')")
		address, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("window.asked"))
		if err != nil {
			t.Fatal(err)
		}
		popup := b.opened()
		popup.open(address)
		if i == 0 {
			popup.at(r.Issuer, "#password")
			popup.fill("#email", stack.Accounts[0].Email, "#password", stack.Accounts[0].Password)
			popup.click("#login")
		}
		popup.click("#allow")

		b.see(".auth-container", "Authorized")
		b.press(".auth-container .btn-done")
		b.press(tc.operation + " .opblock-summary-control")
		b.press(tc.operation + " .try-out__btn")
		b.press(tc.operation + " .execute")
		b.see(css(tc.operation+" .live-responses-table tbody .response-col_status"), tc.status)
		b.see(css(tc.operation+" .responses-inner"), "Bearer ")
		b.mu.Lock()
		b.complaints = slices.DeleteFunc(b.complaints, func(c string) bool { // of how Swagger UI is built; a breach of the policy is none of it
			return strings.Contains(c, "Password field is not contained in a form")
		})
		b.mu.Unlock()
		b.calm()
	}
}

// press waits for an element and clicks it by script: in boxes that scroll, a click of the mouse may miss.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.visible(selector)
	b.is(fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))
}

// opened is another tab of the same browser.
func (b *tab) opened() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the tab lives as long as the context that it is first used with
		b.t.Fatal(err)
	}
	return &tab{t: b.t, ctx: ctx}
}
