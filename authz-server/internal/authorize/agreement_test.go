package authorize_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// An app gets no answer about a person who has not agreed to the server's terms, and one as soon as
// they have.
func TestTermsThatAreNewToAPersonComeBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	terms := signup.Terms{URL: "https://maker.example/terms", Version: "2"}
	f := providertest.WithPeople(t, sqldbtest.SQLite(t), func(c *people.Config) { c.Signup.Terms = terms })
	b := f.Browser().LogIn(f.User)
	if a := b.Authorize("prompt", "none"); a.Parameter("error") != "interaction_required" {
		t.Errorf("unasked: %d %s", a.Status, a.Location)
	}
	a := b.Authorize()
	if a.Status != http.StatusSeeOther || a.Location.Path != "/agree" {
		t.Fatalf("%d %s", a.Status, a.Location)
	}
	page := a.Location.RequestURI()
	if a := b.Get(page); a.Status != http.StatusOK || !strings.Contains(a.Body, `id="agree"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := b.Get("/oauth2/authorize?" + a.Location.RawQuery); a.Location == nil || a.Location.Path != "/agree" {
		t.Errorf("the page can be passed by: %d %s", a.Status, a.Location)
	}
	back := b.Post(page, url.Values{"terms": {"2"}})
	if back.Location == nil || back.Location.Path != "/oauth2/authorize" {
		t.Fatalf("%d %s", back.Status, back.Location)
	}
	if a := b.Get(back.Location.RequestURI()); a.Parameter("code") == "" {
		t.Errorf("%d %s", a.Status, a.Location)
	}
	if a := b.Authorize("prompt", "none"); a.Parameter("code") == "" {
		t.Errorf("asked again: %d %s", a.Status, a.Location)
	}
}

// A server without sign-up announces no prompt for it, and still leads people on who come by one.
func TestAClosedSignupIsNotAnnouncedAndIsNoDeadEnd(t *testing.T) {
	t.Parallel()
	terms := signup.Terms{URL: "https://maker.example/terms", Privacy: "https://maker.example/privacy", Version: "2"}
	f := providertest.WithPeople(t, sqldbtest.SQLite(t), func(c *people.Config) { c.Signup = signup.Config{Mode: signup.Closed, Terms: terms} })
	metadata := f.Browser().Get("/.well-known/openid-configuration").JSON(t)
	if prompts := metadata["prompt_values_supported"].([]any); slices.Contains(prompts, any("create")) {
		t.Errorf("it announces %v", prompts)
	}
	if metadata["op_tos_uri"] != terms.URL || metadata["op_policy_uri"] != terms.Privacy {
		t.Errorf("terms %v, policy %v", metadata["op_tos_uri"], metadata["op_policy_uri"])
	}
	b := f.Browser()
	a := b.Authorize("prompt", "create")
	if a.Location == nil || a.Location.Path != "/signup" {
		t.Fatalf("%d %s", a.Status, a.Location)
	}
	if page := b.Get(a.Location.RequestURI()); page.Status != http.StatusForbidden || !strings.Contains(page.Body, `href="/login?`+a.Location.RawQuery) {
		t.Errorf("%d %s", page.Status, page.Body)
	}
}

// Nor is a device connected before.
func TestTermsComeBeforeADevice(t *testing.T) {
	t.Parallel()
	terms := signup.Terms{URL: "https://maker.example/terms", Version: "2"}
	f := providertest.WithPeople(t, sqldbtest.SQLite(t), func(c *people.Config) { c.Signup.Terms = terms })
	b := f.Browser()
	sent := b.Get("/device")
	if sent.Location == nil || sent.Location.Path != "/login" {
		t.Fatalf("%d %s", sent.Status, sent.Location)
	}
	b.LogIn(f.User)
	a := b.Get("/oauth2/authorize?" + sent.Location.RawQuery)
	if a.Location == nil || a.Location.Path != "/agree" {
		t.Fatalf("%d %s", a.Status, a.Location)
	}
	b.Post(a.Location.RequestURI(), url.Values{"terms": {"2"}})
	if a := b.Get("/oauth2/authorize?" + sent.Location.RawQuery); a.Location == nil || a.Location.Path != "/device" {
		t.Errorf("%d %s", a.Status, a.Location)
	}
}
