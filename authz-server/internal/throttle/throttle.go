// Package throttle slows down what strangers can ask for without end: it gives each sender its
// turn, bounds expensive work, and counts guesses, sign-ups and new passwords. All limits of the
// pages for people are here.
package throttle

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// Limits slow down guessing: how many tries there are within Window. Zero values stand for the
// defaults.
type Limits struct {
	Account int           // failed log-ins for one account, and in each browser that it knows; 5
	Address int           // failed log-ins from one network address (IPv6: a /64; a /48 has ten times as many); 20
	Signups int           // sign-ups from one network address (the same), failed or not, and new passwords of one person; 50
	Window  time.Duration // 15 minutes

	LettersTo    int // letters to one mailbox that anybody can ask for, within an hour; 5
	LettersFrom  int // letters that one network address asks for (the same), within an hour; 60
	LettersOfAll int // letters that all ask for together, within an hour; 30,000
}

// lettersWithin is the window of Limits.LettersTo, Limits.LettersFrom and Limits.LettersOfAll.
const lettersWithin = time.Hour

// letterShards are for the quota of all.
const letterShards = 8

// guessesOfSession is how many wrong user codes of devices one session may type within
// Limits.Window. One network address may type Limits.Address of them.
const guessesOfSession = 10

// Patience is how long a person waits until others have been served.
const Patience = 10 * time.Second

// Throttle counts, and makes senders wait. It is safe for concurrent use.
type Throttle struct {
	store  *store.Store
	log    *slog.Logger
	limits Limits
	turns  *turns
	long   *turns        // see LongTurn
	held   chan struct{} // holding one is the right to wait for a try that another holds
	slowed *prometheus.CounterVec
}

// New makes a Throttle. s must be set; a nil log stands for slog.Default(). metrics gets the count
// of what was slowed down; nil: it is not published.
func New(s *store.Store, log *slog.Logger, l Limits, metrics prometheus.Registerer) *Throttle {
	l.Account, l.Address = cmp.Or(l.Account, 5), cmp.Or(l.Address, 20)
	l.Signups, l.Window = cmp.Or(l.Signups, 50), cmp.Or(l.Window, 15*time.Minute)
	l.LettersTo, l.LettersFrom, l.LettersOfAll = cmp.Or(l.LettersTo, 5), cmp.Or(l.LettersFrom, 60), cmp.Or(l.LettersOfAll, 30_000)
	return &Throttle{
		store: s, log: cmp.Or(log, slog.Default()), limits: l,
		turns: newTurns(max(1, runtime.GOMAXPROCS(0)/2)), long: newTurns(longTurns), held: make(chan struct{}, maxHeld),
		slowed: newSlowed(metrics),
	}
}

// Turn waits until it is r's turn among the requests of its sender. Call it where anybody can ask
// for work, after the body has been read and before anything is looked up; call leave, once or more
// often, when the work is done. Nothing that takes long for other reasons may be done meanwhile.
// [IsBusy] knows the error.
func (t *Throttle) Turn(r *http.Request) (leave func(), err error) {
	return t.enter(t.turns, r)
}

func (t *Throttle) enter(of *turns, r *http.Request) (leave func(), err error) {
	leave, err = of.enter(r.Context(), sender.Networks(r)...)
	if errors.Is(err, ErrBusy) {
		t.Slowed(turnLimit)
	}
	return leave, err
}

// LongTurn is Turn for what may take long for other reasons, such as a fetch, or stands for many
// people. It has a queue of its own, and more of it is done at once.
func (t *Throttle) LongTurn(r *http.Request) (leave func(), err error) {
	return t.enter(t.long, r)
}

// WaitError says that there were too many tries, sign-ups or new passwords, and how long to wait
// until the next one.
type WaitError struct {
	What string // for the log
	Wait time.Duration
}

func (e *WaitError) Error() string { return e.What + " slowed down for " + e.Wait.String() }

// LogIn takes the right to check one password of the account with this e-mail address, whether it
// exists or not. browser names the browser that sent r if the account's person has logged in there
// before, and is empty otherwise. Errors: [*WaitError], and those that [IsBusy] knows: too many try
// at once.
//
// A known browser has a count of its own: what strangers fail elsewhere does not lock the owner out
// there. It has as many tries as all other browsers together.
//
// The address is hashed: at times people type their password in its place, and that must not be
// kept.
func (t *Throttle) LogIn(ctx context.Context, r *http.Request, email, browser string) (Tries, error) {
	account := addressed(accountTries, email)
	if browser != "" {
		account += knownBrowser + browser
	}
	tries, err := t.reserve(ctx, "log-in", append(t.ofSender(r, addressTries), limited{name: account, limit: t.limits.Account})...)
	tries.account = account
	return tries, err
}

// PresentPassword is LogIn for the present password where it is to be changed, in a session. The
// session has its own count: guesses at /login cannot keep the owner from changing the password.
func (t *Throttle) PresentPassword(ctx context.Context, sessionID string) (Tries, error) {
	return t.reserve(ctx, "change of a password", limited{name: "session:" + sessionID, limit: t.limits.Account})
}

// Letter counts a letter to an address that r asks for, whether the address has an account or not;
// [*WaitError]: there were too many. What is sent unasked does not count. Call it outside a transaction.
func (t *Throttle) Letter(ctx context.Context, r *http.Request, email string) error {
	quotas := []limits.Quota{{Subject: addressed(letterTo, mailbox(email)), Limit: t.limits.LettersTo, Window: lettersWithin}}
	quotas = append(quotas, limits.QuotasOf(sender.Networks(r), lettersFrom, t.limits.LettersFrom, lettersWithin)...)
	return t.take(ctx, "letters", append(quotas, limits.Quota{
		Subject: "letters all", Limit: t.limits.LettersOfAll, Window: lettersWithin, Shards: letterShards, Shared: true,
	})...)
}

// mailedCodesOfDay is how many wrong codes may be typed within a day of letters to one address.
// Each letter has a few tries, but anybody can ask for the next one: with so few, somebody who
// guesses for a year has a chance of one in 130.
const mailedCodesOfDay = 20

// MailedCode is LogIn for a code that went by mail to an address. Each letter has a count of its
// own beside these, in its row. Strangers can use up the codes of an address, and not the links
// beside them.
func (t *Throttle) MailedCode(r *http.Request, email string) (Tries, error) {
	return t.mailed(r, limited{name: addressed(mailedCodes, email), limit: mailedCodesOfDay, window: limits.FailureRetention})
}

// MailedLink is LogIn for the password that a mailed link asks for.
func (t *Throttle) MailedLink(r *http.Request) (Tries, error) { return t.mailed(r) }

func (t *Throttle) mailed(r *http.Request, more ...limited) (Tries, error) {
	ctx, cancel := context.WithTimeout(r.Context(), Patience)
	defer cancel()
	return t.reserve(ctx, "mailed codes", append(t.ofSender(r, mailedTries), more...)...)
}

// Guess is LogIn for one user code of a device, typed in a session (RFC 8628 §5.1).
func (t *Throttle) Guess(r *http.Request, sessionID string) (Tries, error) {
	ctx, cancel := context.WithTimeout(r.Context(), Patience)
	defer cancel()
	return t.reserve(ctx, "guesses of user codes", append(t.ofSender(r, deviceTries),
		limited{name: "device:" + sessionID, limit: guessesOfSession})...)
}

// A second step can be guessed by whoever has the password, six digits at a time. secondStepsOfDay
// keeps even those guesses to some that find nothing in a lifetime: of a million codes, three are
// good at a time.
const (
	secondSteps      = 5  // wrong ones for one person within Limits.Window
	secondStepsOfDay = 20 // the same within a day
)

// SecondStep is LogIn for one code of the second step of a person's log-in. Browsers in which the
// person has logged in before (known) have a count of their own: whoever has the password cannot
// keep the person from logging in there.
func (t *Throttle) SecondStep(ctx context.Context, r *http.Request, userID string, known bool) (Tries, error) {
	subject := secondStepTries + userID
	if known {
		subject = secondStepKnown + userID
	}
	return t.reserve(ctx, "second step of log-ins", append(t.ofSender(r, secondStepSenders),
		limited{name: subject, limit: secondSteps},
		limited{name: subject + withinDay, limit: secondStepsOfDay, window: limits.FailureRetention})...)
}

// Invitation is LogIn for the secret of one invitation.
func (t *Throttle) Invitation(ctx context.Context, r *http.Request) (Tries, error) {
	return t.reserve(ctx, "guesses of invitations", t.ofSender(r, invitationTries)...)
}

// passkeyFailures is how many answers of authenticators from one network address may be refused
// within Limits.Window. Nobody can guess one, so this only bounds the work.
const passkeyFailures = 60

// Passkey is LogIn for one answer of an authenticator. It counts for no account: guesses of its
// password keep nobody from using their passkey, and neither do answers that are refused.
func (t *Throttle) Passkey(r *http.Request) (Tries, error) {
	ctx, cancel := context.WithTimeout(r.Context(), Patience)
	defer cancel()
	return t.reserve(ctx, "passkeys", ofSenderUpTo(passkeyFailures, r, passkeyTries)...)
}

// How many ceremonies of passkeys can be begun while one lasts. Every page for logging in begins
// one.
const (
	ceremoniesOfAddress = 300   // IPv6: of a /64
	ceremoniesOfNetwork = 3_000 // IPv6: of a /48
	ceremoniesOfAll     = 30_000
	ceremonyShards      = 8
)

// Ceremony counts a ceremony of passkeys that r's sender begins; [*WaitError]: there are too many.
func (t *Throttle) Ceremony(r *http.Request) error {
	const window = accounts.CeremonyLifetime
	quotas := limits.QuotasWithin(sender.Networks(r), ceremoniesFrom, ceremoniesOfAddress, ceremoniesOfNetwork, window)
	return t.take(r.Context(), "ceremonies of passkeys", append(quotas,
		limits.Quota{Subject: "ceremony all", Limit: ceremoniesOfAll, Window: window, Shards: ceremonyShards, Shared: true})...)
}

// How many log-ins at upstreams can be begun while one lasts.
const (
	upstreamLoginsOfAddress = 200   // IPv6: of a /64
	upstreamLoginsOfNetwork = 2_000 // IPv6: of a /48
	upstreamLoginsOfAll     = 30_000
	upstreamLoginShards     = 8
)

// UpstreamLogin counts a log-in at an upstream that r's sender begins; [*WaitError]: there are too
// many.
func (t *Throttle) UpstreamLogin(r *http.Request) error {
	const window = upstreams.LoginLifetime
	quotas := limits.QuotasWithin(sender.Networks(r), "upstream", upstreamLoginsOfAddress, upstreamLoginsOfNetwork, window)
	return t.take(r.Context(), "log-ins at upstreams", append(quotas,
		limits.Quota{Subject: "upstream all", Limit: upstreamLoginsOfAll, Window: window, Shards: upstreamLoginShards, Shared: true})...)
}

// Signup counts a sign-up of r's sender; [*WaitError]: there were too many.
func (t *Throttle) Signup(ctx context.Context, r *http.Request) error {
	return t.take(ctx, "sign-up", limits.QuotasOf(sender.Networks(r), signupsFrom, t.limits.Signups, t.limits.Window)...)
}

// NewPassword counts a password that a person chooses; [*WaitError]: there were too many.
func (t *Throttle) NewPassword(ctx context.Context, userID string) error {
	return t.take(ctx, "choice of passwords", limits.Quota{Subject: newPasswords + userID, Limit: t.limits.Signups,
		Window: t.limits.Window})
}

// Export counts a file of everything that is held of a person: it makes the services work.
// [*WaitError]: there were too many.
func (t *Throttle) Export(ctx context.Context, userID string) error {
	return t.take(ctx, "export", limits.Quota{Subject: "export " + userID, Limit: exportsOfPerson, Window: time.Hour})
}

// exportsOfPerson is how many such files a person gets within an hour.
const exportsOfPerson = 10

// ProfileChange counts a change of what a person tells of themselves: each is an audit entry, and an
// event for every service that follows names. [*WaitError]: there were too many.
func (t *Throttle) ProfileChange(ctx context.Context, userID string) error {
	return t.take(ctx, "profile", limits.Quota{Subject: "profile " + userID, Limit: profileChanges, Window: time.Hour})
}

// profileChanges is how many such changes a person may make within an hour.
const profileChanges = 60

func (t *Throttle) take(ctx context.Context, what string, quotas ...limits.Quota) error {
	err := t.store.Quotas.TakeQuotas(ctx, quotas...)
	var full *limits.QuotaError
	if errors.As(err, &full) {
		t.Slowed(what)
		return &WaitError{what, full.Wait}
	}
	return err
}

// ofSender is what failures of r's sender are counted under.
func (t *Throttle) ofSender(r *http.Request, kind string) []limited {
	return ofSenderUpTo(t.limits.Address, r, kind)
}

// ofSenderUpTo is ofSender where so many may fail.
func ofSenderUpTo(limit int, r *http.Request, kind string) (subjects []limited) {
	for _, q := range limits.QuotasOf(sender.Networks(r), kind, limit, 0) {
		subjects = append(subjects, limited{name: q.Subject, limit: q.Limit})
	}
	return subjects
}
