package authorize_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Whatever comes first, the end of a session or the answer to a request, no grant of the session is
// left alive.
func TestTheEndOfASessionLeavesNoGrantInARace(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		for range 20 {
			b := f.Browser().LogIn(f.User)
			var got providertest.Answer
			var wg sync.WaitGroup
			wg.Go(func() { got = b.Authorize("scope", "openid") })
			wg.Go(func() {
				if err := f.Store.Sessions.EndSession(t.Context(), b.SID); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			if code := got.Parameter("code"); code != "" {
				f.Redeem(code).WantError(t, http.StatusBadRequest, "invalid_grant")
			}
		}
	})
}

// An app asks silently, again and again, while something happens that ends what it was granted. No
// grant is left alive of those that were under way at that moment, and nobody is told that the
// server failed.
func TestWhatEndsGrantsEndsThoseUnderWay(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *providertest.Fixture, b *providertest.Browser) error{
		"consent withdrawn": func(f *providertest.Fixture, b *providertest.Browser) error {
			return f.Store.Consents.WithdrawConsent(f.T.Context(), f.User.ID, "third")
		},
		"all other sessions ended": func(f *providertest.Fixture, b *providertest.Browser) error {
			return f.Store.Sessions.EndSessionsOf(f.T.Context(), f.User.ID, f.Browser().LogIn(f.User).SID)
		},
		"password changed": func(f *providertest.Fixture, b *providertest.Browser) error {
			_, err := f.Store.Users.ChangePassword(f.T.Context(), f.User.ID, "x", "x", f.Browser().LogIn(f.User).SID)
			return err
		},
		"password reset": func(f *providertest.Fixture, b *providertest.Browser) error {
			return f.Store.Users.ResetPassword(f.T.Context(), f.User.ID, "x", "")
		},
		"account disabled": func(f *providertest.Fixture, b *providertest.Browser) error {
			return f.Store.Users.SetDisabled(f.T.Context(), f.User.ID, true)
		},
		"client deleted": func(f *providertest.Fixture, b *providertest.Browser) error {
			_, err := f.Store.DeleteClient(f.T.Context(), "third")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
				for range 8 {
					untilEnded(f, t, end)
				}
			})
		})
	}
}

// untilEnded authorizes the client "third" from four tabs until what end ends is over, and looks at
// all grants that were made.
func untilEnded(f *providertest.Fixture, t *testing.T, end func(f *providertest.Fixture, b *providertest.Browser) error) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Store.Clients.Client(t.Context(), "third"); errors.Is(err, store.ErrNotFound) {
		f.AddClient("third", func(c *client.Client) { c.Trusted = false })
	}
	must(f.Store.Users.SetDisabled(t.Context(), f.User.ID, false))
	must(f.Store.Consents.GrantConsent(t.Context(), f.User.ID, "third", []string{"openid", "offline_access"}))
	b := f.Browser().LogIn(f.User)
	silent := providertest.Parameters("client_id", "third", "scope", "openid offline_access", "prompt", "none")

	var mu sync.Mutex
	var codes []string
	var begun sync.Once
	granted := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			defer begun.Do(func() { close(granted) })
			for {
				a := b.AuthorizeForm(silent)
				code := a.Parameter("code")
				if code == "" {
					if a.Status >= 500 || a.Parameter("error") == "server_error" {
						t.Errorf("the server failed: %d %v %s", a.Status, a.Location, a.Body)
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
		c, err := f.Store.Grants.Code(t.Context(), opaque.Hash(code))
		if errors.Is(err, store.ErrNotFound) { // gone with its client
			continue
		}
		must(err)
		if c.Grant.Live(f.Clock.Now()) {
			t.Fatalf("of %d grants at least one lives on", len(codes))
		}
	}
}

// Who agrees, and takes it back before the browser has carried the answer to the app, is asked
// again.
func TestAnAnswerThatWasTakenBackIsNotActedOn(t *testing.T) {
	t.Parallel()
	providertest.Each(t, func(t *testing.T, f *providertest.Fixture) {
		f.AddClient("third", func(c *client.Client) { c.Trusted = false })
		b := f.Browser().LogIn(f.User)
		request := providertest.Parameters("client_id", "third", "scope", "openid board:read")
		decide := func(button string) (onward string) {
			path, page := b.Asked(request)
			form := providertest.HiddenFields(page.Body)
			form["scope"] = []string{"board:read"}
			form.Set(providertest.ButtonName(t, page.Body, button))
			a := b.Post(path, form)
			if a.Location == nil || a.Location.Path != "/oauth2/authorize" {
				t.Fatalf("%d %v %s", a.Status, a.Location, a.Body)
			}
			return a.Location.String()
		}
		onward := decide("allow")
		if err := f.Store.Consents.WithdrawConsent(t.Context(), f.User.ID, "third"); err != nil {
			t.Fatal(err)
		}
		if a := b.Get(onward); a.Location == nil || a.Location.Path != "/consent" {
			t.Errorf("after the withdrawal: %d %v %s", a.Status, a.Location, a.Body)
		}
		// Another client's answer, and another person's, are none of this withdrawal's business.
		onward = decide("allow")
		other, err := f.Store.Users.CreateUser(t.Context(), accounts.User{Email: "other@example.com", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Store.Consents.WithdrawConsent(t.Context(), f.User.ID, "app"),
			f.Store.Consents.WithdrawConsent(t.Context(), other.ID, "third")); err != nil {
			t.Fatal(err)
		}
		if a := b.Get(onward); a.Parameter("code") == "" {
			t.Errorf("%d %v %s", a.Status, a.Location, a.Body)
		}
	})
}
