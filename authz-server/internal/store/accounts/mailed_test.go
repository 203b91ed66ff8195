package accounts_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// reset adds a link to a new password, with the code 123456, for which the browser "mine" asked.
func reset(t *testing.T, f *storetest.World, link string) accounts.Mailed {
	t.Helper()
	m := accounts.Mailed{Purpose: accounts.ToReset, User: f.Person, Email: f.Person.Email}
	storetest.OK(t, f.Mailed.AddMailed(t.Context(), m, link, "123456", "mine"))
	m, err := f.Mailed.MailedByLink(t.Context(), accounts.ToReset, link)
	storetest.OK(t, err)
	return m
}

func TestAMailedLinkIsSpentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		m := reset(t, f, "link")
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			return f.Tx(ctx, func(ctx context.Context) error { return f.Mailed.SpendMailed(ctx, m) })
		})
		if _, err := f.Mailed.MailedByLink(t.Context(), accounts.ToReset, "link"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after it was spent: %v", err)
		}
		if email, err := f.Mailed.SpentMailed(t.Context(), accounts.ToReset, "link"); err != nil || email != f.Person.Email {
			t.Errorf("%q %v", email, err)
		}
	})
}

func TestAMailedLinkEndsWithWhatItWasMadeFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx, start := t.Context(), f.Now
		for what, do := range map[string]func() error{
			"half an hour":       func() error { f.Now = f.Now.Add(accounts.MailedLifetime); return nil },
			"another password":   func() error { return f.Users.ResetPassword(ctx, f.Person.ID, "another", "") },
			"a disabled account": func() error { return f.Users.SetDisabled(ctx, f.Person.ID, true) },
			"another address":    func() error { return f.Users.SetEmail(ctx, f.Person.ID, "b@example.com") },
			"thrown away":        func() error { return f.Mailed.DropMailedOf(ctx, f.Person.ID) },
		} {
			m := reset(t, f, what)
			storetest.OK(t, do())
			if _, err := f.Mailed.MailedByLink(ctx, accounts.ToReset, what); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: found: %v", what, err)
			}
			if _, err := f.Mailed.MailedToBrowser(ctx, accounts.ToReset, "mine"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: found by its browser: %v", what, err)
			}
			if err := f.Mailed.SpendMailed(ctx, m); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: spent: %v", what, err)
			}
			f.Now = start
			storetest.OK(t, f.Users.SetDisabled(ctx, f.Person.ID, false))
			var err error
			f.Person, err = f.Users.User(ctx, f.Person.ID)
			storetest.OK(t, err)
		}
	})
}

func TestAMailedLinkIsForOnePurpose(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		reset(t, f, "link")
		for _, other := range []accounts.MailPurpose{accounts.ToSignUp, accounts.ToChangeAddress} {
			if _, err := f.Mailed.MailedByLink(t.Context(), other, "link"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", other, err)
			}
			if _, err := f.Mailed.MailedToBrowser(t.Context(), other, "mine"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", other, err)
			}
		}
	})
}

func TestACodeIsExchangedOnceInTheBrowserThatAsked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		first := reset(t, f, "first")
		if _, err := f.Mailed.MailedToBrowser(ctx, accounts.ToReset, "theirs"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another browser's: %v", err)
		}
		for _, wrong := range [][2]string{{"mine", "123457"}, {"theirs", "123456"}, {"", "123456"}, {"mine", ""}} {
			if _, err := f.Mailed.ExchangeCode(ctx, first, wrong[0], wrong[1]); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%q: %v", wrong, err)
			}
		}
		f.Now = f.Now.Add(time.Second)
		second := reset(t, f, "second")
		if _, err := f.Mailed.ExchangeCode(ctx, first, "mine", "123456"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the code of the letter before: %v", err)
		}
		if m, err := f.Mailed.MailedToBrowser(ctx, accounts.ToReset, "mine"); err != nil || !m.Of("mine") || m.Of("theirs") || m.Of("") {
			t.Errorf("%+v %v", m, err)
		}
		links := make(chan string, 32)
		storetest.OneWins(t, store.ErrNotFound, func(ctx context.Context, _ int) error {
			link, err := f.Mailed.ExchangeCode(ctx, second, "mine", "123456")
			if err == nil {
				links <- link
			}
			return err
		})
		if _, err := f.Mailed.MailedByLink(ctx, accounts.ToReset, <-links); err != nil {
			t.Errorf("the new link: %v", err)
		}
		if _, err := f.Mailed.MailedByLink(ctx, accounts.ToReset, "second"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the link whose code was used: %v", err)
		}
	})
}

func TestOfTriesAtOnceFiveCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		m := reset(t, f, "link")
		won := storetest.Winners(t, func(ctx context.Context, _ int) (bool, error) {
			err := f.Mailed.CountMailedTry(ctx, m)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		})
		if won != accounts.MaxMailedTries {
			t.Errorf("%d of 32 tries counted", won)
		}
	})
}

func TestOfSignupsWithOneAddressTheFirstThatIsProvedStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		all := make([]accounts.Mailed, 32)
		for i := range all {
			link := fmt.Sprint(i)
			storetest.OK(t, f.Mailed.AddMailed(ctx, accounts.Mailed{Purpose: accounts.ToSignUp, Email: "new@example.com"}, link, "000000", link))
			var err error
			all[i], err = f.Mailed.MailedByLink(ctx, accounts.ToSignUp, link)
			storetest.OK(t, err)
		}
		won := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			err := f.Tx(ctx, func(ctx context.Context) error {
				if err := f.Mailed.SpendMailed(ctx, all[i]); err != nil {
					return err
				}
				if _, err := f.Users.CreateUser(ctx, accounts.User{Email: "NEW@example.com"}); err != nil {
					return err
				}
				return f.Mailed.DropSignups(ctx, "new@example.com")
			})
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 || f.Count(t, `mailed WHERE spent_at = 0`) != 0 {
			t.Errorf("%d accounts; %d sign-ups left", won, f.Count(t, `mailed WHERE spent_at = 0`))
		}
	})
}

func TestAnAddressOfAnotherAccountIsNotTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ctx := t.Context()
		other, err := f.Users.CreateUser(ctx, accounts.User{Email: "b@example.com"})
		storetest.OK(t, err)
		if err := f.Users.SetEmail(ctx, f.Person.ID, "B@Example.com"); !errors.Is(err, store.ErrExists) {
			t.Errorf("another account's: %v", err)
		}
		storetest.OK(t, f.Users.SetEmail(ctx, other.ID, "B@Example.com")) // its own in another spelling
		if u, err := f.Users.UserByEmail(ctx, "b@example.com"); err != nil || u.ID != other.ID || u.Email != "B@Example.com" || !u.EmailVerified {
			t.Errorf("%+v %v", u, err)
		}
	})
}

func TestOfAccountsThatTakeOneAddressAtOnceOneGetsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, f *storetest.World) {
		ids := make([]string, 32)
		for i := range ids {
			user, err := f.Users.CreateUser(t.Context(), accounts.User{Email: fmt.Sprintf("%d@example.com", i)})
			storetest.OK(t, err)
			ids[i] = user.ID
		}
		storetest.OneWins(t, store.ErrExists, func(ctx context.Context, i int) error {
			return f.Users.SetEmail(ctx, ids[i], "wanted@example.com")
		})
	})
}
