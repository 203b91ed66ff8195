package device_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/signup"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Whoever registers a client can send people a code: the page says that nobody checked what it
// calls itself (RFC 8628 §5.4).
func TestADevicesAppThatNobodyVouchedForIsCalledSo(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", func(c *client.Client) { c.LogoURI, c.ClientURI = "https://cdn.example/tv.png", "https://tv.example/" })
	bank := client.Client{ID: "bank", Name: "Your Bank", LogoURI: "https://cdn.example/bank.png", ClientURI: "https://bank.example/"}
	bank.TokenEndpointAuthMethod, bank.GrantTypes, bank.Scope = "none", []string{client.DeviceCode}, "openid"
	if err := f.Store.Clients.RegisterClient(t.Context(), bank, registry.Registration{Token: opaque.Hash("token")}); err != nil {
		t.Fatal(err)
	}
	b := f.Browser().LogIn(f.User)
	for id, unchecked := range map[string]bool{"tv": false, "bank": true} {
		codes := f.StartDevice(id, url.Values{"scope": {"openid"}})
		page := b.Post("/device", url.Values{"user_code": {codes.User}})
		if page.Status != http.StatusOK || strings.Contains(page.Body, `id="unchecked"`) != unchecked ||
			strings.Contains(page.Body, "https://cdn.example/") == unchecked ||
			strings.Contains(page.Header.Get("Content-Security-Policy"), "https://cdn.example") == unchecked ||
			strings.Contains(page.Body, id+".example") == unchecked {
			t.Errorf("%s: %d %v\n%s", id, page.Status, page.Header, page.Body)
		}
	}
}

// A device would get tokens that work at services when the account is gone, and terms that nobody
// agreed to would be passed by.
func TestNobodyAllowsADeviceBeforeWhatTheyOwe(t *testing.T) {
	t.Parallel()
	terms := signup.Terms{URL: "https://maker.example/terms", Version: "2"}
	f := providertest.WithPeople(t, sqldbtest.SQLite(t), func(c *people.Config) { c.Signup.Terms = terms })
	f.AddTV("tv", nil)
	codes := f.StartDevice("tv", url.Values{"scope": {"openid"}})
	b := f.Browser().LogIn(f.User)
	owes := func(page string) (there string) {
		t.Helper()
		form := url.Values{"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}, "scope": {"openid"}}
		if a := b.Post("/device", form); a.Location == nil || a.Location.Path != "/device" {
			t.Fatalf("%s is passed by: %d %s", page, a.Status, a.Body)
		}
		a := b.Get("/device?user_code=" + codes.User)
		if a.Location == nil || a.Location.Path != page {
			t.Fatalf("not led to %s: %d %s", page, a.Status, a.Body)
		}
		return a.Location.RequestURI()
	}
	onward := func(a providertest.Answer) {
		t.Helper()
		if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		if a = b.Get(a.Location.RequestURI()); a.Location == nil || a.Location.RequestURI() != "/device?user_code="+codes.User {
			t.Fatalf("not led back: %d %s", a.Status, a.Location)
		}
	}
	onward(b.Post(owes("/agree"), url.Values{"terms": {"2"}}))
	if err := f.Store.Users.HastenDeletion(t.Context(), f.User.ID, false); err != nil {
		t.Fatal(err)
	}
	b.LogIn(f.User)
	there := owes("/restore")
	f.Poll("tv", codes.Device).WantError(t, 400, "authorization_pending")
	onward(b.Post(there, url.Values{"decision": {"keep"}}))
	if a := b.Decide(codes.User, "allow"); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestADeviceGetsItsTokensOnceThePersonAgrees(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		codes := f.StartDevice("tv", url.Values{"scope": {"openid board:read offline_access"}})
		f.Poll("tv", codes.Device).WantError(t, 400, "authorization_pending")
		b := f.Browser().LogIn(f.User)
		if a := b.Decide(strings.ToLower(strings.ReplaceAll(codes.User, "-", " ")), "allow"); a.Status != 200 ||
			!strings.Contains(a.Body, "Your device is connected") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		got := f.Tokens(f.PollInTime("tv", codes.Device))
		_, access := providertest.Decode(t, got.Access)
		_, id := providertest.Decode(t, got.ID)
		if access["sub"] != f.User.ID || access["client_id"] != "tv" || access["aud"] != providertest.APIOrigin+"/board" ||
			access["sid"] != b.SID || got.Scope != "openid board:read offline_access" || id["aud"] != "tv" || id["nonce"] != nil {
			t.Errorf("%v %v %s", access, id, got.Scope)
		}
		f.PollInTime("tv", codes.Device).WantError(t, 400, "invalid_grant") // a replay
		if a := f.Userinfo(got.Access); a.Status != 200 {
			t.Errorf("the replay ended the grant: %d", a.Status)
		}
		refresh := func(token string) providertest.Answer {
			return f.PostForm("/oauth2/token", url.Values{"client_id": {"tv"}, "grant_type": {"refresh_token"}, "refresh_token": {token}})
		}
		// offline_access: the log-out ends the session and not the grant.
		if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
			t.Fatal(err)
		}
		if a := refresh(got.Refresh); a.Status != 200 {
			t.Errorf("after the log-out: %d %s", a.Status, a.Body)
		}
		// What the person allowed is on their page of apps.
		if consent, err := f.Store.Consents.Consent(t.Context(), f.User.ID, "tv"); err != nil || len(consent.Scope) != 3 {
			t.Errorf("%v %v", consent, err)
		}
		// Without it the grant ends with the session, also before its tokens were fetched.
		b.LogIn(f.User)
		codes = f.StartDevice("tv", url.Values{"scope": {"board:read"}})
		b.Decide(codes.User, "allow")
		if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
			t.Fatal(err)
		}
		f.PollInTime("tv", codes.Device).WantError(t, 400, "invalid_grant")
	})
}

func TestADeviceIsToldWhatItCannotHave(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", nil)
	f.AddTV("other", nil)
	b := f.Browser().LogIn(f.User)
	start := func(changes ...string) providertest.Answer {
		form := url.Values{"client_id": {"tv"}, "scope": {"openid"}}
		for i := 0; i < len(changes); i += 2 {
			form.Set(changes[i], changes[i+1])
		}
		return f.PostForm("/oauth2/device_authorization", form)
	}
	start("client_id", "nobody").WantError(t, 401, "invalid_client")
	start("client_id", "app").WantError(t, 401, "invalid_client") // which has a secret
	start("scope", "wish").WantError(t, 400, "invalid_scope")
	start("resource", "https://evil.example/").WantError(t, 400, "invalid_target")
	start("scope", "openid", "resource", providertest.APIOrigin+"/board").WantError(t, 400, "invalid_target")
	r := f.Request("POST", "/oauth2/device_authorization", url.Values{"scope": {"openid"}})
	r.SetBasicAuth("app", providertest.Secret)
	f.Do(r).WantError(t, 400, "unauthorized_client")
	f.Token("app", url.Values{"grant_type": {client.DeviceCode}, "device_code": {"x"}}).WantError(t, 400, "unauthorized_client")

	f.Poll("tv", "").WantError(t, 400, "invalid_request")
	f.Poll("tv", "rubbish").WantError(t, 400, "invalid_grant")
	codes := f.StartDevice("tv", url.Values{})
	f.Poll("tv", codes.User).WantError(t, 400, "invalid_grant")
	b.Decide(codes.User, "allow")
	f.Poll("other", codes.Device).WantError(t, 400, "invalid_grant") // another client's
	f.Tokens(f.PollInTime("tv", codes.Device))

	codes = f.StartDevice("tv", url.Values{})
	if a := b.Decide(codes.User, "deny"); a.Status != 200 || !strings.Contains(a.Body, "Nothing was connected") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	f.Poll("tv", codes.Device).WantError(t, 400, "access_denied")
	if a := b.Post("/device", url.Values{
		"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID},
	}); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("denied and allowed: %d", a.Status)
	}

	// Expired, allowed or not.
	codes, late := f.StartDevice("tv", url.Values{}), f.StartDevice("tv", url.Values{})
	b.Decide(late.User, "allow")
	f.Clock.Advance(10 * time.Minute)
	f.Poll("tv", codes.Device).WantError(t, 400, "expired_token")
	f.Poll("tv", late.Device).WantError(t, 400, "expired_token")
	if a := b.Post("/device", url.Values{"user_code": {codes.User}}); a.Status != http.StatusUnprocessableEntity ||
		!strings.Contains(a.Body, "No device is waiting") {
		t.Errorf("an expired code: %d %s", a.Status, a.Body)
	}
}

func TestADeviceThatAsksTooOftenMustSlowDown(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		codes := f.StartDevice("tv", url.Values{})
		for _, poll := range []struct {
			after time.Duration
			code  string
		}{{0, "authorization_pending"}, {time.Second, "slow_down"}, {6 * time.Second, "slow_down"}, {16 * time.Second, "authorization_pending"}} {
			f.Clock.Advance(poll.after)
			f.Poll("tv", codes.Device).WantError(t, 400, poll.code)
		}
		// Once the person agreed, haste costs nothing.
		f.Browser().LogIn(f.User).Decide(codes.User, "allow")
		f.Tokens(f.Poll("tv", codes.Device))
	})
}

func TestADeviceCodeIsRedeemedOnceInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		codes := f.StartDevice("tv", url.Values{"scope": {"openid"}})
		b := f.Browser().LogIn(f.User)
		form := url.Values{"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}}
		var allowed, redeemed atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if b.Post("/device", form).Status == http.StatusOK {
					allowed.Add(1)
				}
			})
		}
		wg.Wait()
		for range 16 {
			wg.Go(func() {
				switch a := f.Poll("tv", codes.Device); {
				case a.Status == http.StatusOK:
					redeemed.Add(1)
				case a.JSON(t)["error"] != "invalid_grant":
					t.Errorf("%d %s", a.Status, a.Body)
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
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", nil)
	key, thief := providertest.NewSigner(t, ""), providertest.NewSigner(t, "")
	codes := f.StartDevice("tv", url.Values{"scope": {"board:read"}}, "DPoP", key.Proof(f, "POST", "/oauth2/device_authorization"))
	f.Browser().LogIn(f.User).Decide(codes.User, "allow")
	f.Poll("tv", codes.Device).WantError(t, 400, "invalid_grant")
	f.Poll("tv", codes.Device, "DPoP", thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
	a := f.Poll("tv", codes.Device, "DPoP", key.Proof(f, "POST", "/oauth2/token"))
	if a.Status != 200 || a.JSON(t)["token_type"] != "DPoP" {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	form := func() url.Values {
		return url.Values{"client_id": {"tv"}, "grant_type": {"refresh_token"}, "refresh_token": {a.JSON(t)["refresh_token"].(string)}}
	}
	f.PostForm("/oauth2/token", form(), "DPoP", thief.Proof(f, "POST", "/oauth2/token")).WantError(t, 400, "invalid_grant")
	if a := f.PostForm("/oauth2/token", form(), "DPoP", key.Proof(f, "POST", "/oauth2/token")); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	f.PostForm("/oauth2/device_authorization", url.Values{"client_id": {"tv"}}, "DPoP", "x.y.z").WantError(t, 400, "invalid_dpop_proof")
}

func TestTheDevicePageShowsWhoAsksAndFromWhere(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", func(c *client.Client) {
		c.Name, c.ClientURI, c.LogoURI = `TV <script>alert("name")</script>`, "https://tv.example/", "https://cdn.tv.example/logo.png"
	})
	f.AddTV("house", func(c *client.Client) { c.Trusted = true })
	b := f.Browser().LogIn(f.User)
	codes := f.StartDevice("tv", url.Values{"scope": {"openid board:write"}}, "User-Agent",
		`<script>alert("agent")</script> (Windows NT 10.0) "Firefox/130.0`)
	f.Clock.Advance(3 * time.Minute)
	a := b.Post("/device", url.Values{"user_code": {codes.User}})
	for _, text := range []string{
		codes.User, "TV &lt;script&gt;", "tv.example", "https://cdn.tv.example/logo.png", "127.0.0.1", "Firefox on Windows",
		"3 minutes ago", "minji@example.com",
		"Write, edit and delete posts and comments as you", "on a device in front of you",
	} {
		if !strings.Contains(a.Body, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	if strings.Contains(a.Body, "<script") || strings.Contains(a.Body, "agent") {
		t.Errorf("%s", a.Body)
	}
	policy := a.Header.Get("Content-Security-Policy")
	for _, part := range []string{
		"default-src 'none'", "img-src 'self' https://cdn.tv.example", "frame-ancestors 'none'", "form-action 'self'",
	} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	// A trusted client's devices are asked for too: whose device it is, is the question.
	codes = f.StartDevice("house", url.Values{"scope": {"openid"}})
	f.Poll("house", codes.Device).WantError(t, 400, "authorization_pending")
	if a := b.Decide(codes.User, "allow"); a.Status != 200 {
		t.Errorf("%d", a.Status)
	}
	// Somebody who takes a tick away gives less.
	codes = f.StartDevice("tv", url.Values{"scope": {"openid board:read board:write"}})
	if a := b.Post("/device", url.Values{
		"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}, "scope": {"board:read", "board:moderate"},
	}); a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	if got := f.Tokens(f.PollInTime("tv", codes.Device)); got.Scope != "openid board:read" {
		t.Errorf("scope %q", got.Scope)
	}
	codes = f.StartDevice("tv", url.Values{"scope": {"board:read"}})
	if a := b.Post("/device", url.Values{
		"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID},
	}); a.Status != http.StatusUnprocessableEntity {
		t.Errorf("nothing chosen: %d", a.Status)
	}
}

func TestALinkAloneDecidesNothing(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", nil)
	codes := f.StartDevice("tv", url.Values{})
	// Nobody is logged in: the log-in leads back, and to no other place.
	b := f.Browser()
	a := b.Get("/device?user_code=" + codes.User)
	if a.Status != http.StatusSeeOther || a.Location.Path != "/login" {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	handle := a.Parameter("interaction")
	if a := b.Get("/login?interaction=" + handle); a.Status != 200 || strings.Contains(a.Body, `class="app"`) {
		t.Errorf("the log-in names an app: %d %s", a.Status, a.Body)
	}
	b.LogIn(f.User)
	if a := b.Get("/consent?interaction=" + handle); a.Status != http.StatusBadRequest {
		t.Errorf("consent to no app: %d", a.Status)
	}
	a = b.Get("/oauth2/authorize?interaction=" + handle)
	if a.Status != http.StatusSeeOther || a.Location.String() != codes.Complete {
		t.Fatalf("%d %v", a.Status, a.Location)
	}
	if a := f.Browser().Get("/oauth2/authorize?interaction=" + handle); a.Location != nil {
		t.Errorf("another browser: %v", a.Location)
	}
	a = b.Get(a.Location.String())
	if a.Status != 200 || !strings.Contains(a.Body, `value="`+codes.User+`"`) || strings.Contains(a.Body, `id="allow"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, path := range []string{
		"/device?user_code=https://evil.example/", "/device?user_code=//evil.example", `/device?user_code="><script>`,
		"/device?user_code=" + codes.User + "&decision=allow&session=" + b.SID,
	} {
		a := f.Browser().Get(path)
		if a.Status != http.StatusSeeOther || a.Location.Path != "/login" || a.Location.Host != strings.TrimPrefix(f.Issuer, "http://") {
			t.Errorf("%s: %v", path, a.Location)
		}
		if a := b.Get(path); a.Status != 200 || strings.Contains(a.Body, "evil.example/") && !strings.Contains(a.Body, "lang=") ||
			strings.Contains(a.Body, `"><script`) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	f.Poll("tv", codes.Device).WantError(t, 400, "authorization_pending")

	// A form of another site, one for another session, and one of nobody.
	form := url.Values{"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}}
	forged := f.Request("POST", "/device", form, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if a := b.Send(forged); a.Status != http.StatusForbidden {
		t.Errorf("forged: %d", a.Status)
	}
	if a := b.Post("/device", url.Values{
		"user_code": {codes.User}, "decision": {"allow"}, "session": {"another"},
	}); a.Status != http.StatusConflict {
		t.Errorf("another session's form: %d", a.Status)
	}
	if a := f.Browser().Post("/device", form); a.Status != http.StatusSeeOther || a.Location.Path != "/device" {
		t.Errorf("nobody's form: %d %v", a.Status, a.Location)
	}
	f.Clock.Advance(5 * time.Second)
	f.Poll("tv", codes.Device).WantError(t, 400, "authorization_pending")
}

func TestGuessesOfUserCodesAreLimited(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddTV("tv", nil)
		codes := f.StartDevice("tv", url.Values{})
		b := f.Browser().LogIn(f.User)
		// What cannot be a code, and a right one, are no guesses.
		for range 30 {
			if a := b.Post("/device", url.Values{"user_code": {"AEIO-UAEI"}}); a.Status != http.StatusUnprocessableEntity {
				t.Fatalf("%d", a.Status)
			}
			if a := b.Post("/device", url.Values{"user_code": {codes.User}}); a.Status != 200 {
				t.Fatalf("%d", a.Status)
			}
		}
		guess := func(b *providertest.Browser) int {
			return b.Post("/device", url.Values{"user_code": {"BCDF-GHJK"}}).Status
		}
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
		for _, form := range []url.Values{{"user_code": {codes.User}}, {"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}}} {
			if a := b.Post("/device", form); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
				t.Errorf("%d %v", a.Status, a.Header)
			}
		}
		// New sessions from the same address have what is left of the address's.
		left := 0
		for range 5 {
			other := f.Browser().LogIn(f.User)
			for range 5 {
				if guess(other) == http.StatusUnprocessableEntity {
					left++
				}
			}
		}
		if left != 10 {
			t.Errorf("%d more guesses from one address", left)
		}
		f.Clock.Advance(16 * time.Minute)
		if a := b.Post("/device", url.Values{"user_code": {f.StartDevice("tv", url.Values{}).User}}); a.Status != 200 {
			t.Errorf("after the window: %d", a.Status)
		}
	})
}
