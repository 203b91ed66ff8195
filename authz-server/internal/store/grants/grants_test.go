package grants_test

import (
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// A grant is decided from what was read of its client. If that is not so any more, nothing is
// granted.
func TestAGrantToAClientThatHasChangedIsNotMade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		c, err := f.Clients.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		grant := func(id string) error {
			return f.Grants.CreateGrant(t.Context(),
				grants.Grant{ID: id, ClientID: "app", UserID: f.Person.ID, SessionID: f.Session.ID, CreatedAt: f.Now, ExpiresAt: f.Now.Add(time.Hour)},
				&c)
		}
		if err := grant("first"); err != nil {
			t.Fatal(err)
		}
		changed := c
		changed.Trusted = !changed.Trusted
		f.Now = f.Now.Add(time.Second)
		if err := f.Clients.UpdateClient(t.Context(), changed); err != nil {
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
			if _, err := f.Grants.Grant(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s is there: %v", id, err)
			}
		}
	})
}
