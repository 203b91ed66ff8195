package accounts_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestOneAddressHasOneKeyInEveryScript(t *testing.T) {
	seen := map[string]string{}
	for _, same := range [][]string{
		{"u@bücher.example", "U@BÜCHER.example", "u@bu\u0308cher.EXAMPLE", "u@xn--bcher-kva.example", "u@XN--BCHER-KVA.Example",
			" u@bücher.example\n"},
		{"u@bucher.example"},
		{"u@straße.example", "u@STRAẞE.example", "u@xn--strae-oqa.example"},
		{"u@strasse.example", "u@STRASSE.example"},
		{"민지@한국.kr", "\u1106\u1175\u11ab\u110c\u1175@\u1112\u1161\u11ab\u1100\u116e\u11a8.kr", "민지@xn--3e0b707e.kr"},
		{"用户@例え.jp", "用户@例え。jp", "用户@xn--r8jz45g.jp"},
		{"пользователь@пример.рф", "ПОЛЬЗОВАТЕЛЬ@ПРИМЕР.РФ", "Пользователь@xn--e1afmkfd.xn--p1ai"},
		{"χρήστησ@παράδειγμα.ελ", "ΧΡΉΣΤΗΣ@ΠΑΡΆΔΕΙΓΜΑ.ΕΛ", "χρήστης@xn--hxajbheg2az3al.xn--qxam"},
		{"مستخدم@مثال.مصر", "مستخدم@xn--mgbh0fb.xn--wgbh1c"},
		{"משתמש@דוגמה.ישראל"},
		{"उपयोगकर्ता@उदाहरण.भारत", "उपयोगकर्ता@xn--p1b6ci4b4b3a.xn--h2brj9c"},
		{"i@example.com", "I@EXAMPLE.COM", "i@ｅｘａｍｐｌｅ．ｃｏｍ"},
		{"İ@example.com", "İ@EXAMPLE.com", "i\u0307@example.com"},
		{"ı@example.com"},
		{"a@mit.example", "a@MIT.Example"},
		{"a@mİt.example", "a@MİT.example", "a@mi\u0307t.example"},
		{"a@mıt.example"},
		{"straße@example.com", "STRAẞE@example.com"},
		{"strasse@example.com"},
		{"ß@example.com"},
		{"ſ@example.com"},
		{"s@example.com"},
		{"ａ@example.com"}, // the same letter to look at, and another to mail systems
		{"a@example.com"},
		{"а@example.com"}, // Cyrillic
		{"u+tag@example.com", "U+TAG@example.com"},
		{"u@sub_domain.example"},
		{"u@[192.0.2.1]"},
		{"u@xn--.example"}, // no name: as it is
		{"u@xn--zzzzzzzz99.example", "u@XN--ZZZZZZZZ99.example"},
		{"no address", "No Address"},
		{""},
	} {
		key := accounts.EmailKey(same[0])
		if other, taken := seen[key]; taken {
			t.Errorf("%q and %q have one key, %q", same[0], other, key)
		}
		seen[key] = same[0]
		for _, spelling := range same {
			if got := accounts.EmailKey(spelling); got != key {
				t.Errorf("%q has the key %q, and %q has %q", spelling, got, same[0], key)
			}
		}
		if again := accounts.EmailKey(key); again != key {
			t.Errorf("the key %q has the key %q", key, again)
		}
	}
}

func FuzzEmailKey(f *testing.F) {
	for _, seed := range []string{"u@bücher.example", "İ@x", "a@b@c", "u@xn--bcher-kva.example", "ΟΔΟΣ@x", "u@[::1]", "@", "u@a。b",
		"a@mİt.example", "a@İ_x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, email string) {
		key := accounts.EmailKey(email)
		if again := accounts.EmailKey(key); again != key {
			t.Fatalf("%q has the key %q, which has the key %q", email, key, again)
		}
	})
}

func TestInternationalizedAddressesFindTheirAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		made, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "U@Bücher.example"})
		if err != nil {
			t.Fatal(err)
		}
		for _, spelling := range []string{"u@xn--bcher-kva.example", "u@bücher.example"} {
			if got, err := f.Users.UserByEmail(t.Context(), spelling); err != nil || got.ID != made.ID || got.Email != "U@Bücher.example" {
				t.Errorf("%q finds %+v, %v", spelling, got, err)
			}
			if _, err := f.Users.CreateUser(t.Context(), accounts.User{Email: spelling}); !errors.Is(err, store.ErrExists) {
				t.Errorf("a second account for %q: %v", spelling, err)
			}
		}
		// Nor for a domain: the two can have different owners.
		if _, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "a@mit.example"}); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Users.UserByEmail(t.Context(), "a@mİt.example"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("@mİt finds %+v, %v", got, err)
		}
		// İ@ is not i@, whichever of them has an account.
		if _, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "i@example.com"}); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Users.UserByEmail(t.Context(), "İ@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("İ@ finds %+v, %v", got, err)
		}
		dotted, err := f.Users.CreateUser(t.Context(), accounts.User{Email: "İ@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Users.UserByEmail(t.Context(), "İ@example.com"); err != nil || got.ID != dotted.ID {
			t.Errorf("İ@ finds %+v, %v", got, err)
		}
	})
}

func TestAccountsGetTheKeysOfToday(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		now := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
		open := func() *store.Store {
			s, err := store.Open(t.Context(), databaseURL, func() time.Time { return now })
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		make := func(email string) string {
			now = now.Add(time.Second)
			u, err := s.Users.CreateUser(t.Context(), accounts.User{Email: email})
			if err != nil {
				t.Fatal(err)
			}
			return u.ID
		}
		// As the server once stored them: one address twice, İ@ where i@ belongs, and one without a
		// rival.
		plain, other, dotted, alone := make("u@xn--bcher-kva.example"), make("other@example.com"), make("İ@example.com"),
			make("Mina@Bücher.example")
		twice := make("U@placeholder.example")
		db, err := sqldb.OpenWith(t.Context(), sqldb.Options{DatabaseURL: databaseURL})
		if err != nil {
			t.Fatal(err)
		}
		for id, row := range map[string][2]string{
			dotted: {"İ@example.com", "i@example.com"}, alone: {"Mina@Bücher.example", "mina@bücher.example"},
			twice: {"U@Bücher.example", "u@bücher.example"},
		} {
			if _, err := db.Exec(t.Context(), `UPDATE users SET email = $1, email_key = $2 WHERE id = $3`, row[0], row[1], id); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(db.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}

		for range 2 { // the second start finds what the first left
			s = open()
			if got, err := s.Users.UpdateEmailKeys(t.Context()); err != nil || !slices.Equal(got, []string{twice}) {
				t.Errorf("doubles: %v, %v", got, err)
			}
			for spelling, want := range map[string]string{
				"u@xn--bcher-kva.example": plain, "u@bücher.example": twice, "U@BÜCHER.example": twice, "other@example.com": other,
				"İ@example.com": dotted, "mina@xn--bcher-kva.example": alone, "mina@bücher.example": alone,
			} {
				if got, err := s.Users.UserByEmail(t.Context(), spelling); err != nil || got.ID != want {
					t.Errorf("%q finds %s (%s), %v", spelling, got.ID, got.Email, err)
				}
			}
			if got, err := s.Users.UserByEmail(t.Context(), "i@example.com"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("i@ finds %s, %v", got.Email, err)
			}
			if _, err := s.Users.CreateUser(t.Context(), accounts.User{Email: "u@bücher.example"}); !errors.Is(err, store.ErrExists) {
				t.Errorf("a third account: %v", err)
			}
			var listed []string
			for after := ""; ; {
				page, err := s.Users.ListUsers(t.Context(), after, 1)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				listed, after = append(listed, page[0].ID), page[0].Key
			}
			if slices.Sort(listed); len(slices.Compact(listed)) != 5 {
				t.Errorf("listed: %v", listed)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
