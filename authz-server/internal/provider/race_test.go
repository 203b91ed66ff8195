package provider_test

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Whatever comes first, the end of a session or the answer to a request, no grant of the session is left alive.
func TestTheEndOfASessionLeavesNoGrantInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for range 20 {
			b := f.browser().logIn(f.user)
			var got answer
			var wg sync.WaitGroup
			wg.Go(func() { got = b.authorize(parameters("scope", "openid")) })
			wg.Go(func() {
				if err := f.store.Sessions.EndSession(t.Context(), b.sid); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if code := got.parameter("code"); code != "" {
				wantError(t, f.exchange(code), http.StatusBadRequest, "invalid_grant")
			}
		}
	})
}

// An app asks silently, again and again, while something happens that ends what it was granted. No grant is left alive of those
// that were under way at that moment, and nobody is told that the server failed.
func TestWhatEndsGrantsEndsThoseUnderWay(t *testing.T) {
	for name, end := range map[string]func(f *fixture, b *browser) error{
		"consent withdrawn": func(f *fixture, b *browser) error {
			return f.store.Consents.WithdrawConsent(f.t.Context(), f.user.ID, "third")
		},
		"all other sessions ended": func(f *fixture, b *browser) error {
			return f.store.Sessions.EndSessionsOf(f.t.Context(), f.user.ID, f.browser().logIn(f.user).sid)
		},
		"password changed": func(f *fixture, b *browser) error {
			_, err := f.store.Users.ChangePassword(f.t.Context(), f.user.ID, "x", "x", f.browser().logIn(f.user).sid)
			return err
		},
		"password reset":   func(f *fixture, b *browser) error { return f.store.Users.ResetPassword(f.t.Context(), f.user.ID, "x") },
		"account disabled": func(f *fixture, b *browser) error { return f.store.Users.SetDisabled(f.t.Context(), f.user.ID, true) },
		"client deleted": func(f *fixture, b *browser) error {
			_, err := f.store.DeleteClient(f.t.Context(), "third")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *fixture) {
				for range 8 {
					f.untilEnded(t, end)
				}
			})
		})
	}
}

// untilEnded authorizes the client "third" from four tabs until what end ends is over, and looks at all grants that were made.
func (f *fixture) untilEnded(t *testing.T, end func(f *fixture, b *browser) error) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.store.Clients.Client(t.Context(), "third"); errors.Is(err, store.ErrNotFound) {
		f.addClient("third", func(c *client.Client) { c.Trusted = false })
	}
	must(f.store.Users.SetDisabled(t.Context(), f.user.ID, false))
	must(f.store.Consents.GrantConsent(t.Context(), f.user.ID, "third", []string{"openid", "offline_access"}))
	b := f.browser().logIn(f.user)
	silent := parameters("client_id", "third", "scope", "openid offline_access", "prompt", "none")

	var mu sync.Mutex
	var codes []string
	var begun sync.Once
	granted := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			defer begun.Do(func() { close(granted) })
			for {
				a := b.authorize(silent)
				code := a.parameter("code")
				if code == "" {
					if a.status >= 500 || a.parameter("error") == "server_error" {
						t.Errorf("the server failed: %d %v %s", a.status, a.location, a.body)
					}
					return
				}
				mu.Lock()
				codes = append(codes, code)
				mu.Unlock()
				begun.Do(func() { close(granted) })
			}
		})
	}
	<-granted
	must(end(f, b))
	wg.Wait()
	for _, code := range codes {
		c, err := f.store.Grants.Code(t.Context(), opaque.Hash(code))
		if errors.Is(err, store.ErrNotFound) { // gone with its client
			continue
		}
		must(err)
		if c.Grant.Live(f.clock.now()) {
			t.Fatalf("of %d grants at least one lives on", len(codes))
		}
	}
}

// Who agrees, and takes it back before the browser has carried the answer to the app, is asked again.
func TestAnAnswerThatWasTakenBackIsNotActedOn(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addClient("third", func(c *client.Client) { c.Trusted = false })
		b := f.browser().logIn(f.user)
		request := parameters("client_id", "third", "scope", "openid board:read")
		decide := func(button string) (onward string) {
			path, page := b.asked(request)
			form := hiddenFields(page.body)
			form["scope"] = []string{"board:read"}
			form.Set(buttonName(t, page.body, button))
			a := b.post(path, form)
			if a.location == nil || a.location.Path != "/oauth2/authorize" {
				t.Fatalf("%d %v %s", a.status, a.location, a.body)
			}
			return a.location.String()
		}
		onward := decide("allow")
		if err := f.store.Consents.WithdrawConsent(t.Context(), f.user.ID, "third"); err != nil {
			t.Fatal(err)
		}
		if a := b.get(onward); a.location == nil || a.location.Path != "/consent" {
			t.Errorf("after the withdrawal: %d %v %s", a.status, a.location, a.body)
		}
		// Another client's answer, and another person's, are none of this withdrawal's business.
		onward = decide("allow")
		other, err := f.store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.store.Consents.WithdrawConsent(t.Context(), f.user.ID, "app"), f.store.Consents.WithdrawConsent(t.Context(), other.ID, "third")); err != nil {
			t.Fatal(err)
		}
		if a := b.get(onward); a.parameter("code") == "" {
			t.Errorf("%d %v %s", a.status, a.location, a.body)
		}
	})
}

// A person, or somebody at their session, allows a device at the moment when all sessions and grants end: the device gets nothing
// that lasts. An answer with tokens that came before is worth nothing afterwards.
func TestADeviceAllowedAtTheEndOfASessionGetsNothingInARace(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.addTV("tv", nil)
		for range 12 {
			b := f.browser().logIn(f.user)
			codes := f.startDevice("tv", url.Values{"scope": {"openid offline_access"}})
			form := hiddenFields(b.post("/device", url.Values{"user_code": {codes.user}}).body)
			form["scope"], form["decision"] = []string{"offline_access"}, []string{"allow"}
			var wg sync.WaitGroup
			wg.Go(func() {
				if a := b.post("/device", form); a.status >= 500 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
			wg.Go(func() {
				if err := f.store.Users.ResetPassword(t.Context(), f.user.ID, "x"); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if a := f.pollInTime("tv", codes.device); a.status == http.StatusOK {
				t.Fatalf("%s", a.body)
			}
		}
	})
}

// Codes and refresh tokens are used at the moment when their client is deleted, or their grant is revoked. Whoever comes too
// late is told invalid_grant or invalid_client and not that the server failed; whoever was in time has tokens of a dead grant.
func TestTokensAreRefusedPlainlyWhenTheirGrantGoesInARace(t *testing.T) {
	for name, end := range map[string]func(f *fixture) error{
		"client deleted":    func(f *fixture) error { _, err := f.store.DeleteClient(f.t.Context(), "third"); return err },
		"consent withdrawn": func(f *fixture) error { return f.store.Consents.WithdrawConsent(f.t.Context(), f.user.ID, "third") },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *fixture) {
				for range 10 {
					if _, err := f.store.Clients.Client(t.Context(), "third"); errors.Is(err, store.ErrNotFound) {
						f.addClient("third", nil)
					}
					b := f.browser().logIn(f.user)
					redeem := func() answer {
						code := b.code("client_id", "third", "scope", "openid offline_access")
						return f.token("third", secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
					}
					refresh := f.tokens(redeem()).refresh
					code := b.code("client_id", "third", "scope", "openid offline_access")
					var wg sync.WaitGroup
					for _, form := range []url.Values{
						{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}},
						{"grant_type": {"refresh_token"}, "refresh_token": {refresh}},
					} {
						wg.Go(func() {
							a := f.token("third", secret, form)
							if a.status >= 500 {
								t.Errorf("%d %s", a.status, a.body)
							}
						})
					}
					wg.Go(func() {
						if err := end(f); err != nil {
							t.Error(err)
						}
					})
					wg.Wait()
					if a := f.token("third", secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}); a.status == http.StatusOK {
						t.Fatal("the grant lives on")
					}
				}
			})
		})
	}
}
