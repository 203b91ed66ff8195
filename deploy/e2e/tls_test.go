package e2e

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/maru-auth/maru/deploy/stack"
)

func TestBehindTLSEverythingIsHTTPSAndCookiesAreBoundToTheHost(t *testing.T) {
	t.Parallel()
	r := startWith(t, stack.Config{TLS: true}, 1)
	client := &http.Client{Transport: r.Transport(), CheckRedirect: plain.CheckRedirect}
	get := func(address, token string) answer {
		t.Helper()
		a, err := tryBy(client, "GET", address, token, nil)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}

	var discovery map[string]any
	get(r.Issuer+"/.well-known/openid-configuration", "").decode(t, http.StatusOK, &discovery)
	for name, value := range discovery {
		if address, ok := value.(string); ok && !strings.HasPrefix(address, r.Issuer) {
			t.Errorf("%s is %s", name, address)
		}
	}

	someone := newPerson(t, r.Transport())
	sample := sampleApp(t, r, everyScope...)
	g := sample.signUp(someone)
	issuer, err := url.Parse(r.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := someone.browser.Jar.Cookies(issuer); len(cookies) == 0 {
		t.Error("no cookies")
	} else {
		for _, c := range cookies {
			if !strings.HasPrefix(c.Name, "__Host-") {
				t.Errorf("the cookie %s is not bound to the host", c.Name)
			}
		}
	}
	for _, address := range []string{sample.AuthCodeURL("s",
		oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), r.App + "/login"} {
		set := get(address, "").Header.Values("Set-Cookie")
		if len(set) == 0 {
			t.Errorf("%s sets no cookie", address)
		}
		for _, text := range set {
			c, err := http.ParseSetCookie(text)
			if err != nil || !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly ||
				c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("%s sets %s (%v)", address, text, err)
			}
		}
	}
	for _, address := range []string{r.API + "/user/v1/me", r.API + "/board/v1/boards", r.Issuer + "/oauth2/userinfo"} {
		a := get(address, g.AccessToken)
		if a.Status != http.StatusOK || a.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %s %v", address, a, a.Header)
		}
	}
	if at := agree(someone.open(r.App + "/login")); at.byID("logout") == nil || at.URL.Scheme != "https" {
		t.Errorf("not logged in at the demo app: %d %s", at.Status, at.URL)
	}

	// Another name (DNS rebinding), under the certificate of one that is ours.
	for _, origin := range []string{r.Issuer, r.API, r.App} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "rebound.example"
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s under another name: %s", origin, resp.Status)
		}
	}

	// http:// leads to https://, and nothing older than TLS 1.2 gets in.
	resp, err := plain.Get("http://localhost:" + strconv.Itoa(r.ports.Redirect) + "/login?x=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if at, err := resp.Location(); err != nil || resp.StatusCode != http.StatusPermanentRedirect || at.Scheme != "https" {
		t.Errorf("http:// answers %s to %v (%v)", resp.Status, at, err)
	}
	old, err := tls.Dial("tcp", issuer.Host, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Errorf("TLS %x gets in", old.ConnectionState().Version)
		old.Close()
	}
}
