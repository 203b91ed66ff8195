package guard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for _, path := range []string{"/login", "/signup", "/consent", "/account", "/account/password", "/account/sessions", "/account/apps"} {
		for name, headers := range map[string]map[string]string{
			"another site":                         {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			"a sibling":                            {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
			"an old browser":                       {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
			"a sandboxed frame, no fetch metadata": {"Sec-Fetch-Site": "", "Origin": "null"},
		} {
			r := b.FormRequest(path, "name=Eve&email=eve@example.org&password="+url.QueryEscape(peopletest.Password)+"&others=yes")
			for header, value := range headers {
				if value == "" {
					r.Header.Del(header)
				} else {
					r.Header.Set(header, value)
				}
			}
			if a := b.Do(r); a.Status != http.StatusForbidden || !strings.Contains(a.Body, "access_denied") {
				t.Errorf("%s to %s: %d\n%s", name, path, a.Status, a.Body)
			}
		}
	}
	b.Get("/account").Want(t, http.StatusOK, `value="Mina"`)
	// Our own forms pass by either header.
	for _, drop := range []string{"Origin", "Sec-Fetch-Site"} {
		r := b.FormRequest("/account", "name=Minah")
		r.Header.Del(drop)
		b.Do(r).WantRedirect(t, "/account?done=name")
	}
	// Behind a gateway that changes the Host, the issuer's origin is still ours.
	r := b.FormRequest("/account", "name=Mina")
	r.Header.Del("Sec-Fetch-Site")
	r.Host = "10.0.0.7:9100"
	r.AddCookie(&http.Cookie{Name: "maru-session", Value: b.Cookie("maru-session")}) // the jar goes by the Host
	b.Do(r).WantRedirect(t, "/account?done=name")
}

func TestBadFormsAreRefused(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for name, body := range map[string]string{
		"too large":         "name=" + strings.Repeat("x", 70<<10),
		"not UTF-8":         "name=%ff%fe",
		"not UTF-8, a name": "%ff=x",
		"a zero":            "name=a%00b",
		"a broken escape":   "name=%zz",
		"semicolons":        "name=a;b=c",
	} {
		for _, path := range []string{"/account", "/login", "/signup"} {
			if a := b.Do(b.FormRequest(path, body)); a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "invalid_request") {
				t.Errorf("%s to %s: %d", name, path, a.Status)
			}
		}
	}
	r := b.FormRequest("/account", `{"name":"Eve"}`)
	r.Header.Set("Content-Type", "application/json")
	b.Do(r).Want(t, http.StatusBadRequest, "Content-Type")
	for name, want := range map[string]string{" \u3000\t ": "Enter a name.", strings.Repeat("가", 101): "at most 100",
		"a\u202eb": "Use letters", "\u200d\u200d": "Use letters", "a\x07": "Use letters"} {
		b.Post("/account", "name", name).Want(t, http.StatusUnprocessableEntity, want)
	}
	b.Get("/account").Want(t, http.StatusOK, `value="Mina"`)
	for email, want := range map[string]string{"": "Enter your email", "mina": "does not look like", "a b@example.org": "does not look like",
		"Mina <mina@example.org>":                "does not look like",
		"mina@example.org\r\nBcc: x@example.org": "does not look like", strings.Repeat("a", 250) + "@example.org": "does not look like"} {
		b.Post("/login", "email", email, "password", peopletest.Password).
			Want(t, http.StatusUnprocessableEntity, want, `aria-describedby="email-problem"`)
	}
	b.Post("/login", "email", "mina@example.org").Want(t, http.StatusUnprocessableEntity, "Enter your password.", `value="mina@example.org"`)
	if a := b.Do(b.Request(http.MethodPut, "/account", "")); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", a.Status)
	}
}

func TestPagesCarrySecurityHeaders(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	handle := b.Begin("scope", "openid")
	for _, path := range []string{"/login?interaction=" + handle, "/signup", "/consent?interaction=" + handle, "/account",
		"/account/password", "/account/sessions", "/account/apps", "/login?interaction=x"} {
		header := b.Get(path).Header
		csp := header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q", path, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" ||
			header.Get("Referrer-Policy") != "same-origin" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", path, header)
		}
		if strings.HasPrefix(path, "/account") != strings.Contains(csp, "form-action 'self'") ||
			strings.HasPrefix(path, "/account") != (header.Get("Cross-Origin-Opener-Policy") == "same-origin") {
			t.Errorf("%s: %v", path, header)
		}
	}
	if a := b.Post("/account", "name", "Mina"); a.Header.Get("Cache-Control") != "no-store" {
		t.Error("the redirect after a form may be stored")
	}
}

func TestTextOfOthersStaysText(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	b := s.Browser()
	b.Header.Set("User-Agent", "Chrome/"+evil)
	b.Get("/signup")
	b.Post("/signup", "name", evil, "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account")
	user, err := s.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Consents.GrantConsent(t.Context(), user.ID, evil, []string{evil}); err != nil {
		t.Fatal(err)
	}
	handle := b.Begin("client_id", evil, "scope", evil+" openid", "login_hint", evil, "ui_locales", evil)
	for _, path := range []string{"/account", "/account?done=" + url.QueryEscape(evil), "/account/sessions", "/account/apps",
		"/consent?interaction=" + handle,
		"/login?interaction=" + handle, "/signup?interaction=" + handle, "/login?interaction=" + url.QueryEscape(evil),
		"/account?lang=" + url.QueryEscape(evil)} {
		if a := b.Get(path); strings.Contains(a.Body, "<script>") || strings.Contains(a.Body, "<img src=x") {
			t.Errorf("%s:\n%s", path, a.Body)
		}
	}
}
