package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
)

func TestWithoutMailPeopleSignUpAtOnceAndAnOperatorHelpsWhoForgets(t *testing.T) {
	t.Parallel()
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	ports.Inbox = 0
	r := startWith(t, stack.Config{Ports: ports}, 1)
	if r.Inbox() != "" {
		t.Fatalf("there is an inbox: %s", r.Inbox())
	}
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	shown, state, nonce, verifier := sample.request(someone)
	shown = shown.follow("/signup").press("signup", "name", someone.Name, "email", someone.Email, "password", someone.Password)
	g := sample.exchange(someone, agree(shown), state, nonce, verifier)
	var claims struct {
		Verified bool `json:"email_verified"`
	}
	if err := g.ID.Claims(&claims); err != nil || claims.Verified {
		t.Errorf("the address counts as verified: %v", err)
	}

	other := newPerson(t, nil)
	other.Email = someone.Email
	if at := other.open(r.Issuer + "/forgot"); at.Status != http.StatusOK || at.byID("send") != nil {
		t.Errorf("a letter is offered where none is sent: %d %s", at.Status, at.text())
	}
	out, err := r.Authz(t.Context(), "", "user", "reset-link", someone.Email)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var link string
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, r.Issuer+"/reset?") {
			link = word
		}
	}
	if link == "" {
		t.Fatalf("no link: %s", out)
	}
	other.open(link).press("reset", "password", other.Password)
	if at := someone.open(r.Issuer + "/account"); at.byID("login") == nil {
		t.Errorf("a session is open after the password was reset: %s", at.URL)
	}
	sample.logIn(other)
}
