package account_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/passkeys/passkeytest"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// passkeysOf are the person's passkeys as they are stored.
func passkeysOf(t *testing.T, s *peopletest.Site, user accounts.User) []accounts.Passkey {
	t.Helper()
	all, err := s.Store.Passkeys.Passkeys(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// happened tells whether the person's history has an event of a kind.
func happened(t *testing.T, s *peopletest.Site, user accounts.User, kind string) bool {
	t.Helper()
	return slices.ContainsFunc(s.Told(t, user.ID), func(e accounts.Event) bool { return e.Kind == kind && e.Detail != "" })
}

func TestPasskeysAreAddedNamedAndRemoved(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/security").Want(t, http.StatusOK, "You have no passkeys yet.", `id="passkey"`, `data-begin="/account/passkeys/begin"`)
	device, synced := s.PasskeyAuthenticator(), s.PasskeyAuthenticator()
	b.AddPasskey(device)
	s.Clock.Advance(time.Second)
	synced.Flags |= passkeytest.BackupEligible
	copy(synced.AAGUID[:], "\xd5\x48\x82\x6e\x79\xb4\xdb\x40\xa3\xd8\x11\x11\x6f\x7e\x83\x49")
	b.AddPasskey(synced)
	all := passkeysOf(t, s, user)
	if len(all) != 2 || all[0].Name != "Chrome on Linux" || all[1].Name != "Bitwarden" {
		t.Fatalf("%+v", all)
	}
	b.Get("/account/security?done=passkey").Want(t, http.StatusOK, "Your passkey is ready.", "Chrome on Linux", "Bitwarden", "This browser",
		"Only on one device", "Synced", "never used", "Passkey added: Bitwarden")
	if !happened(t, s, user, "passkey_added") {
		t.Error("the history does not tell of it")
	}
	s.Clock.Advance(time.Hour)
	b.Post("/account/passkeys/rename", "passkey", all[0].ID, "name", "  Old   laptop ").WantRedirect(t, "/account/security?done=passkey_name")
	b.Get("/account/security").Want(t, http.StatusOK, "Old laptop")
	b.Post("/account/passkeys/rename", "passkey", all[0].ID, "name", " ").Want(t, http.StatusUnprocessableEntity, "Enter a name.")
	b.Post("/account/passkeys/remove", "passkey", all[0].ID).WantRedirect(t, "/login?confirm=yes")
	b.UsePasskey(synced, "/login", "?confirm=yes")
	b.Post("/account/passkeys/remove", "passkey", all[0].ID).WantRedirect(t, "/account/security?done=passkey_removed")
	b.Post("/account/passkeys/remove", "passkey", all[0].ID).Want(t, http.StatusUnprocessableEntity, "removed in another window")
	if left := passkeysOf(t, s, user); len(left) != 1 || !happened(t, s, user, "passkey_removed") {
		t.Errorf("%+v", left)
	}
	if problem := b.UsePasskey(device, "/login", "").Reply(b).Problem; problem == "" {
		t.Error("a removed passkey logs in")
	}
}

func TestSomebodyElsesPasskeyIsOutOfReach(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	mina := s.Person("mina@example.org")
	s.Person("theo@example.org")
	b, theo := s.Browser(), s.Browser()
	b.LogIn("mina@example.org")
	theo.LogIn("theo@example.org")
	b.AddPasskey(s.PasskeyAuthenticator())
	before := passkeysOf(t, s, mina)
	theo.Post("/account/passkeys/rename", "passkey", before[0].ID, "name", "mine").Want(t, http.StatusUnprocessableEntity)
	theo.Post("/account/passkeys/remove", "passkey", before[0].ID).Want(t, http.StatusUnprocessableEntity)
	if after := passkeysOf(t, s, mina); len(after) != 1 || after[0].Name != before[0].Name {
		t.Errorf("%+v", after)
	}
	// What Mina's browser began, Theo's cannot finish.
	options := b.PostJSON("/account/passkeys/begin", "{}")
	answer, err := s.PasskeyAuthenticator().Register([]byte(options.Body))
	if err != nil {
		t.Fatal(err)
	}
	if got := theo.PostJSON("/account/passkeys/finish", string(answer)); got.Reply(b).Problem == "" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestTheOnlyWayInStays(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	a := s.PasskeyAuthenticator()
	b.AddPasskey(a)
	if err := s.Store.Users.ResetPassword(t.Context(), user.ID, "", ""); err != nil { // as of an account without a password
		t.Fatal(err)
	}
	b.Get("/login")
	b.UsePasskey(a, "/login", "")
	only := passkeysOf(t, s, user)
	b.Post("/account/passkeys/remove", "passkey", only[0].ID).Want(t, http.StatusUnprocessableEntity, "your only way to log in")
	if left := passkeysOf(t, s, user); len(left) != 1 {
		t.Errorf("%+v", left)
	}
	b.Get("/account/password").Want(t, http.StatusOK, "Set password")
	b.Post("/account/password", "new_password", "another set of wooden words").WantRedirect(t, "/account/sessions?done=first_password")
	b.Post("/account/passkeys/remove", "passkey", only[0].ID).WantRedirect(t, "/account/security?done=passkey_removed")
	b.Post("/account/password", "new_password", "yet another set of words").Want(t, http.StatusUnprocessableEntity, "Enter your password.")
}

// Whoever finds a session open cannot give the account a password of their own.
func TestAFirstPasswordNeedsARecentProof(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	a := s.PasskeyAuthenticator()
	b.AddPasskey(a)
	if err := s.Store.Users.ResetPassword(t.Context(), user.ID, "", ""); err != nil {
		t.Fatal(err)
	}
	b.Get("/login")
	b.UsePasskey(a, "/login", "")
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/password").WantRedirect(t, "/login?confirm=yes")
	b.Post("/account/password", "new_password", "another set of wooden words").WantRedirect(t, "/login?confirm=yes")
	if to := b.UsePasskey(a, "/login", "?confirm=yes").Reply(b).Location; to != "/account/password" {
		t.Errorf("leads to %q", to)
	}
}

func TestAPasskeyThatLiesIsNotAdded(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamed(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for what, lie := range map[string]func(a *passkeytest.Authenticator){
		"another site": func(a *passkeytest.Authenticator) { a.Origin = "https://evil.example" },
		"nobody there": func(a *passkeytest.Authenticator) { a.Flags = 0 },
		"unverified":   func(a *passkeytest.Authenticator) { a.Flags = passkeytest.UserPresent },
		"another rp":   func(a *passkeytest.Authenticator) { a.RP = "evil.example" },
	} {
		a := s.PasskeyAuthenticator()
		lie(a)
		answer, err := a.Register([]byte(b.PostJSON("/account/passkeys/begin", "{}").Body))
		if err != nil {
			t.Fatal(err)
		}
		got := b.PostJSON("/account/passkeys/finish", string(answer))
		if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Reply(b).Problem, "could not be set up") {
			t.Errorf("%s: %d %s", what, got.Status, got.Body)
		}
	}
	if all := passkeysOf(t, s, user); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	nobody := s.Browser()
	if to := nobody.PostJSON("/account/passkeys/begin", "{}").Reply(b).Location; to != "/login" {
		t.Errorf("nobody is logged in: %q", to)
	}
}
