package upstream_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// imitated is a site whose upstream is an imitation, and the key of that.
func imitated(t *testing.T) (*world, *imitation, *providertest.Signer) {
	t.Helper()
	s := peopletest.With(t, calls(t))
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	return add(t, s, upstream.Settings{Issuer: i.URL}), i, signer
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func TestOnlyAnIDTokenForThisLogInCounts(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	stranger := providertest.NewSigner(t, "k1")
	now := func() time.Time { return w.site.Clock.Now() }
	for name, make := range map[string]func(nonce string) string{
		"another audience": func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "aud", "another")) },
		"two audiences without azp": func(n string) string {
			return signer.Sign(nil, i.claims(w.site, n, "aud", []string{"maru", "another"}))
		},
		"azp of another":      func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "azp", "another")) },
		"another issuer":      func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "iss", "https://evil.example")) },
		"issuer with a slash": func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "iss", i.URL+"/")) },
		"expired": func(n string) string {
			return signer.Sign(nil, i.claims(w.site, n, "exp", now().Add(-time.Minute).Unix()))
		},
		"no exp": func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "exp", nil)) },
		"from the future": func(n string) string {
			return signer.Sign(nil, i.claims(w.site, n, "iat", now().Add(time.Hour).Unix()))
		},
		"no iat":         func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "iat", nil)) },
		"another nonce":  func(string) string { return signer.Sign(nil, i.claims(w.site, "another")) },
		"no nonce":       func(string) string { return signer.Sign(nil, i.claims(w.site, "", "nonce", nil)) },
		"no subject":     func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "sub", nil)) },
		"a long subject": func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "sub", strings.Repeat("x", 256))) },
		"a NUL":          func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "sub", "a\x00")) },
		"AUD for aud":    func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "aud", nil, "AUD", "maru")) },
		"aud twice": func(n string) string {
			whole, err := json.Marshal(i.claims(w.site, n, "aud", "another"))
			if err != nil {
				t.Error(err)
			}
			return signer.SignText(nil, strings.TrimSuffix(string(whole), "}")+`,"aud":"maru"}`)
		},
		"a stranger's key": func(n string) string { return stranger.Sign(nil, i.claims(w.site, n)) },
		"alg none": func(n string) string {
			return encoded(t, map[string]any{"alg": "none"}) + "." + encoded(t, i.claims(w.site, n)) + "."
		},
		"HS256 by the public key": func(n string) string {
			message := encoded(t, map[string]any{"alg": "HS256", "kid": "k1"}) + "." + encoded(t, i.claims(w.site, n))
			mac := hmac.New(sha256.New, signer.JWKS())
			mac.Write([]byte(message))
			return message + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		},
		"HS256 by the secret": func(n string) string {
			message := encoded(t, map[string]any{"alg": "HS256"}) + "." + encoded(t, i.claims(w.site, n))
			mac := hmac.New(sha256.New, []byte(providertest.Secret))
			mac.Write([]byte(message))
			return message + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		},
		"a cut signature": func(n string) string {
			token := signer.Sign(nil, i.claims(w.site, n))
			return token[:len(token)-4]
		},
		"none at all": func(string) string { return "" },
		"too long":    func(n string) string { return signer.Sign(nil, i.claims(w.site, n, "x", strings.Repeat("x", 40_000))) },
	} {
		to := w.start("other", "")
		i.gives(make(to.Query().Get("nonce")))
		a := w.back("other", "code", "c", "state", to.Query().Get("state"))
		if got := outcome(t, a); got != "failed" || !strings.HasPrefix(a.Location, "/login?") {
			t.Errorf("%s: %q to %s", name, got, a.Location)
		}
		if _, err := w.site.Store.Upstreams.Arrival(t.Context(), w.Cookie("maru-browser")); err == nil {
			t.Fatalf("%s: somebody arrived", name)
		}
	}
	w.Get("/login?upstream=failed").Want(t, http.StatusOK, "cannot use what that service answers")
	to := w.start("other", "")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "aud", []string{"maru", "another"}, "azp", "maru")))
	w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
}

// The upstream rotates its key: the new one is found, though the set was read a while ago.
func TestARotatedKeyIsFound(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	for range 2 {
		to := w.start("other", "")
		i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"))))
		w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
		signer = providertest.NewSigner(t, "k2")
		i.openID(signer)
		w.site.Clock.Advance(2 * time.Minute)
	}
}

func TestAnAnswerCountsOnceAndInTheBrowserThatAsked(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	to := w.start("other", "")
	state := to.Query().Get("state")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"))))

	// Another browser, with or without cookies of its own: an attacker's answer (CSRF), or a thief's.
	thief := w.site.Browser()
	for range 2 {
		if got := outcome(t, thief.Get("/login/upstream/other/callback?code=c&state="+state)); got != "late" {
			t.Errorf("outcome %q", got)
		}
		thief.Get("/login")
	}
	for _, query := range []string{"", "?code=c", "?code=c&state=x", "?code=c&state=" + strings.Repeat("x", 43), "?code=c&state=" + state + "&state=" + state,
		"?code=" + strings.Repeat("x", 5000) + "&state=" + state} {
		if got := outcome(t, w.Get("/login/upstream/other/callback"+query)); got != "late" {
			t.Errorf("%.40s: outcome %q", query, got)
		}
	}
	w.back("other", "code", "c", "state", state).WantRedirect(t, "/login/upstream")
	if got := outcome(t, w.back("other", "code", "c", "state", state)); got != "late" {
		t.Errorf("a replay: outcome %q", got)
	}
	if verifier := i.last(t, "/token").PostForm.Get("code_verifier"); hash(verifier) != to.Query().Get("code_challenge") {
		t.Errorf("the verifier %q is not that of the challenge", verifier)
	}
	// A state is good for a quarter of an hour.
	to = w.start("other", "")
	w.site.Clock.Advance(upstreams.LoginLifetime)
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "late" {
		t.Errorf("an old one: outcome %q", got)
	}
}

func hash(text string) string {
	sum := crypto.SHA256.New()
	sum.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil))
}

// One upstream cannot answer in place of another (RFC 9700 §4.4, RFC 9207).
func TestUpstreamsCannotBeMixedUp(t *testing.T) {
	t.Parallel()
	w, honest, signer := imitated(t)
	evil := imitate(t)
	evil.openID(signer)
	addNamed(t, w.site, "evil", upstream.Settings{Issuer: evil.URL}, "another secret")
	to := w.start("other", "")
	if got := outcome(t, w.back("evil", "code", "c", "state", to.Query().Get("state"))); got != "late" {
		t.Errorf("at the address of another: outcome %q", got)
	}
	if evil.asked["/token"] != nil || honest.asked["/token"] != nil {
		t.Error("a code was sent somewhere")
	}
	to = w.start("other", "")
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"), "iss", evil.URL)); got != "failed" {
		t.Errorf("with another iss: outcome %q", got)
	}
	// An upstream that says that it sends iss must send it.
	honest.shows("/.well-known/openid-configuration", map[string]any{
		"issuer": honest.URL, "authorization_endpoint": honest.URL + "/authorize", "token_endpoint": honest.URL + "/token",
		"jwks_uri": honest.URL + "/keys", "authorization_response_iss_parameter_supported": true,
	})
	w.site.Clock.Advance(2 * time.Hour)
	to = w.start("other", "")
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("without iss: outcome %q", got)
	}
	if honest.asked["/token"] != nil {
		t.Error("the code was sent")
	}
	to = w.start("other", "")
	honest.gives(signer.Sign(nil, honest.claims(w.site, to.Query().Get("nonce"))))
	w.back("other", "code", "c", "state", to.Query().Get("state"), "iss", honest.URL).WantRedirect(t, "/login/upstream")
}

// Metadata that names another issuer would let one speak for the other.
func TestMetadataMustNameTheIssuer(t *testing.T) {
	t.Parallel()
	w, i, _ := imitated(t)
	i.shows("/.well-known/openid-configuration", map[string]any{"issuer": "https://evil.example", "authorization_endpoint": i.URL + "/authorize",
		"token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys"})
	w.Get("/login")
	if got := outcome(t, w.Post("/login/upstream/other")); got != "failed" {
		t.Errorf("outcome %q", got)
	}
}

// The issuer is part of an identity: under another, the same subject is somebody else.
func TestAChangedIssuerTakesNobodyForSomebodyElse(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	user := w.site.Person("mina@example.org")
	if _, err := w.site.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "other", Issuer: "https://before.example", Subject: "subject",
		UserID: user.ID}); err != nil {
		t.Fatal(err)
	}
	to := w.start("other", "")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"))))
	w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
	// Nor does an answer count that was asked of the issuer before.
	to = w.start("other", "")
	stored, err := w.site.Store.Upstreams.Upstream(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	settings := w.settings
	settings.Issuer = "http://localhost:1"
	stored.Settings = settings.Text()
	if err := w.site.Store.Upstreams.Update(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	w.site.Clock.Advance(3 * time.Second)
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("outcome %q", got)
	}
}

// Userinfo about somebody else would lend their address to whoever logs in.
func TestUserinfoMustBeAboutTheSamePerson(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	i.shows("/userinfo", map[string]any{"sub": "victim", "email": "victim@example.org", "email_verified": true})
	to := w.start("other", "")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "email", nil)))
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("outcome %q", got)
	}
	i.shows("/userinfo", map[string]any{"sub": "subject", "email": "own@example.org", "email_verified": true, "name": "x"})
	to = w.start("other", "")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "email", nil)))
	w.back("other", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
	w.Get("/login/upstream").Want(t, http.StatusOK, "own@example.org")
}

// An upstream that is down, slow or hostile keeps nobody from logging in by their password, and the
// page says so without details.
func TestAnUpstreamThatIsDownSaysSoAndThePasswordGoesOn(t *testing.T) {
	t.Parallel()
	w, i, _ := imitated(t)
	w.site.Person("mina@example.org")
	to := w.start("other", "")
	i.answers("/token", func(*http.Request) (int, any) { return http.StatusBadGateway, "<html>secret of the upstream" })
	a := w.back("other", "code", "c", "state", to.Query().Get("state"))
	if got := outcome(t, a); got != "failed" && got != "unreachable" {
		t.Errorf("outcome %q", got)
	}
	i.Close()
	to = w.start("other", "") // the metadata is still known
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "unreachable" {
		t.Errorf("outcome %q", got)
	}
	page := w.Get("/login?upstream=unreachable")
	page.Want(t, http.StatusOK, "cannot reach that service", `id="password"`)
	if strings.Contains(page.Body, i.URL) {
		t.Error("the page has the address of the upstream")
	}
	w.site.Clock.Advance(25 * time.Hour) // and now it is not
	w.Get("/login")
	if got := outcome(t, w.Post("/login/upstream/other")); got != "unreachable" {
		t.Errorf("outcome %q", got)
	}
	w.LogIn("mina@example.org")
}

func TestOversizeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	large := strings.Repeat("x", 70<<10)
	i.shows("/token", map[string]any{"access_token": "t", "token_type": "Bearer", "id_token": "x", "more": large})
	to := w.start("other", "")
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got == "" {
		t.Error("a large answer of the token endpoint counts")
	}
	i.shows("/userinfo", map[string]any{"sub": "subject", "email": "own@example.org", "more": strings.Repeat(large, 20)})
	to = w.start("other", "")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "email", nil)))
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got == "" {
		t.Error("a large answer of userinfo counts")
	}
}

// What an upstream says of its endpoints is fetched as strangers' addresses are: nothing in the
// server's own network (SSRF).
func TestEndpointsInThePrivateNetworkAreNotCalled(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	for _, private := range []string{"http://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd", "https://user:pw@example.com/", "gopher://x/"} {
		i.shows("/.well-known/openid-configuration", map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize",
			"token_endpoint": private, "jwks_uri": i.URL + "/keys"})
		w.site.Clock.Advance(2 * time.Hour)
		w.Get("/login")
		if got := outcome(t, w.Post("/login/upstream/other")); got != "failed" && got != "unreachable" {
			t.Errorf("%s as token endpoint: outcome %q", private, got)
		}
		i.openID(signer)
		i.shows("/.well-known/openid-configuration", map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize",
			"token_endpoint": i.URL + "/token", "userinfo_endpoint": private, "jwks_uri": i.URL + "/keys"})
		w.site.Clock.Advance(2 * time.Hour)
		to := w.start("other", "")
		i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"), "email", nil)))
		if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got == "" {
			t.Errorf("%s as userinfo endpoint counts", private)
		}
	}
	// Redirects are not followed either.
	i.answers("/token", func(*http.Request) (int, any) { return http.StatusFound, "" })
	i.openID(signer)
	w.site.Clock.Advance(2 * time.Hour)
	to := w.start("other", "")
	if got := outcome(t, w.back("other", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("a redirect: outcome %q", got)
	}
}

// Names, titles and claims with markup are text; and nothing that the browser sends decides where a
// log-in leads.
func TestMarkupIsTextAndNoRedirectIsOpen(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t, calls(t))
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	w := add(t, s, upstream.Settings{Issuer: i.URL, Title: `<b>"O'ther"</b>`})
	for _, page := range []string{"/login", "/signup"} {
		if a := w.Get(page); strings.Contains(a.Body, "<b>") || !strings.Contains(a.Body, "&lt;b&gt;") {
			t.Errorf("%s: %s", page, a.Body)
		}
	}
	to := w.start("other", "?next=https://evil.example&return_to=//evil.example")
	i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), "name", "<script>alert(1)</script>", "email", `"<img>"@example.com`,
		"picture", "javascript:alert(1)", "given_name", "<i>")))
	w.back("other", "code", "c", "state", to.Query().Get("state"), "redirect_uri", "https://evil.example").WantRedirect(t, "/login/upstream")
	if page := w.Get("/login/upstream"); page.Status != http.StatusOK || strings.Contains(page.Body, "<script>alert") || strings.Contains(page.Body, "<img>") ||
		strings.Contains(page.Body, "<b>") {
		t.Error(page.Body)
	}
	w.Post("/login/upstream?next=https://evil.example", "do", "signup", "name", "M", "email", "m@example.org", "next", "https://evil.example").
		WantRedirect(t, "/account")
	if user := w.user("m@example.org"); user.Claims.Picture != "" {
		t.Errorf("%+v", user.Claims)
	}
	w.Get("/account/security").Want(t, http.StatusOK, "&lt;b&gt;")
	if a := w.Get("/login?upstream=%3Cscript%3E"); strings.Contains(a.Body, "<script>") && strings.Contains(a.Body, "alert") {
		t.Error(a.Body)
	}
}

// A form of another site begins no log-in, and what it posts as an answer comes without cookies.
func TestOtherSitesBeginAndEndNoLogIn(t *testing.T) {
	t.Parallel()
	w, i, signer := imitated(t)
	w.Get("/login")
	r := w.FormRequest("/login/upstream/other", "")
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := w.Do(r); a.Status != http.StatusForbidden {
		t.Errorf("begun from another site: %d", a.Status)
	}
	for _, path := range []string{"/login/upstream", "/account/security/upstreams/add", "/account/security/upstreams/remove"} {
		r := w.FormRequest(path, "do=link")
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := w.Do(r); a.Status != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, a.Status)
		}
	}
	if a := w.Get("/login/upstream/other"); a.Location != "/login" {
		t.Errorf("a link begins it: %d %s", a.Status, a.Location)
	}
	// form_post: the browser brings the answer once more, with its cookies then.
	to := w.start("other", "")
	state := to.Query().Get("state")
	i.gives(signer.Sign(nil, i.claims(w.site, to.Query().Get("nonce"))))
	form := url.Values{"code": {"c"}, "state": {state}, "user": {`{"name":{"firstName":"x"}}`}}
	r = w.FormRequest("/login/upstream/other/callback", form.Encode())
	r.Header.Set("Origin", i.URL)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	jar := w.Jar
	w.Jar = emptyJar(t)
	a := w.Do(r)
	w.Jar = jar
	if len(a.Header.Values("Set-Cookie")) > 0 || strings.Contains(a.Location, "user") {
		t.Errorf("%v %s", a.Header, a.Location)
	}
	w.Get(a.Location).WantRedirect(t, "/login/upstream")
}

func emptyJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

func TestARefusalAtTheUpstreamIsExplained(t *testing.T) {
	t.Parallel()
	w, i, _ := imitated(t)
	to := w.start("other", "")
	a := w.back("other", "error", "access_denied", "error_description", "<script>", "state", to.Query().Get("state"))
	if got := outcome(t, a); got != "refused" || strings.Contains(a.Location, "script") {
		t.Errorf("%q %s", got, a.Location)
	}
	w.Get(a.Location).Want(t, http.StatusOK, "You were not logged in")
	if i.asked["/token"] != nil {
		t.Error("a code was sent")
	}
}
