package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/recovery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// stranded is somebody whose address nobody has proved, with proofs that may be a stranger's, and a link
// to a new password, which whoever reads that address has.
type stranded struct {
	planted
	link accounts.Mailed
}

func (w *world) stranded(t *testing.T, email string) stranded {
	t.Helper()
	ctx := t.Context()
	user, err := w.Users.CreateUser(ctx, accounts.User{Email: email, Name: "P", PasswordHash: "planted"})
	storetest.OK(t, err)
	storetest.OK(t, w.Store.Factors.BeginTOTP(ctx, user.ID, []byte("pending")))
	storetest.OK(t, w.Store.Factors.ConfirmTOTP(ctx, user.ID, []byte("pending"), []byte("secret"), 1, nil))
	_, err = w.Store.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: user.ID, CredentialID: []byte(email), PublicKey: []byte("k"), Name: "planted"})
	storetest.OK(t, err)
	_, err = w.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "work", Issuer: "https://work.example", Subject: email, UserID: user.ID})
	storetest.OK(t, err)
	session, _, err := w.Sessions.CreateSession(ctx, accounts.Session{UserID: user.ID, ACR: "2"}, "planted")
	storetest.OK(t, err)
	if user, err = w.Users.User(ctx, user.ID); err != nil {
		t.Fatal(err)
	}
	storetest.OK(t, w.Store.Mailed.AddMailed(ctx, accounts.Mailed{Purpose: accounts.ToReset, User: user, Email: email, Data: "{}"}, email, "", ""))
	link, err := w.Store.Mailed.MailedByLink(ctx, accounts.ToReset, email)
	storetest.OK(t, err)
	return stranded{planted{user, session.ID}, link}
}

// proofs are the ways in that a stranger may have planted: how many of three are left.
func (w *world) proofs(t *testing.T, user accounts.User) (left int) {
	t.Helper()
	keys, err := w.Store.Passkeys.Passkeys(t.Context(), user.ID)
	storetest.OK(t, err)
	there, err := w.Store.Upstreams.IdentitiesOf(t.Context(), user.ID)
	storetest.OK(t, err)
	left = len(keys) + len(there)
	if user.SecondStep {
		left++
	}
	return left
}

// While the owner of an address takes over an account that may be a stranger's, somebody makes it an
// administrator's, or one no more: wherever the one is cut into by the other, an administrator never has
// proofs of two people, nor lost theirs to whoever reads the mail; and somebody can administer the server.
func TestAnAccountIsTakenOverWhileItsGroupIsCrowned(t *testing.T) {
	type operation struct {
		before func(ctx context.Context, w *world, group string, p stranded) error // the state that it starts from
		do     func(ctx context.Context, w *world, group string, p stranded) error
		crowns bool // or takes the crown
	}
	join := func(ctx context.Context, w *world, group string, p stranded) error {
		return w.Join(ctx, w.root, group, p.ID, "")
	}
	give := func(ctx context.Context, w *world, group string, _ stranded) error {
		return w.GiveGroup(ctx, w.root, group, roles.Admin, "")
	}
	both := func(ctx context.Context, w *world, group string, p stranded) error {
		return errors.Join(join(ctx, w, group, p), give(ctx, w, group, p))
	}
	for name, op := range map[string]operation{
		"its group gets the role": {join, give, true},
		"its group gets roles": {join, func(ctx context.Context, w *world, group string, _ stranded) error {
			_, err := w.SetGroupRoles(ctx, w.root, group, []roles.Role{roles.Moderator, roles.Admin}, "")
			return err
		}, true},
		"it joins the group": {give, join, true},
		"it gets the role": {join, func(ctx context.Context, w *world, _ string, p stranded) error {
			return w.GiveRole(ctx, w.root, p.ID, roles.Admin, "")
		}, true},
		"its group loses the role": {both, func(ctx context.Context, w *world, group string, _ stranded) error {
			return w.TakeGroup(ctx, w.root, group, roles.Admin, "")
		}, false},
		"it leaves the group": {both, func(ctx context.Context, w *world, group string, p stranded) error {
			return w.Leave(ctx, w.root, group, p.ID, "")
		}, false},
	} {
		for _, resetFirst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, reset first %t", name, resetFirst), func(t *testing.T) {
				each(t, func(t *testing.T, w *world) {
					_, err := w.CreateUpstream(t.Context(), machine, admin.NewUpstream{
						Name: "work", Settings: upstream.Settings{Title: "Work", Issuer: "https://work.example", ClientID: "maru"}, Secret: "s3cret"}, "")
					storetest.OK(t, err)
					links := &recovery.Recovery{Store: w.Store, Notices: &notices.Notices{Store: w.Store, Now: func() time.Time { return w.Now }}}
					for at, more := 0, true; more; at++ {
						group, err := w.CreateGroup(t.Context(), w.root, fmt.Sprint("Crew ", at), "", "")
						storetest.OK(t, err)
						p := w.stranded(t, fmt.Sprintf("p%d@example.com", at))
						storetest.OK(t, op.before(t.Context(), w, group.ID, p))

						// What is done last, in the order of the locks.
						var order atomic.Int64
						var resetAt, changedAt int64
						reset := func(ctx context.Context) error {
							return w.Tx(ctx, func(ctx context.Context) error {
								r := httptest.NewRequestWithContext(ctx, "POST", "/reset", nil)
								err := links.FinishReset(r, p.link, "owner's", "")
								resetAt = order.Add(1)
								return err
							})
						}
						change := func(ctx context.Context) error {
							return w.Tx(ctx, func(ctx context.Context) error {
								err := op.do(ctx, w, group.ID, p)
								changedAt = order.Add(1)
								return err
							})
						}
						first, second := reset, change
						if !resetFirst {
							first, second = change, reset
						}
						firstErr, secondErr, reached := w.cutInto(t, at, first, second)
						more = reached
						resetErr, changeErr := firstErr, secondErr
						if !resetFirst {
							resetErr, changeErr = secondErr, firstErr
						}
						if changeErr != nil || resetErr != nil && !errors.Is(resetErr, store.ErrNotFound) {
							t.Fatalf("at statement %d: the change %v, the reset %v", at, changeErr, resetErr)
						}

						user, err := w.Users.User(t.Context(), p.ID)
						storetest.OK(t, err)
						administers, lives, _ := w.crowned(t, p.planted)
						left := w.proofs(t, user)
						got := fmt.Sprintf("at statement %d: reset %v, administrator %t, verified %t, password %q, %d planted proofs, session lives %t",
							at, resetErr, administers, user.EmailVerified, user.PasswordHash, left, lives)
						switch taken := resetErr == nil; {
						case administers != op.crowns, lives && (administers || taken):
							t.Error(got)
						case taken && (user.PasswordHash != "owner's" || left > 0 || !user.EmailVerified):
							t.Error("half taken over: " + got)
						case !taken && (user.PasswordHash != "planted" || left != 3 || user.EmailVerified):
							t.Error("refused, and yet: " + got)
						case taken && op.crowns && resetAt > changedAt, taken && !op.crowns && resetAt < changedAt:
							t.Error("an administrator's account was taken over: " + got)
						}
						if has, err := w.HasAdministrator(t.Context()); err != nil || !has {
							t.Fatalf("nobody can administer the server: %v; %s", err, got)
						}
					}
				})
			})
		}
	}
}

// cutInto runs first and, just before its statement number at, second beside it, until second is done or
// waits for a lock that first holds. reached tells whether first had so many statements.
func (w *world) cutInto(t *testing.T, at int, first, second func(ctx context.Context) error) (firstErr, secondErr error, reached bool) {
	t.Helper()
	done := make(chan struct{})
	run := func() {
		defer close(done)
		secondErr = second(t.Context())
	}
	statement := 0
	var once sync.Once
	firstErr = first(storetest.BeforeStatements(t.Context(), func(string) {
		if statement++; statement <= at {
			return
		}
		once.Do(func() {
			reached = true
			go run()
			for w.Concurrent(t) && !w.Blocked(t) {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}))
	if !reached {
		go run()
	}
	<-done
	return firstErr, secondErr, reached
}
