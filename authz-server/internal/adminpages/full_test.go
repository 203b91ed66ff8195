package adminpages_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin/charts"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// planted is what would run, or lead somewhere, if a page did not escape it.
func planted(field string) string {
	return `"'><img src=x onerror="pwned('` + field + `')"><script>pwned('` + field + `')</script>`
}

const scriptURL = "javascript:pwned('url')"

// full is a world in which everything that pages show is there: each text that somebody else chose has
// markup in it, if evil, or else is as it is in life.
type full struct {
	*world

	Mina    accounts.User
	Session accounts.Session
	Group   roles.Group
	Passkey string
	Invited string

	Key, Token, Stream, Letter string // ids
	Identity                   string // of Mina at the provider "office"
	Secret                     string // of the app "shop"

	root *peopletest.Browser
	app  *peopletest.Authenticator
}

func fill(t *testing.T, w *world, evil bool) *full {
	t.Helper()
	f, ctx := &full{world: w}, t.Context()
	f.root, f.app = w.administrator(t)
	text := func(field, kind string) string {
		if evil {
			return planted(field)
		}
		return kind
	}
	page := "https://mina.example/"
	if evil {
		page = scriptURL
	}
	var err error
	f.Mina, err = w.Store.Users.CreateUser(ctx, accounts.User{
		Email: text("address", "mina") + "@example.org", Name: text("name", "Kim Mina"), PasswordHash: "x", Locale: "ko",
		Roles: []roles.Role{roles.Moderator},
	})
	storetest.OK(t, err)
	storetest.OK(t, w.Store.Users.SetClaims(ctx, f.Mina.ID, accounts.Claims{
		GivenName: text("given", "Mina"), Nickname: text("nickname", "mimi"), Website: page, Picture: page,
		Birthdate:   "1990-04-23",
		PhoneNumber: "+821012345678", PhoneVerified: true, Gender: text("gender", "female"), Zoneinfo: "Asia/Seoul",
		Address: accounts.Address{Formatted: text("formatted", "서울특별시 종로구 세종대로 209"), Country: "KR"},
	}))
	f.Session, _, err = w.Store.Sessions.CreateSession(ctx, accounts.Session{
		UserID: f.Mina.ID, AMR: []string{"pwd"}, ACR: "1", Address: "203.0.113.7",
		UserAgent: text("agent", "Mozilla/5.0 (Linux; Android 14) Chrome/130.0"),
	}, "x")
	storetest.OK(t, err)
	_, _, err = w.Store.Browsers.NoteLogin(ctx, f.Mina.ID, "", opaque.New(), "2001:db8:1234:5678:9abc:def0:1234:5678",
		text("agent", "Mozilla/5.0 (iPhone) Safari/605"))
	storetest.OK(t, err)
	key, err := w.Store.Passkeys.AddPasskey(ctx, accounts.Passkey{UserID: f.Mina.ID, CredentialID: []byte("c"),
		PublicKey: []byte("k"), Name: text("passkey", "Phone")})
	storetest.OK(t, err)
	f.Passkey = key.ID
	f.provider(t, text)
	storetest.OK(t, w.Store.Consents.GrantConsent(ctx, f.Mina.ID, "app",
		[]string{"openid", "email", text("scope", "board:write")}))
	app, err := w.Store.Clients.Client(ctx, "app")
	storetest.OK(t, err)
	storetest.OK(t, w.Store.Grants.CreateGrant(ctx, grants.Grant{
		ID: "g1", ClientID: "app", UserID: f.Mina.ID, SessionID: f.Session.ID, Scope: []string{"openid", "board:write"},
		Offline:  true,
		AuthTime: w.Clock.Now(), ACR: "1", AMR: []string{"pwd"}, CreatedAt: w.Clock.Now(),
		ExpiresAt: w.Clock.Now().Add(24 * time.Hour), Claims: "{}",
	}, &app))
	storetest.OK(t, w.Store.Agreements.Agree(ctx,
		accounts.Agreement{UserID: f.Mina.ID, Version: text("terms", "2026-05"), Address: "203.0.113.7"}))
	f.Group, err = w.Store.Roles.CreateGroup(ctx,
		roles.Group{Name: text("group", "Editors"), ExternalID: text("external", "cn=editors")})
	storetest.OK(t, err)
	storetest.OK(t, w.Store.Roles.GiveGroup(ctx, f.Group.ID, roles.Moderator))
	storetest.OK(t, w.Store.Roles.AddMember(ctx, f.Group.ID, f.Mina.ID))
	storetest.OK(t, w.Store.Roles.Define(ctx, roles.Definition{Role: roles.Role{Resource: "board", Name: "editor"},
		Scopes:      []string{"board:moderate"},
		Description: text("description", "Writes the news")}))
	for _, in := range []accounts.Invitation{
		{Email: text("invited", "theo") + "@example.org", Note: text("note", "the new editor"),
			Roles: []roles.Role{roles.Moderator}, ExpiresAt: w.Clock.Now().Add(time.Hour)},
		{ExpiresAt: w.Clock.Now().Add(-time.Hour)},
	} {
		made, _, err := w.Store.Invitations.CreateInvitation(ctx, in)
		storetest.OK(t, err)
		if in.Email != "" {
			f.Invited = made.ID
		}
	}
	storetest.OK(t, w.Admin.SendReset(ctx, machine, f.Mina.ID, text("reason", "She called")))
	f.server(t, text)
	f.record(t, text)
	stream, err := w.Store.Streams.Create(ctx, streams.Stream{ID: "s", ClientID: "app", Delivered: streams.Types})
	storetest.OK(t, err)
	storetest.OK(t, w.Store.Streams.SetStatus(ctx, stream.ID, streams.Paused,
		text("stream", "The receiver is being moved")))
	for range 60 {
		try, _, _, err := w.Store.Attempts.ReserveAttempt(ctx, "address:203.0.113.0/24", 100, time.Hour)
		storetest.OK(t, err)
		storetest.OK(t, w.Store.Attempts.FailAttempt(ctx, try))
	}
	storetest.OK(t, w.Store.Statistics.Add(ctx, map[string]int64{
		charts.LogIns: 1234, charts.Failures: 56, charts.SignUps: 7,
	}))
	return f
}

// record adds an entry of each kind to the audit log, with all that an entry can have.
func (f *full) record(t *testing.T, text func(field, kind string) string) {
	t.Helper()
	log := audit.New(f.Store)
	for i, kind := range audit.Names() {
		e := audit.Entry{
			Kind: audit.Kind(kind), Actor: audit.Actor{Kind: audit.Person, ID: f.Root.ID, Label: text("actor", root)},
			Person: f.Mina.ID, From: "203.0.113.9",
			UserAgent: text("agent", "Mozilla/5.0 (Macintosh) Firefox/130.0"), Proof: text("proof", "phr"),
			Reason: text("reason", "She called"),
			Target: audit.Target{Kind: "client", ID: "app", Label: text("client", "Bookshop")},
			Detail: map[string]any{"note": text("detail", "x"), text("member", "all"): []any{text("list", "a"), 2.0, true}},
		}
		switch i % 4 {
		case 1:
			e.Actor = audit.Actor{Kind: audit.Machine, Label: text("machine", "ops")}
		case 2:
			e.Target.Kind = text("kind", "resource")
		case 3:
			e.Actor, e.Target = audit.Actor{Kind: audit.System}, audit.Target{}
		}
		storetest.OK(t, log.Record(t.Context(), e))
	}
}

// pages is every page, with all that can be on it.
func (f *full) pages() []string {
	return slices.Concat(f.peoplesPages(), f.serversPages())
}

func (f *full) peoplesPages() []string {
	mina, group := "/admin/users/"+f.Mina.ID, "/admin/groups/"+f.Group.ID
	return []string{
		"/admin", "/admin?span=month", "/admin/users", "/admin/users?q=k", "/admin/users?role=board/moderator",
		"/admin/users?state=disabled",
		"/admin/users/new", mina, "/admin/users/" + f.Root.ID,
		mina + "/disable", mina + "/enable", mina + "/roles", mina + "/join", mina + "/directory", mina + "/sessions",
		mina + "/sessions/" + f.Session.ID, mina + "/factors",
		mina + "/passkeys/" + f.Passkey, mina + "/reset-mail", mina + "/reset-link", mina + "/unlock", mina + "/email",
		mina + "/profile",
		mina + "/grants/g1", mina + "/consent?client=app", mina + "/delete", mina + "/keep",
		"/admin/groups", "/admin/groups/new", group, group + "/edit", group + "/delete", group + "/add", group + "/roles", group + "/directory",
		group + "/members/" + f.Mina.ID + "/leave",
		"/admin/roles", "/admin/roles/orders/new", "/admin/roles/board/editor/edit", "/admin/roles/board/moderator/edit",
		"/admin/roles/board/editor/delete", mina + "/identities/" + f.Identity,
		"/admin/resources", "/admin/resources/~new", "/admin/resources/orders", "/admin/resources/board", "/admin/resources/orders/edit",
		"/admin/resources/board/edit", "/admin/resources/orders/delete",
		"/admin/invitations", "/admin/invitations/new", "/admin/invitations/" + f.Invited + "/withdraw",
		"/admin/audit", "/admin/audit?client=shop&target=x", "/admin/audit?kind=user.disabled&person=" +
			f.Mina.ID, "/admin/audit?person=nobody@example.org",
	}
}

// forms is what a person would post on the page of each deed, by its route: what is right but for the
// reason, which is too long, so that nothing is done.
func (f *full) forms() map[string]string {
	all := map[string]string{}
	for _, route := range f.Deeds() {
		all[route] = f.path(route)
	}
	return all
}

// path is a path of a route.
func (f *full) path(route string) string {
	id := f.Mina.ID
	switch {
	case strings.HasPrefix(route, "/admin/groups/"):
		id = f.Group.ID
	case strings.HasPrefix(route, "/admin/invitations/"):
		id = f.Invited
	case strings.HasPrefix(route, "/admin/clients/"):
		id = "shop"
	case strings.HasPrefix(route, "/admin/tokens/"):
		id = f.Token
	case strings.HasPrefix(route, "/admin/streams/"):
		id = f.Stream
	case strings.HasPrefix(route, "/admin/upstreams/"):
		return strings.Replace(route, "{name}", "office", 1)
	case strings.HasPrefix(route, "/admin/resources/"):
		return strings.Replace(route, "{name}", "orders", 1)
	case strings.HasPrefix(route, "/admin/queues/"):
		id = f.Letter
	}
	return strings.NewReplacer("{id}", id, "{session}", f.Session.ID, "{passkey}", f.Passkey, "{grant}", "g1",
		"{identity}", f.Identity, "{person}",
		f.Mina.ID,
		"{resource}", "board", "{name}", "editor", "{kid}", f.Key, "{kind}", "mail").Replace(route)
}

// fields is a form that is right for every deed that has such inputs.
func (f *full) fields() []string {
	return []string{
		"email", "new@example.org", "name", "New name", "reason", "a test", "when", "later", "group", f.Group.ID, "client",
		"app", "person", root,
		"expires", "24h0m0s", "roles", "board/editor", "description", "Another", "note", "kept", "external_id", "x",
	}
}

// get is a page that there is.
func (f *full) get(t *testing.T, path string) string {
	t.Helper()
	a := f.root.Get(path)
	if a.Status != http.StatusOK {
		t.Fatalf("%s: %d %s\n%s", path, a.Status, a.Location, a.Body)
	}
	return a.Body
}
