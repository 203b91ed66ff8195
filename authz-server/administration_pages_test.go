package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// The server serves the administration to administrators, and to nobody else.
func TestTheAdministrationIsServed(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		c := commandLine{t, databaseURL}
		const password = "four unrelated wooden words"
		c.mustWith(password+"\n", "user", "create", "--email=root@example.com", "--name=Root", "--role=admin/admin", "--password-stdin")
		c.mustWith(password+"\n", "user", "create", "--email=mina@example.com", "--name=Mina", "--password-stdin")
		addr, _ := serving(t, databaseURL)
		at := "http://" + addr
		request := regexp.MustCompile(`<dt>Request</dt><dd><code>[^<]*</code></dd>`)
		visit := func(h *http.Client, method, path, body string) (status int, location, page string) {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), method, at+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept-Language", "en")
			resp, err := h.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, resp.Header.Get("Location"), request.ReplaceAllString(string(text), "")
		}
		logIn := func(email string) *http.Client {
			t.Helper()
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			h := &http.Client{Jar: jar, CheckRedirect: stay}
			if status, to, _ := visit(h, http.MethodGet, "/admin/users", ""); status != http.StatusSeeOther || to != "/login" {
				t.Errorf("%d to %q", status, to)
			}
			visit(h, http.MethodGet, "/login", "")
			if status, to, page := visit(h, http.MethodPost, "/login", url.Values{"email": {email}, "password": {password}}.Encode()); to != "/admin/users" {
				t.Fatalf("%d to %q\n%s", status, to, page)
			}
			return h
		}
		root := logIn("root@example.com")
		if status, _, page := visit(root, http.MethodGet, "/admin/users", ""); status != http.StatusForbidden || !strings.Contains(page, "Set up a second factor") {
			t.Errorf("%d\n%s", status, page)
		}
		if _, _, page := visit(root, http.MethodGet, "/account", ""); !strings.Contains(page, `href="/admin"`) {
			t.Error("the account has no link")
		}
		mina := logIn("mina@example.com")
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodOptions} {
			for _, path := range []string{"/admin", "/admin/users", "/admin/nothing", "/admin/users/new"} {
				status, _, page := visit(mina, method, path, "")
				_, _, nowhere := visit(mina, method, "/nowhere", "")
				if status != http.StatusNotFound || page != nowhere {
					t.Errorf("%s %s: %d\n%s\nnot\n%s", method, path, status, page, nowhere)
				}
			}
		}
	})
}
