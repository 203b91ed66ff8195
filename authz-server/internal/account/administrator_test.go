package account_test

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestTheLastAdministratorKeepsAccountAndSecondFactor(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	mina := s.Person("mina@example.org")
	storetest.OK(t, s.Store.Roles.Give(t.Context(), mina.ID, roles.Admin))
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.TurnOn()
	const why = "You are the only administrator who can log in."
	b.Post("/account/security/off").Want(t, http.StatusUnprocessableEntity, why)
	b.Post("/account/data", "do", "delete", "posts", "keep").Want(t, http.StatusUnprocessableEntity, why)
	b.AddPasskey(s.PasskeyAuthenticator())
	b.Post("/account/security/off").WantRedirect(t, "/account/security?done=second_step_off")
	keys, err := s.Store.Passkeys.Passkeys(t.Context(), mina.ID)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	b.Post("/account/passkeys/remove", "passkey", keys[0].ID).Want(t, http.StatusUnprocessableEntity, why)
	if has, err := s.Store.HasAdministrator(t.Context()); err != nil || !has {
		t.Error(has, err)
	}
	storetest.OK(t, s.Store.Roles.Take(t.Context(), mina.ID, roles.Admin))
	b.Post("/account/passkeys/remove", "passkey", keys[0].ID).WantRedirect(t, "/account/security?done=passkey_removed")
}
