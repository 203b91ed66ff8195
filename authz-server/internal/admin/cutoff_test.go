package admin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// What follows a change in batches is noted with the change: if the process ends between the two, or
// the caller goes away, another replica's sweep goes on with it.
func TestWhatFollowsAChangeGoesOnAtAnotherReplica(t *testing.T) {
	editor := roles.Role{Resource: "board", Name: "editor"}
	const exchanged = "list/1;service" // the status of a token that another client has
	on := true
	for name, change := range map[string]func(ctx context.Context, w *world, group string) error{
		"DisableClient": func(ctx context.Context, w *world, _ string) error { return w.DisableClient(ctx, writer, "app", "") },
		"DisableClient and EnableClient": func(ctx context.Context, w *world, _ string) error {
			return errors.Join(w.DisableClient(ctx, writer, "app", ""), w.EnableClient(context.WithoutCancel(ctx), writer, "app", ""))
		},
		"ChangeClient": func(ctx context.Context, w *world, _ string) error {
			_, err := w.ChangeClient(ctx, writer, "app", "", nil, &on, "")
			return err
		},
		"DisableClient in Together": func(ctx context.Context, w *world, _ string) error {
			return w.Together(ctx, func(ctx context.Context) error { return w.DisableClient(ctx, writer, "app", "") })
		},
		"ChangeClient in Together": func(ctx context.Context, w *world, _ string) error {
			return w.Together(ctx, func(ctx context.Context) error {
				_, err := w.ChangeClient(ctx, writer, "app", "", nil, &on, "")
				return err
			})
		},
		"DeleteClient": func(ctx context.Context, w *world, _ string) error {
			_, err := w.DeleteClient(ctx, writer, "app", "")
			return err
		},
		"UndefineRole": func(ctx context.Context, w *world, _ string) error { return w.UndefineRole(ctx, writer, editor, "") },
		"RedefineRole": func(ctx context.Context, w *world, _ string) error {
			return w.RedefineRole(ctx, writer, editor, "", admin.RoleChange{Scopes: []string{"board:read"}}, "")
		},
		"RemoveGroup": func(ctx context.Context, w *world, group string) error { return w.RemoveGroup(ctx, writer, group, "") },
		"provisioning.RemoveGroup": func(ctx context.Context, w *world, group string) error {
			return provisioning.New(w.Admin).RemoveGroup(ctx, writer, group, "", "")
		},
		"TakeGroup": func(ctx context.Context, w *world, group string) error {
			return w.TakeGroup(ctx, writer, group, editor, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				storetest.OK(t, w.DefineRole(t.Context(), writer, roles.Definition{Role: editor, Scopes: []string{"board:write"}}, ""))
				group, err := w.CreateGroup(t.Context(), writer, "Editors", "", "")
				storetest.OK(t, err)
				storetest.OK(t, w.GiveGroup(t.Context(), writer, group.ID, editor, ""))
				storetest.OK(t, w.Join(t.Context(), writer, group.ID, w.Person.ID, ""))
				session, _, err := w.Sessions.CreateSession(t.Context(), accounts.Session{UserID: w.Person.ID}, "x")
				storetest.OK(t, err)
				app, err := w.Store.Clients.Client(t.Context(), "app")
				storetest.OK(t, err)
				storetest.OK(t, w.Store.Grants.CreateGrant(t.Context(), grants.Grant{ID: "g", UserID: w.Person.ID, SessionID: session.ID,
					Scope: []string{"board:write"}, Audience: []string{"x"}, CreatedAt: w.Now, ExpiresAt: w.Now.Add(time.Hour)}, &app))
				storetest.OK(t, w.Store.Grants.NoteStatus(t.Context(), "g",
					grants.Note{Status: exchanged, Lifetime: 10 * time.Minute}))
				revoked := func() bool {
					found, err := w.Store.Grants.RevokedSince(t.Context(), time.Time{})
					storetest.OK(t, err)
					return slices.ContainsFunc(found, func(one grants.Revocation) bool {
						return slices.Contains(strings.Fields(one.Statuses), exchanged)
					})
				}

				ctx, cut := context.WithCancel(t.Context())
				defer cut()
				err = change(storetest.BeforeStatements(ctx, func(query string) {
					// The first statement of what follows.
					if strings.Contains(query, "exchanges_ended_at > 0") || strings.Contains(query, "WHERE dropped <> ''") ||
						strings.Contains(query, "FROM grants WHERE client_id = $1") {
						cut()
					}
				}), w, group.ID)
				if !errors.Is(err, context.Canceled) || revoked() {
					t.Fatalf("it was to be cut off: %v; revoked: %t", err, revoked())
				}

				other, err := store.Open(t.Context(), w.URL(), func() time.Time { return w.Now })
				storetest.OK(t, err)
				defer func() { storetest.OK(t, other.Close()) }()
				_, err = other.Sweep(t.Context())
				storetest.OK(t, err)
				if !revoked() {
					t.Error("the sweep revokes no exchanged token")
				}
				before := w.Count(t, "revoked_tokens")
				_, err = other.Sweep(t.Context())
				storetest.OK(t, err)
				if after := w.Count(t, "revoked_tokens"); after != before {
					t.Errorf("the next sweep did it once more: %d rows, before %d", after, before)
				}
			})
		})
	}
}
