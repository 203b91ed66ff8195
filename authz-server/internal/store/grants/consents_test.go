package grants_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestConsentsAddUpWithoutLoss(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if _, err := f.Consents.Consent(t.Context(), f.Person.ID, "app"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, f.Consents.GrantConsent(ctx, f.Person.ID, "app", []string{"openid", fmt.Sprintf("scope:%d", i)})
		})
		got, err := f.Consents.Consent(t.Context(), f.Person.ID, "app")
		if err != nil || len(got.Scope) != 33 {
			t.Errorf("32 consents at once left %d scopes: %v", len(got.Scope), err)
		}
	})
}

func TestTheLatestDecisionOnAScopeCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		for _, step := range []struct{ allow, decline, scope, declined []string }{
			{[]string{"openid"}, []string{"email", "claims:gender"}, []string{"openid"}, []string{"claims:gender", "email"}},
			{[]string{"openid", "email"}, nil, []string{"email", "openid"}, []string{"claims:gender"}},
			{[]string{"openid"}, []string{"email"}, []string{"openid"}, []string{"claims:gender", "email"}},
		} {
			if err := f.Consents.DecideConsent(t.Context(), f.Person.ID, "app", step.allow, step.decline); err != nil {
				t.Fatal(err)
			}
			got, err := f.Consents.Consent(t.Context(), f.Person.ID, "app")
			if err != nil || !slices.Equal(got.Scope, step.scope) || !slices.Equal(got.Declined, step.declined) {
				t.Errorf("%+v: %+v %v", step, got, err)
			}
		}
	})
}

func TestAWithdrawnConsentEndsAllGrantsOfThatClient(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		f.Code(t, "online", false)
		f.Code(t, "offline", true)
		if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, "app", []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		f.Now = f.Now.Add(time.Second)
		if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, "another", []string{"email", "openid"}); err != nil {
			t.Fatal(err)
		}
		all, err := f.Consents.Connections(t.Context(), f.Person.ID)
		if err != nil || len(all) != 2 || all[0].ClientID != "another" || all[1].ClientID != "app" {
			t.Errorf("%+v %v", all, err)
		}
		other, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "b@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Consents.WithdrawConsent(t.Context(), other.ID, "app"); err != nil || len(f.LiveGrants(t, "online", "offline")) != 2 {
			t.Error("another person withdrew it", err)
		}
		if err := f.Consents.WithdrawConsent(t.Context(), f.Person.ID, "app"); err != nil || f.LiveGrants(t, "online", "offline") != nil {
			t.Error("grants outlived the consent", err)
		}
		if all, err := f.Consents.Connections(t.Context(), f.Person.ID); err != nil || len(all) != 1 || all[0].ClientID != "another" {
			t.Errorf("%+v %v", all, err)
		}
	})
}

func TestAClientThatNeedsNoConsentIsAConnectionWhileItHoldsAGrant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		connections := func(want int) []grants.Consent {
			t.Helper()
			all, err := f.Consents.Connections(t.Context(), f.Person.ID)
			if err != nil || len(all) != want {
				t.Errorf("%+v %v", all, err)
			}
			return all
		}
		connections(0)
		f.Code(t, "first", false)
		f.Code(t, "second", true)
		if all := connections(1); all[0].ClientID != "app" || len(all[0].Scope) != 0 || !all[0].UpdatedAt.Equal(f.Now) {
			t.Errorf("%+v", all)
		}
		if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, "app", []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		if all := connections(1); len(all[0].Scope) != 1 {
			t.Errorf("%+v", all)
		}
		if err := f.Consents.WithdrawConsent(t.Context(), f.Person.ID, "app"); err != nil {
			t.Fatal(err)
		}
		connections(0)
	})
}

// Whatever of the two comes first, a grant by an earlier consent never outlives the consent's
// withdrawal.
func TestAWithdrawalLeavesNoGrantInARace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		c, err := f.Clients.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var all []string
		grant := func(id string) error {
			return f.Tx(t.Context(), func(ctx context.Context) error {
				if err := f.Consents.HoldConsent(ctx, f.Person.ID, "app", []string{"openid"}); err != nil {
					return err
				}
				g := grants.Grant{ID: id, UserID: f.Person.ID, SessionID: f.Session.ID, Scope: []string{"openid"}, CreatedAt: f.Now,
					ExpiresAt: f.Now.Add(time.Hour)}
				return f.Grants.CreateGrant(ctx, g, &c)
			})
		}
		for round := range 30 {
			if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, "app", []string{"openid"}); err != nil {
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
				if err := f.Consents.WithdrawConsent(t.Context(), f.Person.ID, "app"); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
		}
		if live := f.LiveGrants(t, all...); live != nil {
			t.Errorf("of %d grants %d live on without a consent", len(all), len(live))
		}
	})
}

func TestAConsentIsHeldForWhatItCovers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		if err := f.Consents.GrantConsent(t.Context(), f.Person.ID, "app", []string{"openid", "email"}); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			client, scope string
			want          error
		}{{"app", "openid", nil}, {"app", "openid email", nil}, {"app", "", nil}, {"app", "openid phone", store.ErrStale},
			{"other", "openid", store.ErrStale}} {
			if err := f.Consents.HoldConsent(t.Context(), f.Person.ID, test.client, strings.Fields(test.scope)); !errors.Is(err, test.want) {
				t.Errorf("%s, %q: %v", test.client, test.scope, err)
			}
		}
	})
}
