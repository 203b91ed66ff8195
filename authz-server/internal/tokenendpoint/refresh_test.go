package tokenendpoint_test

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/provider"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
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
		for range 32 {
			wg.Go(func() {
				next := f.Tokens(f.Refresh(first.Refresh))
				mu.Lock()
				defer mu.Unlock()
				seen[next.Refresh]++
			})
		}
		wg.Wait()
		if len(seen) != 1 {
			t.Fatalf("32 refreshes at once got %d different successors", len(seen))
		}
		f.Clock.Advance(9 * time.Second)
		again := f.Tokens(f.Refresh(first.Refresh))
		if seen[again.Refresh] != 32 {
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

// Only somebody who got the successor can have exchanged it: of the two who have the token, the
// other one.
func TestAReuseAfterTheSuccessorWasExchangedEndsTheGrant(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		next := f.Tokens(f.Refresh(f.Tokens(f.Refresh(first.Refresh)).Refresh))
		f.Refresh(first.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant") // within the window
		f.Refresh(next.Refresh).WantError(t, http.StatusBadRequest, "invalid_grant")
	})
}

func TestWithoutAGraceWindowEveryReuseEndsTheGrant(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.NewWith(t, databaseURL, func(c *provider.Config) { c.Lifetimes.RefreshGrace = -1 })
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code()))
		next := f.Tokens(f.Refresh(f.Tokens(f.Refresh(first.Refresh)).Refresh))
		f.Clock.Advance(time.Hour)
		next = f.Tokens(f.Refresh(next.Refresh))
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if a := f.Refresh(next.Refresh); a.Status == http.StatusOK {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d of 32 won", won.Load())
		}
		if active(t, f, next.Refresh) {
			t.Error("the token is active")
		}
		var live []string
		for _, token := range []string{first.Refresh, next.Refresh} {
			if a := f.Refresh(token); a.Status == http.StatusOK {
				live = append(live, a.Body)
			}
		}
		if live != nil || f.Userinfo(next.Access).Status != http.StatusUnauthorized {
			t.Errorf("the grant lives on: %v", live)
		}
	})
}

// A database that was restored from a backup knows nothing of the tokens that were issued since.
// They are refused, and end nothing; nor do they pass for those with which the grant goes on.
func TestATokenThatARestoredDatabaseDoesNotKnowIsRefused(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := providertest.New(t, databaseURL)
		first := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access"))).Refresh
		f.Clock.Advance(time.Minute)
		second := f.Tokens(f.Refresh(first)).Refresh
		f.Clock.Advance(time.Minute)
		third := f.Tokens(f.Refresh(second)).Refresh
		_, claims := providertest.Decode(t, first)
		storetest.Beside(databaseURL).Exec(t, `UPDATE grants SET refresh_number = 1, refresh_issued_at = $1, refresh_expires_at = $2,
			refresh_rotated_at = 0`, int64(claims["iat"].(float64))*1e6, int64(claims["exp"].(float64))*1e6)
		f.Clock.Advance(time.Minute)
		refused := func(tokens ...string) {
			t.Helper()
			for _, one := range tokens {
				f.Refresh(one).WantError(t, http.StatusBadRequest, "invalid_grant")
				if active(t, f, one) {
					t.Error("introspection knows it")
				}
			}
		}
		refused(third, second)
		again := f.Tokens(f.Refresh(first)).Refresh
		refused(third, second) // the second has the number that is the newest again
		f.Tokens(f.Refresh(again))
	})
}

// active asks about a token as the client "app".
func active(t *testing.T, f *providertest.Fixture, token string) bool {
	t.Helper()
	a := f.PostAs("app", "/oauth2/introspect", url.Values{"token": {token}})
	if a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return a.JSON(t)["active"] == true
}

// Whatever comes in whatever order: the newest token is exchanged, the one before it gets the same
// successor within the window, and any other use of what was used ends the grant.
func TestRefreshesInAnyOrder(t *testing.T) {
	t.Parallel()
	eachOld(t, func(t *testing.T, f old) {
		b := f.Browser().LogIn(f.User)
		rapid.Check(t, func(r *rapid.T) {
			tokens := []string{f.Tokens(f.Redeem(b.Code("scope", "board:read offline_access"))).Refresh}
			if rapid.Bool().Draw(r, "begun by the version before") {
				tokens[0] = f.before(t, tokens[0], rand.Text())
			}
			var rotated time.Time
			over := false
			for range rapid.IntRange(1, 12).Draw(r, "steps") {
				newest := len(tokens) - 1
				i := max(0, newest-rapid.IntRange(0, 3).Draw(r, "age"))
				switch rapid.SampledFrom([]string{"wait", "forge", "ask", "revoke", "refresh", "refresh", "refresh", "refresh"}).Draw(r, "step") {
				case "wait":
					f.Clock.Advance(time.Duration(rapid.IntRange(1, 11).Draw(r, "seconds")) * time.Second)
				case "forge":
					f.Refresh(tokens[i][:len(tokens[i])-4]+"AAAA").WantError(t, http.StatusBadRequest, "invalid_grant")
				case "ask":
					if active(t, f.Fixture, tokens[i]) != (!over && i == newest) {
						r.Fatalf("token %d of %d, over %t: active %t", i, newest, over, !over)
					}
				case "revoke": // by a used one too: it is known to be the client's
					if a := f.PostAs("app", "/oauth2/revoke", url.Values{"token": {tokens[i]}}); a.Status != http.StatusOK {
						r.Fatalf("%d %s", a.Status, a.Body)
					}
					over = true
				case "refresh":
					a := f.Refresh(tokens[i])
					repeated := i == newest-1 && f.Clock.Now().Sub(rotated) <= 10*time.Second
					if over = over || i != newest && !repeated; over {
						a.WantError(t, http.StatusBadRequest, "invalid_grant")
						continue
					}
					if a.Status != http.StatusOK {
						r.Fatalf("token %d of %d, repeated %t: %s", i, newest, repeated, a.Body)
					}
					next := f.Tokens(a).Refresh
					if repeated != (next == tokens[newest]) {
						r.Fatalf("token %d of %d: repeated %t", i, newest, repeated)
					}
					if !repeated {
						tokens, rotated = append(tokens, next), f.Clock.Now().Truncate(time.Microsecond) // as it is stored
					}
				}
			}
		})
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
