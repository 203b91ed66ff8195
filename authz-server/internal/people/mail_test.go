package people_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// A person signs up with the code in the mail, forgets the password, and comes back by the link.
func TestASignupAndAForgottenPasswordInABrowser(t *testing.T) {
	b := chrome.Start(t, "ko")
	s := peopletest.NewWithMail(t)
	at := s.Server.URL
	b.Open(at + "/signup")
	b.Fill("#name", "미나", "#email", "mina@example.org", "#password", "세 마리 고양이와 주전자")
	b.Click("#signup")
	b.See("h1", "메일을 확인해 주세요")
	b.Is(`document.activeElement.id === "code"`)
	b.Fill("#code", s.Mail.Last(t, "mina@example.org").Code)
	b.Click("#verify")
	b.See("h1", "내 계정")

	b.Open(at + "/login?confirm=yes")
	b.Click("#forgot")
	b.Visible("#send") // the log-in page has #email too
	b.Fill("#email", "mina@example.org")
	b.Click("#send")
	b.Visible("#code")
	b.Open(s.Mail.Last(t, "mina@example.org").Link)
	b.Visible("#reset")
	b.Is(`location.search === "" && !document.documentElement.outerHTML.includes("link=") && document.referrer === ""`)
	b.Fill("#password", "다른 네 마리 강아지와 냄비")
	b.Click("#reset")
	b.See(".notice.good", "새 비밀번호를 저장했어요")
	b.Is(`document.getElementById("email").value === "mina@example.org"`)
	b.Fill("#password", "다른 네 마리 강아지와 냄비")
	b.Click("#login")
	b.See("h1", "내 계정")
	b.Calm()
}

func TestPeopleAreToldByMailOfWhatConcernsTheirLogIn(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		first, second, third := s.Browser(), s.Browser(), s.Browser()
		first.LogIn("mina@example.org")
		second.LogIn("mina@example.org")
		if letters := s.Mail.All(); len(letters) != 0 {
			t.Errorf("to an address that nobody proved: %+v", letters)
		}
		if err := s.Store.Users.EditUser(t.Context(), user.ID, func(u *accounts.User) error {
			u.EmailVerified, u.Locale, u.Claims.Zoneinfo = true, "ko", "Asia/Seoul"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		third.LogIn("mina@example.org")
		third.LogIn("mina@example.org") // a browser that is known by now
		letters := s.Mail.To("mina@example.org")
		seoul, err := time.LoadLocation("Asia/Seoul")
		if err != nil {
			t.Fatal(err)
		}
		want := mail.NewDevice{Device: "Linux의 Chrome", Address: "127.0.0.1", At: s.Clock.Now().In(seoul)}
		if len(letters) != 1 || letters[0].Language != "ko" {
			t.Fatalf("%+v", letters)
		}
		got, ok := letters[0].Letter.(mail.NewDevice)
		if !ok || got.Address != want.Address || !got.At.Equal(want.At) || got.At.Location().String() != "Asia/Seoul" ||
			!strings.Contains(got.Device, "Chrome") {
			t.Errorf("%+v, not %+v", letters[0].Letter, want)
		}
		s.Clock.Advance(time.Second)
		third.Post("/account/password", "password", peopletest.Password, "new_password", "three other brazen kettles").
			WantRedirect(t, "/account/sessions?done=password")
		if told, ok := s.Mail.Last(t, "mina@example.org").Letter.(mail.SecurityChange); !ok || told.What != messages.ChangedPassword {
			t.Errorf("%+v", s.Mail.Last(t, "mina@example.org"))
		}
		s.Clock.Advance(time.Second)
		third.Post("/account/sessions", "others", "yes").WantRedirect(t, "/account/sessions?done=others")
		events := s.Told(t, user.ID)
		if len(events) != 4 || events[0].Kind != "sessions_ended" || events[1].Kind != "password_changed" {
			t.Errorf("%+v", events)
		}
	})
}

// Every kind of event that has a letter has words for it.
func TestLettersOfEventsHaveWords(t *testing.T) {
	t.Parallel()
	for _, change := range messages.Changes {
		for _, l := range messages.All.List() {
			if l.Mail.Changes[change] == "" {
				t.Errorf("%s has no words for %s", l.Tag, change)
			}
		}
	}
}

// What a link or a code opens must be in no log, page or address that is kept.
func TestSecretsOfMailAreInNoLogAndPage(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := peopletest.NewWithMail(t, func(cfg *people.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s.Person("mina@example.org")
	b := s.Browser()
	var seen []string
	note := func(a peopletest.Answer) {
		seen = append(seen, a.Body+a.Location+fmt.Sprint(a.Header.Values("Content-Location")))
	}
	b.Get("/signup")
	note(b.Post("/signup", "name", "N", "email", "new@example.org", "password", "three other brazen kettles"))
	note(b.Post("/forgot", "email", "mina@example.org"))
	signup, reset := s.Mail.Last(t, "new@example.org"), s.Mail.Last(t, "mina@example.org")
	for _, l := range []peopletest.Letter{signup, reset} {
		path, _, _ := strings.Cut(l.Path(t), "?")
		note(b.Post(path, "code", "000000"))
		note(b.Get(l.Path(t)))
		note(b.Get(path))
		note(b.Get(path + "?lang=ko"))
	}
	all := log.String() + strings.Join(seen, "\n")
	for _, l := range []peopletest.Letter{signup, reset} {
		_, secret, _ := strings.Cut(l.Link, "link=")
		if len(secret) != 43 || strings.Contains(all, secret) || strings.Contains(all, ">"+l.Code+"<") {
			t.Errorf("a secret of %s is in a page or a log", reflect.TypeOf(l.Letter))
		}
	}
	if a := b.Get("/verify"); a.Header.Get("Cache-Control") != "no-store" || a.Status != http.StatusOK {
		t.Errorf("%d %v", a.Status, a.Header)
	}
}
