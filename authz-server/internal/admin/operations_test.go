package admin_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// linked makes a person who logs in by upstreams alone, and by a password if they have one.
func (w *world) linked(t *testing.T, email, password string, names ...string) (user accounts.User, identities []upstreams.Identity) {
	t.Helper()
	user, err := w.Users.CreateUser(t.Context(), accounts.User{Email: email, EmailVerified: true, Name: "Mina", PasswordHash: password})
	storetest.OK(t, err)
	for _, name := range names {
		one, err := w.Store.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: name, Issuer: "https://id.example", Subject: email, Label: email, UserID: user.ID})
		storetest.OK(t, err)
		identities = append(identities, one)
	}
	return user, identities
}

func TestAnOperatorUnlinksAnIdentityAndThePersonIsTold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Notices.Mail = &w.inbox
		for _, name := range []string{"work", "school"} {
			storetest.OK(t, w.Store.Upstreams.Create(ctx, upstreams.Upstream{Name: name, Settings: "{}"}))
		}
		mina, all := w.linked(t, "mina@example.com", "", "work", "school")
		theo, _ := w.linked(t, "theo@example.com", "x")
		if err := w.UnlinkIdentity(ctx, w.root, theo.ID, all[0].ID, true, ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another person's: %v", err)
		}
		if err := w.UnlinkIdentity(ctx, reader, mina.ID, all[0].ID, false, ""); why(err) != admin.OnlyReads {
			t.Error(err)
		}
		if one, only, err := w.Identity(ctx, w.root, mina.ID, all[0].ID); err != nil || only || one.Upstream != "work" {
			t.Errorf("%+v %v %v", one, only, err)
		}
		storetest.OK(t, w.UnlinkIdentity(ctx, w.root, mina.ID, all[0].ID, false, "it is not hers"))
		if e := w.log(t, 1)[0]; e.Kind != audit.UpstreamUnlinked || e.Person != mina.ID || e.Reason != "it is not hers" || e.Actor.ID != w.Root.ID {
			t.Errorf("%+v", e)
		}
		if !slices.Equal(w.inbox.to, []string{"mina@example.com"}) {
			t.Errorf("letters to %q", w.inbox.to)
		}
		if _, only, err := w.Identity(ctx, w.root, mina.ID, all[1].ID); err != nil || !only {
			t.Error(only, err)
		}
		if _, _, err := w.Identity(ctx, w.root, theo.ID, all[1].ID); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		before := w.Count(t, "audit_log")
		if err := w.UnlinkIdentity(ctx, w.root, mina.ID, all[1].ID, false, ""); !errors.Is(err, upstreams.ErrLastWay) {
			t.Errorf("the last way in: %v", err)
		}
		if left, err := w.Store.Upstreams.IdentitiesOf(ctx, mina.ID); err != nil || len(left) != 1 || w.Count(t, "audit_log") != before {
			t.Errorf("what was refused was done: %v %v", left, err)
		}
		storetest.OK(t, w.UnlinkIdentity(ctx, w.root, mina.ID, all[1].ID, true, ""))
		if err := w.UnlinkIdentity(ctx, w.root, mina.ID, all[1].ID, true, ""); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		// Of an administrator, no service does it.
		crowned := w.administrator(t, "crowned@example.com")
		own, err := w.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "work", Subject: "3", UserID: crowned.ID})
		storetest.OK(t, err)
		if err := w.UnlinkIdentity(ctx, writer, crowned.ID, own.ID, false, ""); why(err) != admin.NeedsPerson {
			t.Error(err)
		}
	})
}

func TestAnOperatorSeesWhoseOnlyWayInAnUpstreamIs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, name := range []string{"work", "school"} {
			storetest.OK(t, w.Store.Upstreams.Create(ctx, upstreams.Upstream{Name: name, Settings: "{}"}))
		}
		if p, err := w.UpstreamPeople(ctx, reader, "work"); err != nil || p.Number != 0 || p.Only != 0 || p.More {
			t.Errorf("%+v %v", p, err)
		}
		alone, _ := w.linked(t, "alone@example.com", "", "work")
		_, err := w.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "work", Subject: "a second one", UserID: alone.ID})
		storetest.OK(t, err)
		w.linked(t, "password@example.com", "x", "work")
		w.linked(t, "both@example.com", "", "work", "school")
		if p, err := w.UpstreamPeople(ctx, reader, "work"); err != nil || p.Number != 3 || p.Only != 1 || len(p.Some) != 1 || p.Some[0].ID != alone.ID {
			t.Errorf("%+v %v", p, err)
		}
		school, err := w.Store.Upstreams.Upstream(ctx, "school")
		storetest.OK(t, err)
		school.Disabled = true
		storetest.OK(t, w.Store.Upstreams.Update(ctx, school))
		for i := range 25 {
			w.linked(t, fmt.Sprintf("p%d@example.com", i), "", "work")
		}
		if p, err := w.UpstreamPeople(ctx, reader, "work"); err != nil || p.Number != 28 || p.Only != 27 || len(p.Some) != 20 {
			t.Errorf("%+v %v", p, err)
		}
		if _, err := w.UpstreamPeople(ctx, reader, "other"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestAGroupGetsItsRolesAllOrNone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		g, err := w.CreateGroup(ctx, writer, "Team", "", "")
		storetest.OK(t, err)
		editor := roles.Role{Resource: "board", Name: "editor"}
		storetest.OK(t, w.DefineRole(ctx, writer, roles.Definition{Role: editor, Scopes: []string{"board:moderate"}}, ""))
		has := func(want ...roles.Role) {
			t.Helper()
			if its, err := w.Store.Roles.GroupRoles(ctx, g.ID); err != nil || !slices.Equal(its, want) {
				t.Errorf("%v %v", its, err)
			}
		}
		set := func(actor admin.Actor, all ...roles.Role) error {
			_, err := w.SetGroupRoles(ctx, actor, g.ID, all, "tidied")
			return err
		}
		storetest.OK(t, set(writer, editor, editor))
		has(editor)
		before := w.Count(t, "audit_log")
		if err := set(writer, roles.Moderator, roles.Role{Resource: "board", Name: "nobody"}); wrongField(err) != "roles" {
			t.Errorf("a role that nobody defined: %v", err)
		}
		if err := set(writer, editor, roles.Admin); why(err) != admin.NeedsPerson {
			t.Errorf("a service makes administrators: %v", err)
		}
		if err := set(reader); why(err) != admin.OnlyReads {
			t.Error(err)
		}
		if has(editor); w.Count(t, "audit_log") != before {
			t.Error("what was refused is in the log")
		}
		was, err := w.SetGroupRoles(ctx, writer, g.ID, []roles.Role{roles.Moderator}, "tidied")
		if err != nil || !slices.Equal(was, []roles.Role{editor}) {
			t.Error(was, err)
		}
		has(roles.Moderator)
		for i, kind := range []audit.Kind{audit.RoleRevoked, audit.RoleGranted} {
			if e := w.log(t, 2)[i]; e.Kind != kind || e.Target.ID != g.ID || e.Reason != "tidied" {
				t.Errorf("%+v", e)
			}
		}
		// A group that makes administrators is nothing for services, and the last one stays.
		storetest.OK(t, set(w.root, roles.Admin))
		if err := set(writer); why(err) != admin.NeedsPerson {
			t.Error(err)
		}
		storetest.OK(t, w.Join(ctx, w.root, g.ID, w.Root.ID, ""))
		storetest.OK(t, w.TakeRole(ctx, w.root, w.Root.ID, roles.Admin, ""))
		if err := set(w.root, editor); why(err) != admin.LastAdministrator {
			t.Error(err)
		}
		has(roles.Admin)
	})
}

// rules say what streams may be, as those of a server do.
func (w *world) rules(t *testing.T) ssf.Rules {
	t.Helper()
	outgoing, err := fetch.New(fetch.Config{})
	storetest.OK(t, err)
	return ssf.Rules{Issuer: w.Issuer, KEK: w.KEK, Fetch: outgoing}
}

func TestAnEventStreamIsChangedAndVerified(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, rules := t.Context(), w.rules(t)
		_, err := w.CreateClient(ctx, machine, "listens", client.Patch{"client_name": "Listens", "grant_types": []string{"client_credentials"}, "scope": "ssf.read"}, "")
		storetest.OK(t, err)
		_, err = w.CreateClient(ctx, machine, "plain", client.Patch{"client_name": "Plain", "grant_types": []string{"client_credentials"}}, "")
		storetest.OK(t, err)
		bad, header, endpoint := "two\nlines", "Bearer abc", "https://receiver.example/events?token=abc"
		for field, in := range map[string]admin.NewStream{
			"client":   {ClientID: "plain"},
			"endpoint": {ClientID: "listens", Endpoint: "https://10.0.0.1/"},
			"header":   {ClientID: "listens", Endpoint: endpoint, Header: &bad},
		} {
			if _, err := w.CreateStream(ctx, writer, rules, in, ""); wrongField(err) != field {
				t.Errorf("%s: %v", field, err)
			}
		}
		if _, err := w.CreateStream(ctx, writer, rules, admin.NewStream{ClientID: "listens", Header: &header}, ""); wrongField(err) != "header" {
			t.Errorf("a header of a stream that polls: %v", err)
		}
		made, err := w.CreateStream(ctx, writer, rules, admin.NewStream{ClientID: "listens", Endpoint: endpoint, Header: &header, Description: "ours"}, "")
		if err != nil || !slices.Equal(made.Delivered, streams.Types) || len(made.Header) == 0 {
			t.Fatalf("%+v %v", made, err)
		}
		stream := func() streams.Stream {
			one, err := w.Store.Streams.Stream(ctx, made.ID)
			storetest.OK(t, err)
			return one
		}
		change := func(actor admin.Actor, c admin.StreamChange) error {
			return w.UpdateStream(ctx, actor, rules, made.ID, "", c, "they asked")
		}
		if err := change(reader, admin.StreamChange{}); why(err) != admin.OnlyReads {
			t.Error(err)
		}
		text := "theirs"
		storetest.OK(t, change(writer, admin.StreamChange{Description: &text}))
		if s := stream(); s.Description != "theirs" || s.Endpoint != endpoint || !slices.Equal(s.Header, made.Header) || !slices.Equal(s.Delivered, streams.Types) {
			t.Errorf("more was changed than was asked for: %+v", s)
		}
		if e := w.log(t, 1)[0]; e.Kind != audit.StreamChanged || e.Reason != "they asked" || e.Detail["endpoint"] != "https://receiver.example/events" {
			t.Errorf("%+v", e)
		}
		storetest.OK(t, change(writer, admin.StreamChange{Events: []streams.Type{streams.AccountDisabled}}))
		other := "https://other.example/"
		storetest.OK(t, change(writer, admin.StreamChange{Endpoint: &other}))
		if s := stream(); len(s.Header) != 0 || !slices.Equal(s.Delivered, []streams.Type{streams.AccountDisabled}) {
			t.Errorf("another endpoint has the header: %+v", s)
		}
		storetest.OK(t, change(writer, admin.StreamChange{Header: &header}))
		inside := "http://localhost/"
		if err := change(writer, admin.StreamChange{Endpoint: &inside}); wrongField(err) != "endpoint" {
			t.Error(err)
		}
		none := ""
		storetest.OK(t, change(writer, admin.StreamChange{Endpoint: &none}))
		if s := stream(); s.Push() || len(s.Header) != 0 {
			t.Errorf("%+v", s)
		}
		if err := change(writer, admin.StreamChange{Header: &header}); wrongField(err) != "header" {
			t.Error(err)
		}

		storetest.OK(t, w.VerifyStream(ctx, writer, made.ID, "to see"))
		sets, err := w.Store.Streams.Sets(ctx, made.ID, "", 10)
		if err != nil || len(sets) != 1 || sets[0].Type != streams.Verification {
			t.Errorf("%+v %v", sets, err)
		}
		storetest.OK(t, w.SetStreamStatus(ctx, writer, made.ID, streams.Disabled, "", ""))
		if err := w.VerifyStream(ctx, writer, made.ID, ""); !errors.Is(err, admin.ErrStreamOff) {
			t.Error(err)
		}
		own, err := w.Store.Streams.Create(ctx, streams.Stream{ID: "own", Service: "user", Endpoint: "https://api.example/user/events"})
		storetest.OK(t, err)
		if err := w.UpdateStream(ctx, machine, rules, own.ID, "", admin.StreamChange{Description: &text}, ""); !errors.Is(err, admin.ErrServiceStream) {
			t.Error(err)
		}
		if err := w.VerifyStream(ctx, machine, own.ID, ""); !errors.Is(err, admin.ErrServiceStream) {
			t.Error(err)
		}
	})
}

func TestTheLogSaysWhatAnAppDid(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, err := w.CreatePerson(ctx, writer, admin.NewPerson{Email: "new@example.com", Name: "New"}, "")
		storetest.OK(t, err)
		storetest.OK(t, w.DisablePerson(ctx, w.root, w.Person.ID, ""))
		storetest.OK(t, w.EnablePerson(ctx, writer, w.Person.ID, ""))
		kinds := func(q admin.LogQuery) (all []audit.Kind) {
			page, err := w.Log(ctx, w.root, q)
			storetest.OK(t, err)
			for _, e := range page.Items {
				if e.Actor.ID != "writer" || e.Actor.Kind != string(audit.Client) {
					t.Errorf("%+v", e)
				}
				all = append(all, e.Kind)
			}
			return all
		}
		if got := kinds(admin.LogQuery{Client: "writer"}); !slices.Equal(got, []audit.Kind{audit.UserEnabled, audit.UserCreated}) {
			t.Error(got)
		}
		if got := kinds(admin.LogQuery{Client: "writer", Person: w.Person.ID}); !slices.Equal(got, []audit.Kind{audit.UserEnabled}) {
			t.Error(got)
		}
		if got := kinds(admin.LogQuery{Client: "writer", Kind: audit.UserCreated, Until: w.Now.Add(time.Hour)}); len(got) != 1 {
			t.Error(got)
		}
		if got := kinds(admin.LogQuery{Client: w.Root.ID}); len(got) != 0 { // a person is asked for by Person
			t.Error(got)
		}
	})
}
