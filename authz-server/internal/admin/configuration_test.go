package admin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

var orders = admin.NewResource{Name: "orders", ID: "https://orders.example", Scopes: []string{"orders:read", "orders:write"}, Description: "Orders"}

// wrongField is which input an error is about; empty: none.
func wrongField(err error) string {
	var field *admin.FieldError
	if errors.As(err, &field) {
		return field.Field
	}
	return ""
}

func TestResourcesAreStoredBesideThoseOfTheSettings(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		storetest.OK(t, w.CreateResource(ctx, writer, orders, "new"))
		if err := w.CreateResource(ctx, writer, orders, ""); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		if err := w.CreateResource(ctx, reader, orders, ""); why(err) != admin.OnlyReads {
			t.Error(err)
		}
		for field, in := range map[string]admin.NewResource{
			"name":        {Name: "Orders 2", ID: "https://2.example", Scopes: []string{"a"}},
			"id":          {Name: "two", ID: "orders", Scopes: []string{"a"}},
			"scopes":      {Name: "two", ID: "https://2.example", Scopes: []string{"orders:read"}},
			"description": {Name: "two", ID: "https://2.example", Scopes: []string{"a"}, Description: "a\nb"},
		} {
			if err := w.CreateResource(ctx, writer, in, ""); wrongField(err) != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		// That by which the server is administered is nobody's to change, nor to be had a second time.
		for name, err := range map[string]error{
			"its name":   w.CreateResource(ctx, machine, admin.NewResource{Name: "admin", ID: "https://x.example", Scopes: []string{"x"}}, ""),
			"its id":     w.CreateResource(ctx, machine, admin.NewResource{Name: "x", ID: "https://login.example/admin", Scopes: []string{"x"}}, ""),
			"its scope":  w.CreateResource(ctx, machine, admin.NewResource{Name: "x", ID: "https://x.example", Scopes: []string{"admin:write"}}, ""),
			"scim":       w.CreateResource(ctx, machine, admin.NewResource{Name: "x", ID: "https://x.example", Scopes: []string{"scim"}}, ""),
			"itself":     w.UpdateResource(ctx, machine, "", admin.NewResource{Name: "admin", ID: "https://x.example", Scopes: []string{"x"}}, ""),
			"away":       w.DeleteResource(ctx, machine, "admin", ""),
			"a takeover": w.UpdateResource(ctx, machine, "", admin.NewResource{Name: "orders", ID: "https://login.example/admin", Scopes: []string{"x"}}, ""),
		} {
			if wrongField(err) == "" && !errors.Is(err, store.ErrExists) {
				t.Errorf("the resource admin, %s: %v", name, err)
			}
		}
		got, err := w.Admin.Resource(ctx, reader, "orders")
		if err != nil || !got.Stored || got.ID != orders.ID || !slices.Equal(got.Scopes, orders.Scopes) || got.Description != "Orders" {
			t.Errorf("%+v %v", got, err)
		}
		storetest.OK(t, w.DefineRole(ctx, writer, roles.Definition{Role: roles.Role{Resource: "orders", Name: "picker"}, Scopes: []string{"orders:write"}}, ""))

		changed := orders
		changed.Scopes = []string{"orders:read", "orders:pack"}
		if err := w.UpdateResource(ctx, writer, got.Version, changed, ""); wrongField(err) != "scopes" || !strings.Contains(err.Error(), "orders/picker") {
			t.Errorf("a scope goes that a role is brought by: %v", err)
		}
		changed.Scopes = append(changed.Scopes, "orders:write")
		storetest.OK(t, w.UpdateResource(ctx, writer, got.Version, changed, "more"))
		if e := w.log(t, 1)[0]; e.Kind != audit.ResourceChanged || e.Target.ID != "orders" || e.Reason != "more" {
			t.Errorf("%+v", e)
		}
		if err := w.UpdateResource(ctx, writer, got.Version, changed, ""); !errors.Is(err, store.ErrStale) {
			t.Errorf("a version of before: %v", err)
		}
		if err := w.DeleteResource(ctx, writer, "orders", ""); !errors.Is(err, registry.ErrHasRoles) {
			t.Error(err)
		}
		storetest.OK(t, w.UndefineRole(ctx, writer, roles.Role{Resource: "orders", Name: "picker"}, ""))
		storetest.OK(t, w.DeleteResource(ctx, writer, "orders", ""))
		if err := w.DeleteResource(ctx, writer, "orders", ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

// An upstream says who people are, so that whoever sets one up can be any of them.
func TestServicesNeverTouchUpstreams(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		work := admin.NewUpstream{Name: "office", Settings: upstream.Settings{Title: "Work", Issuer: "https://id.example.com", ClientID: "maru"}, Secret: "s3cret"}
		stale := w.root
		stale.AuthTime = w.Now.Add(-time.Hour)
		operations := map[string]func(a admin.Actor) error{
			"create": func(a admin.Actor) error { _, err := w.CreateUpstream(ctx, a, work, "new"); return err },
			"update": func(a admin.Actor) error {
				_, err := w.UpdateUpstream(ctx, a, "office", "", admin.UpstreamChange{Settings: func(s *upstream.Settings) error { s.StrongACR = []string{"mfa"}; return nil }}, "")
				return err
			},
			"secret": func(a admin.Actor) error {
				_, err := w.UpdateUpstream(ctx, a, "office", "", admin.UpstreamChange{Secret: "other"}, "")
				return err
			},
			"disable": func(a admin.Actor) error {
				off := true
				_, err := w.UpdateUpstream(ctx, a, "office", "", admin.UpstreamChange{Disabled: &off}, "")
				return err
			},
			"delete": func(a admin.Actor) error { return w.DeleteUpstream(ctx, a, "office", false, "") },
		}
		for _, name := range []string{"create", "update", "secret", "disable", "delete"} {
			for _, one := range []struct {
				actor admin.Actor
				why   admin.Why
			}{{reader, admin.NeedsPerson}, {writer, admin.NeedsPerson}, {scim, admin.NeedsPerson}, {stale, admin.NeedsFreshProof}} {
				if err := operations[name](one.actor); why(err) != one.why {
					t.Errorf("%s by %s: %v", name, one.actor.Name, err)
				}
			}
			before := w.Count(t, "audit_log")
			if err := operations[name](w.root); err != nil || w.Count(t, "audit_log") != before+1 {
				t.Errorf("%s by an administrator: %v", name, err)
			}
			for _, e := range w.log(t, 20) {
				for _, value := range e.Detail {
					if text, ok := value.(string); ok && (strings.Contains(text, "s3cret") || strings.Contains(text, "other")) {
						t.Errorf("the audit log has a secret: %+v", e)
					}
				}
			}
		}
	})
}

func TestAnUpstreamIsChangedAsItWasSeen(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		in := admin.NewUpstream{Name: "office", Settings: upstream.Settings{Title: "Work", Issuer: "https://id.example.com", ClientID: "maru"}, Secret: "s3cret"}
		for field, change := range map[string]func(*admin.NewUpstream){
			"name":            func(n *admin.NewUpstream) { n.Name = "Work" },
			"title":           func(n *admin.NewUpstream) { n.Title = "" },
			"client_id":       func(n *admin.NewUpstream) { n.ClientID = "" },
			"issuer":          func(n *admin.NewUpstream) { n.Issuer = "https://10.0.0.1" },
			"client_secret":   func(n *admin.NewUpstream) { n.Secret = "" },
			"preset":          func(n *admin.NewUpstream) { n.Preset = "facebook" },
			"addresses":       func(n *admin.NewUpstream) { n.Addresses = "perhaps" },
			"apple":           func(n *admin.NewUpstream) { n.Apple = &upstream.AppleKey{TeamID: "T"} },
			"address_domains": func(n *admin.NewUpstream) { n.AddressDomains = []string{"com"} },
			"settings":        func(n *admin.NewUpstream) { n.StrongACR = []string{strings.Repeat("x", 20<<10)} },
		} {
			bad := in
			change(&bad)
			if _, err := w.CreateUpstream(ctx, machine, bad, ""); wrongField(err) != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		made, err := w.CreateUpstream(ctx, machine, in, "")
		storetest.OK(t, err)
		if made.RedirectURI != "https://login.example/login/upstream/office/callback" || !made.HasSecret || made.Scope == "" {
			t.Errorf("%+v", made)
		}
		if _, err := w.CreateUpstream(ctx, machine, in, ""); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		title := admin.UpstreamChange{Settings: func(s *upstream.Settings) error { s.Title = "Office"; return nil }}
		changed, err := w.UpdateUpstream(ctx, w.root, "office", made.Version, title, "")
		if err != nil || changed.Title != "Office" || !changed.HasSecret {
			t.Errorf("%+v %v", changed, err)
		}
		if _, err := w.UpdateUpstream(ctx, w.root, "office", made.Version, title, ""); !errors.Is(err, store.ErrStale) {
			t.Error(err)
		}
		stored, err := w.Store.Upstreams.Upstream(ctx, "office")
		if err != nil || !upstream.SecretIs(w.KEK, stored, "s3cret") || upstream.SecretIs(w.KEK, stored, "") {
			t.Errorf("the secret is not what it was: %v", err)
		}
		// Nobody learns the secret by having it sent to themselves.
		elsewhere := admin.UpstreamChange{Settings: func(s *upstream.Settings) error { s.Issuer = "https://evil.example"; return nil }}
		if _, err := w.UpdateUpstream(ctx, w.root, "office", "", elsewhere, ""); wrongField(err) != "client_secret" {
			t.Errorf("the stored secret goes elsewhere: %v", err)
		}
		for _, issuer := range []string{"https://other.example.com", in.Issuer} { // with the secret it can move, and back
			elsewhere = admin.UpstreamChange{Settings: func(s *upstream.Settings) error { s.Issuer = issuer; return nil }, Secret: "s3cret"}
			if changed, err = w.UpdateUpstream(ctx, w.root, "office", "", elsewhere, ""); err != nil || changed.Issuer != issuer {
				t.Errorf("%+v %v", changed, err)
			}
		}
		_, err = w.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "office", Issuer: in.Issuer, Subject: "1", UserID: w.Person.ID})
		storetest.OK(t, err)
		if err := w.DeleteUpstream(ctx, w.root, "office", false, ""); !errors.Is(err, upstreams.ErrInUse) {
			t.Error(err)
		}
		storetest.OK(t, w.DeleteUpstream(ctx, w.root, "office", true, ""))
		if list, err := w.ListUpstreams(ctx, reader); err != nil || len(list.Items) != 0 {
			t.Error(list, err)
		}
	})
}

// Whoever has a role loses the tokens that say it by a scope which brings it no more, and no others.
func TestARoleThatLosesAScopeIsOutOfTheTokensByIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		editor := roles.Role{Resource: "board", Name: "editor"}
		storetest.OK(t, w.DefineRole(ctx, writer, roles.Definition{Role: editor, Scopes: []string{"board:write", "board:read"}}, ""))
		group, err := w.CreateGroup(ctx, writer, "Editors", "", "")
		storetest.OK(t, err)
		storetest.OK(t, w.GiveGroup(ctx, writer, group.ID, editor, ""))
		storetest.OK(t, w.GiveRole(ctx, writer, w.Person.ID, editor, ""))
		member := w.Another(t, "member@example.com")
		storetest.OK(t, w.Join(ctx, writer, group.ID, member.ID, ""))
		stranger := w.Another(t, "stranger@example.com")
		for _, one := range []struct {
			user         accounts.User
			token, scope string
		}{
			{w.Person, "dw", "board:write"}, {w.Person, "dr", "board:read"}, {member, "mw", "board:write"},
			{member, "mr", "board:read"}, {stranger, "sw", "board:write"},
		} {
			session, _, err := w.Sessions.CreateSession(ctx, accounts.Session{UserID: one.user.ID}, "x")
			storetest.OK(t, err)
			c, err := w.Store.Clients.Client(ctx, "app")
			storetest.OK(t, err)
			storetest.OK(t, w.Store.Grants.CreateGrant(ctx, grants.Grant{ID: one.token, ClientID: "app", UserID: one.user.ID, SessionID: session.ID,
				Scope: []string{one.scope}, Audience: []string{"x"}, AuthTime: w.Now, CreatedAt: w.Now, ExpiresAt: w.Now.Add(time.Hour)}, &c))
			storetest.OK(t, w.Store.Grants.NoteStatus(ctx, one.token, grants.Note{Status: one.token, Lifetime: 10 * time.Minute}))
		}
		revoked := func() (all []string) {
			ended, err := w.Store.Grants.RevokedSince(ctx, time.Time{})
			storetest.OK(t, err)
			for _, token := range []string{"dr", "dw", "mr", "mw", "sw"} {
				if slices.ContainsFunc(ended, func(one grants.Revocation) bool { return slices.Contains(strings.Fields(one.Statuses), token) }) {
					all = append(all, token)
				}
			}
			return all
		}
		d, err := w.RoleDefinition(ctx, reader, editor)
		storetest.OK(t, err)
		text := "Edits."
		storetest.OK(t, w.RedefineRole(ctx, writer, editor, d.Version, admin.RoleChange{Description: &text}, ""))
		if all := revoked(); len(all) > 0 {
			t.Errorf("a description revokes %v", all)
		}
		if err := w.RedefineRole(ctx, writer, editor, d.Version, admin.RoleChange{Description: &text}, ""); !errors.Is(err, store.ErrStale) {
			t.Error(err)
		}
		if err := w.RedefineRole(ctx, writer, editor, "", admin.RoleChange{Scopes: []string{"user:read"}}, ""); wrongField(err) != "scopes" {
			t.Error(err)
		}
		storetest.OK(t, w.RedefineRole(ctx, writer, editor, "", admin.RoleChange{Scopes: []string{"board:read"}}, "less"))
		if all := revoked(); !slices.Equal(all, []string{"dw", "mw"}) {
			t.Errorf("revoked are %v", all)
		}
		if e := w.log(t, 1)[0]; e.Kind != audit.RoleChanged || e.Reason != "less" {
			t.Errorf("%+v", e)
		}
		for _, builtin := range []roles.Role{roles.Moderator, roles.Admin} {
			if err := w.RedefineRole(ctx, machine, builtin, "", admin.RoleChange{Scopes: []string{}}, ""); err == nil {
				t.Errorf("%s has no scopes", builtin)
			}
		}
		if err := w.RedefineRole(ctx, machine, roles.Admin, "", admin.RoleChange{Scopes: []string{"admin:read"}}, ""); !errors.Is(err, roles.ErrBuiltin) {
			t.Error(err)
		}
		if err := w.RedefineRole(ctx, writer, roles.Admin, "", admin.RoleChange{Description: &text}, ""); why(err) != admin.NeedsPerson {
			t.Error(err)
		}
		if err := w.RedefineRole(ctx, writer, roles.Role{Resource: "board", Name: "none"}, "", admin.RoleChange{Description: &text}, ""); !errors.Is(err, roles.ErrUnknown) {
			t.Error(err)
		}
	})
}

// Several operations happen together, or none does.
func TestOperationsHappenTogetherOrNotAtAll(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		editor := roles.Definition{Role: roles.Role{Resource: "orders", Name: "picker"}, Scopes: []string{"orders:pick"}}
		err := w.Together(ctx, func(ctx context.Context) error {
			storetest.OK(t, w.CreateResource(ctx, machine, orders, ""))
			return w.DefineRole(ctx, machine, editor, "") // it has no such scope
		})
		if wrongField(err) == "" {
			t.Error(err)
		}
		if _, err := w.Admin.Resource(ctx, reader, "orders"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("half of it is there: %v", err)
		}
		before := w.Count(t, "audit_log")
		storetest.OK(t, w.CreateResource(ctx, machine, orders, ""))
		editor.Scopes = []string{"orders:write"}
		storetest.OK(t, w.DefineRole(ctx, machine, editor, ""))
		// The scope may be gone before the role is changed, if it is in the end.
		storetest.OK(t, w.Together(ctx, func(ctx context.Context) error {
			less := orders
			less.Scopes = []string{"orders:read"}
			if err := w.UpdateResource(ctx, machine, "", less, ""); err != nil {
				return err
			}
			return w.RedefineRole(ctx, machine, editor.Role, "", admin.RoleChange{Scopes: []string{"orders:read"}}, "")
		}))
		if fresh := w.Count(t, "audit_log") - before; fresh != 4 {
			t.Errorf("%d entries", fresh)
		}
	})
}
