package recovery_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

const (
	mina     = "mina@example.org"
	phrase   = "three other brazen kettles"
	signedUp = "/verify"
)

// beginSignup fills in the form of /signup.
func beginSignup(t *testing.T, b *peopletest.Browser, email string, query ...string) {
	t.Helper()
	path := "/signup" + strings.Join(query, "")
	b.Get(path)
	b.Post(path, "name", "Mina", "email", email, "password", phrase).WantRedirect(t, signedUp)
}

// follow opens a mailed link, and the page that it leads to.
func follow(t *testing.T, b *peopletest.Browser, l peopletest.Letter) peopletest.Answer {
	t.Helper()
	path := l.Path(t)
	clean, _, _ := strings.Cut(path, "?")
	opened := b.Get(path)
	opened.WantRedirect(t, clean)
	if got := opened.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	return b.Get(clean)
}

// account is the account with an address, if there is one.
func account(t *testing.T, s *peopletest.Site, email string) (accounts.User, bool) {
	t.Helper()
	user, err := s.Store.Users.UserByEmail(t.Context(), email)
	return user, err == nil
}

// otherCode is a code that is not that one.
func otherCode(code string, by int) string {
	n, _ := strconv.Atoi(code)
	return strconv.Itoa(1_000_000 + (n+by)%1_000_000)[1:]
}

func TestASignupByCodeGoesOnWhereItBegan(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		b := s.Browser()
		handle := b.Begin("ui_locales", "ko")
		beginSignup(t, b, mina, "?interaction="+handle)
		if _, made := account(t, s, mina); made || b.LoggedIn() {
			t.Fatal("there is an account before the address is proved")
		}
		b.Get("/verify").Want(t, http.StatusOK, "메일을 확인해 주세요", mina, "Bookshop", `autocomplete="one-time-code"`, `id="verify"`)
		letter := s.Mail.Last(t, mina)
		if letter.Language != "ko" || letter.Letter.(mail.ConfirmSignup).Name != "Mina" {
			t.Errorf("%+v", letter)
		}
		s.Clock.Advance(25 * time.Minute) // longer than a request waits that nobody was written to for
		b.Post("/verify", "code", letter.Code[:3]+" "+letter.Code[3:]).WantRedirect(t, "/oauth2/authorize?interaction="+handle)
		user, made := account(t, s, mina)
		if !made || !user.EmailVerified || user.Name != "Mina" || user.Locale != "ko" || !b.LoggedIn() {
			t.Errorf("%v %+v", made, user)
		}
		b.Get("/verify").Want(t, http.StatusGone)
		if again := s.Browser(); again.Get("/login").Status != http.StatusOK ||
			again.Post("/login", "email", mina, "password", phrase).Status != http.StatusSeeOther {
			t.Error("the password does not log in")
		}
	})
}

func TestASignupByLinkInItsBrowserGoesOnWhereItBegan(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	b := s.Browser()
	handle := b.Begin()
	beginSignup(t, b, mina, "?interaction="+handle)
	follow(t, b, s.Mail.Last(t, mina)).Want(t, http.StatusOK, mina, `id="verify"`, `id="discard"`, "Bookshop")
	b.Post("/verify").WantRedirect(t, "/oauth2/authorize?interaction="+handle)
	if user, made := account(t, s, mina); !made || !user.EmailVerified || !b.LoggedIn() {
		t.Errorf("%v %+v", made, user)
	}
	// A second click.
	follow(t, b, s.Mail.Last(t, mina))
	b.Get("/verify").Want(t, http.StatusGone)

	// It took longer than a request can wait, however often the letter is sent again: the person
	// goes on to their account.
	late := s.Browser()
	beginSignup(t, late, "late@example.org", "?interaction="+late.Begin())
	for range 3 {
		s.Clock.Advance(25 * time.Minute)
		late.Post("/verify", "again", "yes").WantRedirect(t, "/verify?again")
	}
	s.Clock.Advance(25 * time.Minute)
	late.Post("/verify", "code", s.Mail.Last(t, "late@example.org").Code).WantRedirect(t, "/account")
}

// Programs open links before people do: those that look for viruses, and browsers that fetch ahead.
func TestOpeningALinkChangesNothing(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	b := s.Browser()
	beginSignup(t, b, mina)
	letter := s.Mail.Last(t, mina)
	for range 2 {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			scanner := s.Browser()
			scanner.Do(scanner.Request(method, letter.Path(t), ""))
			scanner.Do(scanner.Request(method, "/verify", ""))
		}
	}
	if _, made := account(t, s, mina); made {
		t.Fatal("an account was made")
	}
	b.Post("/verify", "code", letter.Code).WantRedirect(t, "/account")
}

// A stranger signs up with a victim's address, and knows the password. The victim follows the link:
// a click makes no account, whoever's browser it is.
func TestAClickDoesNotMakeAStrangersAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	stranger, victim := s.Browser(), s.Browser()
	beginSignup(t, stranger, mina)
	letter := s.Mail.Last(t, mina)
	follow(t, victim, letter).Want(t, http.StatusOK, "“Mina”", mina, `id="password"`, `id="discard"`)
	victim.Post("/verify").Want(t, http.StatusUnprocessableEntity)
	victim.Post("/verify", "password", "not what the stranger chose").Want(t, http.StatusUnprocessableEntity, "not the password that you chose")
	victim.Post("/verify", "code", letter.Code).Want(t, http.StatusUnprocessableEntity)
	if _, made := account(t, s, mina); made {
		t.Fatal("an account was made")
	}
	victim.Post("/verify", "discard", "yes").Want(t, http.StatusOK, "No account was made")
	stranger.Post("/verify", "code", letter.Code).Want(t, http.StatusGone)
	stranger.Get(letter.Path(t))
	stranger.Post("/verify").Want(t, http.StatusGone)
	if _, made := account(t, s, mina); made {
		t.Error("an account was made of a sign-up that was thrown away")
	}

	// The same person, on two devices.
	phone, desk := s.Browser(), s.Browser()
	beginSignup(t, desk, mina)
	follow(t, phone, s.Mail.Last(t, mina))
	phone.Post("/verify", "password", phrase).WantRedirect(t, "/account")
	if _, made := account(t, s, mina); !made || !phone.LoggedIn() || desk.LoggedIn() {
		t.Error("the link and the password made no account")
	}
}

func TestThePasswordOfASignupHasFiveTries(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	beginSignup(t, s.Browser(), mina)
	other := s.Browser()
	follow(t, other, s.Mail.Last(t, mina))
	for i := range accounts.MaxMailedTries {
		other.Post("/verify", "password", "wrong "+strconv.Itoa(i)).Want(t, http.StatusUnprocessableEntity, "not the password")
	}
	other.Post("/verify", "password", phrase).Want(t, http.StatusUnprocessableEntity, "sign up again")
}

func TestOfSignupsWithOneAddressTheFirstThatIsProvedWins(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	stranger, owner := s.Browser(), s.Browser()
	beginSignup(t, stranger, mina)
	strangers := s.Mail.Last(t, mina)
	owner.Get("/signup")
	owner.Post("/signup", "name", "Owner", "email", "MINA@example.org", "password", "my own seven feathers").WantRedirect(t, "/verify")
	owner.Post("/verify", "code", s.Mail.Last(t, "MINA@example.org").Code).WantRedirect(t, "/account")
	stranger.Post("/verify", "code", strangers.Code).Want(t, http.StatusGone)
	follow(t, stranger, strangers).Want(t, http.StatusGone, "no longer works")
	if user, _ := account(t, s, mina); user.Name != "Owner" {
		t.Errorf("%+v", user)
	}
}

func TestACodeHasFiveTriesAndIsItsBrowsersAlone(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	b, other := s.Browser(), s.Browser()
	beginSignup(t, b, mina)
	letter := s.Mail.Last(t, mina)
	other.Get("/login")
	other.Post("/verify", "code", letter.Code).Want(t, http.StatusGone)
	beginSignup(t, other, "other@example.org")
	other.Post("/verify", "code", letter.Code).Want(t, http.StatusUnprocessableEntity)
	b.Post("/verify", "code", "12345").Want(t, http.StatusUnprocessableEntity, "six digits") // no try

	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() { b.Post("/verify", "code", otherCode(letter.Code, i+1)) })
	}
	all.Wait()
	b.Post("/verify", "code", letter.Code).Want(t, http.StatusUnprocessableEntity, "Too many wrong codes")

	// Another letter has another code. The link of the one before works still.
	b.Post("/verify", "again", "yes").WantRedirect(t, "/verify?again")
	b.Get("/verify?again").Want(t, http.StatusOK, "We have sent another mail")
	again := s.Mail.Last(t, mina)
	if again.Code != letter.Code {
		b.Post("/verify", "code", letter.Code).Want(t, http.StatusUnprocessableEntity, "not the code")
	}
	b.Post("/verify", "code", again.Code).WantRedirect(t, "/account")
}

// What the pages answer, word by word, and how much is written, is the same for an address that has
// an account and for one that has none.
func TestNothingTellsWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	user := s.Person(mina)
	s.Person("closed@example.org")
	closed, _ := account(t, s, "closed@example.org")
	if err := s.Store.Users.SetDisabled(t.Context(), closed.ID, true); err != nil {
		t.Fatal(err)
	}
	journeys := map[string]func(b *peopletest.Browser, email string) []peopletest.Answer{
		"sign-up": func(b *peopletest.Browser, email string) []peopletest.Answer {
			b.Get("/signup")
			return []peopletest.Answer{
				b.Post("/signup", "name", "Mina", "email", email, "password", phrase), b.Get("/verify"),
				b.Post("/verify", "code", "000000"), b.Post("/verify", "again", "yes"), b.Get("/verify"),
			}
		},
		"forgotten password": func(b *peopletest.Browser, email string) []peopletest.Answer {
			b.Get("/forgot")
			return []peopletest.Answer{
				b.Post("/forgot", "email", email), b.Get("/reset"),
				b.Post("/reset", "code", "000000"), b.Post("/reset", "again", "yes"), b.Get("/reset"),
			}
		},
	}
	for name, journey := range journeys {
		var first []string
		for _, email := range []string{"none@example.org", mina, "closed@example.org"} {
			before := len(s.Mail.All())
			var got []string
			for _, a := range journey(s.Browser(), email) {
				header := a.Header.Clone()
				for _, differs := range []string{"Date", "Content-Length", "Set-Cookie"} {
					header.Del(differs)
				}
				got = append(got, strings.ReplaceAll(a.Text(), email, "ADDRESS")+a.Location+strconv.Itoa(a.Status)+
					strings.Join(header["Content-Security-Policy"], " ")+strconv.Itoa(len(header))+strconv.Itoa(len(a.Header["Set-Cookie"])))
			}
			if queued := len(s.Mail.All()) - before; queued != 2 {
				t.Errorf("%s, %s: %d letters were queued, not 2", name, email, queued)
			}
			if first == nil {
				first = got
			}
			for i := range got {
				if got[i] != first[i] {
					t.Errorf("%s, %s: answer %d differs:\n%s\n%s", name, email, i, got[i], first[i])
				}
			}
		}
	}
	// The owner is told; a disabled account's is not.
	letters := s.Mail.To(mina)
	if _, told := letters[0].Letter.(mail.AddressHasAccount); !told && len(letters) != 4 {
		t.Errorf("%+v", letters)
	}
	if letters := s.Mail.To("closed@example.org"); len(letters) != 0 {
		t.Errorf("%+v", letters)
	}
	if now, _ := account(t, s, mina); now.PasswordHash != user.PasswordHash {
		t.Error("the account was changed")
	}
}

// A server that trusted the request's host would mail links to a stranger's.
func TestLinksAreBelowTheIssuerWhateverTheHostIsCalled(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	s.Person(mina)
	for i, path := range []string{"/forgot", "/signup"} {
		b := s.Browser()
		b.Get(path)
		r := b.FormRequest(path, "name=Mina&email=new"+strconv.Itoa(i)+"%40example.org&password="+strings.ReplaceAll(phrase, " ", "+"))
		if path == "/forgot" {
			r = b.FormRequest(path, "email=mina%40example.org")
		}
		r.Header.Set("Cookie", "maru-browser="+b.Cookie("maru-browser")) // the jar goes by the host
		r.Host = "evil.example"
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-Host", "Forwarded"} {
			r.Header.Set(name, "host=evil.example")
		}
		if a := b.Do(r); a.Status != http.StatusSeeOther {
			t.Fatalf("%d\n%s", a.Status, a.Body)
		}
	}
	for _, l := range s.Mail.All() {
		if !strings.HasPrefix(l.Link, s.Server.URL+"/") {
			t.Errorf("%T leads to %s", l.Letter, l.Link)
		}
	}
}

// Many mail systems deliver what is for mina+anything to mina.
func TestTagsInAnAddressGetNoMoreLetters(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		b := s.Browser()
		b.Get("/forgot")
		for i := range 5 {
			b.Post("/forgot", "email", fmt.Sprintf("mina+%d@example.org", i)).WantRedirect(t, "/reset")
		}
		for _, email := range []string{"mina+x@example.org", "Mina+X+y@EXAMPLE.org", mina} {
			b.Post("/forgot", "email", email).Want(t, http.StatusTooManyRequests)
		}
		for _, email := range []string{"+mina@example.org", "other+1@example.org", "mina+1@example.net"} {
			b.Post("/forgot", "email", email).WantRedirect(t, "/reset")
		}
	})
}

func TestLettersToOneAddressAreFew(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	s.Person(mina)
	for _, email := range []string{mina, "none@example.org"} {
		b := s.Browser()
		b.Get("/forgot")
		for range 5 {
			b.Post("/forgot", "email", email).WantRedirect(t, "/reset")
		}
		b.Post("/forgot", "email", email).Want(t, http.StatusTooManyRequests, "Too many tries")
		b.Post("/reset", "again", "yes").Want(t, http.StatusTooManyRequests)
		b.Get("/signup")
		b.Post("/signup", "name", "M", "email", strings.ToUpper(email), "password", phrase).Want(t, http.StatusTooManyRequests)
	}
	s.Clock.Advance(time.Hour)
	b := s.Browser()
	b.Get("/forgot")
	b.Post("/forgot", "email", mina).WantRedirect(t, "/reset")
	if letters := s.Mail.To(mina); len(letters) != 6 {
		t.Errorf("%d letters", len(letters))
	}
}
