package admin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// planted is somebody whose account others are logged in to.
type planted struct {
	accounts.User
	session string
}

func (w *world) planted(t *testing.T, email string) planted {
	t.Helper()
	user, err := w.Users.CreateUser(t.Context(), accounts.User{Email: email, EmailVerified: true, Name: "P", PasswordHash: "x"})
	storetest.OK(t, err)
	session, _, err := w.Sessions.CreateSession(t.Context(), accounts.Session{UserID: user.ID, ACR: "1"}, "x")
	storetest.OK(t, err)
	return planted{user, session.ID}
}

// crowned tells whether somebody is an administrator; whether the planted session lives; and how often
// the person was told.
func (w *world) crowned(t *testing.T, p planted) (administers, lives bool, told int) {
	t.Helper()
	administers, err := w.Store.Roles.Administers(t.Context(), p.ID)
	storetest.OK(t, err)
	_, err = w.Sessions.Session(t.Context(), p.session)
	if lives = err == nil; err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	entries, err := w.Store.Audit.List(t.Context(), auditlog.Filter{UserID: p.ID, Limit: 100})
	storetest.OK(t, err)
	for _, e := range entries {
		if e.Kind == string(audit.UserCrowned) {
			told++
		}
	}
	return administers, lives, told
}

// cutOff has nobody wait for an answer any more once it has the second letter.
type cutOff struct {
	inbox
	leave context.CancelFunc
}

func (c *cutOff) Queue(ctx context.Context, to mail.To, letter mail.Letter) error {
	err := c.inbox.Queue(ctx, to, letter)
	if len(c.to) == 2 {
		c.leave()
	}
	return err
}

// However the request ends, nobody administers the server with a session of before, or untold.
func TestARequestThatIsCutOffLeavesNoAdministratorWithASessionOfBefore(t *testing.T) {
	for name, give := range map[string]func(ctx context.Context, w *world, id string) error{
		"a role": func(ctx context.Context, w *world, id string) error {
			return w.GiveGroup(ctx, w.root, id, roles.Admin, "")
		},
		"all roles": func(ctx context.Context, w *world, id string) error {
			_, err := w.SetGroupRoles(ctx, w.root, id, []roles.Role{roles.Moderator, roles.Admin}, "")
			return err
		},
		"together": func(ctx context.Context, w *world, id string) error {
			return w.Together(ctx, func(ctx context.Context) error { return w.GiveGroup(ctx, w.root, id, roles.Admin, "") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				group, err := w.CreateGroup(t.Context(), w.root, "Crew", "", "")
				storetest.OK(t, err)
				var all []planted
				for i := range 4 {
					all = append(all, w.planted(t, fmt.Sprintf("p%d@example.com", i)))
					storetest.OK(t, w.Join(t.Context(), w.root, group.ID, all[i].ID, ""))
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				w.Admin.Notices.Mail = &cutOff{leave: leave}
				if err := give(ctx, w, group.ID); err == nil {
					t.Error("the request that was cut off succeeded")
				}
				for _, p := range all {
					if administers, lives, told := w.crowned(t, p); administers == lives || administers != (told == 1) {
						t.Errorf("after a request that was cut off: %s: an administrator %t, the session lives %t, told %d times",
							p.Email, administers, lives, told)
					}
				}
				letters := &inbox{}
				w.Admin.Notices.Mail = letters
				storetest.OK(t, give(t.Context(), w, group.ID))
				for _, p := range all {
					if administers, lives, told := w.crowned(t, p); !administers || lives || told != 1 {
						t.Errorf("in the end: %s: an administrator %t, the session lives %t, told %d times", p.Email, administers, lives, told)
					}
				}
				if len(letters.to) != len(all) {
					t.Errorf("letters went to %v", letters.to)
				}
			})
		})
	}
}

// Who joins while the group gets the role becomes an administrator by the one or the other, once.
func TestWhoJoinsAGroupThatIsJustCrownedIsLoggedOutAndTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		group, err := w.CreateGroup(t.Context(), w.root, "Crew", "", "")
		storetest.OK(t, err)
		var all []planted
		for i := range 6 {
			all = append(all, w.planted(t, fmt.Sprintf("p%d@example.com", i)))
		}
		storetest.OK(t, w.Join(t.Context(), w.root, group.ID, all[0].ID, ""))
		var working sync.WaitGroup
		for _, p := range all[1:] {
			working.Go(func() {
				if err := w.Join(t.Context(), w.root, group.ID, p.ID, ""); err != nil {
					t.Error(err)
				}
			})
		}
		working.Go(func() {
			if err := w.GiveGroup(t.Context(), w.root, group.ID, roles.Admin, ""); err != nil {
				t.Error(err)
			}
		})
		working.Wait()
		for _, p := range all {
			if administers, lives, told := w.crowned(t, p); !administers || lives || told != 1 {
				t.Errorf("%s: an administrator %t, the session lives %t, told %d times", p.Email, administers, lives, told)
			}
		}
	})
}

// One transaction logs all of them out and tells them: it does so for a number that has a bound.
func TestAGroupWithTooManyMembersMakesNoAdministrators(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		group, err := w.CreateGroup(ctx, w.root, "Everybody", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Tx(ctx, func(ctx context.Context) error {
			for i := range admin.MaxMembersChanged + 1 {
				user, err := w.Users.CreateUser(ctx, accounts.User{Email: fmt.Sprintf("p%d@example.com", i), Name: "P", PasswordHash: "x"})
				if err != nil {
					return err
				}
				if err := w.Store.Roles.AddMember(ctx, group.ID, user.ID); err != nil {
					return err
				}
			}
			return nil
		}))
		var field *admin.FieldError
		if err := w.GiveGroup(ctx, w.root, group.ID, roles.Admin, ""); !errors.As(err, &field) || !strings.Contains(err.Error(), "1000 members") {
			t.Errorf("one member too many: %v", err)
		}
		if its, err := w.Group(ctx, w.root, group.ID); err != nil || len(its.Roles) > 0 {
			t.Errorf("the group has %v, %v", its.Roles, err)
		}
		storetest.OK(t, w.GiveGroup(ctx, w.root, group.ID, roles.Moderator, "")) // without that power, it is like any
		page, err := w.Members(ctx, w.root, group.ID, "", 1)
		storetest.OK(t, err)
		storetest.OK(t, w.Leave(ctx, w.root, group.ID, page.Items[0], ""))
		storetest.OK(t, w.GiveGroup(ctx, w.root, group.ID, roles.Admin, ""))
	})
}
