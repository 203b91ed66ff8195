package main

import (
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/mail/mailtest"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestAMailTestSaysWhatTheServerAnswers(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	env := []string{"--mail-smtp-url=" + server.URL, "--mail-from=Bookshop <no-reply@bookshop.example>", "--brand-name=Bookshop"}
	c := commandLine{t, sqldbtest.SQLite(t)}
	out, err := c.run("", append([]string{"mail", "test", "person@example.com"}, env...)...)
	if err != nil || !strings.Contains(out, "took the letter") {
		t.Fatalf("%s, %v", out, err)
	}
	if got := server.Got(); len(got) != 1 || !strings.HasPrefix(got[0], "person@example.com\n") || !strings.Contains(got[0], "Subject: A test of mail from Bookshop") {
		t.Errorf("the server got %q", got)
	}
	server.Refuse(&gosmtp.SMTPError{Code: 550, Message: "no such mailbox here"})
	c.refused(append([]string{"mail", "test", "nobody@example.com"}, env...), "no such mailbox here", strings.TrimPrefix(server.URL, "smtp://"))
}

func TestMailThatIsHalfSetStopsTheStart(t *testing.T) {
	t.Parallel()
	c := commandLine{t, sqldbtest.SQLite(t)}
	for want, args := range map[string][]string{
		"mail is not configured":         {"mail", "test", "person@example.com"},
		"but not --mail-from":            {"serve", "--mail-smtp-url=smtp://mail.example"},
		"--mail-from is set":             {"serve", "--mail-from=no-reply@example.com"},
		"--mail-smtp-url must be":        {"serve", "--mail-smtp-url=mail.example:587", "--mail-from=no-reply@example.com"},
		"names a user without":           {"serve", "--mail-smtp-url=smtp://user@mail.example", "--mail-from=no-reply@example.com"},
		"must be an address such as \"M": {"serve", "--mail-smtp-url=smtp://user:s3cr3t@mail.example", "--mail-from=Maru"},
	} {
		if _, err := c.run("", args...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// The server queues a letter, a command shows it and has it tried again.
func TestMailThatDoesNotLeaveIsListedAndRetried(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	c := commandLine{t, sqldbtest.SQLite(t)}
	served(t, c.url)
	s, err := store.Open(t.Context(), c.url, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key, err := base64.StdEncoding.DecodeString(testKEK)
	if err != nil {
		t.Fatal(err)
	}
	kek, err := keys.NewKEK(key)
	if err != nil {
		t.Fatal(err)
	}
	at, err := issuer.Parse("https://login.example")
	if err != nil {
		t.Fatal(err)
	}
	letters, err := mail.NewLetters(brand.Brand{}, "", at)
	if err != nil {
		t.Fatal(err)
	}
	sender, err := smtp.New(smtp.Config{URL: server.URL, From: "no-reply@maru.example"})
	if err != nil {
		t.Fatal(err)
	}
	mailer := mail.New(mail.Config{Outbox: s.Outbox, KEK: kek, Letters: letters, Sender: sender})
	worker, err := queue.New(queue.Config{Outbox: s.Outbox, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	worker.Handle(mailer.Handler())
	server.Refuse(&gosmtp.SMTPError{Code: 550, Message: "mailbox full"})
	letter := mail.ResetPassword{Link: "https://login.example/reset?token=s3cr3t", Code: "123456"}
	if err := mailer.Queue(t.Context(), mail.To{Address: "person@example.com"}, letter); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, format := range []string{"text", "json"} {
		list := c.must("mail", "list", "--format="+format)
		for _, want := range []string{"person@example.com", "reset_password", "mailbox full"} {
			if !strings.Contains(list, want) {
				t.Errorf("the list lacks %q: %s", want, list)
			}
		}
		if strings.Contains(list, "s3cr3t") || strings.Contains(list, "123456") {
			t.Errorf("the list shows a secret: %s", list)
		}
	}
	server.Refuse(nil)
	c.must("mail", "retry", "--all")
	if _, err := worker.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := server.Got(); len(got) != 1 || !strings.HasPrefix(got[0], "person@example.com\n") {
		t.Errorf("the server got %q", got)
	}
	if list := c.must("mail", "list", "--format=json"); list != "" {
		t.Errorf("the list still has %s", list)
	}
	c.refused([]string{"mail", "retry", "nothing"}, "there is no delivery")
	c.refused([]string{"mail", "retry"}, "name one delivery")
}
