package mail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail/mailtest"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/queue"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/outbox"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// fixture is a mailer on a store, and its log.
type fixture struct {
	*storetest.World
	*Mailer
	kek  *keys.KEK
	post *mailtest.Server
	log  *bytes.Buffer
}

func newFixture(t *testing.T, w *storetest.World) *fixture {
	t.Helper()
	f := &fixture{World: w, post: mailtest.New(t), log: &bytes.Buffer{}}
	var err error
	if f.kek, err = keys.NewKEK(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	sender, err := smtp.New(smtp.Config{URL: f.post.URL, From: "no-reply@maru.example"})
	if err != nil {
		t.Fatal(err)
	}
	f.Mailer = New(Config{Outbox: w.Outbox, KEK: f.kek, Letters: newTestLetters(t, testBrand, ""), Sender: sender,
		Now: func() time.Time { return w.Now }})
	return f
}

// deliver is a process that delivers what is due, and ends.
func (f *fixture) deliver(t *testing.T) {
	t.Helper()
	worker, err := queue.New(queue.Config{Outbox: f.Outbox, Log: slog.New(slog.NewTextHandler(f.log, nil)), Now: func() time.Time { return f.Now }})
	if err != nil {
		t.Fatal(err)
	}
	worker.Handle(f.Handler())
	if _, err := worker.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) waiting(t *testing.T) []outbox.Item {
	t.Helper()
	items, err := f.Outbox.List(t.Context(), Kind, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func (f *fixture) queue(t *testing.T, to string, letter Letter) {
	t.Helper()
	if err := f.Queue(t.Context(), To{Address: to, Language: "ko"}, letter); err != nil {
		t.Fatal(err)
	}
}

var reset = ResetPassword{Link: testLink, Code: "123456"}

func TestALetterLeavesWithItsCauseAndOnce(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		rolledBack := errors.New("rolled back")
		err := f.Tx(t.Context(), func(ctx context.Context) error {
			return errors.Join(f.Queue(ctx, To{Address: "nobody@example.com"}, reset), rolledBack)
		})
		if !errors.Is(err, rolledBack) {
			t.Fatal(err)
		}
		storetest.OK(t, f.Tx(t.Context(), func(ctx context.Context) error { return f.Queue(ctx, To{Address: "person@example.com"}, reset) }))
		// The process that queued it dies here; another one delivers, and one after it finds
		// nothing.
		f.deliver(t)
		f.deliver(t)
		got := f.post.Got()
		if len(got) != 1 || !strings.HasPrefix(got[0], "person@example.com\n") {
			t.Fatalf("the server got %q", got)
		}
		if left := f.waiting(t); len(left) > 0 {
			t.Errorf("%v is left of it", left)
		}
	})
}

// What is queued about a person can be found when they go.
func TestALetterIsOfThePersonWhomItIsAbout(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		storetest.OK(t, f.Queue(t.Context(), ToUser(w.Person), reset))
		storetest.OK(t, f.Queue(t.Context(), To{Address: "new@example.com", UserID: w.Person.ID}, reset))
		storetest.OK(t, f.Queue(t.Context(), ToUser(w.Another(t, "b@example.com")), reset))
		f.post.Refuse(&gosmtp.SMTPError{Code: 550, Message: "no such mailbox"})
		f.deliver(t) // which gives them up, and keeps them for the operator
		f.queue(t, "somebody@example.com", reset)
		w.Delete(t, w.Person)
		var left []string
		for _, item := range f.waiting(t) {
			to, err := Recipient(f.kek, item)
			storetest.OK(t, err)
			left = append(left, to)
		}
		slices.Sort(left)
		if got := strings.Join(left, " "); got != "b@example.com somebody@example.com" {
			t.Errorf("after the account is gone, there are letters to %s", got)
		}
	})
}

// Strangers can ask for letters to addresses that no server takes, and must not fill the database.
func TestLettersThatAnybodyCanAskForAreKeptForADay(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		f.post.Refuse(&gosmtp.SMTPError{Code: 550, Message: "no such mailbox"})
		var want []string
		for _, letter := range everyLetter() {
			f.queue(t, "nobody@example.com", letter)
			switch letter.(type) {
			case ConfirmSignup, AddressHasAccount, ConfirmAddress, ResetPassword:
			default:
				want = append(want, letter.kind())
			}
		}
		f.deliver(t)
		sweep := func(after time.Duration, want int64) {
			t.Helper()
			w.Now = w.Now.Add(after)
			if n, err := w.Sweep(t.Context()); err != nil || n != want {
				t.Errorf("swept %d, want %d: %v", n, want, err)
			}
		}
		sweep(outbox.AskedRetention-time.Second, 0)
		sweep(time.Second, 4)
		var left []string
		for _, item := range f.waiting(t) {
			left = append(left, item.Topic)
		}
		slices.Sort(left)
		slices.Sort(want)
		if !slices.Equal(left, want) {
			t.Errorf("left are %v, want %v", left, want)
		}
		sweep(outbox.Retention, int64(len(want)))
	})
}

// Nobody can note an acknowledgement and hear it at once. Whoever crashes in between sends again,
// and what comes is the same message.
func TestALetterThatComesAgainIsTheSameMessage(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		f.queue(t, "person@example.com", reset)
		item := f.waiting(t)[0]
		storetest.OK(t, f.Mailer.deliver(t.Context(), item)) // acknowledged, and not noted
		w.Now = w.Now.Add(time.Minute)
		f.deliver(t)
		got := f.post.Got()
		if len(got) != 2 || got[0] != got[1] || !strings.Contains(got[0], "<"+item.ID+"@maru.example>") {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestADecoyIsStoredLikeALetterAndGoesNowhere(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		f.queue(t, "", reset)
		f.queue(t, "person@example.com", reset)
		items := f.waiting(t)
		if len(items) != 2 || items[0].Lane != items[1].Lane || items[0].Topic != items[1].Topic ||
			max(len(items[0].Payload), len(items[1].Payload))-min(len(items[0].Payload), len(items[1].Payload)) != len("person@example.com") {
			t.Errorf("a decoy differs: %v", items)
		}
		f.deliver(t)
		if got := f.post.Got(); len(got) != 1 || len(f.waiting(t)) > 0 || f.log.Len() > 0 {
			t.Errorf("the server got %q, and the log %s", got, f.log)
		}
	})
}

func TestOnlyWhatCanStillArriveIsTriedAgain(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		givenUp := func(why string) {
			t.Helper()
			items := f.waiting(t)
			if len(items) != 1 || items[0].GivenUpAt.IsZero() || !strings.Contains(items[0].LastError, why) {
				t.Fatalf("%+v", items)
			}
			storetest.OK(t, f.Outbox.End(t.Context(), items[0].ID))
		}
		f.post.Refuse(&gosmtp.SMTPError{Code: 550, Message: "no such mailbox"})
		f.queue(t, "nobody@example.com", reset)
		f.deliver(t)
		givenUp("no such mailbox")

		f.queue(t, "not an address", reset)
		f.deliver(t)
		givenUp("none that mail can be sent to")

		f.post.Refuse(&gosmtp.SMTPError{Code: 450, Message: "come back later"})
		f.queue(t, "person@example.com", NewDevice{At: w.Now})
		f.queue(t, "person@example.com", reset)
		f.deliver(t)
		for _, item := range f.waiting(t) {
			if !item.GivenUpAt.IsZero() || !item.DueAt.After(w.Now) || !strings.Contains(item.LastError, "come back later") {
				t.Errorf("%+v", item)
			}
		}
		f.post.Refuse(nil)
		w.Now = w.Now.Add(accounts.MailedLifetime)
		f.deliver(t)
		if got := f.post.Got(); len(got) != 1 || !strings.Contains(got[0], "Date: Fri, 01 May 2026") {
			t.Errorf("the server got %q", got) // the letter without a link that has expired
		}
		givenUp("its link has expired; before that: ")

		f.post.Refuse(&gosmtp.SMTPError{Code: 421, Message: "closed"})
		f.queue(t, "person@example.com", AccountDeleted{})
		for end := w.Now.Add(25 * time.Hour); w.Now.Before(end); w.Now = w.Now.Add(30 * time.Minute) {
			f.deliver(t)
		}
		givenUp("closed")
	})
}

// What is stolen with the database, a list or a log opens no account.
func TestNoSecretIsReadableInTheQueueOrTheLog(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		f := newFixture(t, w)
		f.post.Refuse(&gosmtp.SMTPError{Code: 550, Message: "spam: " + testLink + " 123456 to person@example.com"})
		f.queue(t, "person@example.com", reset)
		f.deliver(t)
		item := f.waiting(t)[0]
		for where, text := range map[string]string{"log": f.log.String(), "payload": string(item.Payload), "error": item.LastError, "topic": item.Topic + item.Lane} {
			if found := regexp.MustCompile(`s3cr3t|123456|person@example`).FindString(text); found != "" {
				t.Errorf("the %s has %q: %s", where, found, text)
			}
		}
		if to, err := Recipient(f.kek, item); to != "person@example.com" || err != nil {
			t.Errorf("%q, %v", to, err)
		}
		other, err := keys.NewKEK(bytes.Repeat([]byte{8}, 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Recipient(other, item); !errors.Is(err, keys.ErrWrongKEK) {
			t.Errorf("another key opens it: %v", err)
		}
	})
}

func TestAMailerThatIsNotConfiguredSaysSo(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	if m != nil || m.Enabled() {
		t.Error("it says that it can")
	}
	if err := m.Queue(t.Context(), To{Address: "person@example.com"}, Test{}); !errors.Is(err, ErrNotConfigured) {
		t.Error(err)
	}
}
