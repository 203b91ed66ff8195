package peopletest

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// Authenticator is a person's authenticator app, and the recovery codes they wrote down.
type Authenticator struct {
	site     *Site
	secret   string
	Recovery []string
}

var (
	shownKey      = regexp.MustCompile(`<code translate="no">([A-Z2-7 ]+)</code>`)
	shownRecovery = regexp.MustCompile(`<li><code>([0-9A-Z-]+)</code></li>`)
)

// TurnOn turns on the second step of whoever logged in in the browser just now. The app has shown
// the code of this moment then.
func (b *Browser) TurnOn() *Authenticator {
	b.t.Helper()
	b.Post("/account/security/app").WantRedirect(b.t, "/account/security/app")
	app := b.Authenticator(b.Get("/account/security/app"))
	a := b.Post("/account/security/app", "otp", app.Code())
	if app.Recovery = RecoveryCodes(a); a.Status != http.StatusOK || len(app.Recovery) != 10 {
		b.t.Fatalf("turn on: %d %s", a.Status, a.Body)
	}
	return app
}

// Authenticator is an app that took the key of a page.
func (b *Browser) Authenticator(page Answer) *Authenticator {
	b.t.Helper()
	key := shownKey.FindStringSubmatch(page.Body)
	if key == nil {
		b.t.Fatalf("no key: %d %s\n%s", page.Status, page.Location, page.Body)
	}
	return b.Site.Authenticator(key[1])
}

// Authenticator is an app that took a key, in groups or not.
func (s *Site) Authenticator(key string) *Authenticator {
	return &Authenticator{site: s, secret: strings.ReplaceAll(key, " ", "")}
}

// RecoveryCodes are those that a page shows.
func RecoveryCodes(page Answer) (codes []string) {
	for _, found := range shownRecovery.FindAllStringSubmatch(page.Body, -1) {
		codes = append(codes, found[1])
	}
	return codes
}

// Secret is the key without spaces.
func (a *Authenticator) Secret() string { return a.secret }

// Code is what the app shows now.
func (a *Authenticator) Code() string { return a.CodeAt(0) }

// CodeAt is what the app shows when later has passed.
func (a *Authenticator) CodeAt(later time.Duration) string {
	a.site.t.Helper()
	code, err := totp.GenerateCode(a.secret, a.site.Clock.Now().Add(later))
	if err != nil {
		a.site.t.Fatal(err)
	}
	return code
}

// Next is what the app shows when the present code has passed; the clock goes on until then.
func (a *Authenticator) Next() string {
	a.site.Clock.Advance(30 * time.Second)
	return a.Code()
}

// BeginLogin gives the right password at /login, of somebody who owes a second step.
func (b *Browser) BeginLogin(email string) {
	b.t.Helper()
	b.Get("/login")
	b.Post("/login", "email", email, "password", Password).WantRedirect(b.t, "/login/verify")
}
