package login_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	sid := b.SessionID()

	for _, test := range []struct {
		name, scope string
		fields      []string
		decision    string
		allowed     []string
	}{
		{"all", "openid email email board:write", []string{"decision", "allow", "scope", "email", "scope", "board:write"},
			requests.ConsentAllow, []string{"openid", "email", "board:write"}},
		{"some", "openid email board:write", []string{"decision", "allow", "scope", "board:write"}, requests.ConsentAllow,
			[]string{"openid", "board:write"}},
		{"more than was asked", "openid email", []string{"decision", "allow", "scope", "email", "scope", "board:moderate"},
			requests.ConsentAllow, []string{"openid", "email"}},
		{"nothing is asked", "", []string{"decision", "allow"}, requests.ConsentAllow, nil},
		{"no", "openid email", []string{"decision", "deny", "scope", "email"}, requests.ConsentDeny, nil},
	} {
		handle := b.Begin("scope", test.scope)
		page := b.Get("/consent?interaction=" + handle)
		page.Want(t, http.StatusOK, "Bookshop asks for access", `id="allow"`, `id="deny"`, "https://app.example/policy",
			`src="https://cdn.app.example/logo.png"`)
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' https://cdn.app.example;") ||
			strings.Contains(csp, "form-action") {
			t.Errorf("policy %q", csp)
		}
		b.Post("/consent?interaction="+handle, append(test.fields, "session", sid)...).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		if in := b.Interaction(handle); in.Consent != test.decision || !slices.Equal(in.ConsentScope, test.allowed) || in.ConsentSID != sid {
			t.Errorf("%s: %+v", test.name, in)
		}
	}

	handle := b.Begin("scope", "email custom:thing")
	b.Get("/consent?interaction="+handle).Want(t, http.StatusOK, "See your email address", "custom:thing")
	b.Post("/consent?interaction="+handle, "decision", "allow", "session", sid).
		Want(t, http.StatusUnprocessableEntity, "Choose at least one")
	b.Post("/consent?interaction="+handle, "decision", "perhaps", "session", sid).Want(t, http.StatusBadRequest, "invalid_request")
	b.Get("/consent").Want(t, http.StatusBadRequest, "interaction is missing")
	if in := b.Interaction(handle); in.Consent != "" {
		t.Errorf("decided: %+v", in)
	}
	s.Browser().Get("/consent").Want(t, http.StatusBadRequest)
}

// The page was shown to Mina; then Hana logged in in another tab; then the page of Mina's tab is
// sent.
func TestConsentCountsForTheSessionThatWasAsked(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	s.Person("hana@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	handle := b.Begin("scope", "openid email")
	asked := b.SessionID()
	second := b.Begin()
	b.Post("/login?interaction="+second, "email", "hana@example.org", "password", peopletest.Password)
	b.Post("/consent?interaction="+handle, "decision", "allow", "session", asked, "scope", "email").
		Want(t, http.StatusConflict, "hana@example.org", "Another account was logged in")
	if in := b.Interaction(handle); in.Consent != "" {
		t.Errorf("decided: %+v", in)
	}

	// Nobody is logged in any more: whoever sent the person here finds out what to do.
	if err := s.Store.Sessions.EndSession(t.Context(), b.SessionID()); err != nil {
		t.Fatal(err)
	}
	b.Post("/consent?interaction="+handle, "decision", "allow", "session", asked).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if in := b.Interaction(handle); in.Consent != "" {
		t.Errorf("decided by nobody: %+v", in)
	}
}
