package e2e

import (
	"fmt"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

func TestPeopleTryTheInterfacesInTheirReference(t *testing.T) {
	t.Parallel()
	b := newTab(t, "en")
	r := start(t, 1)
	for i, tc := range []struct{ service, operation, status string }{
		{"user", "#operations-me-get-me", "200"},
		{"board", "#operations-boards-list-boards", "200"},
	} {
		b.Open(r.API + "/" + tc.service + "/docs")
		b.Visible(chrome.CSS(tc.operation))
		b.Is("(window.open = (address) => { window.asked = address }, true)") // a window of our own follows
		b.press(".auth-wrapper .authorize")
		b.Is("document.querySelector('#client_id_authorizationCode')?.value === 'api-docs'")
		b.press(".auth-container .scopes h2 a") // all scopes
		b.press(".auth-container .auth-btn-wrapper .authorize")
		b.Is("!!window.asked && window.asked.includes('code_challenge_method=S256')")
		address := chrome.Eval[string](b.Browser, "window.asked")
		popup := b.Another()
		popup.Open(address)
		if i == 0 {
			popup.At(r.Issuer, "#password")
			popup.Fill("#email", stack.Accounts[0].Email, "#password", stack.Accounts[0].Password)
			popup.Click("#login")
		}
		popup.Click("#allow")

		b.See(".auth-container", "Authorized")
		b.press(".auth-container .btn-done")
		b.press(tc.operation + " .opblock-summary-control")
		b.press(tc.operation + " .try-out__btn")
		b.press(tc.operation + " .execute")
		b.See(chrome.CSS(tc.operation+" .live-responses-table tbody .response-col_status"), tc.status)
		b.See(chrome.CSS(tc.operation+" .responses-inner"), "Bearer ")
		b.Calm("Password field is not contained in a form") // of how Swagger UI is built; no breach of the policy
	}
}

// press waits for an element and clicks it by script: in boxes that scroll, a click of the mouse
// may miss.
func (b tab) press(selector string) {
	b.Visible(chrome.CSS(selector))
	b.Is(fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))
}
