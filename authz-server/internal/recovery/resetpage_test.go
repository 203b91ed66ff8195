package recovery_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// verified makes an account whose address is proved.
func verified(t *testing.T, s *peopletest.Site, email string) accounts.User {
	t.Helper()
	user := s.Person(email)
	if err := s.Store.Users.SetVerified(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	user.EmailVerified = true
	return user
}

// forgot asks for a new password.
func forgot(t *testing.T, b *peopletest.Browser, email string, query ...string) {
	t.Helper()
	path := "/forgot" + strings.Join(query, "")
	b.Get(path).Want(t, http.StatusOK, `name="email"`, `id="send"`)
	b.Post(path, "email", email).WantRedirect(t, "/reset")
}

func TestANewPasswordByLinkEndsSessionsAndLogsNobodyIn(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user := verified(t, s, mina)
		thief, b := s.Browser(), s.Browser()
		thief.LogIn(mina)
		if err := s.Store.Browsers.Trust(t.Context(), user.ID, thief.Cookie("maru-device")); err != nil {
			t.Fatal(err)
		}
		handle := b.Begin()
		b.Get("/login?interaction="+handle).Want(t, http.StatusOK, `href="/forgot?interaction=`+handle+`"`)
		forgot(t, b, mina, "?interaction="+handle)
		letter := s.Mail.Last(t, mina)
		page := follow(t, b, letter)
		page.Want(t, http.StatusOK, `autocomplete="new-password"`, `autocomplete="username"`, `id="reset"`, mina)
		if strings.Contains(page.Body, "interaction") || strings.Contains(page.Body, b.Cookie("maru-link-reset")) {
			t.Errorf("the page has a secret in it:\n%s", page.Body)
		}
		b.Post("/reset", "password", "password1").Want(t, http.StatusUnprocessableEntity, `id="reset"`)
		b.Post("/reset", "password", phrase).WantRedirect(t, "/login?interaction="+handle)
		if thief.LoggedIn() || b.LoggedIn() {
			t.Error("a session is open after the reset")
		}
		if trusted, err := s.Store.Browsers.TrustedBrowsers(t.Context(), user.ID); err != nil || len(trusted) != 0 {
			t.Errorf("%+v %v", trusted, err)
		}
		b.Get("/login?interaction="+handle).Want(t, http.StatusOK, `value="`+mina+`"`, "Your new password is saved")
		b.Post("/login?interaction="+handle, "email", mina, "password", peopletest.Password).Want(t, http.StatusUnprocessableEntity)
		b.Post("/login?interaction="+handle, "email", mina, "password", phrase).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		if told, ok := s.Mail.To(mina)[1].Letter.(mail.SecurityChange); !ok || told.What != "password_reset" {
			t.Errorf("%+v", s.Mail.To(mina)[1])
		}
		follow(t, b, letter).Want(t, http.StatusGone, `href="/forgot"`)
		b.Post("/reset", "password", "another four unrelated words").Want(t, http.StatusGone)
	})
}

func TestANewPasswordByCode(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	verified(t, s, mina)
	b := s.Browser()
	forgot(t, b, mina)
	b.Get("/reset").Want(t, http.StatusOK, "If "+mina+" has an account", `name="code"`)
	letter := s.Mail.Last(t, mina)
	b.Post("/reset", "password", phrase).Want(t, http.StatusUnprocessableEntity) // without the code
	b.Post("/reset", "code", otherCode(letter.Code, 1)).Want(t, http.StatusUnprocessableEntity, "not the code")
	b.Post("/reset", "code", letter.Code).WantRedirect(t, "/reset")
	b.Get("/reset").Want(t, http.StatusOK, `name="password"`)
	// With the code, the link is over.
	follow(t, s.Browser(), letter).Want(t, http.StatusGone)
	b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
	b.Post("/login", "email", mina, "password", phrase).WantRedirect(t, "/account")
}

// Whoever asks for letter after letter to somebody's address guesses their codes no faster. The
// owner has the links.
func TestCodesOfAnAddressAreGuessedOnlySoOftenADay(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	verified(t, s, mina)
	var letter peopletest.Letter
	var stranger *peopletest.Browser
	for range 5 {
		stranger = s.Browser()
		forgot(t, stranger, mina)
		letter = s.Mail.Last(t, mina)
		for i := range 4 {
			stranger.Post("/reset", "code", otherCode(letter.Code, i+1)).Want(t, http.StatusUnprocessableEntity)
		}
		s.Clock.Advance(16 * time.Minute)
	}
	forgot(t, stranger, mina)
	letter = s.Mail.Last(t, mina)
	stranger.Post("/reset", "code", letter.Code).Want(t, http.StatusTooManyRequests)
	owner := s.Browser()
	follow(t, owner, letter)
	owner.Post("/reset", "password", phrase).WantRedirect(t, "/login")
}

func TestALinkToANewPasswordEnds(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	for what, do := range map[string]func(t *testing.T, user accounts.User){
		"time": func(*testing.T, accounts.User) { s.Clock.Advance(accounts.MailedLifetime) },
		"another password": func(t *testing.T, user accounts.User) {
			b := s.Browser()
			b.LogIn(user.Email)
			b.Post("/account/password", "password", peopletest.Password, "new_password", phrase).
				WantRedirect(t, "/account/sessions?done=password")
		},
		"another reset": func(t *testing.T, user accounts.User) {
			b := s.Browser()
			forgot(t, b, user.Email)
			follow(t, b, s.Mail.Last(t, user.Email))
			b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
		},
		"another address": func(t *testing.T, user accounts.User) {
			if err := s.Store.Users.SetEmail(t.Context(), user.ID, "moved@example.org"); err != nil {
				t.Fatal(err)
			}
		},
		"a disabled account": func(t *testing.T, user accounts.User) {
			if err := s.Store.Users.SetDisabled(t.Context(), user.ID, true); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			user := verified(t, s, strings.ReplaceAll(what, " ", "-")+"@example.org")
			b, opened := s.Browser(), s.Browser()
			forgot(t, b, user.Email)
			letter := s.Mail.Last(t, user.Email)
			follow(t, opened, letter).Want(t, http.StatusOK)
			do(t, user)
			follow(t, b, letter).Want(t, http.StatusGone)
			opened.Post("/reset", "password", "another four unrelated words").Want(t, http.StatusGone)
			opened.Post("/reset", "code", letter.Code).Want(t, http.StatusGone)
		})
	}
}

func TestALinkForAnotherPurposeSetsNoPassword(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	verified(t, s, mina)
	b := s.Browser()
	forgot(t, b, mina)
	b.Get(strings.Replace(s.Mail.Last(t, mina).Path(t), "/reset", "/verify", 1)).WantRedirect(t, "/verify")
	b.Get("/verify").Want(t, http.StatusGone)
	b.Post("/verify").Want(t, http.StatusGone)
	beginSignup(t, b, "new@example.org")
	b.Get(strings.Replace(s.Mail.Last(t, "new@example.org").Path(t), "/verify", "/reset", 1)).WantRedirect(t, "/reset")
	b.Post("/reset", "password", phrase).Want(t, http.StatusGone)
	for _, wrong := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 5000), "%00"} {
		b.Get("/reset?link="+wrong).Want(t, map[bool]int{true: http.StatusSeeOther, false: http.StatusGone}[len(wrong) == 43])
	}
}

// A stranger made the account with the victim's address before the server sent mail, and planted a
// passkey and an application in it. The owner of the address takes it over.
func TestAResetOfAnAccountThatNobodyVerifiedRemovesWhatAStrangerPlanted(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		for email, proved := range map[string]bool{"unverified@example.org": false, "verified@example.org": true} {
			user := s.Person(email)
			if proved {
				user = verified(t, s, "x"+email)
			}
			if _, err := s.Store.Passkeys.AddPasskey(t.Context(), accounts.Passkey{UserID: user.ID, CredentialID: []byte(email), PublicKey: []byte("k"), Name: "P"}); err != nil {
				t.Fatal(err)
			}
			if err := s.Store.Factors.BeginTOTP(t.Context(), user.ID, []byte("secret")); err != nil {
				t.Fatal(err)
			}
			if err := s.Store.Factors.ConfirmTOTP(t.Context(), user.ID, []byte("secret"), []byte("secret"), 1, nil); err != nil {
				t.Fatal(err)
			}
			if err := s.Store.Consents.GrantConsent(t.Context(), user.ID, "app", []string{"openid"}); err != nil {
				t.Fatal(err)
			}
			b := s.Browser()
			forgot(t, b, user.Email)
			follow(t, b, s.Mail.Last(t, user.Email))
			b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
			now, _ := account(t, s, user.Email)
			passkeys, err := s.Store.Passkeys.Passkeys(t.Context(), user.ID)
			if err != nil || (len(passkeys) == 1) != proved || now.Passkey != proved || now.SecondStep != proved || !now.EmailVerified {
				t.Errorf("%s: %d passkeys, %+v, %v", email, len(passkeys), now, err)
			}
			if allowed, err := s.Store.Consents.Connections(t.Context(), user.ID); err != nil || (len(allowed) == 1) != proved {
				t.Errorf("%s: %+v %v", email, allowed, err)
			}
		}
	})
}

// A passkey that is the stranger's only way in is no last way in that would have to stay.
func TestAResetTakesOverAnAccountThatHasAPasskeyAlone(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user, err := s.Store.Users.CreateUser(t.Context(), accounts.User{Email: mina, Name: "A stranger"})
		if err != nil {
			t.Fatal(err)
		}
		planted := accounts.Passkey{UserID: user.ID, CredentialID: []byte("c"), PublicKey: []byte("k"), Name: "P"}
		if _, err := s.Store.Passkeys.AddPasskey(t.Context(), planted); err != nil {
			t.Fatal(err)
		}
		b := s.Browser()
		forgot(t, b, mina)
		follow(t, b, s.Mail.Last(t, mina))
		b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
		now, _ := account(t, s, mina)
		if passkeys, err := s.Store.Passkeys.Passkeys(t.Context(), user.ID); err != nil || len(passkeys) > 0 || now.Passkey || !now.EmailVerified {
			t.Errorf("%d passkeys, %+v, %v", len(passkeys), now, err)
		}
		b.Post("/login", "email", mina, "password", phrase).WantRedirect(t, "/account")
	})
}

// Whoever signs up with the address of an account, verified or not, gets nothing of it.
func TestASignupDoesNotTakeOverAnAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	before := s.Person(mina)
	b := s.Browser()
	beginSignup(t, b, mina)
	letter := s.Mail.Last(t, mina)
	if told, ok := letter.Letter.(mail.AddressHasAccount); !ok || told.ForgotLink != s.Server.URL+"/forgot" || letter.Link != "" {
		t.Errorf("%+v", letter)
	}
	if now, _ := account(t, s, mina); now.PasswordHash != before.PasswordHash || now.Name != before.Name {
		t.Errorf("%+v", now)
	}
}

func TestAnOperatorsLinkSetsAPasswordWithoutMail(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person(mina)
	b := s.Browser()
	b.Get("/forgot").Want(t, http.StatusOK, "sends no mail")
	b.Post("/forgot", "email", mina).Want(t, http.StatusOK, "sends no mail")
	secret, err := recovery.OperatorLink(t.Context(), s.Store, user, s.Clock.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(59 * time.Minute)
	b.Get("/reset?link="+secret).WantRedirect(t, "/reset")
	b.Post("/reset", "password", phrase).WantRedirect(t, "/login")
	b.Post("/login", "email", mina, "password", phrase).WantRedirect(t, "/account")
	if now, _ := account(t, s, mina); now.EmailVerified {
		t.Error("an operator's link verified the address")
	}
}
