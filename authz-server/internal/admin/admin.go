// Package admin is what operators can do, once: commands, the REST interface and the pages all call it,
// and decide nothing themselves. What directories do is in package provisioning, which stands on a
// [Provisioner].
//
// Every operation begins with [Decide], and looks at the actor again, as the database has them now.
// Then come, in one transaction, the change, the entry in the audit log (who, what, whom and why) and
// what the person concerned is told.
//
// Errors are the same everywhere: [*Refused] from the decision table, [*FieldError] about an input,
// [store.ErrNotFound], [store.ErrExists] and [store.ErrStale] about what it is for, and [ErrBusy].
// Any other error is the server's fault.
package admin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// Config is what operations need. What a command does not need may be left out, where it says so.
type Config struct {
	Store   *store.Store
	Audit   *audit.Log
	Notices *notices.Notices // tells people
	Now     func() time.Time

	Issuer    issuer.URL         // what links are below; the zero value: no links
	Clients   *directory.Clients // nil: nothing is done with clients
	Resources []client.Resource  // of the settings; others are stored
	// CheckAddress judges the addresses that the server calls because of what operators set, as
	// a fetch.Client does; nil: nobody does.
	CheckAddress func(address string) error
	Passwords    *passwords.Hasher // hashes and judges new passwords; nil: one of its own, that asks no Breaches
	Mail         notices.Mailer    // queues letters; nil: no mail is sent
	// SendNow sends a letter past the queue, so that whoever acts sees what the mail server says;
	// nil: it is queued by Mail.
	SendNow func(ctx context.Context, to, language string, letter mail.Letter) error

	ListKeys func(ctx context.Context) ([]keys.State, error) // reads the signing keys; nil: nothing is done with keys
	Ring     *keys.Ring                                      // nil: no keys are rotated or withdrawn
	KEK      *keys.KEK                                       // opens whom letters are to, and seals secrets; nil: neither is done

	KeyRotation time.Duration // how long a signing key signs; 0: until an operator rotates it

	Settings []Setting // in force: [SettingsOf]
}

// Admin does what operators can do. It is safe for concurrent use.
type Admin struct{ Config }

// New makes an Admin. Store, Audit, Notices and Now must be set.
func New(cfg Config) *Admin {
	if cfg.Passwords == nil {
		cfg.Passwords = passwords.New()
	}
	return &Admin{cfg}
}

// FieldError says what is wrong with an input.
type FieldError struct {
	Field   string // as the REST interface names it, such as "expires_in"
	Problem string // goes on after the field's name: "must be from 1m to 24h"
}

func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

func wrong(field, problem string) error { return &FieldError{field, problem} }

// MaxReason is the length of a reason, in characters.
const MaxReason = 200

// checkReason checks the words in which an actor says why.
func checkReason(reason string) error {
	if utf8.RuneCountInString(reason) > MaxReason || !utf8.ValidString(reason) ||
		strings.ContainsFunc(reason, unicode.IsControl) {
		return wrong("reason", "must be one line of at most 200 characters")
	}
	return nil
}

// checkLine checks words that other operators read, also in a terminal: one line of so many bytes.
func checkLine(field, text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return wrong(field, fmt.Sprintf("must be one line of at most %d bytes", most))
	}
	return nil
}

// PageLimit is how many of anything a page has, at most.
const PageLimit = 500

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	Next  string // the cursor of the page after this one; empty: there is none
}

// pageOf makes a page of what a store returned for one item more than limit. cursor is that of the
// page after an item.
func pageOf[T any](items []T, limit int, cursor func(T) string) Page[T] {
	if len(items) <= limit {
		return Page[T]{Items: items}
	}
	return Page[T]{items[:limit], cursor(items[limit-1])}
}

// shownAs is a page with its items as show shows them.
func shownAs[T, U any](page Page[T], show func(T) U) Page[U] {
	shown := Page[U]{Items: make([]U, 0, len(page.Items)), Next: page.Next}
	for _, one := range page.Items {
		shown.Items = append(shown.Items, show(one))
	}
	return shown
}

// checkLimit is how many items a page is to have; 0: 100.
func checkLimit(limit int) (int, error) {
	switch {
	case limit == 0:
		return 100, nil
	case limit < 0 || limit > PageLimit:
		return 0, wrong("limit", "must be from 1 to 500")
	}
	return limit, nil
}

// may is [Decide] for what exists already.
func (a *Admin) may(actor Actor, do Action, on Target) error { return Decide(actor, do, on, a.Now()) }

// provisioning is the class of an operation that SCIM has too, for this actor: a client that has the
// scope scim, and not the right to do it as an operator does.
func provisioning(actor Actor, do Action) Action {
	if actor.Kind == Client && actor.Rights.Has(Provisioning) && Decide(actor, do, Target{}, time.Time{}) != nil {
		return Provision
	}
	return do
}

// read lets an actor in who only looks.
func (a *Admin) read(ctx context.Context, actor Actor, do Action) error {
	if err := a.may(actor, do, Target{}); err != nil {
		return err
	}
	return a.confirm(ctx, actor)
}

// change runs f in one transaction, in which the actor is still what let them in. What f records in
// the audit log has the actor and the reason. f asks may again if it finds a target that may be
// administrative.
func (a *Admin) change(
	ctx context.Context, actor Actor, do Action, reason string, f func(ctx context.Context) error,
) error {
	if err := a.may(actor, do, Target{}); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	ctx = audit.With(ctx, actor.entry(reason))
	return a.Store.Tx(ctx, func(ctx context.Context) error {
		if err := a.confirm(ctx, actor); err != nil {
			return err
		}
		return a.once(ctx, actor, f)
	})
}

// entry is what every entry says of the actor.
func (a Actor) entry(reason string) audit.Entry {
	e := audit.Entry{
		Actor: audit.Actor{Kind: audit.ActorKind(a.Kind), ID: a.ID, Label: a.Name},
		From:  a.From, UserAgent: a.UserAgent, Proof: a.ACR, Reason: reason,
	}
	if a.Kind == Machine {
		e.Proof = "command"
	}
	return e
}

// confirm looks at the actor as the database has them now: an administrator whose account was
// closed, or who lost the role or their session, and a client that was disabled or lost the scope,
// do nothing any more, whatever their token says.
func (a *Admin) confirm(ctx context.Context, actor Actor) error {
	var still bool
	var err error
	switch actor.Kind {
	case Machine:
		return nil
	case Person:
		still, err = a.stillAdministrator(ctx, actor)
	case Client:
		still, err = a.stillClient(ctx, actor)
	}
	if errors.Is(err, store.ErrNotFound) {
		still, err = false, nil
	}
	if err == nil && !still {
		err = refuse(ActorGone)
	}
	return err
}

// IsAdministrator tells whether a person has the role of administrators, and an account that is open.
func (a *Admin) IsAdministrator(ctx context.Context, userID string) (bool, error) {
	user, err := a.Store.Users.User(ctx, userID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || user.Disabled || !user.DeleteAt.IsZero() {
		return false, err
	}
	return a.has(ctx, userID, func(r roles.Role) bool { return r == roles.Admin })
}

func (a *Admin) stillAdministrator(ctx context.Context, actor Actor) (bool, error) {
	if actor.SessionID != "" {
		session, err := a.Store.Sessions.Session(ctx, actor.SessionID)
		if err != nil || session.UserID != actor.ID {
			return false, err
		}
	}
	return a.IsAdministrator(ctx, actor.ID)
}

func (a *Admin) stillClient(ctx context.Context, actor Actor) (bool, error) {
	c, err := a.Store.Clients.Client(ctx, actor.ID)
	return err == nil && RightsOf(c.Scopes())&actor.Rights == actor.Rights, err
}

// RightsOf are the rights that scopes give.
func RightsOf(scopes []string) (r Rights) {
	for scope, right := range map[string]Rights{
		client.ScopeAdminRead: Reading, client.ScopeAdminWrite: Writing, client.ScopeSCIM: Provisioning,
	} {
		if slices.Contains(scopes, scope) {
			r |= right
		}
	}
	return r
}

// has tells whether a person has a role, by themselves or by a group, that is one of those.
func (a *Admin) has(ctx context.Context, userID string, those func(roles.Role) bool) (bool, error) {
	held, err := a.Store.Roles.Of(ctx, userID)
	return slices.ContainsFunc(held, func(h roles.Held) bool { return those(h.Role) }), err
}

// cursorOf is where a list that is ordered by times goes on: after what is known by that time and
// those keys.
func cursorOf(at time.Time, keys ...string) string {
	plain := strconv.FormatInt(at.UnixMicro(), 36) + "\x00" + strings.Join(keys, "\x00")
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// readCursor reads what cursorOf wrote, with that many keys. An empty text is the beginning.
func readCursor(text string, n int) (at time.Time, keys []string, err error) {
	if text == "" {
		return at, make([]string, n), nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(plain), "\x00")
	if err == nil && len(parts) == n+1 && utf8.Valid(plain) {
		var micros int64
		if micros, err = strconv.ParseInt(parts[0], 36, 64); err == nil && micros > 0 {
			return time.UnixMicro(micros).UTC(), parts[1:], nil
		}
	}
	return at, nil, wrong("after", "must be the cursor of a page before, as it was given")
}
