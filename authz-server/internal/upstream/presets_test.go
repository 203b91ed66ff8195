package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/jwks/jose"
)

// without ID tokens, the token endpoint answers so (RFC 6749 §5.1).
var bearer = map[string]any{"access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "token_type": "bearer", "scope": "user:email"}

// ofPreset is a site with an upstream that answers as a preset's provider does.
func ofPreset(t *testing.T, name string) (*world, *imitation) {
	t.Helper()
	i := imitate(t)
	i.shows("/token", bearer)
	settings := upstream.Settings{Preset: name, Authorization: i.URL + "/authorize", Token: i.URL + "/token", UserInfo: i.URL + "/me"}
	if name == "github" {
		settings.Emails = i.URL + "/emails"
	}
	return addNamed(t, peopletest.With(t), name, settings, "s3cret"), i
}

// arrive logs in at the upstream, and returns the page for whoever has no account yet.
func (w *world) arrive(name string) peopletest.Answer {
	w.t.Helper()
	to := w.start(name, "")
	w.back(name, "code", "c", "state", to.Query().Get("state")).WantRedirect(w.t, "/login/upstream")
	return w.Get("/login/upstream")
}

func proved(page peopletest.Answer) bool { return strings.Contains(page.Body, "Confirmed already") }

func address(page peopletest.Answer) string {
	_, rest, _ := strings.Cut(page.Body, `id="email" name="email" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// https://docs.github.com/en/rest/users/users#get-the-authenticated-user and
// https://docs.github.com/en/rest/users/emails
func TestGitHub(t *testing.T) {
	t.Parallel()
	w, i := ofPreset(t, "github")
	i.shows("/me", map[string]any{"login": "octocat", "id": 9007199254740993, "node_id": "MDQ6VXNlcjE=", "avatar_url": "https://github.com/images/error/octocat_happy.gif",
		"type": "User", "name": "monalisa octocat", "email": "public@github.com", "two_factor_authentication": true})
	i.shows("/emails", []map[string]any{
		{"email": "second@example.com", "verified": true, "primary": false, "visibility": nil},
		{"email": "octocat@example.com", "verified": true, "primary": true, "visibility": "private"},
	})
	to := w.start("github", "")
	if q := to.Query(); q.Get("scope") != "read:user user:email" || q.Has("nonce") || q.Get("code_challenge") == "" {
		t.Errorf("asked for %v", q)
	}
	w.back("github", "code", "c", "state", to.Query().Get("state"), "iss", "https://github.com/login/oauth").WantRedirect(t, "/login/upstream")
	page := w.Get("/login/upstream")
	page.Want(t, http.StatusOK, "Continue with GitHub", `value="monalisa octocat"`)
	if address(page) != "octocat@example.com" || !proved(page) {
		t.Error(page.Body)
	}
	asked := i.last(t, "/token")
	if f := asked.PostForm; f.Get("client_id") != "maru" || f.Get("client_secret") != "s3cret" || f.Get("code") != "c" || asked.Header.Get("Accept") != "application/json" {
		t.Errorf("%v %v", f, asked.Header)
	}
	if got := i.last(t, "/emails").Header.Get("Authorization"); got != "Bearer "+bearer["access_token"].(string) {
		t.Error(got)
	}
	w.Post("/login/upstream", "do", "signup", "name", "Mona", "email", "octocat@example.com").WantRedirect(t, "/account")
	user := w.user("octocat@example.com")
	if one := w.identities(user)[0]; one.Subject != "9007199254740993" || one.Issuer != "https://github.com" {
		t.Errorf("%+v", one) // an id keeps all of its digits
	}
	if !user.EmailVerified || user.Claims.Nickname != "octocat" || !strings.HasSuffix(user.Claims.Picture, ".gif") {
		t.Errorf("%+v", user)
	}

	// A primary address that is not verified is not, whatever others are.
	i.shows("/me", map[string]any{"login": "other", "id": 2, "name": nil})
	i.shows("/emails", []map[string]any{{"email": "victim@example.com", "verified": false, "primary": true},
		{"email": "own@example.com", "verified": true, "primary": false}})
	other := &world{w.site.Browser(), t, w.site, w.settings}
	page = other.arrive("github")
	if address(page) != "victim@example.com" || proved(page) || !strings.Contains(page.Body, `value="other"`) {
		t.Error(page.Body)
	}
	// GitHub answers a wrong code with status 200.
	i.shows("/token", map[string]any{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."})
	to = other.start("github", "")
	if got := outcome(t, other.back("github", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("outcome %q", got)
	}
}

// https://developers.kakao.com/docs/latest/en/kakaologin/rest-api#req-user-info
func TestKakao(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		valid, verified any
		proved          bool
	}{
		"valid and verified":           {true, true, true},
		"another account has it now":   {false, true, false},
		"nobody verified it":           {true, false, false},
		"what does not say so":         {nil, nil, false},
		"a number in place of a truth": {1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, i := ofPreset(t, "kakao")
			i.shows("/me", map[string]any{"id": 123456789, "connected_at": "2022-04-11T01:45:28Z", "kakao_account": map[string]any{
				"profile_nickname_needs_agreement": false, "profile": map[string]any{"nickname": "홍길동", "profile_image_url": "https://yyy.kakao.com/dn/.../img_640x640.jpg"},
				"email_needs_agreement": false, "is_email_valid": test.valid, "is_email_verified": test.verified, "email": "sample@sample.com",
			}})
			page := w.arrive("kakao")
			page.Want(t, http.StatusOK, `value="홍길동"`)
			if address(page) != "sample@sample.com" || proved(page) != test.proved {
				t.Error(page.Body)
			}
		})
	}
}

// https://developers.naver.com/docs/login/profile/profile.md
func TestNaver(t *testing.T) {
	t.Parallel()
	w, i := ofPreset(t, "naver")
	i.shows("/me", map[string]any{"resultcode": "00", "message": "success", "response": map[string]any{
		"email": "openapi@naver.com", "nickname": "OpenAPI", "profile_image": "https://ssl.pstatic.net/static/pwe/address/nodata_33x33.gif", "age": "40-49",
		"gender": "F", "id": "32742776", "name": "오픈 API", "birthday": "10-01", "birthyear": "1900", "mobile": "010-0000-0000"}})
	page := w.arrive("naver")
	page.Want(t, http.StatusOK, `value="오픈 API"`)
	if address(page) != "openapi@naver.com" || proved(page) {
		t.Error(page.Body) // nothing says that the address was verified
	}
	i.shows("/me", map[string]any{"resultcode": "024", "message": "Authentication failed", "response": map[string]any{"id": "1"}})
	to := w.start("naver", "")
	if got := outcome(t, w.back("naver", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
		t.Errorf("outcome %q", got)
	}
}

// https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
func TestGoogleAnswersForItsOwnAddressesAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		email, domain any
		verified      any
		proved        bool
	}{
		"its mail":                  {"mina@gmail.com", nil, true, true},
		"an organization's":         {"mina@example.org", "example.org", true, true},
		"another's mail":            {"mina@example.org", nil, true, false},
		"not verified":              {"mina@gmail.com", nil, false, false},
		"a domain that looks alike": {"mina@gmail.com.example.org", nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := peopletest.With(t)
			i, signer := imitate(t), providertest.NewSigner(t, "k1")
			i.openID(signer)
			w := addNamed(t, s, "google", upstream.Settings{Preset: "google", Issuer: i.URL}, "s")
			to := w.start("google", "")
			i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), "email", test.email, "email_verified", test.verified, "hd", test.domain)))
			w.back("google", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
			if page := w.Get("/login/upstream"); proved(page) != test.proved || address(page) != test.email {
				t.Error(page.Body)
			}
		})
	}
}

// https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
func TestAppleTakesASecretThatTheKeySigned(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t)
	i, signer := imitate(t), providertest.NewSigner(t, "k1")
	i.openID(signer)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w := addNamed(t, s, "apple", upstream.Settings{Preset: "apple", Issuer: i.URL, ClientID: "org.example.web",
		Apple: &upstream.AppleKey{TeamID: "TEAM", KeyID: "KEY"}}, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	to := w.start("apple", "")
	if q := to.Query(); q.Get("response_mode") != "form_post" || q.Get("scope") != "openid name email" {
		t.Errorf("asked for %v", q)
	}
	// Apple writes truths as texts.
	i.gives(signer.Sign(nil, i.claims(s, to.Query().Get("nonce"), "aud", "org.example.web", "email", "x@privaterelay.appleid.com", "email_verified", "true",
		"is_private_email", "true", "name", nil)))
	form := url.Values{"code": {"c"}, "state": {to.Query().Get("state")}}
	r := w.FormRequest("/login/upstream/apple/callback", form.Encode())
	r.Header.Set("Origin", "https://appleid.apple.com")
	a := w.Do(r)
	w.Get(a.Location).WantRedirect(t, "/login/upstream")
	if page := w.Get("/login/upstream"); !proved(page) || address(page) != "x@privaterelay.appleid.com" {
		t.Error(page.Body)
	}
	secret, err := jose.Parse(i.last(t, "/token").PostForm.Get("client_secret"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.NewKey("ES256", &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := secret.VerifiedBy(public)
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
		For     string `json:"aud"`
		Expires int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || !ok {
		t.Fatal(err, ok)
	}
	if left := time.Unix(claims.Expires, 0).Sub(s.Clock.Now()); secret.KeyID != "KEY" || claims.Issuer != "TEAM" || claims.Subject != "org.example.web" ||
		claims.For != i.URL || left <= 0 || left > 5*time.Minute {
		t.Errorf("%+v, good for %v", claims, left)
	}
}

// An OAuth provider that nobody has a preset for: the operator says where its answer has what.
func TestAnotherOAuthProviderIsMapped(t *testing.T) {
	t.Parallel()
	s := peopletest.With(t)
	i := imitate(t)
	i.shows("/token", bearer)
	i.shows("/me", map[string]any{"data": map[string]any{"uid": "u-1", "mail": "mina@work.example", "confirmed": true, "who": map[string]any{"full": "Mina Kim"}}})
	w := addNamed(t, s, "work", upstream.Settings{Preset: "oauth2", Title: "Work", Issuer: "https://work.example", Authorization: i.URL + "/authorize?tenant=1",
		Token: i.URL + "/token", UserInfo: i.URL + "/me", Addresses: upstream.ByClaim, AddressDomains: []string{"work.example"},
		Claims: map[string]string{"sub": "data.uid", "email": "data.mail", "email_verified": "data.confirmed", "name": "data.who.full"}}, "s:e/c ret")
	to := w.start("work", "")
	if to.Query().Get("tenant") != "1" {
		t.Errorf("%v lost its own parameter", to)
	}
	w.back("work", "code", "c", "state", to.Query().Get("state")).WantRedirect(t, "/login/upstream")
	page := w.Get("/login/upstream")
	page.Want(t, http.StatusOK, `value="Mina Kim"`)
	if !proved(page) {
		t.Error(page.Body)
	}
	if got, want := i.last(t, "/token").Header.Get("Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte("maru:s%3Ae%2Fc+ret")); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	// Of another domain, the same claim proves nothing; and who nobody is, is nobody.
	i.shows("/me", map[string]any{"data": map[string]any{"uid": "u-2", "mail": "mina@gmail.com", "confirmed": true}})
	if page = w.arrive("work"); proved(page) {
		t.Error("an address of another domain counts")
	}
	for _, nobody := range []any{nil, "", true, 1.5, []string{"x"}, map[string]any{}, strings.Repeat("x", 300)} {
		i.shows("/me", map[string]any{"data": map[string]any{"uid": nobody}})
		to := w.start("work", "")
		if got := outcome(t, w.back("work", "code", "c", "state", to.Query().Get("state"))); got != "failed" {
			t.Errorf("%v: outcome %q", nobody, got)
		}
	}
}

func TestEveryPresetIsComplete(t *testing.T) {
	t.Parallel()
	for _, name := range upstream.Presets() {
		settings := upstream.Settings{Preset: name, ClientID: "x"}
		switch name {
		case "apple":
			settings.Apple = &upstream.AppleKey{TeamID: "T", KeyID: "K"}
		case "oauth2":
			continue // nothing is known of it
		}
		if err := settings.Check(nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
