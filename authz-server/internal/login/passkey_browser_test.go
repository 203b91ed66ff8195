package login_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// person is somebody on a site, in a browser with an authenticator.
type person struct {
	*chrome.Browser
	t    *testing.T
	site *peopletest.Site
	keys *chrome.Authenticator
}

func inBrowser(t *testing.T, language string) person {
	t.Helper()
	b := chrome.Start(t, language)
	return person{b, t, peopletest.NewNamed(t), b.Authenticator()}
}

// logIn types address and password.
func (p person) logIn(email string) {
	p.t.Helper()
	p.Open(p.site.Server.URL + "/login")
	p.Is(`document.getElementById("able").value === "yes"`)
	p.Fill("#email", email, "#password", peopletest.Password)
	p.Click("#login")
}

// logOut ends all sessions of somebody.
func (p person) logOut(user accounts.User) {
	p.t.Helper()
	if err := p.site.Store.Sessions.EndSessionsOf(p.t.Context(), user.ID, ""); err != nil {
		p.t.Fatal(err)
	}
}

func TestAPasskeyIsOfferedAndThenLogsInByItself(t *testing.T) {
	p := inBrowser(t, "en")
	mina := p.site.Person("mina@example.org")
	p.logIn("mina@example.org")
	p.See("h1", "Next time without a password")
	p.Click("#passkey")
	p.See("h1", "Your account")
	if n := p.keys.Count(); n != 1 {
		t.Fatalf("the authenticator has %d passkeys", n)
	}
	p.Open(p.site.Server.URL + "/account/security")
	p.See("#own-passkeys", "Chrome on Linux")
	p.See("#own-passkeys", "Synced")
	p.Click("#passkey")
	p.See("#passkey-problem", "This device has a passkey for your account already.")

	// The browser's own list of passkeys answers by itself here: nothing is typed or clicked.
	p.logOut(mina)
	p.Open(p.site.Server.URL + "/login")
	p.See("h1", "Your account")
	p.Open(p.site.Server.URL + "/account/security")
	p.See("#own-passkeys", "This browser")

	// Removed here, it is forgotten there.
	p.Click("#own-passkeys details:last-of-type summary")
	p.Click("#own-passkeys details[open] button")
	p.See("#own-passkeys", "You have no passkeys yet.")
	p.Calm()
}

func TestAPasskeyLogsInByTheButton(t *testing.T) {
	p := inBrowser(t, "ko")
	mina := p.site.Person("mina@example.org")
	theo := p.site.Person("theo@example.org")
	p.keys.Answer(false)
	p.logIn("mina@example.org")
	p.See("h1", "다음부터는 비밀번호 없이")
	p.Click("#later")
	p.See("h1", "내 계정")
	p.keys.Answer(true)
	p.Open(p.site.Server.URL + "/account/security")
	p.Click("#passkey")
	p.See(".notice.good", "패스키를 추가했어요.")
	p.logOut(mina)

	// Somebody whom the authenticator does not recognize.
	p.keys.Answer(false)
	p.Open(p.site.Server.URL + "/login")
	p.Visible("#passkey")
	p.keys.Verify(false)
	p.keys.Answer(true)
	p.Click("#passkey")
	p.See("#passkey-problem", "완료하지 못했어요")
	// The page waits for a passkey by itself again; it must not be answered before the button is.
	p.keys.Answer(false)
	p.keys.Verify(true)
	p.Click("#passkey")
	p.keys.Answer(true)
	p.See("h1", "내 계정")
	p.logOut(mina)

	// A second account with a passkey of its own, in the same browser.
	p.keys.Answer(false)
	p.logIn("theo@example.org")
	p.See("h1", "내 계정") // the offer was declined in this browser
	p.keys.Answer(true)
	p.Open(p.site.Server.URL + "/account/security")
	p.Click("#passkey")
	p.See(".notice.good", "패스키를 추가했어요.")
	if n := p.keys.Count(); n != 2 {
		t.Errorf("the authenticator has %d passkeys", n)
	}
	p.logOut(theo)
	p.Calm()
}

func TestSomebodySignsUpByAPasskeyInABrowser(t *testing.T) {
	p := inBrowser(t, "en")
	p.Open(p.site.Server.URL + "/signup")
	p.Fill("#name", "Mina")
	p.Click("#passkey") // the address is missing
	p.Fill("#email", "mina@example.org")
	p.Click("#passkey")
	p.See("h1", "Your account")
	user, err := p.site.Store.Users.UserByEmail(t.Context(), "mina@example.org")
	if err != nil || user.PasswordHash != "" || !user.Passkey {
		t.Fatalf("%+v %v", user, err)
	}
	p.logOut(user)
	p.Open(p.site.Server.URL + "/login")
	p.See("h1", "Your account")
	p.Calm()
}
