package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// grantFixture is a store with a client, a person logged in, and a clock that the test moves.
type grantFixture struct {
	*store.Store
	now     time.Time
	user    store.User
	session store.Session
}

func eachGrantStore(t *testing.T, test func(t *testing.T, f *grantFixture)) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		f := &grantFixture{now: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
		var err error
		f.Store, err = store.Open(t.Context(), databaseURL, func() time.Time { return f.now })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := f.CreateClient(t.Context(), client.Client{ID: "app"}); err != nil {
			t.Fatal(err)
		}
		f.user, err = f.CreateUser(t.Context(), store.User{Email: "a@example.com", Name: "A", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		f.session, _, err = f.CreateSession(t.Context(), store.Session{UserID: f.user.ID}, "x")
		if err != nil {
			t.Fatal(err)
		}
		test(t, f)
	})
}

// code stores a new code of a new grant and returns its hash.
func (f *grantFixture) code(t *testing.T, id string, offline bool) []byte {
	t.Helper()
	hash := store.Hash("code " + id)
	g := store.Grant{ID: id, ClientID: "app", UserID: f.user.ID, SessionID: f.session.ID, Scope: []string{"openid", "user:read"},
		Audience: []string{"https://api.example/user"}, Offline: offline, AuthTime: f.now, ACR: "1", AMR: []string{"pwd"},
		CreatedAt: f.now, ExpiresAt: f.now.Add(24 * time.Hour), Claims: "{}", KeyThumbprint: "jkt"}
	c, err := f.Client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CreateGrant(t.Context(), g, &c); err != nil {
		t.Fatal(err)
	}
	err = f.CreateCode(t.Context(), hash, store.Code{
		Grant: g, RedirectURI: "https://app.example/cb", CodeChallenge: "challenge", Nonce: "n", KeyThumbprint: "jkt2", ExpiresAt: f.now.Add(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func (f *grantFixture) refreshToken(grant, id string) store.RefreshToken {
	return store.RefreshToken{Hash: store.Hash("refresh " + id), GrantID: grant, ID: id, KeyID: "k1", IssuedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}
}

// winners runs try 32 times at once and counts how often it won.
func winners(t *testing.T, try func(ctx context.Context, i int) (bool, error)) int64 {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			ok, err := try(t.Context(), i)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	return won.Load()
}

func TestACodeComesBackAsItWasStored(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.code(t, "g1", true)
		c, err := f.Code(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Active || c.RedirectURI != "https://app.example/cb" || c.CodeChallenge != "challenge" || c.Nonce != "n" || c.KeyThumbprint != "jkt2" || c.Grant.KeyThumbprint != "jkt" || c.Grant.Claims != "{}" || !c.ExpiresAt.Equal(f.now.Add(time.Minute)) {
			t.Errorf("code: %+v", c)
		}
		g := c.Grant
		if g.ID != "g1" || g.ClientID != "app" || g.UserID != f.user.ID || !g.Offline || !slices.Equal(g.Scope, []string{"openid", "user:read"}) ||
			!slices.Equal(g.AMR, []string{"pwd"}) || !g.AuthTime.Equal(f.now) || !g.Live(f.now) || g.Live(f.now.Add(25*time.Hour)) {
			t.Errorf("grant: %+v", g)
		}
		if _, err := f.Code(t.Context(), store.Hash("another")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown code gave %v", err)
		}
	})
}

func TestACodeIsRedeemedOnce(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		hash := f.code(t, "g1", false)
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			first := f.refreshToken("g1", string(rune('a'+i)))
			return f.RedeemCode(ctx, hash, &first)
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		if c, err := f.Code(t.Context(), hash); err != nil || c.Active {
			t.Fatalf("the spent code: %+v, %v", c, err)
		}
	})
}

func TestAnExpiredOrRevokedCodeIsNotRedeemed(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		late, revoked := f.code(t, "late", false), f.code(t, "revoked", false)
		if ok, err := f.RevokeGrant(t.Context(), "revoked"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if ok, err := f.RevokeGrant(t.Context(), "revoked"); ok || err != nil {
			t.Fatalf("the second revocation: %t, %v", ok, err)
		}
		if won, err := f.RedeemCode(t.Context(), revoked, nil); won || err != nil {
			t.Errorf("a revoked grant's code: %t, %v", won, err)
		}
		f.now = f.now.Add(time.Minute)
		if won, err := f.RedeemCode(t.Context(), late, nil); won || err != nil {
			t.Errorf("an expired code: %t, %v", won, err)
		}
	})
}

func TestARefreshTokenIsRotatedOnceAndTheOthersFindItsSuccessor(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		first := f.refreshToken("g1", "first")
		if won, err := f.RedeemCode(t.Context(), f.code(t, "g1", false), &first); !won || err != nil {
			t.Fatal(won, err)
		}
		won := winners(t, func(ctx context.Context, i int) (bool, error) {
			return f.RotateRefreshToken(ctx, first.Hash, f.refreshToken("g1", "next"+string(rune('a'+i))))
		})
		if won != 1 {
			t.Fatalf("%d of 32 won", won)
		}
		used, _, err := f.RefreshToken(t.Context(), first.Hash)
		if err != nil || !used.UsedAt.Equal(f.now) {
			t.Fatalf("%+v, %v", used, err)
		}
		successor, g, err := f.RefreshToken(t.Context(), used.Successor)
		if err != nil || !successor.UsedAt.IsZero() || successor.KeyID != "k1" || g.ID != "g1" {
			t.Fatalf("%+v of %+v, %v", successor, g, err)
		}
	})
}

func TestARevokedGrantRotatesNothing(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		first := f.refreshToken("g1", "first")
		if won, err := f.RedeemCode(t.Context(), f.code(t, "g1", false), &first); !won || err != nil {
			t.Fatal(won, err)
		}
		if _, err := f.RevokeGrant(t.Context(), "g1"); err != nil {
			t.Fatal(err)
		}
		if won, err := f.RotateRefreshToken(t.Context(), first.Hash, f.refreshToken("g1", "next")); won || err != nil {
			t.Fatal(won, err)
		}
	})
}

func TestTheEndOfASessionEndsItsGrantsButNotOfflineOnes(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "bound", false)
		f.code(t, "offline", true)
		if err := f.ContinueSession(t.Context(), f.session.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.EndSession(t.Context(), f.session.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.ContinueSession(t.Context(), f.session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an ended session went on: %v", err)
		}
		for id, live := range map[string]bool{"bound": false, "offline": true} {
			if g, err := f.Grant(t.Context(), id); err != nil || g.Live(f.now) != live {
				t.Errorf("grant %s: live %t, %v", id, g.Live(f.now), err)
			}
		}
	})
}

func TestARefreshKeepsTheSessionUpToItsAbsoluteEnd(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for end := f.session.ExpiresAt; f.now.Before(end.Add(-time.Hour)); f.now = f.now.Add(6 * time.Hour) {
			if err := f.ContinueSession(t.Context(), f.session.ID); err != nil {
				t.Fatalf("at %s: %v", f.now, err)
			}
		}
		f.now = f.session.ExpiresAt
		if err := f.ContinueSession(t.Context(), f.session.ID); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("after its absolute end: %v", err)
		}
	})
}

func TestRevokedTokensAreRememberedUntilTheyExpire(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		expires := f.now.Add(10 * time.Minute)
		for range 2 { // twice is no error
			if err := f.RevokeToken(t.Context(), "t1", expires); err != nil {
				t.Fatal(err)
			}
		}
		if revoked, err := f.TokenRevoked(t.Context(), "t1"); !revoked || err != nil {
			t.Fatal(revoked, err)
		}
		if revoked, err := f.TokenRevoked(t.Context(), "t2"); revoked || err != nil {
			t.Fatal(revoked, err)
		}
		f.code(t, "g1", false)
		if rows, err := f.Sweep(t.Context()); rows != 0 || err != nil {
			t.Fatal("swept too early:", rows, err)
		}
		f.now = f.now.Add(49 * time.Hour)
		if rows, err := f.Sweep(t.Context()); rows != 3 || err != nil {
			t.Fatalf("swept %d rows, want the token, the grant and the session: %v", rows, err)
		}
		if _, err := f.Code(t.Context(), store.Hash("code g1")); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("the grant's code is still there: %v", err)
		}
	})
}

// A grant is decided from what was read of its client. If that is not so any more, nothing is granted.
func TestAGrantToAClientThatHasChangedIsNotMade(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		c, err := f.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		grant := func(id string) error {
			return f.CreateGrant(t.Context(), store.Grant{ID: id, ClientID: "app", UserID: f.user.ID, SessionID: f.session.ID, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}, &c)
		}
		if err := grant("first"); err != nil {
			t.Fatal(err)
		}
		changed := c
		changed.Trusted = !changed.Trusted
		f.now = f.now.Add(time.Second)
		if err := f.UpdateClient(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if err := grant("second"); !errors.Is(err, store.ErrStale) {
			t.Errorf("to a client that was changed: %v", err)
		}
		if _, err := f.DeleteClient(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
		if err := grant("third"); !errors.Is(err, store.ErrStale) {
			t.Errorf("to a client that is gone: %v", err)
		}
		for _, id := range []string{"first", "second", "third"} {
			if _, err := f.Grant(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s is there: %v", id, err)
			}
		}
	})
}

// Whatever of the two comes first, a grant by an earlier consent never outlives the consent's withdrawal.
func TestAWithdrawalLeavesNoGrantInARace(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		c, err := f.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var all []string
		grant := func(id string) error {
			return f.Tx(t.Context(), func(ctx context.Context) error {
				if err := f.HoldConsent(ctx, f.user.ID, "app", []string{"openid"}); err != nil {
					return err
				}
				g := store.Grant{ID: id, UserID: f.user.ID, SessionID: f.session.ID, Scope: []string{"openid"}, CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}
				return f.CreateGrant(ctx, g, &c)
			})
		}
		for round := range 30 {
			if err := f.GrantConsent(t.Context(), f.user.ID, "app", []string{"openid"}); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var begun sync.Once
			granted := make(chan struct{})
			for i := range 4 {
				wg.Go(func() {
					defer begun.Do(func() { close(granted) })
					for n := 0; ; n++ { // until the consent is gone
						id := fmt.Sprint("g", round, "-", i, "-", n)
						err := grant(id)
						if errors.Is(err, store.ErrStale) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						all = append(all, id)
						begun.Do(func() { close(granted) })
						mu.Unlock()
					}
				})
			}
			<-granted
			wg.Go(func() {
				if err := f.WithdrawConsent(t.Context(), f.user.ID, "app"); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
		}
		if live := f.liveGrants(t, all...); live != nil {
			t.Errorf("of %d grants %d live on without a consent", len(all), len(live))
		}
	})
}

func TestAConsentIsHeldForWhatItCovers(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		if err := f.GrantConsent(t.Context(), f.user.ID, "app", []string{"openid", "email"}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			client, scope string
			want          error
		}{{"app", "openid", nil}, {"app", "openid email", nil}, {"app", "", nil}, {"app", "openid phone", store.ErrStale}, {"other", "openid", store.ErrStale}} {
			if err := f.HoldConsent(t.Context(), f.user.ID, test.client, strings.Fields(test.scope)); !errors.Is(err, test.want) {
				t.Errorf("%s, %q: %v", test.client, test.scope, err)
			}
		}
	})
}
