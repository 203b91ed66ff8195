package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

func TestConsentsAddUpWithoutLoss(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		if _, err := f.Consent(t.Context(), f.user.ID, "app"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		winners(t, func(ctx context.Context, i int) (bool, error) {
			return true, f.GrantConsent(ctx, f.user.ID, "app", []string{"openid", fmt.Sprintf("scope:%d", i)})
		})
		got, err := f.Consent(t.Context(), f.user.ID, "app")
		if err != nil || len(got.Scope) != 33 {
			t.Errorf("32 consents at once left %d scopes: %v", len(got.Scope), err)
		}
	})
}

func TestTheLatestDecisionOnAScopeCounts(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		for _, step := range []struct{ allow, decline, scope, declined []string }{
			{[]string{"openid"}, []string{"email", "claims:gender"}, []string{"openid"}, []string{"claims:gender", "email"}},
			{[]string{"openid", "email"}, nil, []string{"email", "openid"}, []string{"claims:gender"}},
			{[]string{"openid"}, []string{"email"}, []string{"openid"}, []string{"claims:gender", "email"}},
		} {
			if err := f.DecideConsent(t.Context(), f.user.ID, "app", step.allow, step.decline); err != nil {
				t.Fatal(err)
			}
			got, err := f.Consent(t.Context(), f.user.ID, "app")
			if err != nil || !slices.Equal(got.Scope, step.scope) || !slices.Equal(got.Declined, step.declined) {
				t.Errorf("%+v: %+v %v", step, got, err)
			}
		}
	})
}

func TestAWithdrawnConsentEndsAllGrantsOfThatClient(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		f.code(t, "online", false)
		f.code(t, "offline", true)
		if err := f.GrantConsent(t.Context(), f.user.ID, "app", []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		if err := f.GrantConsent(t.Context(), f.user.ID, "another", []string{"email", "openid"}); err != nil {
			t.Fatal(err)
		}
		all, err := f.Connections(t.Context(), f.user.ID)
		if err != nil || len(all) != 2 || all[0].ClientID != "another" || all[1].ClientID != "app" {
			t.Errorf("%+v %v", all, err)
		}
		other, err := f.CreateUser(t.Context(), store.User{Email: "b@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.WithdrawConsent(t.Context(), other.ID, "app"); err != nil || len(f.liveGrants(t, "online", "offline")) != 2 {
			t.Error("another person withdrew it", err)
		}
		if err := f.WithdrawConsent(t.Context(), f.user.ID, "app"); err != nil || f.liveGrants(t, "online", "offline") != nil {
			t.Error("grants outlived the consent", err)
		}
		if all, err := f.Connections(t.Context(), f.user.ID); err != nil || len(all) != 1 || all[0].ClientID != "another" {
			t.Errorf("%+v %v", all, err)
		}
	})
}

func TestAClientThatNeedsNoConsentIsAConnectionWhileItHoldsAGrant(t *testing.T) {
	eachGrantStore(t, func(t *testing.T, f *grantFixture) {
		connections := func(want int) []store.Consent {
			t.Helper()
			all, err := f.Connections(t.Context(), f.user.ID)
			if err != nil || len(all) != want {
				t.Errorf("%+v %v", all, err)
			}
			return all
		}
		connections(0)
		f.code(t, "first", false)
		f.code(t, "second", true)
		if all := connections(1); all[0].ClientID != "app" || len(all[0].Scope) != 0 || !all[0].UpdatedAt.Equal(f.now) {
			t.Errorf("%+v", all)
		}
		if err := f.GrantConsent(t.Context(), f.user.ID, "app", []string{"openid"}); err != nil {
			t.Fatal(err)
		}
		if all := connections(1); len(all[0].Scope) != 1 {
			t.Errorf("%+v", all)
		}
		if err := f.WithdrawConsent(t.Context(), f.user.ID, "app"); err != nil {
			t.Fatal(err)
		}
		connections(0)
	})
}
