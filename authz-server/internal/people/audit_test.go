package people_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// kinds are those of a person's entries, the oldest first, each with who did it.
func kinds(t *testing.T, s *peopletest.Site, userID string) (text string) {
	t.Helper()
	for _, e := range s.Audit(t, userID) {
		text = fmt.Sprintf("%s %s, ", e.Kind, e.Actor.Kind) + text
	}
	return strings.TrimSuffix(text, ", ")
}

func TestLogInsAndFailuresAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		b := s.Browser()
		b.Get("/login")
		for range 7 { // the last two are not looked at
			b.Post("/login", "email", "mina@example.org", "password", "wrong horse battery")
			s.People.Login.Later.Wait()
		}
		b.Post("/login", "email", "nobody@example.org", "password", "wrong horse battery").Want(t, http.StatusUnprocessableEntity)
		want := strings.Repeat("login.failed unknown, ", 5) + "user.throttled unknown"
		if got := kinds(t, s, user.ID); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		all, err := audit.New(s.Store).List(t.Context(), auditlog.Filter{Limit: 100})
		if err != nil || len(all) != 6 {
			t.Errorf("%d entries: somebody without an account has some (%v)", len(all), err)
		}
		if e := all[5]; e.Person != user.ID || e.From != "127.0.0.1" || e.UserAgent == "" || e.Detail["tried"] != "password" {
			t.Errorf("%+v", e)
		}
		s.Clock.Advance(20 * time.Minute)
		b.LogIn("mina@example.org")
		e := s.Audit(t, user.ID)[0]
		if e.Kind != audit.LoggedIn || e.Actor.ID != user.ID || e.Proof != "1" || fmt.Sprint(e.Detail["amr"]) != "[pwd]" ||
			e.Detail["sid"] != b.SessionID() || e.Detail["new_device"] != false {
			t.Errorf("%+v", e)
		}
		app := b.TurnOn()
		other := s.Browser()
		other.BeginLogin("mina@example.org")
		other.Post("/login/verify", "otp", "000000").Want(t, http.StatusUnprocessableEntity)
		s.Clock.Advance(time.Minute)
		other.Post("/login/verify", "otp", app.Code()).WantRedirect(t, "/account")
		_, last, _ := strings.Cut(kinds(t, s, user.ID), "user.second_step_on person, ")
		if !strings.Contains(last, "login.failed unknown, login.succeeded person") {
			t.Error(last)
		}
		if e := s.Audit(t, user.ID)[0]; e.Proof != "2" || e.Detail["new_device"] != true {
			t.Errorf("%+v", e)
		}
		other.Get("/account/security").Want(t, http.StatusOK, "Logged in on a new device", "A log-in failed", "Log-in paused")
	})
}

// A person who was planted in every entry is in none once their account is deleted, the chain is
// whole, and no secret was ever in it.
func TestAPersonWhoseAccountIsDeletedIsNowhereInTheAuditLog(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		const password = "wrong but planted passphrase"
		user := s.Person("planted@example.org")
		b := s.Browser()
		b.Header.Set("User-Agent", "PlantedAgent/1.0")
		b.Get("/login")
		b.Post("/login", "email", "planted@example.org", "password", password).Want(t, http.StatusUnprocessableEntity)
		b.LogIn("planted@example.org")
		s.Clock.Advance(time.Second)
		b.Post("/account/password", "password", peopletest.Password, "new_password", "three other brazen kettles").WantRedirect(t, "/account/sessions?done=password")
		cookie := b.Cookie("maru-session")
		b.Post("/account/data", "do", "export").Want(t, http.StatusOK)
		b.Post("/account/data", "do", "delete", "posts", "keep").Want(t, http.StatusOK)

		key := make([]byte, audit.KeySize)
		chain, err := audit.NewChainer(audit.Config{Store: s.Store, Key: key, Now: s.Clock.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.Chain(t.Context()); err != nil {
			t.Fatal(err)
		}
		everything := func() string {
			t.Helper()
			all, err := s.Store.Audit.After(t.Context(), 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		before := everything()
		for _, planted := range []string{user.ID, "planted@example.org", "PlantedAgent", "127.0.0.1"} {
			if !strings.Contains(before, planted) {
				t.Errorf("the test plants no %s", planted)
			}
		}
		for _, secret := range []string{password, peopletest.Password, "three other brazen kettles", cookie, b.Cookie("maru-device"), "argon2"} {
			if strings.Contains(before, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}

		s.Clock.Advance(8 * 24 * time.Hour)
		due, err := s.Store.Users.DueDeletions(t.Context(), 1)
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		if err := s.Store.Users.DeleteUser(t.Context(), due[0]); err != nil {
			t.Fatal(err)
		}
		after := everything()
		for _, planted := range []string{user.ID, "planted@example.org", "PlantedAgent", "127.0.0.1"} {
			if strings.Contains(after, planted) {
				t.Errorf("the log still holds %s", planted)
			}
		}
		if n := storetest.Beside(s.DatabaseURL).Count(t, "audit_personal"); n != 0 {
			t.Errorf("%d personal parts are left", n)
		}
		if r, err := audit.Verify(t.Context(), s.Store, key); err != nil || r.Entries < 5 || r.Erased != r.Entries {
			t.Errorf("%+v %v", r, err)
		}
	})
}

// What a log-in costs in the database; the log's part is two statements.
func TestALogInTakesTwoStatementsForTheAuditLog(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	var ran []string
	s.Router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ran = append(ran, storetest.Statements(r.Context(), func(ctx context.Context) { next.ServeHTTP(w, r.WithContext(ctx)) })...)
		})
	})
	b.LogIn("mina@example.org")
	mine := 0
	for _, query := range ran {
		if strings.Contains(query, "audit_") {
			mine++
		}
	}
	if mine != 2 || len(ran) > 40 {
		t.Errorf("%d of %d statements are the log's:\n%s", mine, len(ran), strings.Join(ran, "\n"))
	}
}

func TestWhoForgetsAPasswordOrChangesAProfileIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	user := s.Person("mina@example.org")
	b := s.Browser()
	b.Get("/forgot")
	b.Post("/forgot", "email", "mina@example.org")
	b.Post("/forgot", "email", "nobody@example.org")
	b.LogIn("mina@example.org")
	b.Post("/account", "name", "Minah").WantRedirect(t, "/account?done=name")
	want := "user.reset_asked unknown, login.succeeded person, user.changed person"
	if got := kinds(t, s, user.ID); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.Get("/account/security").Want(t, http.StatusOK, "Letter to reset the password asked for", "Profile changed")
}
