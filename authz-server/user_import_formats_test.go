package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// by reads an account by its address.
func (c commandLine) by(email string) accounts.User {
	c.t.Helper()
	u, err := c.store().Users.UserByEmail(c.t.Context(), email)
	if err != nil {
		c.t.Fatalf("%s: %v", email, err)
	}
	return u
}

func TestATableOfAccountsIsImported(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		const django = "pbkdf2_sha256$600000$aVeryLongSaltOfDjango1$n8N5Oi2KHLkE2fAxrTtbXSNCVEDg8lOMHbQyuhVcWDs="
		text := "\ufeffemail,name,password_hash,email_verified,disabled,roles,given_name,phone_number,phone_number_verified,locale\r\n" +
			`Mina@Example.org,"김, 민아",` + django + `,yes,,moderator board/moderator,민아,+82 10 1234 5678,true,ko-kr` + "\r\n" +
			`jun@example.org,"=HYPERLINK(""http://evil.example"",""x"")",,,1,,"@SUM(1+1)*cmd|' /C calc'!A0",,,` + "\r\n" +
			`"sora@example.org","So
ra",,,,,,,,` + "\r\n"
		file := filepath.Join(t.TempDir(), "accounts.CSV")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		shows(t, c.must("user", "import", file), "accounts imported: 3")
		if sora := c.by("sora@example.org"); sora.Name != "So ra" {
			t.Errorf("%+v", sora)
		}
		mina := c.by("mina@example.org")
		want := accounts.Claims{GivenName: "민아", PhoneNumber: "+821012345678", PhoneVerified: true}
		if mina.Name != "김, 민아" || !mina.EmailVerified || mina.Claims != want || mina.Locale != "ko-KR" || !slices.Equal(mina.Roles, []roles.Role{roles.Moderator}) ||
			!strings.HasPrefix(mina.PasswordHash, "$pbkdf2-sha256$i=600000$") {
			t.Errorf("%+v", mina)
		}
		// What a spreadsheet would run is a text, and stays one.
		if jun := c.by("jun@example.org"); jun.Name != `=HYPERLINK("http://evil.example","x")` || !jun.Disabled || jun.Claims.GivenName != "@SUM(1+1)*cmd|' /C calc'!A0" || jun.PasswordHash != "" {
			t.Errorf("%+v", jun)
		}
	})
}

func TestAWrongTableIsRefusedByItsLines(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	const secret = "5f4dcc3b5aa765d61d8327deb882cf99"
	text := "email,name,password_hash,email_verified,birthdate\n" + // 1
		"a@example.org,A," + secret + ",,\n" +
		"b@example.org,B,$pbkdf2-sha256$i=4000000000$AAAAAAAAAAAAAAAAAAAAAA$" + strings.Repeat("A", 43) + ",,\n" +
		"c@example.org,C,pbkdf2_sha256$100000$aVeryLongSaltOfDjango1$c2hvcnQ=,,\n" +
		"d@example.org,D,,maybe,\n" + // 5
		"e@example.org,E,,,yesterday\n" +
		"f@example.org,F\n" +
		",G,,,\n" +
		"h@example.org," + strings.Repeat("h", 65<<10) + ",,,\n" +
		"bücher@bücher.example,I,,,\n" + // 10
		"BÜCHER@xn--bcher-kva.example,I,,,\n"
	out, errs, err := c.importing(text, "--format=csv")
	if err == nil || err.Error() != "lines refused: 9" || out != "accounts imported: 1\n" {
		t.Error(out, err)
	}
	shows(t, errs, "line 2: password_hash: the password hash is neither", "line 3: password_hash: the password hash asks for too much",
		"line 4: password_hash: the password hash asks for too much", `line 5: email_verified: "maybe" is neither`, "line 6: claims: birthdate",
		"line 7: it has 2 columns, and not 5", "line 8: email:", "line 9: it is longer than 64 KiB", "line 11: BÜCHER@")
	hides(t, errs, secret)
	for text, says := range map[string]string{
		"email,name,password\na@example.org,A,x": `line 1: there is no column "password"; there are email`,
		"name\nA":                                "line 1: there is no column email",
		"email,email\na,a":                       "line 1: the column email stands there twice",
		"email,name\n\"a@x,A\nb@x,B":             "line 2",
	} {
		if out, _, err := c.importing(text, "--format=csv"); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(out, "imported: 0") {
			t.Errorf("%q: %s %v", text, out, err)
		}
	}
	if users, err := c.store().Users.ListUsers(t.Context(), "", 20); err != nil || len(users) != 1 {
		t.Errorf("%v %v", users, err)
	}
}

func TestADryRunSaysWhatIsWrongAndImportsNothing(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	if _, _, err := c.importing(`{"email": "there@example.org", "name": "There"}`); err != nil {
		t.Fatal(err)
	}
	text := "email,name,roles\nmina@example.org,Mina,\nMINA@example.org,Mina,\nthere@example.org,There,\nking@example.org,King,king\njun@example.org,Jun,moderator\n"
	out, errs, err := c.importing(text, "--format=csv", "--dry-run")
	if err == nil || err.Error() != "lines refused: 3" || out != "accounts that can be imported: 2\n" {
		t.Error(out, err)
	}
	shows(t, errs, "line 3: the address stands in the file twice: first at line 2", "line 4: there@example.org has an account already", "line 5: roles:")
	if users, err := c.store().Users.ListUsers(t.Context(), "", 20); err != nil || len(users) != 1 {
		t.Errorf("%v %v", users, err)
	}
}

// A file of somebody else's may have more in it than its operator looked for.
func TestAnImportSaysHowManyAdministratorsItMakes(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	text := "email,name,roles\nmina@example.org,Mina,moderator\njun@example.org,Jun,moderator admin/admin\n"
	for _, args := range [][]string{{"--format=csv", "--dry-run"}, {"--format=csv"}} {
		out, errs, err := c.importing(text, args...)
		if err != nil || errs != "" || !strings.Contains(out, "accounts with a role that administers this server: 1;") {
			t.Errorf("%v: %s %s %v", args, out, errs, err)
		}
	}
}

const keycloakValue = "/4VVelqhL30c4wmvjyEVLtSKLBxoscaGsYNBQ+7nZeqBq3MAF1re+D8PcPbmzzD4oD4GXKSKDXL29aAA4fBcwQ=="

// keycloakPassword is a credential as Keycloak exports it.
func keycloakPassword(algorithm string, iterations int, value []byte, more string) map[string]string {
	b64 := base64.StdEncoding.EncodeToString
	return map[string]string{
		"id": "1", "type": "password",
		"secretData":     fmt.Sprintf(`{"value":"%s","salt":"%s","additionalParameters":{}}`, b64(value), b64([]byte("0123456789abcdef"))),
		"credentialData": fmt.Sprintf(`{"hashIterations":%d,"algorithm":"%s","additionalParameters":{%s}}`, iterations, algorithm, more),
	}
}

func TestARealmOfKeycloakIsImported(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	// By Python's hashlib: PBKDF2 of "her old password" with SHA-256, 27500 iterations, 64 bytes.
	value, err := base64.StdEncoding.DecodeString(keycloakValue)
	if err != nil {
		t.Fatal(err)
	}
	realm := map[string]any{
		"realm": "shop", "roles": map[string]any{"users": []string{"this is not it"}},
		"users": []map[string]any{
			{
				"username": "mina", "email": "mina@example.org", "emailVerified": true, "enabled": true, "firstName": "민아", "lastName": "김", "createdTimestamp": 1,
				"attributes":  map[string][]string{"locale": {"ko"}, "phoneNumber": {"+82 10 1234 5678"}, "department": {"books"}},
				"credentials": []any{keycloakPassword("pbkdf2-sha256", 27500, value, "")}, "realmRoles": []string{"default-roles-shop", "clerk"}, "groups": []string{"/staff"},
			},
			{
				"username": "jun@example.org", "enabled": false, "firstName": "Jun", "lastName": "Park", "realmRoles": []string{"offline_access"},
				"credentials": []any{keycloakPassword("argon2", 5, make([]byte, 32), `"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]`)},
			},
			{"username": "service-account-shop", "serviceAccountClientId": "shop"},
			{"username": "otp", "email": "otp@example.org", "credentials": []any{
				keycloakPassword("pbkdf2-sha512", 210000, make([]byte, 64), ""), map[string]string{"type": "otp", "secretData": `{"value":"totp-secret"}`, "credentialData": "{}"}}},
			{"username": "bomb", "email": "bomb@example.org", "credentials": []any{keycloakPassword("pbkdf2-sha512", 2_000_000_000, make([]byte, 64), "")}},
			{"username": "tiny", "email": "tiny@example.org", "credentials": []any{keycloakPassword("pbkdf2-sha512", 210000, make([]byte, 8), "")}},
			{"username": "odd", "email": "odd@example.org", "credentials": []any{keycloakPassword("scrypt", 1, make([]byte, 32), "")}},
			{"username": "broken", "email": "broken@example.org", "credentials": []any{map[string]string{"type": "password", "secretData": "s3cr3t", "credentialData": "{}"}}},
			{"username": "argon2i", "email": "argon2i@example.org", "credentials": []any{keycloakPassword("argon2", 5, make([]byte, 32), `"memory":["7168"],"type":["i"],"version":["1.3"],"parallelism":["1"]`)}},
			{"username": "nobody"},
		},
	}
	text, err := json.Marshal(realm)
	if err != nil {
		t.Fatal(err)
	}
	out, errs, err := c.importing(string(text), "--format=keycloak")
	if err == nil || err.Error() != "lines refused: 7" {
		t.Error(err)
	}
	shows(t, out, "accounts imported: 2", "accounts whose roles were left out: 1", "accounts whose groups were left out: 1", "accounts whose other attributes were left out: 1")
	shows(t, errs, `user 4 ("otp"): it has a second step or passkey (otp), which cannot be brought over; --drop-second-steps`,
		`user 5 ("bomb"): password: the password hash asks for too much work`, `user 6 ("tiny"): password: the password hash asks for too much work, or for too little`,
		`user 7 ("odd"): password: the algorithm "scrypt" is not known`, `user 8 ("broken"): password: secretData`, `user 9 ("argon2i"): password: of argon2, only`,
		`user 10 ("nobody"): email:`)
	hides(t, errs, "s3cr3t", "totp-secret", keycloakValue)

	mina, jun := c.by("mina@example.org"), c.by("jun@example.org")
	want := accounts.Claims{GivenName: "민아", FamilyName: "김", PhoneNumber: "+821012345678"}
	if mina.Name != "김민아" || !mina.EmailVerified || mina.Claims != want || mina.Locale != "ko" || len(mina.Roles) != 0 || mina.Disabled {
		t.Errorf("%+v", mina)
	}
	if jun.Name != "Jun Park" || !jun.Disabled || jun.EmailVerified || !strings.HasPrefix(jun.PasswordHash, "$argon2id$v=19$m=7168,t=5,p=1$") {
		t.Errorf("%+v", jun)
	}
	h := passwords.New()
	for try, fits := range map[string]bool{"her old password": true, "another password": false} {
		if right, outdated, err := h.Check(t.Context(), h.LogIn, try, mina.PasswordHash); right != fits || outdated != fits || err != nil {
			t.Errorf("%s: %t %t %v", try, right, outdated, err)
		}
	}
	// With the second step left out, if the operator says so; the others are there already.
	out, _, err = c.importing(string(text), "--format=keycloak", "--drop-second-steps", "--if-missing")
	if err == nil || err.Error() != "lines refused: 6" {
		t.Error(err)
	}
	shows(t, out, "accounts imported: 1; already there: 2", "accounts whose second steps were left out: 1")
	if otp := c.by("otp@example.org"); otp.SecondStep || !strings.HasPrefix(otp.PasswordHash, "$pbkdf2-sha512$i=210000$") {
		t.Errorf("%+v", otp)
	}
	for text, says := range map[string]string{
		`{"realm": "shop"}`:  `no array "users"`,
		`{"users": {}}`:      `no array "users"`,
		`"users"`:            `no array "users"`,
		`{"users": [{"usern`: "user 1",
		`{"users": [{"serviceAccountClientId": "x"}`:                       "the file ends before user 2",
		`{"users": [{"serviceAccountClientId": "x"},`:                      "the file ends before user 2",
		`[{"serviceAccountClientId": "x"}, `:                               "the file ends before user 2",
		`{"users": [{"username": "` + strings.Repeat("x", 3<<20):           "more than a megabyte",
		`{"clients": "` + strings.Repeat("x", 65<<20) + `", "users": []}`:  "more than a megabyte",
		`[{"username": "x"}]`:                                              "lines refused: 1",
		``:                                                                 "EOF",
		`{"users": [{"username": "` + strings.Repeat("x", 65<<10) + `"}]}`: "lines refused: 1",
	} {
		if _, _, err := c.importing(text, "--format=keycloak"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestOptionsOfAnImportFitItsFormat(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.refused([]string{"user", "import", "-", "--drop-second-steps"}, "--format=keycloak")
	if _, _, err := c.importing("\ufeff"+`{"email": "mina@example.org", "name": "Mina"}`+"\n", "--format=jsonl"); err != nil {
		t.Error(err)
	}
}

func FuzzReadImports(f *testing.F) {
	f.Add([]byte("email,name\na@example.org,A\n"))
	f.Add([]byte(`{"users": [{"username": "a", "credentials": [{"type": "password", "secretData": "{}", "credentialData": "{}"}]}]}`))
	f.Add([]byte(`{"email": "a@example.org"}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		for _, read := range []importer{readCSV, readJSONLines, keycloakReader(true)} {
			_ = read(bytes.NewReader(text), func(importedLine) error { return nil })
		}
	})
}
