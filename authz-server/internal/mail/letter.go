package mail

import (
	"errors"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// Letter is what [Mailer.Queue] sends: one of this package's types below. Links must be absolute.
type Letter interface {
	// kind names the letter for operators.
	kind() string
	// content returns what the letter says. Links that it does not have itself are below links.
	content(t *messages.Language, links links) content
}

// content is what every letter is made of. The zero value of a field leaves it out.
type content struct {
	Subject     string
	Name        string // of the person who is greeted
	Text        string
	Note        string // somebody else's words
	Facts       []fact
	Link        string // of the button
	Button      string
	Second      string // what a second link is for
	SecondLink  string
	Code        string
	Valid       string // how long link and code are
	lifetime    time.Duration
	NotYou      string
	needsButton bool // the letter is pointless without it
}

// fact is a line of a table.
type fact struct{ Label, Value string }

// links are the addresses that some letters lead to.
type links struct{ security, admin string }

// AskedFor tells whether letters of a kind go to an address because somebody gave it, with nothing in
// them that its owner has to know: another one can be asked for. All others tell of a change, or
// invite.
func AskedFor(kind string) bool {
	for _, one := range []Letter{ConfirmSignup{}, AddressHasAccount{}, ResetPassword{}, AccountMade{}, Test{}} {
		if one.kind() == kind {
			return true
		}
	}
	return false
}

// ConfirmSignup goes to an address that somebody signed up with.
type ConfirmSignup struct {
	Link string
	Code string // six digits
	Name string // as given at sign-up, by anybody: it is left out when it looks like an advertisement
}

func (ConfirmSignup) kind() string { return "confirm_signup" }
func (l ConfirmSignup) content(t *messages.Language, _ links) content {
	c := request(t.Mail.ConfirmSignup, l.Link)
	c.Name = strangersName(l.Name)
	return c.withCode(t, l.Code)
}

// AddressHasAccount goes to the owner of an address that somebody signed up with, when it has an
// account already.
type AddressHasAccount struct{ LoginLink, ForgotLink string }

func (AddressHasAccount) kind() string { return "address_has_account" }
func (l AddressHasAccount) content(t *messages.Language, _ links) content {
	c := request(t.Mail.AddressHasAccount, l.LoginLink)
	c.Second, c.SecondLink = t.Mail.Forgot, l.ForgotLink
	return c
}

// ConfirmAddress goes to the new address of an account that asks to change its address.
type ConfirmAddress struct{ Link, Code string }

func (ConfirmAddress) kind() string { return "confirm_address" }
func (l ConfirmAddress) content(t *messages.Language, _ links) content {
	c := request(t.Mail.ConfirmAddress, l.Link)
	return c.withCode(t, l.Code)
}

// AddressChanged goes to the former address of an account.
type AddressChanged struct{ NewMasked string } // such as n…@example.com

func (AddressChanged) kind() string { return "address_changed" }
func (l AddressChanged) content(t *messages.Language, _ links) content {
	c := notice(t.Mail.AddressChanged)
	c.Facts = facts(fact{t.Mail.NewAddress, l.NewMasked})
	return c
}

// ResetPassword leads to a new password.
type ResetPassword struct{ Link, Code string }

func (ResetPassword) kind() string { return "reset_password" }
func (l ResetPassword) content(t *messages.Language, _ links) content {
	c := request(t.Mail.ResetPassword, l.Link)
	return c.withCode(t, l.Code)
}

// NewDevice tells of a log-in by a browser that the account did not know.
type NewDevice struct {
	Device, Address string // as the account's pages show them; may be empty
	At              time.Time
}

func (NewDevice) kind() string { return "new_device" }
func (l NewDevice) content(t *messages.Language, links links) content {
	c := notice(t.Mail.NewDevice)
	c.Facts = circumstances(t, l.Device, l.Address, l.At)
	c.Button, c.Link = t.Mail.SecurityButton, links.security
	return c
}

// SecurityChange tells of a change of the account's proofs.
type SecurityChange struct {
	What            messages.Change
	Device, Address string // as the account's pages show them; may be empty
	At              time.Time
}

func (l SecurityChange) kind() string { return string(l.What) }
func (l SecurityChange) content(t *messages.Language, links links) content {
	change := t.Mail.Changes[l.What]
	if change == "" {
		return content{}
	}
	text, notYou := t.Mail.ChangeText, t.Mail.ChangeNotYou
	if l.What == messages.PasskeyCloned {
		text, notYou = t.Mail.ClonedText, t.Mail.ClonedNotYou
	}
	return content{
		Subject: t.Brand + ": " + change, Text: change + ". " + text, NotYou: notYou,
		Facts: circumstances(t, l.Device, l.Address, l.At), Button: t.Mail.SecurityButton, Link: links.security,
	}
}

// NewAdministrator tells an administrator that somebody else has become one too, or is one again.
type NewAdministrator struct {
	Account string // its address
	At      time.Time
}

func (NewAdministrator) kind() string { return "new_administrator" }
func (l NewAdministrator) content(t *messages.Language, links links) content {
	c := request(t.Mail.NewAdministrator, links.admin)
	c.Facts = facts(fact{t.Mail.Account, l.Account}, fact{t.Mail.At, moment(t, l.At)})
	return c
}

// DeletionScheduled tells when an account will be deleted.
type DeletionScheduled struct {
	When       time.Time
	CancelLink string
}

func (DeletionScheduled) kind() string { return "deletion_scheduled" }
func (l DeletionScheduled) content(t *messages.Language, _ links) content {
	c := request(t.Mail.DeletionScheduled, l.CancelLink)
	c.Facts = facts(fact{t.Mail.DeletedAt, moment(t, l.When)})
	return c
}

// DeletionCancelled tells that an account stays.
type DeletionCancelled struct{}

func (DeletionCancelled) kind() string { return "deletion_cancelled" }
func (DeletionCancelled) content(t *messages.Language, links links) content {
	c := notice(t.Mail.DeletionCancelled)
	c.Button, c.Link = t.Mail.SecurityButton, links.security
	return c
}

// AccountDeleted is the last letter to an account.
type AccountDeleted struct{}

func (AccountDeleted) kind() string { return "account_deleted" }
func (AccountDeleted) content(t *messages.Language, _ links) content {
	return notice(t.Mail.AccountDeleted)
}

// Invitation lets somebody sign up.
type Invitation struct {
	Link        string
	InviterNote string // may be empty
}

func (Invitation) kind() string { return "invitation" }
func (l Invitation) content(t *messages.Language, _ links) content {
	c := request(t.Mail.Invitation, l.Link)
	c.Note, c.Valid = oneLine(l.InviterNote, maxNote), t.Mail.Once
	return c
}

// AccountMade tells a person that somebody else made an account for them, and leads to a password.
type AccountMade struct{ Link string }

func (AccountMade) kind() string { return "account_made" }
func (l AccountMade) content(t *messages.Language, _ links) content {
	c := request(t.Mail.AccountMade, l.Link)
	c.Valid = t.Mail.Once
	return c
}

// Test lets an operator see whether mail arrives.
type Test struct{}

func (Test) kind() string { return "test" }
func (Test) content(t *messages.Language, _ links) content {
	return notice(t.Mail.Test)
}

// withCode adds the code beside the link, and how long both are valid.
func (c content) withCode(t *messages.Language, code string) content {
	c.Code, c.lifetime = code, accounts.MailedLifetime
	c.Valid = t.Mail.Valid(c.lifetime)
	return c
}

func request(words messages.Request, link string) content {
	c := notice(words.Notice)
	c.Button, c.Link, c.needsButton = words.Button, link, true
	return c
}

func notice(words messages.Notice) content {
	return content{Subject: words.Subject, Text: words.Text, NotYou: words.NotYou}
}

// circumstances are where and when something happened.
func circumstances(t *messages.Language, device, address string, at time.Time) []fact {
	return facts(fact{t.Mail.Device, device}, fact{t.Mail.From, address}, fact{t.Mail.At, moment(t, at)})
}

// moment is at in its own time zone, which a reader elsewhere must know; one without a zone is in
// UTC.
func moment(t *messages.Language, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if at.Location() == time.Local {
		at = at.UTC()
	}
	return t.Moment(at) + " " + at.Format("MST")
}

// facts leaves out those without a value.
func facts(all ...fact) (known []fact) {
	for _, f := range all {
		if f.Value = oneLine(f.Value, maxFact); f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

var errNoWords = errors.New("has no words")

// check returns what a letter cannot be sent without.
func (c content) check() error {
	if c.Subject == "" || c.Text == "" {
		return errNoWords
	}
	for _, link := range []string{c.Link, c.SecondLink} {
		if link != "" && !absolute(link) {
			return errors.New("has a link that is not absolute") // which may be secret
		}
	}
	if c.needsButton && c.Link == "" {
		return errors.New("has no link")
	}
	if c.Code != "" && !sixDigits.MatchString(c.Code) {
		return fmt.Errorf("has a code of %d characters that are not six digits", len(c.Code))
	}
	return nil
}
