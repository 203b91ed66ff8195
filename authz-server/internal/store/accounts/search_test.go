package accounts_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func people(t *testing.T, f *storetest.World, all ...accounts.User) {
	t.Helper()
	for _, one := range all {
		made, err := f.Users.CreateUser(t.Context(), one)
		storetest.OK(t, err)
		if one.Claims != (accounts.Claims{}) {
			storetest.OK(t, f.Users.SetClaims(t.Context(), made.ID, one.Claims))
		}
	}
}

// found is the addresses of all that a search finds, page by page.
func found(t *testing.T, f *storetest.World, text string, limit int) (emails []string) {
	t.Helper()
	for after := ""; ; {
		page, err := f.Users.Search(t.Context(), text, after, limit)
		storetest.OK(t, err)
		for _, one := range page {
			emails, after = append(emails, one.Email), one.Cursor
		}
		if len(page) < limit {
			return emails
		}
	}
}

func TestPeopleAreFoundByTheBeginningOfTheirAddressAndNames(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, f *storetest.World) {
		people(t, f,
			accounts.User{Email: "mina@example.org", Name: "Kim Mina"},
			accounts.User{Email: "Müller@bücher.example", Name: "Örjan  Müller"},
			accounts.User{Email: "j@example.org", Name: "김지우", Claims: accounts.Claims{GivenName: "지우", PreferredUsername: "minardi"}},
			accounts.User{Email: "zed@example.org", Name: `100% "zed" \ _`},
			accounts.User{Email: "none@example.org"})
		for text, want := range map[string]string{
			"mina": "j mina", "MIN": "j mina", "kim  mi": "mina", "mina kim": "", "mina@example.org": "mina", "ina": "",
			"müll": "Müller", "MU\u0308LLER": "Müller", "ör": "Müller", "xn--bcher": "", "müller@xn--bcher": "Müller",
			"김": "j", "지우": "j", "우": "", "100%": "zed", "%": "", "_": "zed", `\ _`: "zed", "none": "none", "": "", " ": "", "\x00": "",
			strings.Repeat("m", 10_000): "",
		} {
			for _, limit := range []int{1, 2, 10} {
				var names []string
				for _, email := range found(t, f, text, limit) {
					name, _, _ := strings.Cut(email, "@")
					names = append(names, name)
				}
				slices.Sort(names)
				if got := strings.Join(names, " "); got != want {
					t.Errorf("%q, %d a page, finds %q, want %q", text, limit, got, want)
				}
			}
		}
		for _, cursor := range []string{"x", "!", "AAAA", "eAB4", "eAD_"} {
			if _, err := f.Users.Search(t.Context(), "mina", cursor, 10); err != nil {
				t.Errorf("the cursor %q: %v", cursor, err)
			}
		}
	})
}

// The clock stands still in this test, so that nothing depends on times that differ.
func TestPeopleAreFoundByWhatTheyAreCalledNow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx, id := t.Context(), f.Person.ID
		if got := found(t, f, "a@ex", 10); len(got) != 1 {
			t.Fatal(got)
		}
		for _, one := range []struct {
			now, before string
			change      func() error
		}{
			{"berta", "x", func() error { return f.Users.SetName(ctx, id, "Berta") }},
			{"c@", "a@", func() error { return f.Users.SetEmail(ctx, id, "c@example.org") }},
			{"dora", "berta", func() error {
				return f.Users.EditUser(ctx, id, func(u *accounts.User) error { u.Name = "Dora"; return nil })
			}},
			{"emil", "x", func() error { return f.Users.SetClaims(ctx, id, accounts.Claims{PreferredUsername: "emil"}) }},
			{"fritz", "emil", func() error { return f.Users.SetClaims(ctx, id, accounts.Claims{GivenName: "Fritz"}) }},
			// An account that an older program changes, which knows no words.
			{"gerd", "dora", func() error { f.Exec(t, `UPDATE users SET name = 'Gerd', updated_at = updated_at + 1`); return nil }},
		} {
			storetest.OK(t, one.change())
			if got := found(t, f, one.now, 10); len(got) != 1 {
				t.Errorf("%q finds %q", one.now, got)
			}
			if got := found(t, f, one.before, 10); len(got) != 0 {
				t.Errorf("%q still finds %q", one.before, got)
			}
		}
	})
}

func TestManyPeopleAreIndexedInBatches(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, f *storetest.World) {
		for i := range 230 {
			people(t, f, accounts.User{Email: "p" + strconv.Itoa(i) + "@example.org"})
		}
		f.Exec(t, `DELETE FROM user_words`)
		ctx, cancel := context.WithCancel(t.Context())
		batches := 0
		for {
			n, err := f.Users.IndexSome(ctx)
			storetest.OK(t, err)
			if n == 0 {
				break
			}
			batches++
		}
		cancel()
		if got := found(t, f, "p", 50); batches != 3 || len(got) != 230 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 230 {
			t.Errorf("%d batches, %d people", batches, len(got))
		}
	})
}
