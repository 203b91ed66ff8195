package provider_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
)

const deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"

// addTV registers a public client for devices, which needs consent.
func (f *fixture) addTV(id string, change func(c *client.Client)) {
	f.addClient(id, func(c *client.Client) {
		c.TokenEndpointAuthMethod, c.GrantTypes, c.RedirectURIs, c.Trusted = "none", []string{deviceGrantType, "refresh_token"}, nil, false
		if change != nil {
			change(c)
		}
	})
}

// deviceCodes is what a device got to begin with.
type deviceCodes struct{ device, user, complete string }

func (f *fixture) startDevice(id string, form url.Values, header ...string) deviceCodes {
	f.t.Helper()
	form.Set("client_id", id)
	a := f.postForm("/oauth2/device_authorization", form, header...)
	object := a.json(f.t)
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" || object["expires_in"] != float64(600) || object["interval"] != float64(5) || object["verification_uri"] != f.issuer+"/device" {
		f.t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	codes := deviceCodes{object["device_code"].(string), object["user_code"].(string), object["verification_uri_complete"].(string)}
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(codes.user) || codes.complete != f.issuer+"/device?user_code="+codes.user {
		f.t.Errorf("%+v", codes)
	}
	return codes
}

func (f *fixture) poll(id, code string, header ...string) answer {
	f.t.Helper()
	return f.postForm("/oauth2/token", url.Values{"client_id": {id}, "grant_type": {deviceGrantType}, "device_code": {code}}, header...)
}

// pollInTime waits for the interval first.
func (f *fixture) pollInTime(id, code string, header ...string) answer {
	f.t.Helper()
	f.clock.advance(5 * time.Second)
	return f.poll(id, code, header...)
}

// decide types the code and decides as the page lets a person: with all that is ticked on it.
func (b *browser) decide(code, decision string) answer {
	b.f.t.Helper()
	page := b.post("/device", url.Values{"user_code": {code}})
	if page.status != http.StatusOK || !strings.Contains(page.body, `id="allow"`) || !strings.Contains(page.body, `id="deny"`) {
		b.f.t.Fatalf("%d %s", page.status, page.body)
	}
	form := hiddenFields(page.body)
	for _, box := range regexp.MustCompile(`name="scope" value="([^"]+)" checked>`).FindAllStringSubmatch(page.body, -1) {
		form.Add("scope", box[1])
	}
	form.Set("decision", decision)
	return b.post("/device", form)
}

// Whoever registers a client can send people a code: the page says that nobody checked what it calls itself (RFC 8628 §5.4).
func TestADevicesAppThatNobodyVouchedForIsCalledSo(t *testing.T) {
	f := one(t)
	f.addTV("tv", func(c *client.Client) { c.LogoURI, c.ClientURI = "https://cdn.example/tv.png", "https://tv.example/" })
	bank := client.Client{ID: "bank", Name: "Your Bank", LogoURI: "https://cdn.example/bank.png", ClientURI: "https://bank.example/"}
	bank.TokenEndpointAuthMethod, bank.GrantTypes, bank.Scope = "none", []string{deviceGrantType}, "openid"
	if err := f.store.Clients.RegisterClient(t.Context(), bank, registry.Registration{Token: opaque.Hash("token")}); err != nil {
		t.Fatal(err)
	}
	b := f.browser().logIn(f.user)
	for id, unchecked := range map[string]bool{"tv": false, "bank": true} {
		codes := f.startDevice(id, url.Values{"scope": {"openid"}})
		page := b.post("/device", url.Values{"user_code": {codes.user}})
		if page.status != http.StatusOK || strings.Contains(page.body, `id="unchecked"`) != unchecked || strings.Contains(page.body, "https://cdn.example/") == unchecked ||
			strings.Contains(page.header.Get("Content-Security-Policy"), "https://cdn.example") == unchecked || strings.Contains(page.body, id+".example") == unchecked {
			t.Errorf("%s: %d %v\n%s", id, page.status, page.header, page.body)
		}
	}
}

func TestADeviceGetsItsTokensOnceThePersonAgrees(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addTV("tv", nil)
		codes := f.startDevice("tv", url.Values{"scope": {"openid board:read offline_access"}})
		wantError(t, f.poll("tv", codes.device), 400, "authorization_pending")
		b := f.browser().logIn(f.user)
		if a := b.decide(strings.ToLower(strings.ReplaceAll(codes.user, "-", " ")), "allow"); a.status != 200 || !strings.Contains(a.body, "Your device is connected") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		got := f.tokens(f.pollInTime("tv", codes.device))
		_, access := decode(t, got.access)
		_, id := decode(t, got.id)
		if access["sub"] != f.user.ID || access["client_id"] != "tv" || access["aud"] != apiOrigin+"/board" || access["sid"] != b.sid || got.scope != "openid board:read offline_access" || id["aud"] != "tv" || id["nonce"] != nil {
			t.Errorf("%v %v %s", access, id, got.scope)
		}
		wantError(t, f.pollInTime("tv", codes.device), 400, "invalid_grant") // a replay
		if a := f.userinfo(got.access); a.status != 200 {
			t.Errorf("the replay ended the grant: %d", a.status)
		}
		refresh := func(token string) answer {
			return f.postForm("/oauth2/token", url.Values{"client_id": {"tv"}, "grant_type": {"refresh_token"}, "refresh_token": {token}})
		}
		// offline_access: the log-out ends the session and not the grant.
		if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
			t.Fatal(err)
		}
		if a := refresh(got.refresh); a.status != 200 {
			t.Errorf("after the log-out: %d %s", a.status, a.body)
		}
		// What the person allowed is on their page of apps.
		if consent, err := f.store.Consents.Consent(t.Context(), f.user.ID, "tv"); err != nil || len(consent.Scope) != 3 {
			t.Errorf("%v %v", consent, err)
		}
		// Without it the grant ends with the session, also before its tokens were fetched.
		b.logIn(f.user)
		codes = f.startDevice("tv", url.Values{"scope": {"board:read"}})
		b.decide(codes.user, "allow")
		if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
			t.Fatal(err)
		}
		wantError(t, f.pollInTime("tv", codes.device), 400, "invalid_grant")
	})
}

func TestADeviceIsToldWhatItCannotHave(t *testing.T) {
	f := one(t)
	f.addTV("tv", nil)
	f.addTV("other", nil)
	b := f.browser().logIn(f.user)
	start := func(changes ...string) answer {
		form := url.Values{"client_id": {"tv"}, "scope": {"openid"}}
		for i := 0; i < len(changes); i += 2 {
			form.Set(changes[i], changes[i+1])
		}
		return f.postForm("/oauth2/device_authorization", form)
	}
	wantError(t, start("client_id", "nobody"), 401, "invalid_client")
	wantError(t, start("client_id", "app"), 401, "invalid_client") // which has a secret
	wantError(t, start("scope", "wish"), 400, "invalid_scope")
	wantError(t, start("resource", "https://evil.example/"), 400, "invalid_target")
	wantError(t, start("scope", "openid", "resource", apiOrigin+"/board"), 400, "invalid_target")
	r := f.request("POST", "/oauth2/device_authorization", url.Values{"scope": {"openid"}})
	r.SetBasicAuth("app", secret)
	wantError(t, f.do(f.server.Client(), r), 400, "unauthorized_client")
	wantError(t, f.token("app", secret, url.Values{"grant_type": {deviceGrantType}, "device_code": {"x"}}), 400, "unauthorized_client")

	wantError(t, f.poll("tv", ""), 400, "invalid_request")
	wantError(t, f.poll("tv", "rubbish"), 400, "invalid_grant")
	codes := f.startDevice("tv", url.Values{})
	wantError(t, f.poll("tv", codes.user), 400, "invalid_grant")
	b.decide(codes.user, "allow")
	wantError(t, f.poll("other", codes.device), 400, "invalid_grant") // another client's
	f.tokens(f.pollInTime("tv", codes.device))

	codes = f.startDevice("tv", url.Values{})
	if a := b.decide(codes.user, "deny"); a.status != 200 || !strings.Contains(a.body, "Nothing was connected") {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, f.poll("tv", codes.device), 400, "access_denied")
	if a := b.post("/device", url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("denied and allowed: %d", a.status)
	}

	// Expired, allowed or not.
	codes, late := f.startDevice("tv", url.Values{}), f.startDevice("tv", url.Values{})
	b.decide(late.user, "allow")
	f.clock.advance(10 * time.Minute)
	wantError(t, f.poll("tv", codes.device), 400, "expired_token")
	wantError(t, f.poll("tv", late.device), 400, "expired_token")
	if a := b.post("/device", url.Values{"user_code": {codes.user}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "No device is waiting") {
		t.Errorf("an expired code: %d %s", a.status, a.body)
	}
}

func TestADeviceThatAsksTooOftenMustSlowDown(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addTV("tv", nil)
		codes := f.startDevice("tv", url.Values{})
		for _, poll := range []struct {
			after time.Duration
			code  string
		}{{0, "authorization_pending"}, {time.Second, "slow_down"}, {6 * time.Second, "slow_down"}, {16 * time.Second, "authorization_pending"}} {
			f.clock.advance(poll.after)
			wantError(t, f.poll("tv", codes.device), 400, poll.code)
		}
		// Once the person agreed, haste costs nothing.
		f.browser().logIn(f.user).decide(codes.user, "allow")
		f.tokens(f.poll("tv", codes.device))
	})
}

func TestADeviceCodeIsRedeemedOnceInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addTV("tv", nil)
		codes := f.startDevice("tv", url.Values{"scope": {"openid"}})
		b := f.browser().logIn(f.user)
		form := url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}}
		var allowed, redeemed atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if b.post("/device", form).status == http.StatusOK {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		for range 16 {
			wg.Go(func() {
				switch a := f.poll("tv", codes.device); {
				case a.status == http.StatusOK:
					redeemed.Add(1)
				case a.json(t)["error"] != "invalid_grant":
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		wg.Wait()
		// To allow it again is no mistake, and makes no second grant.
		if allowed.Load() == 0 || redeemed.Load() != 1 {
			t.Errorf("allowed %d times, redeemed %d times", allowed.Load(), redeemed.Load())
		}
	})
}

func TestADeviceCodeIsBoundToItsKey(t *testing.T) {
	f := one(t)
	f.addTV("tv", nil)
	key, thief := newSigner(t, ""), newSigner(t, "")
	codes := f.startDevice("tv", url.Values{"scope": {"board:read"}}, "DPoP", key.proof(f, "POST", "/oauth2/device_authorization"))
	f.browser().logIn(f.user).decide(codes.user, "allow")
	wantError(t, f.poll("tv", codes.device), 400, "invalid_grant")
	wantError(t, f.poll("tv", codes.device, "DPoP", thief.proof(f, "POST", "/oauth2/token")), 400, "invalid_grant")
	a := f.poll("tv", codes.device, "DPoP", key.proof(f, "POST", "/oauth2/token"))
	if a.status != 200 || a.json(t)["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	form := func() url.Values {
		return url.Values{"client_id": {"tv"}, "grant_type": {"refresh_token"}, "refresh_token": {a.json(t)["refresh_token"].(string)}}
	}
	wantError(t, f.postForm("/oauth2/token", form(), "DPoP", thief.proof(f, "POST", "/oauth2/token")), 400, "invalid_grant")
	if a := f.postForm("/oauth2/token", form(), "DPoP", key.proof(f, "POST", "/oauth2/token")); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantError(t, f.postForm("/oauth2/device_authorization", url.Values{"client_id": {"tv"}}, "DPoP", "x.y.z"), 400, "invalid_dpop_proof")
}

func TestTheDevicePageShowsWhoAsksAndFromWhere(t *testing.T) {
	f := one(t)
	f.addTV("tv", func(c *client.Client) {
		c.Name, c.ClientURI, c.LogoURI = `TV <script>alert("name")</script>`, "https://tv.example/", "https://cdn.tv.example/logo.png"
	})
	f.addTV("house", func(c *client.Client) { c.Trusted = true })
	b := f.browser().logIn(f.user)
	codes := f.startDevice("tv", url.Values{"scope": {"openid board:write"}}, "User-Agent", `<script>alert("agent")</script> (Windows NT 10.0) "Firefox/130.0`)
	f.clock.advance(3 * time.Minute)
	a := b.post("/device", url.Values{"user_code": {codes.user}})
	for _, text := range []string{
		codes.user, "TV &lt;script&gt;", "tv.example", "https://cdn.tv.example/logo.png", "127.0.0.1", "Firefox on Windows", "3 minutes ago", "minji@example.com",
		"Write, edit and delete posts and comments as you", "on a device in front of you",
	} {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	if strings.Contains(a.body, "<script") || strings.Contains(a.body, "agent") {
		t.Errorf("%s", a.body)
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "img-src 'self' https://cdn.tv.example", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	// A trusted client's devices are asked for too: whose device it is, is the question.
	codes = f.startDevice("house", url.Values{"scope": {"openid"}})
	wantError(t, f.poll("house", codes.device), 400, "authorization_pending")
	if a := b.decide(codes.user, "allow"); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	// Somebody who takes a tick away gives less.
	codes = f.startDevice("tv", url.Values{"scope": {"openid board:read board:write"}})
	if a := b.post("/device", url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}, "scope": {"board:read", "board:moderate"}}); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := f.tokens(f.pollInTime("tv", codes.device)); got.scope != "openid board:read" {
		t.Errorf("scope %q", got.scope)
	}
	codes = f.startDevice("tv", url.Values{"scope": {"board:read"}})
	if a := b.post("/device", url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("nothing chosen: %d", a.status)
	}
}

func TestALinkAloneDecidesNothing(t *testing.T) {
	f := one(t)
	f.addTV("tv", nil)
	codes := f.startDevice("tv", url.Values{})
	// Nobody is logged in: the log-in leads back, and to no other place.
	b := f.browser()
	a := b.get("/device?user_code=" + codes.user)
	if a.status != http.StatusSeeOther || a.location.Path != "/login" {
		t.Fatalf("%d %v", a.status, a.location)
	}
	handle := a.parameter("interaction")
	if a := b.get("/login?interaction=" + handle); a.status != 200 || strings.Contains(a.body, `class="app"`) {
		t.Errorf("the log-in names an app: %d %s", a.status, a.body)
	}
	b.logIn(f.user)
	if a := b.get("/consent?interaction=" + handle); a.status != http.StatusBadRequest {
		t.Errorf("consent to no app: %d", a.status)
	}
	a = b.get("/oauth2/authorize?interaction=" + handle)
	if a.status != http.StatusSeeOther || a.location.String() != codes.complete {
		t.Fatalf("%d %v", a.status, a.location)
	}
	if a := f.browser().get("/oauth2/authorize?interaction=" + handle); a.location != nil {
		t.Errorf("another browser: %v", a.location)
	}
	a = b.get(a.location.String())
	if a.status != 200 || !strings.Contains(a.body, `value="`+codes.user+`"`) || strings.Contains(a.body, `id="allow"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, path := range []string{"/device?user_code=https://evil.example/", "/device?user_code=//evil.example", `/device?user_code="><script>`, "/device?user_code=" + codes.user + "&decision=allow&session=" + b.sid} {
		a := f.browser().get(path)
		if a.status != http.StatusSeeOther || a.location.Path != "/login" || a.location.Host != strings.TrimPrefix(f.issuer, "http://") {
			t.Errorf("%s: %v", path, a.location)
		}
		if a := b.get(path); a.status != 200 || strings.Contains(a.body, "evil.example/") && !strings.Contains(a.body, "lang=") || strings.Contains(a.body, `"><script`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	wantError(t, f.poll("tv", codes.device), 400, "authorization_pending")

	// A form of another site, one for another session, and one of nobody.
	form := url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}}
	if a := b.f.do(b.Client, f.request("POST", "/device", form, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")); a.status != http.StatusForbidden {
		t.Errorf("forged: %d", a.status)
	}
	if a := b.post("/device", url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {"another"}}); a.status != http.StatusConflict {
		t.Errorf("another session's form: %d", a.status)
	}
	if a := f.browser().post("/device", form); a.status != http.StatusSeeOther || a.location.Path != "/device" {
		t.Errorf("nobody's form: %d %v", a.status, a.location)
	}
	f.clock.advance(5 * time.Second)
	wantError(t, f.poll("tv", codes.device), 400, "authorization_pending")
}

func TestGuessesOfUserCodesAreLimited(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addTV("tv", nil)
		codes := f.startDevice("tv", url.Values{})
		b := f.browser().logIn(f.user)
		// What cannot be a code, and a right one, are no guesses.
		for range 30 {
			if a := b.post("/device", url.Values{"user_code": {"AEIO-UAEI"}}); a.status != http.StatusUnprocessableEntity {
				t.Fatalf("%d", a.status)
			}
			if a := b.post("/device", url.Values{"user_code": {codes.user}}); a.status != 200 {
				t.Fatalf("%d", a.status)
			}
		}
		guess := func(b *browser) int { return b.post("/device", url.Values{"user_code": {"BCDF-GHJK"}}).status }
		var tried atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if guess(b) == http.StatusUnprocessableEntity {
					tried.Add(1)
				}
			})
		}
		wg.Wait()
		if tried.Load() != 10 {
			t.Errorf("%d guesses at once", tried.Load())
		}
		// Then not even a right code helps, with a decision or without.
		for _, form := range []url.Values{{"user_code": {codes.user}}, {"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}}} {
			if a := b.post("/device", form); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
				t.Errorf("%d %v", a.status, a.header)
			}
		}
		// New sessions from the same address have what is left of the address's.
		left := 0
		for range 5 {
			other := f.browser().logIn(f.user)
			for range 5 {
				if guess(other) == http.StatusUnprocessableEntity {
					left++
				}
			}
		}
		if left != 10 {
			t.Errorf("%d more guesses from one address", left)
		}
		f.clock.advance(16 * time.Minute)
		if a := b.post("/device", url.Values{"user_code": {f.startDevice("tv", url.Values{}).user}}); a.status != 200 {
			t.Errorf("after the window: %d", a.status)
		}
	})
}
