package main

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

const goodPassword = "four unrelated wooden words\n"

// mina are the arguments that create an account, with others behind them.
func mina(others ...string) []string {
	return append([]string{"user", "create", "--email", "mina@example.org", "--name", "Mina", "--password-stdin"}, others...)
}

func TestUserCommands(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, "user", "create", "--email", " Mina@Example.org ", "--name", "김 민아",
		"--password-stdin", "--role", "moderator")
	c.refusedWith(goodPassword, mina(), "--if-missing") // a second account with the address
	c.mustWith(goodPassword, mina("--if-missing")...)

	list := c.must("user", "list")
	if shows(t, list, "Mina@Example.org", "moderator", "김 민아"); strings.Count(list, "\n") != 2 {
		t.Errorf("list:\n%s", list)
	}
	c.must("user", "set-role", "mina@example.org", "moderator", "moderator")
	s := c.store()
	user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil || strings.Join(roles.Names(user.Roles), " ") != "board/moderator" || user.EmailVerified {
		t.Fatalf("%+v %v", user, err)
	}

	_, cookie, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID}, user.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	c.must("user", "disable", "mina@example.org")
	if _, _, err := s.Sessions.SessionByCookie(t.Context(), cookie); err == nil {
		t.Error("the session outlived the account")
	}
	c.must("user", "enable", user.ID)
	if _, _, err := s.Sessions.SessionByCookie(t.Context(), cookie); err == nil {
		t.Error("the session came back with the account")
	}
	if user, err = s.Users.User(t.Context(), user.ID); err != nil || user.Disabled {
		t.Error(user.Disabled, err)
	}
	c.must("user", "set-role", user.ID)
	if out := c.must("user", "list", "--format", "json"); !strings.Contains(out, `"roles":[]`) || strings.Contains(out, "argon2") {
		t.Errorf("list: %s", out)
	}
}

func TestClaimsAreSetFromTheCommandLine(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, mina()...)
	set := func(text string) accounts.User {
		t.Helper()
		c.must("user", "set-claims", "--email", "Mina@Example.org", "--json", text)
		user, err := c.store().Users.UserByEmail(t.Context(), "mina@example.org")
		if err != nil {
			t.Fatal(err)
		}
		return user
	}
	user := set(`{"name": "김 민아", "given_name": "민아", "nickname": "m", "email_verified": true, "phone_number": "+82 10 1234 5678",
		"phone_number_verified": true, "locale": "ko-kr", "address": {"country": "KR"}}`)
	want := accounts.Claims{
		GivenName: "민아", Nickname: "m", PhoneNumber: "+821012345678", PhoneVerified: true, Address: accounts.Address{Country: "KR"},
	}
	if user.Claims != want || user.Name != "김 민아" || !user.EmailVerified || user.Locale != "ko-KR" {
		t.Errorf("%+v", user)
	}
	// What is not named stays; another number is not the verified one.
	user = set(`{"nickname": "", "phone_number": "+82 10 1234 5679", "address": {"region": "Seoul"}}`)
	want = accounts.Claims{GivenName: "민아", PhoneNumber: "+821012345679", Address: accounts.Address{Country: "KR", Region: "Seoul"}}
	if user.Claims != want || !user.EmailVerified {
		t.Errorf("%+v", user)
	}
	if user = set(`{"phone_number_verified": true}`); !user.Claims.PhoneVerified {
		t.Errorf("%+v", user)
	}
	for text, want := range map[string]string{
		`{"nick": "m"}`: "unknown field", `{`: "--json", `{} {}`: "more than one", `[]`: "--json",
		`{"birthdate": "yesterday"}`: "birthdate", `{"name": ""}`: "name", `{"website": "javascript:x"}`: "website",
	} {
		c.refused([]string{"user", "set-claims", "--email", "mina@example.org", "--json", text}, want)
	}
}

func TestAForgottenPasswordIsReplaced(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, mina()...)
	s := c.store()
	before, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	_, cookie, err := s.Sessions.CreateSession(t.Context(), accounts.Session{UserID: before.ID}, before.PasswordHash)
	if err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]string{"": "standard input has no password", "password\n": "refused"} {
		c.refusedWith(input, []string{"user", "set-password", "--email", "mina@example.org", "--password-stdin"}, want)
	}
	nobody := []string{"user", "set-password", "--email", "nobody@example.org", "--password-stdin"}
	c.refusedWith(goodPassword, nobody, "there is no account")
	c.mustWith("another five unrelated wooden words\n", "user", "set-password", "--email", "mina@example.org", "--password-stdin")
	if _, _, err := s.Sessions.SessionByCookie(t.Context(), cookie); err == nil {
		t.Error("the session outlived the password")
	}
	if after, err := s.Users.User(t.Context(), before.ID); err != nil || after.PasswordHash == before.PasswordHash {
		t.Errorf("%v %v", after, err)
	}
}

func TestUserCommandsRefuse(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	for _, test := range []struct {
		input, want string
		args        []string
	}{
		{goodPassword, "--email", []string{"user", "create", "--email", "mina", "--name", "Mina", "--password-stdin"}},
		{goodPassword, "--name", []string{"user", "create", "--email", "mina@example.org", "--name", " ", "--password-stdin"}},
		{goodPassword, "--role", mina("--role", "Two Words")},
		{goodPassword, "--password-stdin", []string{"user", "create", "--email", "mina@example.org", "--name", "Mina"}},
		{"", "standard input has no password", mina()},
		{"tkfkdgo1\n", "password common", mina()},
		{"", "there is no account", []string{"user", "disable", "mina@example.org"}},
		{"", "there is no account", []string{"user", "enable", "nobody"}},
		{"", "is not a role", []string{"user", "set-role", "nobody", "a b"}},
		{"", "did you mean board/moderator", []string{"user", "set-role", "nobody", "moderater"}},
		{goodPassword, "did you mean board/moderator", mina("--role", "moderators")},
	} {
		c.refusedWith(test.input, test.args, test.want)
	}
	users, err := c.store().Users.ListUsers(t.Context(), "", 10)
	if err != nil || len(users) != 0 {
		t.Errorf("accounts came into being: %v %v", users, err)
	}
}

func TestAnInternationalizedAddressIsOneAccountOnTheCommandLine(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, "user", "create", "--email", "Mina@Bücher.example", "--name", "Mina", "--password-stdin")
	out := c.mustWith(goodPassword,
		"user", "create", "--email", "mina@xn--bcher-kva.example", "--name", "Mina", "--password-stdin", "--if-missing")
	shows(t, out, "has an account already")
	for _, spelling := range []string{"mina@xn--bcher-kva.example", "MINA@BÜCHER.EXAMPLE"} {
		shows(t, c.must("user", "set-claims", "--email", spelling, "--json", `{"email_verified": true}`), "Mina@Bücher.example")
		shows(t, c.must("user", "set-role", spelling, "moderator"), "Mina@Bücher.example")
	}
}

func TestABreachServiceIsAskedOnTheCommandLineToo(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	digits := fmt.Sprintf("%X", sha1.Sum([]byte(strings.TrimSpace(goodPassword))))
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/"+digits[:5]) {
			fmt.Fprintf(w, "%s:7\r\n", digits[5:])
		}
	}))
	defer service.Close()
	setting := "--password-breach-url=" + service.URL + "/range/"
	c.refusedWith(goodPassword, mina(setting), "the password is refused: password breached")
	c.mustWith("another five unrelated wooden words\n", mina(setting)...)
	set := []string{"user", "set-password", "--email", "mina@example.org", "--password-stdin", setting}
	c.refusedWith(goodPassword, set, "password breached")
	c.refusedWith(goodPassword, mina("--password-breach-url=http://pwned.example/"), "--password-breach-url", "https")
	service.Close() // and then it is done without
	c.mustWith(goodPassword, set...)
}

func TestTheSecondStepIsTakenFromSomebodyWhoLostEverything(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, mina()...)
	c.refused([]string{"user", "remove-factors", "mina@example.org"}, "has not turned on two-step verification")
	s := c.store()
	user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err == nil {
		err = s.Factors.BeginTOTP(t.Context(), user.ID, []byte("secret"))
	}
	if err == nil {
		err = s.Factors.ConfirmTOTP(t.Context(), user.ID, []byte("secret"), []byte("secret"), 1, [][]byte{[]byte("code")})
	}
	if err == nil {
		_, _, err = s.Browsers.NoteLogin(t.Context(), user.ID, "", "browser", "", "")
	}
	if err == nil {
		err = s.Browsers.Trust(t.Context(), user.ID, "browser")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Users.EditUser(t.Context(), user.ID, func(u *accounts.User) error { u.EmailVerified = true; return nil }); err != nil {
		t.Fatal(err)
	}
	mailed := []string{"--mail-smtp-url", "smtp://127.0.0.1:1", "--mail-from", "no-reply@example.org"}
	shows(t, c.must(append([]string{"user", "remove-factors", "mina@example.org"}, mailed...)...), "turned two-step verification off for mina@example.org")
	shows(t, c.must("mail", "list"), "mina@example.org", "second_step_off")
	if user, err = s.Users.User(t.Context(), user.ID); err != nil || user.SecondStep {
		t.Error("it is on", err)
	}
	if _, trusted, err := s.Browsers.Known(t.Context(), user.ID, "browser"); err != nil || trusted {
		t.Error("a browser is trusted still", err)
	}
	shows(t, c.must("audit", "list", "--person", user.ID, "--kind=user.second_step_off"), "machine", "command")
}

func TestAccountsAreDeletedFromTheCommandLine(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.mustWith(goodPassword, mina()...)
	c.refused([]string{"user", "delete", "nobody@example.org"}, "there is no account nobody@example.org")
	c.refused([]string{"user", "delete", "mina@example.org", "--posts", "burn"}, "--posts")
	s := c.store()
	user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil {
		t.Fatal(err)
	}
	state := func(posts bool) accounts.User {
		t.Helper()
		found, err := s.Users.User(t.Context(), user.ID)
		if err != nil || found.DeletePosts != posts {
			t.Fatalf("posts %t, want %t (%v)", found.DeletePosts, posts, err)
		}
		return found
	}

	shows(t, c.must("user", "delete", "mina@example.org", "--posts", "delete"), "mina@example.org will be deleted at ")
	shows(t, c.must("user", "list"), "to be deleted")
	waits := state(true)
	c.refused([]string{"user", "delete", user.ID}, "is to be deleted already", "--now")
	shows(t, c.must("audit", "list", "--person", user.ID, "--kind=user.deletion_planned"), "machine", "command")

	shows(t, c.must("user", "delete", user.ID, "--now"), "within a minute")
	if now := state(true); !now.DeleteAt.Before(waits.DeleteAt) { // what was chosen before stays
		t.Errorf("waits until %s still", now.DeleteAt)
	}
	c.must("user", "delete", user.ID, "--now", "--posts", "keep")
	state(false)
	if due, err := s.Users.DueDeletions(t.Context(), 9); err != nil || len(due) != 1 {
		t.Errorf("due are %+v %v", due, err)
	}
}

func TestALinkForTheFirstAdministratorIsMadeOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		link := strings.TrimSpace(c.must("bootstrap-admin", "--reason", "first start"))
		secret, ok := strings.CutPrefix(link, "http://localhost:9000/signup?invitation=")
		in, err := c.store().Invitations.Invitation(t.Context(), secret)
		if !ok || err != nil || strings.Join(roles.Names(in.Roles), " ") != "admin/admin" || in.ExpiresAt.Sub(in.CreatedAt).Round(time.Minute) != 24*time.Hour {
			t.Errorf("%s: %+v %v", link, in, err)
		}
		c.mustWith(goodPassword, mina("--role", "admin/admin")...)
		c.must("bootstrap-admin") // nobody can act as an administrator yet: mina has no second factor
		s := c.store()
		if _, err := s.Invitations.Invitation(t.Context(), secret); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the link of before still works: %v", err)
		}
		shows(t, c.must("audit", "list", "--kind", "invitation.withdrawn"), in.ID)
		user, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
		if err == nil {
			_, err = s.Passkeys.AddPasskey(t.Context(), accounts.Passkey{UserID: user.ID, CredentialID: []byte("c"), PublicKey: []byte("k")})
		}
		if err != nil {
			t.Fatal(err)
		}
		c.refused([]string{"bootstrap-admin"}, "there is an administrator", "--force")
		c.refused([]string{"user", "disable", "mina@example.org"}, "no administrator", "--force")
		c.refused([]string{"user", "set-role", "mina@example.org"}, "no administrator", "--force")
		c.must("bootstrap-admin", "--force")
		c.must("user", "disable", "mina@example.org", "--force", "--reason", "left the company")
		if out := c.must("audit", "list", "--format", "json"); !strings.Contains(out, "left the company") || strings.Contains(out, secret) {
			t.Errorf("%s", out)
		}
	})
}
