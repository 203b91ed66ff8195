package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// An operator helps somebody who forgot their password, without mail.
func TestAResetLinkOfAnOperatorSetsAPassword(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	c := commandLine{t, databaseURL}
	c.mustWith(goodPassword, mina()...)
	c.refused([]string{"user", "reset-link", "nobody@example.org"}, "no account")
	c.refused([]string{"user", "reset-link", "mina@example.org", "--expires-in", "25h"}, "--expires-in")
	c.refused([]string{"user", "reset-link", "mina@example.org", "--expires-in", "1s"}, "--expires-in")
	link := strings.TrimSpace(c.must("user", "reset-link", "mina@example.org", "--issuer", "http://localhost:9000/id"))
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, "http://localhost:9000/id/reset?link=") || len(u.Query().Get("link")) != 43 {
		t.Fatalf("the link is %q", link)
	}
	c.must("user", "disable", "mina@example.org")
	c.refused([]string{"user", "reset-link", "mina@example.org"}, "disabled")
	c.must("user", "enable", "mina@example.org")

	// The link was made before, and the account has the same password.
	addr, _ := serving(t, databaseURL, "--shutdown-delay=0s")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	resp, err := browser.Get("http://" + addr + "/reset?" + u.RawQuery)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Request.URL.RawQuery != "" {
		t.Fatalf("%v %+v", err, resp)
	}
	resp.Body.Close()
	resp, err = browser.PostForm("http://"+addr+"/reset", url.Values{"password": {"three other brazen kettles"}})
	if err != nil || resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/login" {
		t.Fatalf("%v %+v", err, resp)
	}
	resp.Body.Close()
}
