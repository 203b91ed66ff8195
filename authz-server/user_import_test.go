package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// importing runs 'user import' on a text, and returns what it prints for people, too.
func (c commandLine) importing(text string, args ...string) (out, errs string, err error) {
	c.t.Helper()
	served(c.t, c.url)
	var o, e bytes.Buffer
	p := &program{in: strings.NewReader(text), out: &o, errs: &e, now: time.Now}
	err = p.run(c.t.Context(), append([]string{"--database-url=" + c.url, "user", "import", "-"}, args...))
	return o.String(), e.String(), err
}

func TestAccountsOfAnotherSystemAreImported(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	hash, err := bcrypt.GenerateFromPassword([]byte("her old password"), 4)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"email": " Mina@Example.org", "name": "김 민아", "password_hash": "` + string(hash) + `", "email_verified": true,
 "roles": ["moderator"], "claims": {"phone_number": "+82 10 1234 5678", "locale": "ko-kr"}}`
	text = strings.ReplaceAll(text, "\n", "") + "\n\n" + // an empty line is none
		`{"email": "jun@example.org", "name": "Jun", "password_hash": "` + passwords.Hash("his old password") + `"}` + "\n" +
		`{"email": "sora@example.org", "name": "Sora"}` // no password, and no end of the line
	file := filepath.Join(t.TempDir(), "accounts.jsonl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	shows(t, c.must("user", "import", file), "accounts imported: 3")

	s := c.store()
	mina, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
	want := accounts.Claims{PhoneNumber: "+821012345678"}
	if err != nil || mina.PasswordHash != string(hash) || !mina.EmailVerified || mina.Name != "김 민아" || mina.Claims != want ||
		mina.Locale != "ko-KR" || !slices.Equal(mina.Roles, []roles.Role{roles.Moderator}) {
		t.Errorf("%+v %v", mina, err)
	}
	if sora, err := s.Users.UserByEmail(t.Context(), "sora@example.org"); err != nil || sora.PasswordHash != "" || sora.EmailVerified {
		t.Errorf("%+v %v", sora, err)
	}
	// The same file again: once all are there, and once it says so.
	if out, errs, err := c.importing(text); err == nil || strings.Count(errs, "has an account already") != 3 {
		t.Error(out, errs, err)
	}
	if out, errs, err := c.importing(text, "--if-missing"); err != nil || out != "accounts imported: 0; already there: 3\n" || errs != "" {
		t.Error(out, errs, err)
	}
}

func TestAWrongLineIsRefusedByItsNumberAndTheOthersAreImported(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	const secret = "5f4dcc3b5aa765d61d8327deb882cf99"
	wrong := []struct{ line, says string }{
		{`{"email": "a@example.org", "name": "A", "password_hash": "` + secret + `"}`, "line 1: password_hash: the password hash is neither bcrypt"},
		{`{"email": "b@example.org", "name": "B", "password_hash": "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"}`, "line 2: password_hash: the password hash asks for too much work"},
		{`{"email": "c", "name": "C"}`, "line 3: email: this is not"},
		{`{"email": "d@example.org"}`, "line 4: name:"},
		{`{"email": "e@example.org", "name": "E", "roles": ["king"]}`, "line 5: roles:"},
		{`{"email": "f@example.org", "name": "F", "claims": {"birthdate": "yesterday"}}`, "line 6: claims: birthdate"},
		{`{"email": "g@example.org", "name": "G", "password": "five wooden words"}`, `line 7: json: unknown field "password"`},
		{`{"email": "h@example.org", "name": "H"} {}`, "line 8: there is more than one"},
		{`email,name`, "line 9: invalid character"},
		{`{"email": "i@example.org", "name": "I", "claims": []}`, "line 10: claims:"},
		{`null`, "line 11: email:"},
	}
	var text strings.Builder
	for _, one := range wrong {
		text.WriteString(one.line + "\n")
	}
	text.WriteString(`{"email": "mina@example.org", "name": "Mina"}` + "\n")
	text.WriteString(`{"email": "MINA@example.org", "name": "Mina"}` + "\n") // twice in the file
	out, errs, err := c.importing(text.String())
	if err == nil || err.Error() != "lines refused: 12" || out != "accounts imported: 1\n" {
		t.Error(out, err)
	}
	for _, one := range wrong {
		shows(t, errs, one.says)
	}
	shows(t, errs, "line 13: MINA@example.org has an account already")
	hides(t, errs, secret, "five wooden words")
	users, err := c.store().Users.ListUsers(t.Context(), "", 20)
	if err != nil || len(users) != 1 {
		t.Errorf("%v %v", users, err)
	}
}

func TestALineThatIsTooLongEndsAnImport(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	out, _, err := c.importing(`{"email": "mina@example.org", "name": "Mina"}` + "\n" + strings.Repeat(" ", 65<<10) + "{}\n")
	if err == nil || err.Error() != "line 2 is longer than 64 KiB" || out != "accounts imported: 1\n" {
		t.Error(out, err)
	}
}

// A quote that never ends does not take all memory, and half a file is not taken for the whole.
func TestATableWhoseQuoteNeverEndsEndsAnImport(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	_, _, err := c.importing("email,name\nmina@example.org,Mina\njun@example.org,\""+strings.Repeat("x\n", 2<<20), "--format=csv")
	if err == nil || !strings.Contains(err.Error(), "more than a megabyte") {
		t.Error(err)
	}
	many := "email,name\n"
	for i := range 30_000 {
		many += fmt.Sprintf("%d@example.org,%s\n", i, strings.Repeat("n", 90))
	}
	out, _, err := c.importing(many, "--format=csv", "--dry-run")
	if err != nil || !strings.Contains(out, "30000") {
		t.Error(out, err)
	}
}
