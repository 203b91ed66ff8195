package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// One of two administrators goes, and before that is committed, the other one does.
func TestTheSecondOfTwoAdministratorsWaitsForTheFirst(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		s, err := Open(ctx, databaseURL, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var ids []string
		for _, email := range []string{"a@example.com", "b@example.com"} {
			user, err := s.Users.CreateUser(ctx, accounts.User{Email: email, Roles: []roles.Role{roles.Admin}})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, user.ID)
		}
		if _, err := s.db.Exec(ctx, `UPDATE users SET passkey = TRUE`); err != nil {
			t.Fatal(err)
		}
		disable := func(id string) func(context.Context) error {
			return func(ctx context.Context) error { return s.Users.SetDisabled(ctx, id, true) }
		}
		second := make(chan error, 1)
		if err := s.Tx(ctx, func(ctx context.Context) error {
			if err := s.KeepAdministrator(ctx, disable(ids[0])); err != nil {
				return err
			}
			go func() { second <- s.KeepAdministrator(t.Context(), disable(ids[1])) }()
			for s.db.Engine() == sqldb.Postgres { // SQLite has one transaction at a time
				var waiting int
				if err := s.db.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE NOT granted
					AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
					OR NOT granted AND locktype = 'transactionid'`).Scan(&waiting); err != nil || waiting > 0 {
					return err
				}
				select {
				case err := <-second:
					second <- err
					return nil
				case <-time.After(time.Millisecond):
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := <-second; !errors.Is(err, ErrLastAdministrator) {
			t.Errorf("the second is gone too: %v", err)
		}
		if has, err := s.HasAdministrator(ctx); err != nil || !has {
			t.Error(has, err)
		}
	})
}

// An administrator counts who has both a way in and a second factor.
func TestAnAdministratorHasAWayInAndASecondFactor(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		ctx := t.Context()
		s, err := Open(ctx, databaseURL, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		user, err := s.Users.CreateUser(ctx, accounts.User{Email: "a@example.com", Roles: []roles.Role{roles.Admin}})
		if err != nil {
			t.Fatal(err)
		}
		up := upstreams.Upstream{Name: "up", Settings: "{}", Issuer: "https://up.example"}
		err = errors.Join(s.Upstreams.Create(ctx, up))
		if err == nil {
			_, err = s.Upstreams.Link(ctx, upstreams.Identity{Upstream: "up", Issuer: up.Issuer, Subject: "1", UserID: user.ID})
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			password      string
			code, passkey bool
			off, strong   bool
			issuer        string
			can           bool
		}{
			{can: false},
			{code: true, issuer: up.Issuer, can: true},
			{code: true, issuer: "", can: true},
			{code: true, issuer: "https://another.example", can: false},
			{code: true, issuer: up.Issuer, off: true, can: false},
			{code: true, issuer: up.Issuer, off: true, password: "x", can: true},
			{issuer: up.Issuer, password: "x", can: false},
			{issuer: up.Issuer, strong: true, can: true},
			{issuer: up.Issuer, strong: true, password: "x", can: false}, // which alone counts then for a change
			{issuer: up.Issuer, strong: true, off: true, password: "x", can: false},
			{issuer: "https://another.example", strong: true, can: false},
			{issuer: up.Issuer, off: true, passkey: true, can: true},
		} {
			if _, err := s.db.Exec(ctx, `UPDATE users SET password_hash = $1, second_step = $2, passkey = $3`, test.password, test.code, test.passkey); err != nil {
				t.Fatal(err)
			}
			if _, err := s.db.Exec(ctx, `UPDATE upstreams SET issuer = $1, strong = $2, disabled = $3`, test.issuer, test.strong, test.off); err != nil {
				t.Fatal(err)
			}
			if has, err := s.HasAdministrator(ctx); err != nil || has != test.can {
				t.Errorf("%+v: %t %v", test, has, err)
			}
		}
	})
}
