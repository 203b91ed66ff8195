package tokenendpoint_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

func TestARefreshTokenIsExchangedForNewTokens(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid board:read board:write")))
	_, firstID := providertest.Decode(t, first.ID)
	f.Clock.Advance(time.Minute)
	next := f.Tokens(f.Refresh(first.Refresh))
	if next.Refresh == first.Refresh || next.Access == first.Access || next.Scope != first.Scope {
		t.Errorf("nothing changed, or the scope did: %+v", next)
	}
	_, nextID := providertest.Decode(t, next.ID)
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
	t.Parallel()
	f := providertest.One(t)
	first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid user:read board:read")))
	narrowed := f.Tokens(f.Refresh(first.Refresh, "scope", "board:read"))
	if _, claims := providertest.Decode(t, narrowed.Access); claims["scope"] != "board:read" ||
		claims["aud"] != providertest.APIOrigin+"/board" || narrowed.ID != "" {
		t.Errorf("narrowed: %v", claims)
	}
	f.Refresh(narrowed.Refresh, "scope", "board:read board:write").WantError(t, http.StatusBadRequest, "invalid_scope")
	// The refusal cost nothing, and what was granted is still there (RFC 6749 §6).
	if again := f.Tokens(f.Refresh(narrowed.Refresh)); again.Scope != "openid user:read board:read" {
		t.Errorf("the whole scope is %q", again.Scope)
	}
}

func TestWithinTheGraceWindowTheSameSuccessorComesAgain(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				next := f.Tokens(f.Refresh(first.Refresh))
				mu.Lock()
				defer mu.Unlock()
				seen[next.Refresh]++
			})
		}
		wg.Wait()
		if len(seen) != 1 {
			t.Fatalf("16 refreshes at once got %d different successors", len(seen))
		}
		f.Clock.Advance(9 * time.Second)
		again := f.Tokens(f.Refresh(first.Refresh))
		if seen[again.Refresh] != 16 {
			t.Error("a late refresh within the window got another successor")
		}
		f.Tokens(f.Refresh(again.Refresh))
	})
}

func TestAReuseAfterTheGraceWindowEndsTheGrant(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access")))
		next := f.Tokens(f.Refresh(first.Refresh))
		f.Clock.Advance(11 * time.Second)
		f.Refresh(first.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
		f.Refresh(next.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
		if a := f.Userinfo(next.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("the access token still works: %d", a.Status)
		}
	})
}

func TestARefreshTokenIsRefused(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddClient("other", nil)
	fresh := func() providertest.Tokens {
		return f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access")))
	}
	for name, attempt := range map[string]func() providertest.Answer{
		"rubbish":             func() providertest.Answer { return f.Refresh("rubbish") },
		"an access token":     func() providertest.Answer { return f.Refresh(fresh().Access) },
		"an ID token":         func() providertest.Answer { return f.Refresh(fresh().ID) },
		"a changed signature": func() providertest.Answer { token := fresh().Refresh; return f.Refresh(token[:len(token)-4] + "AAAA") },
		"another client's": func() providertest.Answer {
			return f.Token("other", providertest.RefreshGrant(fresh().Refresh))
		},
		"idle for too long": func() providertest.Answer {
			token := fresh().Refresh
			f.Clock.Advance(30*24*time.Hour + time.Second)
			return f.Refresh(token)
		},
	} {
		t.Run(name, func(t *testing.T) { attempt().WantError(t, http.StatusBadRequest, "invalid_grant") })
	}
}

// Somebody who knows a jti, from a log say, must not be able to end the grant by a token that they
// made up around it.
func TestAForgedTokenWithAKnownIDEndsNothing(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
	next := f.Tokens(f.Refresh(first.Refresh))
	f.Clock.Advance(time.Minute)
	parts := strings.Split(first.Refresh, ".")
	f.Refresh(parts[0]+"."+parts[1]+".Zm9yZ2Vk").WantError(t, http.StatusBadRequest, "invalid_grant")
	f.Refresh("eyJhbGciOiJub25lIiwidHlwIjoicnQrand0In0."+parts[1]+".").WantError(t, http.StatusBadRequest, "invalid_grant")
	f.Tokens(f.Refresh(next.Refresh))
}

func TestARefreshTokenEndsWithItsSessionUnlessOffline(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		b := f.Browser().LogIn(f.User)
		bound := f.Tokens(f.Redeem(b.Code("scope", "openid")))
		offline := f.Tokens(f.Redeem(b.Code("scope", "openid offline_access")))
		if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
			t.Fatal(err)
		}
		f.Refresh(bound.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
		if a := f.Userinfo(bound.Access); a.Status != http.StatusUnauthorized {
			t.Errorf("the access token of the ended session still works: %d", a.Status)
		}
		f.Tokens(f.Refresh(offline.Refresh))
	})
}

func TestAnIdleSessionEndsItsRefreshTokens(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	used := f.Tokens(f.Redeem(b.Code("scope", "openid")))
	for range 5 { // use keeps it alive past the idle time
		f.Clock.Advance(8 * time.Hour)
		used = f.Tokens(f.Refresh(used.Refresh))
	}
	f.Clock.Advance(12*time.Hour + time.Second)
	f.Refresh(used.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
}

func TestRefreshTokensSurviveARotationOfTheKeys(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
	if err := f.Ring.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	next := f.Tokens(f.Refresh(first.Refresh))
	again := f.Tokens(f.Refresh(first.Refresh)) // within the grace window
	if next.Refresh != again.Refresh {
		t.Error("the successor is not the same")
	}
	before, _ := providertest.Decode(t, first.Access)
	after, _ := providertest.Decode(t, next.Access)
	if before["kid"] == after["kid"] {
		t.Error("the new key does not sign")
	}
	if a := f.Userinfo(first.Access); a.Status != http.StatusOK {
		t.Errorf("a token of the old key is refused: %d", a.Status)
	}
}

// Many clients send the scope that they are configured with at every refresh (RFC 6749 §3.3, §6).
func TestARefreshWithAScopeThatThePersonUntickedGetsTheRest(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("third", func(c *client.Client) { c.Trusted = false })
		b := f.Browser().LogIn(f.User)
		all := "openid email user:read"
		path, page := b.Asked(providertest.Parameters("client_id", "third", "scope", all))
		code := b.Allow(t, path, page, "user:read").Parameter("code")
		refresh := func(token, scope string) providertest.Answer {
			return f.Token("third", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "scope": {scope}})
		}
		redeem := func(code string) providertest.Tokens {
			return f.Tokens(f.Token("third", providertest.CodeGrant(code)))
		}
		got := f.Tokens(refresh(redeem(code).Refresh, all))
		if _, claims := providertest.Decode(t, got.Access); got.Scope != "openid user:read" || claims["scope"] != "openid user:read" ||
			got.ID == "" {
			t.Errorf("got %q, %v", got.Scope, claims)
		}
		refresh(got.Refresh, "openid board:read").WantError(t, http.StatusBadRequest, "invalid_scope") // never asked for
		refresh(got.Refresh, "email").WantError(t, http.StatusBadRequest, "invalid_scope")             // nothing is left
		// The same when the person was not asked again.
		got = f.Tokens(refresh(redeem(b.Authorize("client_id", "third", "scope", all).Parameter("code")).Refresh, all))
		if got.Scope != "openid user:read" {
			t.Errorf("the next log-in: %q", got.Scope)
		}
	})
}

// The same for a device.
func TestADeviceRefreshesWithAScopeThatThePersonUnticked(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	f.AddTV("tv", nil)
	codes := f.StartDevice("tv", url.Values{"scope": {"openid email"}})
	b := f.Browser().LogIn(f.User)
	form := url.Values{"user_code": {codes.User}, "decision": {"allow"}, "session": {b.SID}, "scope": {"openid"}}
	for range 2 { // a second click is answered as the first
		if a := b.Post("/device", form); a.Status != 200 || !strings.Contains(a.Body, "connected") {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	got := f.Tokens(f.Poll("tv", codes.Device))
	again := f.TokenWith("tv", "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "scope": {"openid email"}})
	if got := f.Tokens(again); got.Scope != "openid" {
		t.Errorf("%q", got.Scope)
	}
}
