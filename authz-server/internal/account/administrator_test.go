package account_test

import (
	"net/http"
	"strings"
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

// Whoever knows an administrator's password, or reads their mail, must not get to a second factor of
// their own by it: that would be the server.
func TestAnAdministratorsPasswordAloneMakesNoFactor(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	mina := s.Person("mina@example.org")
	key := s.PasskeyAuthenticator()
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.AddPasskey(key)
	storetest.OK(t, s.Store.Roles.Give(t.Context(), mina.ID, roles.Admin))

	thief := s.Browser()
	thief.LogIn("mina@example.org")
	const verify = "/login/verify?confirm=several"
	thief.Post("/account/security/app").WantRedirect(t, verify)
	if a := thief.PostJSON("/account/passkeys/begin", `{}`); !strings.Contains(a.Body, verify) {
		t.Errorf("a passkey is begun: %d %s", a.Status, a.Body)
	}
	thief.Get(verify).Want(t, http.StatusOK, `id="passkey"`)
	keys, err := s.Store.Passkeys.Passkeys(t.Context(), mina.ID)
	if err != nil || len(keys) != 1 {
		t.Error(keys, err)
	}
	thief.Post("/account/passkeys/remove", "passkey", keys[0].ID).WantRedirect(t, verify)

	// Of an account without that power, the password is enough, as it is for everything else there.
	storetest.OK(t, s.Store.Roles.Take(t.Context(), mina.ID, roles.Admin))
	thief.Post("/account/security/app").WantRedirect(t, "/account/security/app")
}
