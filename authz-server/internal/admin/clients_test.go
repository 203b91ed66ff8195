package admin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func operationsOnClients(w *world, id string) map[string]func(t *testing.T, actor admin.Actor) error {
	return map[string]func(t *testing.T, a admin.Actor) error{
		"name": func(t *testing.T, a admin.Actor) error {
			_, err := w.UpdateClient(t.Context(), a, id, "", client.Patch{"client_name": "X"}, "")
			return err
		},
		"disable": func(t *testing.T, a admin.Actor) error { return w.DisableClient(t.Context(), a, id, "") },
		"enable":  func(t *testing.T, a admin.Actor) error { return w.EnableClient(t.Context(), a, id, "") },
		"rotate": func(t *testing.T, a admin.Actor) error {
			_, err := w.RotateSecret(t.Context(), a, id, time.Hour, "")
			return err
		},
		"compromised": func(t *testing.T, a admin.Actor) error {
			_, err := w.RotateCompromised(t.Context(), a, id, "")
			return err
		},
		"delete": func(t *testing.T, a admin.Actor) error { _, err := w.DeleteClient(t.Context(), a, id, ""); return err },
	}
}

func TestServicesNeverTouchAdministrativeClientsNorMakeOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, id := range []string{"reader", "writer", "directory"} { // the second is the actor's own
			for name, do := range operationsOnClients(w, id) {
				if err := do(t, writer); why(err) != admin.NeedsPerson {
					t.Errorf("%s of %s: %v", name, id, err)
				}
			}
		}
		_, err := w.CreateClient(ctx, writer, "plain", client.Patch{"client_name": "n", "grant_types": []string{"client_credentials"}, "scope": "user:lookup"}, "")
		storetest.OK(t, err)
		for _, scope := range []string{"admin:read", "user:lookup admin:write", "scim"} {
			if _, err := w.CreateClient(ctx, writer, "", client.Patch{"client_name": "n", "grant_types": []string{"client_credentials"}, "scope": scope}, ""); why(err) != admin.NeedsPerson {
				t.Errorf("a service makes a client with %s: %v", scope, err)
			}
			if _, err := w.UpdateClient(ctx, writer, "plain", "", client.Patch{"scope": scope}, ""); why(err) != admin.NeedsPerson {
				t.Errorf("a service gives a client %s: %v", scope, err)
			}
		}
		exchange := client.Patch{"token_exchange_audiences": []string{"https://login.example/admin"}}
		if _, err := w.UpdateClient(ctx, writer, "plain", "", exchange, ""); why(err) != admin.NeedsPerson {
			t.Errorf("a service lets a client exchange tokens for the resource admin: %v", err)
		}
		for name, do := range operationsOnClients(w, "plain") {
			if err := do(t, reader); why(err) != admin.OnlyReads {
				t.Errorf("%s by admin:read: %v", name, err)
			}
			if err := do(t, scim); why(err) != admin.NoRight {
				t.Errorf("%s by scim: %v", name, err)
			}
		}
		for _, name := range []string{"name", "disable", "enable", "rotate", "compromised", "delete"} {
			storetest.OK(t, operationsOnClients(w, "plain")[name](t, writer))
		}
		if _, err := w.Client(ctx, reader, w.Person.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an id of a person: %v", err)
		}
	})
}

func TestAnAdministratorChangesAClientAsTheySawIt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		made, err := w.CreateClient(ctx, w.root, "", client.Patch{"client_name": "<b>App</b>", "redirect_uris": []string{"https://app.example/cb"}}, "new")
		storetest.OK(t, err)
		if e := w.log(t, 1)[0]; e.Kind != audit.ClientCreated || e.Target.ID != made.ID || e.Target.Label != "<b>App</b>" || e.Actor.ID != w.Root.ID || e.Reason != "new" {
			t.Errorf("%+v", e)
		}
		version := admin.ClientVersion(made.Client)
		_, err = w.UpdateClient(ctx, w.root, made.ID, version, client.Patch{"client_name": "A"}, "")
		storetest.OK(t, err)
		if _, err := w.UpdateClient(ctx, w.root, made.ID, version, client.Patch{"client_name": "B"}, ""); !errors.Is(err, store.ErrStale) {
			t.Errorf("a version of before: %v", err)
		}
		var metadata *client.Error
		if _, err := w.UpdateClient(ctx, w.root, made.ID, "", client.Patch{"redirect_uris": []string{"javascript:alert(1)"}}, ""); !errors.As(err, &metadata) || metadata.Field != "redirect_uris" {
			t.Errorf("metadata that is wrong: %v", err)
		}
		stale := w.root
		stale.AuthTime = w.Now.Add(-time.Hour)
		if _, err := w.UpdateClient(ctx, stale, made.ID, "", client.Patch{"client_name": "B"}, ""); why(err) != admin.NeedsFreshProof {
			t.Error(err)
		}
		if _, err := w.UpdateClient(ctx, w.root, "writer", "", client.Patch{"client_name": "Writer"}, ""); err != nil {
			t.Errorf("an administrator in person changes an administrative client: %v", err)
		}
		_, err = w.DeleteClient(ctx, w.root, made.ID, "")
		storetest.OK(t, err)
		if _, err := w.Client(ctx, w.root, made.ID); !errors.Is(err, store.ErrNotFound) || w.log(t, 1)[0].Kind != audit.ClientDeleted {
			t.Error(err)
		}
	})
}

func TestTokensForRegistrationAreListedAndWithdrawn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var field *admin.FieldError
		if _, _, err := w.CreateInitialToken(ctx, writer, directory.InitialToken{Uses: 0, Lifetime: time.Hour}, ""); !errors.As(err, &field) || field.Field != "uses" {
			t.Error(err)
		}
		var secrets []string
		for range 3 {
			token, _, err := w.CreateInitialToken(ctx, writer, directory.InitialToken{Uses: 2, Lifetime: time.Hour, Note: "n"}, "")
			storetest.OK(t, err)
			secrets = append(secrets, token)
		}
		var ids []string
		for after := ""; ; {
			page, err := w.InitialTokens(ctx, reader, after, 2)
			storetest.OK(t, err)
			for _, one := range page.Items {
				ids = append(ids, one.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if len(ids) != 3 {
			t.Fatal(ids)
		}
		for _, id := range ids {
			if err := w.WithdrawInitialToken(ctx, reader, id, ""); why(err) != admin.OnlyReads {
				t.Error(err)
			}
			storetest.OK(t, w.WithdrawInitialToken(ctx, writer, id, ""))
		}
		for _, token := range secrets {
			if err := w.Config.Clients.CheckInitialToken(ctx, token); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("it still registers: %v", err)
			}
		}
		if err := w.WithdrawInitialToken(ctx, writer, "writer", ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestGrantsAndConsentsAreListedAndEnded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, id := range []string{"g1", "g2", "g3"} {
			w.Code(t, id, true)
			w.Now = w.Now.Add(time.Second)
		}
		storetest.OK(t, w.Consents.GrantConsent(ctx, w.Person.ID, "app", []string{"openid"}))
		for _, list := range []func(after string) (admin.Page[admin.Grant], error){
			func(after string) (admin.Page[admin.Grant], error) {
				return w.GrantsOf(ctx, reader, w.Person.ID, after, 2)
			},
			func(after string) (admin.Page[admin.Grant], error) { return w.GrantsTo(ctx, reader, "app", after, 2) },
		} {
			var ids string
			for after := ""; ; {
				page, err := list(after)
				storetest.OK(t, err)
				for _, g := range page.Items {
					ids += g.ID + " "
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if ids != "g1 g2 g3 " {
				t.Errorf("listed %q", ids)
			}
			var field *admin.FieldError
			if _, err := list("nonsense"); !errors.As(err, &field) || field.Field != "after" {
				t.Error(err)
			}
		}
		storetest.OK(t, w.RevokeGrant(ctx, writer, admin.Parties{}, "g1", ""))
		if err := w.RevokeGrant(ctx, writer, admin.Parties{}, "g1", ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if live := w.LiveGrants(t, "g1", "g2", "g3"); len(live) != 2 {
			t.Error(live)
		}
		page, err := w.ConsentsTo(ctx, reader, "app", "", 0)
		if err != nil || len(page.Items) != 1 || page.Items[0].UserID != w.Person.ID {
			t.Error(page, err)
		}
		storetest.OK(t, w.WithdrawConsent(ctx, writer, w.Person.ID, "app", "phishing"))
		if live := w.LiveGrants(t, "g2", "g3"); len(live) != 0 || w.log(t, 1)[0].Reason != "phishing" {
			t.Error(live)
		}
		// What an administrator gave is theirs.
		g := grants.Grant{ID: "of root", ClientID: "app", UserID: w.Root.ID, SessionID: w.root.SessionID, CreatedAt: w.Now, ExpiresAt: w.Now.Add(time.Hour), AuthTime: w.Now}
		c, err := w.Store.Clients.Client(ctx, "app")
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Grants.CreateGrant(ctx, g, &c))
		if err := w.RevokeGrant(ctx, writer, admin.Parties{}, "of root", ""); why(err) != admin.NeedsPerson {
			t.Error(err)
		}
	})
}
