package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

func TestARefreshTokenIsExchangedForNewTokens(t *testing.T) {
	f := one(t)
	first := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "openid board:read board:write")))
	_, firstID := decode(t, first.id)
	f.clock.advance(time.Minute)
	next := f.tokens(f.refresh(first.refresh))
	if next.refresh == first.refresh || next.access == first.access || next.scope != first.scope {
		t.Errorf("nothing changed, or the scope did: %+v", next)
	}
	_, nextID := decode(t, next.id)
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if firstID[name] != nextID[name] {
			t.Errorf("ID token: %s changed from %v to %v", name, firstID[name], nextID[name])
		}
	}
	if nextID["nonce"] != nil || nextID["iat"] == firstID["iat"] {
		t.Errorf("ID token: %v", nextID)
	}
}

func TestAScopeCanBeNarrowedAndNeverWidened(t *testing.T) {
	f := one(t)
	first := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "openid user:read board:read")))
	narrowed := f.tokens(f.refresh(first.refresh, "scope", "board:read"))
	if _, claims := decode(t, narrowed.access); claims["scope"] != "board:read" || claims["aud"] != apiOrigin+"/board" || narrowed.id != "" {
		t.Errorf("narrowed: %v", claims)
	}
	wantError(t, f.refresh(narrowed.refresh, "scope", "board:read board:write"), http.StatusBadRequest, "invalid_scope")
	// The refusal cost nothing, and what was granted is still there (RFC 6749 §6).
	if again := f.tokens(f.refresh(narrowed.refresh)); again.scope != "openid user:read board:read" {
		t.Errorf("the whole scope is %q", again.scope)
	}
}

func TestWithinTheGraceWindowTheSameSuccessorComesAgain(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		first := f.tokens(f.exchange(f.browser().logIn(f.user).code()))
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				next := f.tokens(f.refresh(first.refresh))
				mu.Lock()
				defer mu.Unlock()
				seen[next.refresh]++
			})
		}
		wg.Wait()
		if len(seen) != 1 {
			t.Fatalf("16 refreshes at once got %d different successors", len(seen))
		}
		f.clock.advance(9 * time.Second)
		again := f.tokens(f.refresh(first.refresh))
		if seen[again.refresh] != 16 {
			t.Error("a late refresh within the window got another successor")
		}
		f.tokens(f.refresh(again.refresh))
	})
}

func TestAReuseAfterTheGraceWindowEndsTheGrant(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		first := f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "openid offline_access")))
		next := f.tokens(f.refresh(first.refresh))
		f.clock.advance(11 * time.Second)
		wantError(t, f.refresh(first.refresh), http.StatusBadRequest, "invalid_grant")
		wantError(t, f.refresh(next.refresh), http.StatusBadRequest, "invalid_grant")
		if a := f.userinfo(next.access); a.status != http.StatusUnauthorized {
			t.Errorf("the access token still works: %d", a.status)
		}
	})
}

func TestARefreshTokenIsRefused(t *testing.T) {
	f := one(t)
	f.addClient("other", nil)
	fresh := func() tokens {
		return f.tokens(f.exchange(f.browser().logIn(f.user).code("scope", "openid offline_access")))
	}
	for name, attempt := range map[string]func() answer{
		"rubbish":             func() answer { return f.refresh("rubbish") },
		"an access token":     func() answer { return f.refresh(fresh().access) },
		"an ID token":         func() answer { return f.refresh(fresh().id) },
		"a changed signature": func() answer { token := fresh().refresh; return f.refresh(token[:len(token)-4] + "AAAA") },
		"another client's": func() answer {
			return f.token("other", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {fresh().refresh}})
		},
		"idle for too long": func() answer {
			token := fresh().refresh
			f.clock.advance(30*24*time.Hour + time.Second)
			return f.refresh(token)
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, attempt(), http.StatusBadRequest, "invalid_grant") })
	}
}

// Somebody who knows a jti, from a log say, must not be able to end the grant by a token that they made up around it.
func TestAForgedTokenWithAKnownIDEndsNothing(t *testing.T) {
	f := one(t)
	first := f.tokens(f.exchange(f.browser().logIn(f.user).code()))
	next := f.tokens(f.refresh(first.refresh))
	f.clock.advance(time.Minute)
	parts := strings.Split(first.refresh, ".")
	wantError(t, f.refresh(parts[0]+"."+parts[1]+".Zm9yZ2Vk"), http.StatusBadRequest, "invalid_grant")
	wantError(t, f.refresh("eyJhbGciOiJub25lIiwidHlwIjoicnQrand0In0."+parts[1]+"."), http.StatusBadRequest, "invalid_grant")
	f.tokens(f.refresh(next.refresh))
}

func TestARefreshTokenEndsWithItsSessionUnlessOffline(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		b := f.browser().logIn(f.user)
		bound := f.tokens(f.exchange(b.code("scope", "openid")))
		offline := f.tokens(f.exchange(b.code("scope", "openid offline_access")))
		if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
			t.Fatal(err)
		}
		wantError(t, f.refresh(bound.refresh), http.StatusBadRequest, "invalid_grant")
		if a := f.userinfo(bound.access); a.status != http.StatusUnauthorized {
			t.Errorf("the access token of the ended session still works: %d", a.status)
		}
		f.tokens(f.refresh(offline.refresh))
	})
}

func TestAnIdleSessionEndsItsRefreshTokens(t *testing.T) {
	f := one(t)
	b := f.browser().logIn(f.user)
	used := f.tokens(f.exchange(b.code("scope", "openid")))
	for range 5 { // use keeps it alive past the idle time
		f.clock.advance(8 * time.Hour)
		used = f.tokens(f.refresh(used.refresh))
	}
	f.clock.advance(12*time.Hour + time.Second)
	wantError(t, f.refresh(used.refresh), http.StatusBadRequest, "invalid_grant")
}

func TestRefreshTokensSurviveARotationOfTheKeys(t *testing.T) {
	f := one(t)
	first := f.tokens(f.exchange(f.browser().logIn(f.user).code()))
	if err := f.ring.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	next := f.tokens(f.refresh(first.refresh))
	again := f.tokens(f.refresh(first.refresh)) // within the grace window
	if next.refresh != again.refresh {
		t.Error("the successor is not the same")
	}
	before, _ := decode(t, first.access)
	after, _ := decode(t, next.access)
	if before["kid"] == after["kid"] {
		t.Error("the new key does not sign")
	}
	if a := f.userinfo(first.access); a.status != http.StatusOK {
		t.Errorf("a token of the old key is refused: %d", a.status)
	}
}

// Many clients send the scope that they are configured with at every refresh (RFC 6749 §3.3, §6).
func TestARefreshWithAScopeThatThePersonUntickedGetsTheRest(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addClient("third", func(c *client.Client) { c.Trusted = false })
		b := f.browser().logIn(f.user)
		all := "openid email user:read"
		path, page := b.asked(parameters("client_id", "third", "scope", all))
		code := b.allow(t, path, page, "user:read").parameter("code")
		refresh := func(token, scope string) answer {
			return f.token("third", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}})
		}
		redeem := func(code string) tokens {
			return f.tokens(f.token("third", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}))
		}
		got := f.tokens(refresh(redeem(code).refresh, all))
		if _, claims := decode(t, got.access); got.scope != "openid user:read" || claims["scope"] != "openid user:read" || got.id == "" {
			t.Errorf("got %q, %v", got.scope, claims)
		}
		wantError(t, refresh(got.refresh, "openid board:read"), http.StatusBadRequest, "invalid_scope") // never asked for
		wantError(t, refresh(got.refresh, "email"), http.StatusBadRequest, "invalid_scope")             // nothing is left
		// The same when the person was not asked again.
		got = f.tokens(refresh(redeem(b.authorize(parameters("client_id", "third", "scope", all)).parameter("code")).refresh, all))
		if got.scope != "openid user:read" {
			t.Errorf("the next log-in: %q", got.scope)
		}
	})
}

// The same for a device.
func TestADeviceRefreshesWithAScopeThatThePersonUnticked(t *testing.T) {
	f := one(t)
	f.addTV("tv", nil)
	codes := f.startDevice("tv", url.Values{"scope": {"openid email"}})
	b := f.browser().logIn(f.user)
	form := url.Values{"user_code": {codes.user}, "decision": {"allow"}, "session": {b.sid}, "scope": {"openid"}}
	for range 2 { // a second click is answered as the first
		if a := b.post("/device", form); a.status != 200 || !strings.Contains(a.body, "connected") {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	got := f.tokens(f.poll("tv", codes.device))
	again := f.token("tv", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.refresh}, "scope": {"openid email"}})
	if got := f.tokens(again); got.scope != "openid" {
		t.Errorf("%q", got.scope)
	}
}
