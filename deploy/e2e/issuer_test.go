package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
)

// Every program, and client libraries, take an issuer that has a path and ends in a slash.
func TestAnIssuerWithAPathAndASlashServesEverybody(t *testing.T) {
	t.Parallel()
	r := startWith(t, stack.Config{IssuerPath: "/our/id/"}, 1)
	r.Issuer += "/our/id/"
	someone := newPerson(t, plain.Transport)
	g := sampleApp(t, r, everyScope...).signUp(someone)
	for _, address := range []string{r.API + "/user/v1/me", r.API + "/board/v1/boards"} {
		if a := call(t, "GET", address, g.AccessToken, nil); a.Status != http.StatusOK {
			t.Errorf("%s: %s", address, a)
		}
	}
	// The user service has asked for userinfo, and the board for a token of its own.
	var me struct {
		DisplayName string `json:"display_name"`
	}
	if call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &me); me.DisplayName == "" {
		t.Error("the user service learned no name from the issuer")
	}
	at := agree(someone.open(r.App + "/login"))
	if at.byID("logout") == nil {
		t.Fatalf("not logged in at the demo app: %d %s", at.Status, at.URL)
	}
	if account := someone.open(strings.TrimSuffix(r.Issuer, "/") + "/account"); account.Status != http.StatusOK {
		t.Errorf("the account: %d %s", account.Status, account.URL)
	}
	if at := at.press("logout"); at.byID("logout") != nil {
		t.Errorf("still logged in: %s", at.URL)
	}
	if at := someone.open(strings.TrimSuffix(r.Issuer, "/") + "/account"); at.byID("login") == nil {
		t.Errorf("the session at the issuer did not end: %s", at.URL)
	}
}
