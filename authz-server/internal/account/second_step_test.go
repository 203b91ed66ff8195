package account_test

import (
	"bytes"
	"encoding/base32"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
)

// kinds are what a person's history says, the latest last.
func kinds(t *testing.T, s *peopletest.Site, userID string) (all []string) {
	t.Helper()
	for _, e := range s.Told(t, userID) {
		all = append([]string{e.Kind}, all...)
	}
	return all
}

func TestTheSecondStepIsTurnedOnAndOff(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/security").Want(t, http.StatusOK, "Two-step verification", `href="/account/security/app"`)
	if a := b.Get("/account/security/app"); strings.Contains(a.Body, "<svg") {
		t.Error("a key was made without a click")
	}
	b.Get("/account/security/codes").WantRedirect(t, "/account/security") // it is off
	b.Post("/account/security/off").WantRedirect(t, "/account/security")
	b.Post("/account/security/app").WantRedirect(t, "/account/security/app")
	page := b.Get("/account/security/app")
	page.Want(t, http.StatusOK, `<svg class="qr"`, `href="otpauth://totp/Maru:mina@example.org?`, `autocomplete="one-time-code"`)
	app := b.Authenticator(page)
	if again := b.Authenticator(b.Get("/account/security/app")); again.Secret() != app.Secret() {
		t.Error("a reload makes another key")
	}
	b.Post("/account/security/app", "otp", "").Want(t, http.StatusUnprocessableEntity, "Enter the code.", "<svg")
	b.Post("/account/security/app", "otp", app.CodeAt(time.Hour)).Want(t, http.StatusUnprocessableEntity, "not the right code", app.Secret()[:4])
	if a := b.Get("/account/security"); strings.Contains(a.Body, "recovery codes left") {
		t.Error("it is on before the first code")
	}
	a := b.Post("/account/security/app", "otp", app.Code())
	a.Want(t, http.StatusOK, "Two-step verification is on.", `id="download"`)
	codes := peopletest.RecoveryCodes(a)
	if len(codes) != 10 || strings.Contains(a.Body, `class="languages"`) {
		t.Errorf("%d codes, or a link that would lose them:\n%s", len(codes), a.Body)
	}
	b.Post("/account/security/app", "otp", app.Code()).WantRedirect(t, "/account/security")
	b.Get("/account/security").Want(t, http.StatusOK, "10 recovery codes left", "Two-step verification turned on", `id="turn-off"`)

	b.Get("/account/security/codes").Want(t, http.StatusOK, "Make new recovery codes?")
	fresh := peopletest.RecoveryCodes(b.Post("/account/security/codes"))
	if len(fresh) != 10 || fresh[0] == codes[0] {
		t.Error(fresh)
	}
	other := s.Browser()
	other.BeginLogin("mina@example.org")
	other.Post("/login/verify", "recovery", codes[0]).Want(t, http.StatusUnprocessableEntity)
	other.Post("/login/verify", "recovery", fresh[0]).WantRedirect(t, "/account/security?done=recovery")

	b.Get("/account/security/off").Want(t, http.StatusOK, "Turn off two-step verification?")
	b.Post("/account/security/off").WantRedirect(t, "/account/security?done=second_step_off")
	third := s.Browser()
	third.LogIn("mina@example.org")
	got := kinds(t, s, user.ID)
	for _, want := range []notices.Kind{notices.SecondStepOn, notices.RecoveryCodesMade, notices.RecoveryCodeUsed, notices.SecondStepOff} {
		if !slices.Contains(got, string(want)) {
			t.Errorf("the history lacks %s: %q", want, got)
		}
	}
}

// Somebody who is in the account, too, begins to set up an app, and waits until its person turns
// the second step on to keep them out: that must not be with the key that the stranger has seen.
func TestAKeyIsOfTheSessionThatBeganIt(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		s.Person("mina@example.org")
		stranger, owner := s.Browser(), s.Browser()
		stranger.LogIn("mina@example.org")
		owner.LogIn("mina@example.org")
		stranger.Post("/account/security/app").WantRedirect(t, "/account/security/app")
		known := stranger.Authenticator(stranger.Get("/account/security/app"))
		if a := owner.Get("/account/security/app"); strings.Contains(a.Body, "<svg") {
			t.Error("the owner is shown the stranger's key")
		}
		owner.Post("/account/security/app", "otp", known.Code()).WantRedirect(t, "/account/security/app")
		owner.Post("/account/security/app").WantRedirect(t, "/account/security/app")
		app := owner.Authenticator(owner.Get("/account/security/app"))
		stranger.Post("/account/security/app", "otp", known.Code()).WantRedirect(t, "/account/security/app")
		owner.Post("/account/security/app", "otp", app.Code()).Want(t, http.StatusOK, "Two-step verification is on.")
		s.Clock.Advance(time.Minute)
		other := s.Browser()
		other.BeginLogin("mina@example.org")
		other.Post("/login/verify", "otp", app.Next()).WantRedirect(t, "/account")
	})
}

// A session that was left open is not enough to turn the second step on or off, or to see codes.
func TestChangesOfTheSecondStepNeedARecentProof(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	s.Clock.Advance(11 * time.Minute)
	b.Get("/account/security/app").WantRedirect(t, "/login?confirm=yes")
	b.Post("/account/security/app").WantRedirect(t, "/login?confirm=yes")
	b.Post("/login?confirm=yes", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account/security/app")
	app := b.TurnOn()
	s.Clock.Advance(11 * time.Minute)
	for _, page := range []string{"/account/security/codes", "/account/security/off"} {
		b.Get(page).WantRedirect(t, "/login?confirm=yes")
		b.Post(page).WantRedirect(t, "/login?confirm=yes")
	}
	b.Post("/login?confirm=yes", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/login/verify?confirm=yes")
	b.Get("/account/security/off").WantRedirect(t, "/login?confirm=yes") // a password alone is half a proof
	b.Get("/login/verify?confirm=yes&lang=ko").Want(t, http.StatusOK, `<html lang="ko">`, "confirm=yes")
	b.Post("/login/verify?confirm=yes", "otp", app.Code()).WantRedirect(t, "/account/security/off")
	b.Post("/account/security/off").WantRedirect(t, "/account/security?done=second_step_off")
}

func TestTurningTheSecondStepOnOrOffEndsTheTrustOfBrowsers(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	app := b.TurnOn()
	trusted := func() int {
		t.Helper()
		all, err := s.Store.Browsers.TrustedBrowsers(t.Context(), user.ID)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	trust := func() {
		t.Helper()
		other := s.Browser()
		other.BeginLogin("mina@example.org")
		other.Post("/login/verify", "otp", app.Next(), "trust", "yes").WantRedirect(t, "/account")
	}
	trust()
	trust()
	if trusted() != 2 {
		t.Fatal(trusted())
	}
	b.Post("/account/security/off").WantRedirect(t, "/account/security?done=second_step_off")
	if trusted() != 0 {
		t.Error("a browser is trusted still")
	}
	app = b.TurnOn()
	trust()
	trust()
	trust()
	all, err := s.Store.Browsers.TrustedBrowsers(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.Get("/account/security").Want(t, http.StatusOK, "Trusted browsers", "trusted until", "Chrome on Linux", `value="`+all[0].ID+`"`, "Stop trusting all")
	b.Post("/account/security/browsers").Want(t, http.StatusBadRequest)
	s.Person("hana@example.org")
	hana := s.Browser()
	hana.LogIn("hana@example.org")
	hana.Post("/account/security/browsers", "browser", all[0].ID).WantRedirect(t, "/account/security?done=trust_ended")
	if trusted() != 3 {
		t.Error("somebody else ended the trust")
	}
	b.Post("/account/security/browsers", "browser", all[0].ID).WantRedirect(t, "/account/security?done=trust_ended")
	if trusted() != 2 {
		t.Error("it is trusted still")
	}
	s.Clock.Advance(time.Second)
	b.Post("/account/security/browsers", "all", "yes").WantRedirect(t, "/account/security?done=trust_ended")
	if got := kinds(t, s, user.ID); trusted() != 0 || got[len(got)-1] != string(notices.TrustEnded) {
		t.Error("browsers are trusted still", got)
	}
}

// A copy of the database makes no codes.
func TestSecretsOfTheSecondStepAreNotStoredAsSuch(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	app := b.TurnOn()
	stored, err := s.Store.Factors.TOTP(t.Context(), user.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.DecodeString(app.Secret())
	if err != nil || len(secret) != 20 {
		t.Fatal(len(secret), err)
	}
	if bytes.Contains(stored.Secret, secret) || bytes.Contains(stored.Secret, []byte(app.Secret())) {
		t.Error("the secret is stored as such")
	}
	a := b.Get("/account/security")
	for _, secret := range append(app.Recovery, app.Secret(), app.Secret()[:4]+" ") {
		if strings.Contains(a.Body, secret) {
			t.Errorf("the page shows %s", secret)
		}
	}
	b.Get("/account/security/app").WantRedirect(t, "/account/security") // and none shows the key again
}

func TestRecoveryCodesCanBeDownloaded(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.Post("/account/security/codes.txt", "code", "ABCDE-F0123").WantRedirect(t, "/login")
	b.LogIn("mina@example.org")
	app := b.TurnOn()
	var form []string
	for _, code := range app.Recovery {
		form = append(form, "code", code)
	}
	a := b.Post("/account/security/codes.txt", form...)
	a.Want(t, http.StatusOK, "Recovery codes for mina@example.org (Maru)\r\n", app.Recovery[0]+"\r\n", app.Recovery[9]+"\r\n")
	if a.Header.Get("Content-Disposition") != `attachment; filename="recovery-codes.txt"` || a.Header.Get("Cache-Control") != "no-store" ||
		a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Error(a.Header)
	}
	for _, bad := range [][]string{{}, {"code", "<script>"}, {"code", "abcde-f0123"}, append(form, "code", "ABCDE-F0123")} {
		b.Post("/account/security/codes.txt", bad...).Want(t, http.StatusBadRequest)
	}
}
