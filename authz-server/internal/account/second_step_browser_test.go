package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// A person turns the second step on, logs in with a code elsewhere, trusts that browser, and gets
// in with a recovery code when the phone is gone.
func TestTheSecondStepInABrowser(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	at := s.Server.URL
	b := chrome.Start(t, "ko")
	logIn := func(b *chrome.Browser) {
		b.Open(at + "/login")
		b.Fill("#email", "mina@example.org", "#password", peopletest.Password)
		b.Click("#login")
	}
	logIn(b)
	b.Visible("#logout")
	b.Open(at + "/account/security")
	b.Click("#two-step-setup")
	b.Click("#set-up")
	b.Visible("svg.qr")
	app := s.Authenticator(chrome.Eval[string](b, "document.querySelector('.key code').textContent"))
	b.Is("document.activeElement.id === 'otp'")
	b.Fill("#otp", app.CodeAt(time.Hour))
	b.Click("#turn-on")
	b.See("#otp-problem", "인증 코드가 맞지 않아요.")
	b.Fill("#otp", app.Code())
	b.Click("#turn-on")
	b.Visible("[data-print]") // a script shows it
	codes := strings.Fields(chrome.Eval[string](b, "document.querySelector('[data-copy]').getAttribute('data-copy')"))
	if len(codes) != 10 {
		t.Fatalf("codes %q", codes)
	}
	b.Click("#done")
	b.See("#two-step", "남은 복구 코드 10개")

	other := chrome.Start(t, "en")
	logIn(other)
	other.Visible("#verify")
	other.Click("[name=trust]")
	s.Clock.Advance(30 * time.Second)
	other.Fill("#otp", app.Code())
	other.Click("#verify")
	other.Visible("#logout")

	lost := chrome.Start(t, "ko")
	logIn(lost)
	lost.Visible("#verify")
	lost.Click(".links a")
	lost.Fill("#recovery", strings.ToLower(codes[4]))
	lost.Click("#verify")
	lost.See("#two-step", "남은 복구 코드 9개")
	lost.Click("#two-step [name=browser]")
	lost.See(".notice.good", "신뢰를 해제했어요.")
	for _, one := range []*chrome.Browser{b, other, lost} {
		one.Calm("422")
	}
}
