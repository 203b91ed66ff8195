package notices_test

import (
	"context"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// counted counts letters.
type counted struct{ letters int }

func (*counted) Enabled() bool { return true }
func (c *counted) Queue(context.Context, mail.To, mail.Letter) error {
	c.letters++
	return nil
}

// The address of an account can be a mailing list's: who has an account must not make the server write to
// all its readers without end.
func TestLettersOfOneKindAreBoundedAndTheHistoryIsWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		ctx, inbox := t.Context(), &counted{}
		n := &notices.Notices{Store: w.Store, Mail: inbox, Now: func() time.Time { return w.Now }}
		person := w.Person
		person.EmailVerified = true
		note := func(what notices.Kind, want int) {
			t.Helper()
			storetest.OK(t, n.Note(ctx, nil, person, what, ""))
			if inbox.letters != want {
				t.Fatalf("%s: %d letters, want %d", what, inbox.letters, want)
			}
		}
		for i := range 30 {
			note(notices.BrowserTrusted, i+1)
		}
		note(notices.BrowserTrusted, 30)
		note(notices.PasskeyAdded, 31) // no flood of one kind hides another
		other := w.Another(t, "b@example.com")
		other.EmailVerified = true
		storetest.OK(t, n.Note(ctx, nil, other, notices.BrowserTrusted, ""))
		note(notices.PasskeyAdded, 33)
		history, err := audit.New(w.Store).List(ctx, auditlog.Filter{Kind: string(notices.AuditKind(notices.BrowserTrusted)), UserID: person.ID, Limit: 100})
		if err != nil || len(history) != 31 {
			t.Errorf("%d entries in the history: %v", len(history), err)
		}
		w.Now = w.Now.Add(time.Hour)
		note(notices.BrowserTrusted, 34)
	})
}
