// Package notices tells people what happened to their account: in the audit log, of which they see
// 90 days, and by mail where it matters.
package notices

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
)

// Kind is what happened. Package messages has words for each.
type Kind string

// The kinds that there are.
const (
	NewDevice         Kind = "new_device" // somebody logged in in a browser that was not known
	PasswordChanged   Kind = "password_changed"
	PasswordReset     Kind = "password_reset" // by a link, or by an operator
	EmailChanged      Kind = "email_changed"
	EmailVerified     Kind = "email_verified"
	PasskeyAdded      Kind = "passkey_added" // detail: its name, as of the next
	PasskeyRemoved    Kind = "passkey_removed"
	PasskeyCloned     Kind = "passkey_cloned" // its counter went back: a copy of it may exist
	SecondStepOn      Kind = "second_step_on"
	SecondStepOff     Kind = "second_step_off"
	RecoveryCodesMade Kind = "recovery_codes_made"
	RecoveryCodeUsed  Kind = "recovery_code_used" // detail: how many are left
	BrowserTrusted    Kind = "browser_trusted"
	TrustEnded        Kind = "trust_ended" // of one browser or all
	SessionsEnded     Kind = "sessions_ended"
	DataExported      Kind = "data_exported"
	DeletionPlanned   Kind = "deletion_planned"
	DeletionCancelled Kind = "deletion_cancelled"
	UpstreamLinked    Kind = "upstream_linked" // detail: its name, and who the person is there, as of the next
	UpstreamUnlinked  Kind = "upstream_unlinked"
	// BecameAdministrator leads the person to look at the ways into their account.
	BecameAdministrator Kind = "became_administrator"
)

// Kinds lists every Kind.
var Kinds = []Kind{NewDevice, PasswordChanged, PasswordReset, EmailChanged, EmailVerified, PasskeyAdded, PasskeyRemoved,
	PasskeyCloned, SecondStepOn, SecondStepOff, RecoveryCodesMade, RecoveryCodeUsed, BrowserTrusted, TrustEnded, SessionsEnded,
	DataExported, DeletionPlanned, DeletionCancelled, UpstreamLinked, UpstreamUnlinked, BecameAdministrator}

// Mailer queues letters in the transaction that ctx carries: [mail.Mailer], or the inbox of a test.
type Mailer interface {
	// Enabled tells whether this server sends mail.
	Enabled() bool
	// Queue takes a letter in the language of a BCP 47 tag. The address "" stands for nobody: all
	// is done but the sending.
	Queue(ctx context.Context, to mail.To, letter mail.Letter) error
}

// Notices notes what happened. It is safe for concurrent use.
type Notices struct {
	Store *store.Store
	Mail  Mailer           // nil: this server sends no mail
	Now   func() time.Time // nil: time.Now

	// Account is the address of the account's pages, where a deletion is cancelled. Letters lead to
	// it.
	Account string
}

// Note notes what happened to an account in the audit log, by the request r of its person; with a
// nil r, the actor is that of [audit.With]. It writes to the person where it matters. Call it in
// the transaction of what happened, so that neither happens without the other. With EmailChanged,
// user has the address of before, and detail is the new one. NewDevice is not in the log: the
// log-in is.
func (n *Notices) Note(ctx context.Context, r *http.Request, user accounts.User, what Kind, detail string) error {
	e := accounts.Event{UserID: user.ID, Kind: string(what), Detail: detail}
	if r != nil {
		e.Address, e.UserAgent = sender.Of(r)
	}
	if what == EmailChanged {
		e.Detail = masked(detail)
	}
	if what != NewDevice {
		entry := audit.Entry{Kind: AuditKind(what), Person: user.ID, Target: audit.Target{Label: user.Email}}
		if r != nil {
			entry = audit.OfPerson(entry.Kind, r, user.ID, user.Email)
		}
		if e.Detail != "" {
			entry.Detail = map[string]any{"detail": e.Detail}
		}
		if err := audit.New(n.Store).Record(ctx, entry); err != nil {
			return err
		}
	}
	return n.write(ctx, user, what, e)
}

// AuditKind is a kind as the audit log has it.
func AuditKind(what Kind) audit.Kind { return audit.Kind("user." + string(what)) }

// changes are the kinds that people get a letter about, in the words of the letters.
var changes = map[Kind]messages.Change{
	PasswordChanged: messages.ChangedPassword, PasswordReset: messages.ResetPassword,
	PasskeyAdded: messages.PasskeyAdded, PasskeyRemoved: messages.PasskeyRemoved, PasskeyCloned: messages.PasskeyCloned,
	SecondStepOn: messages.SecondStepOn, SecondStepOff: messages.SecondStepOff,
	RecoveryCodesMade: messages.RecoveryCodesMade, RecoveryCodeUsed: messages.RecoveryCodeUsed,
	UpstreamLinked: messages.UpstreamAdded, UpstreamUnlinked: messages.UpstreamEnded,
	BrowserTrusted: messages.BrowserTrusted, TrustEnded: messages.BrowsersForgotten,
	BecameAdministrator: messages.MadeAdministrator,
}

// lettersOf is how many letters of one kind a person gets within an hour. What happens more often is in
// the history alone: whoever logs in again and again in new browsers, to an account whose address is a
// mailing list's, would have us write to all its readers without end. It is more than operators may
// cause, whose changes are refused then.
const lettersOf = 30

// writes tells whether this server sends letters.
func (n *Notices) writes() bool { return n != nil && n.Mail != nil && n.Mail.Enabled() }

// write sends the letter about an event, if there is one. An address that nobody has proved to be
// theirs gets none: it can be a stranger's, whom the account's person would have us write to.
func (n *Notices) write(ctx context.Context, user accounts.User, what Kind, e accounts.Event) error {
	if !n.writes() {
		return nil
	}
	if what == BecameAdministrator {
		if err := n.TellAdministrators(ctx, user); err != nil {
			return err
		}
	}
	if !user.EmailVerified {
		return nil
	}
	var letter mail.Letter
	device, at := deviceIn(user.Locale, e.UserAgent), n.at(user)
	switch change := changes[what]; {
	case what == NewDevice:
		letter = mail.NewDevice{Device: device, Address: e.Address, At: at}
	case what == EmailChanged:
		letter = mail.AddressChanged{NewMasked: e.Detail}
	case what == DeletionPlanned:
		letter = mail.DeletionScheduled{When: at.Add(accounts.DeletionDelay), CancelLink: n.Account}
	case what == DeletionCancelled:
		letter = mail.DeletionCancelled{}
	case change != "":
		letter = mail.SecurityChange{What: change, Device: device, Address: e.Address, At: at}
	default:
		return nil
	}
	if few, err := n.few(ctx, "letter-of "+string(what)+" "+user.ID, lettersOf); err != nil || !few {
		return err
	}
	return n.Mail.Queue(ctx, mail.ToUser(user), letter)
}

// few counts what is done within an hour, and tells whether that is not more often than most.
func (n *Notices) few(ctx context.Context, subject string, most int) (bool, error) {
	err := n.Store.Quotas.TakeQuotas(ctx, limits.Quota{Subject: subject, Limit: most, Window: time.Hour})
	var full *limits.QuotaError
	if errors.As(err, &full) {
		return false, nil
	}
	return err == nil, err
}

// at is the present time in the person's zone.
func (n *Notices) at(user accounts.User) time.Time {
	now := time.Now
	if n.Now != nil {
		now = n.Now
	}
	if zone, err := time.LoadLocation(user.Claims.Zoneinfo); err == nil && user.Claims.Zoneinfo != "" {
		return now().In(zone)
	}
	return now().UTC()
}

// deviceIn is what a User-Agent header says of a device, in a person's language.
func deviceIn(language, userAgent string) string {
	t := messages.All.UILocales(language)
	if t == nil {
		t = messages.All.Default()
	}
	return t.Device(sender.Browser(userAgent))
}

// masked is an address of which its own person sees enough, and others do not.
func masked(email string) string {
	at := strings.LastIndexByte(email, '@')
	for i := range email {
		if i > 0 && i < at {
			return email[:i] + "…" + email[at:]
		}
	}
	return email
}
