package account_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/people/peopletest"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func TestPeopleGetEverythingThatIsHeldOfThem(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	s.People.Account.Services = func(_ context.Context, session accounts.Session) (own map[string]json.RawMessage,
		ofApps map[string]map[string]json.RawMessage, err error) {
		return map[string]json.RawMessage{"board": json.RawMessage(`{"of": "` + session.UserID + `"}`)}, nil, nil
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Get("/account/data").Want(t, http.StatusOK, `id="export"`, `id="delete"`)
	a := b.Post("/account/data", "do", "export")
	a.Want(t, http.StatusOK)
	var held map[string]any
	if err := json.Unmarshal([]byte(a.Body), &held); err != nil {
		t.Fatal(err)
	}
	account, services := held["account"].(map[string]any), held["services"].(map[string]any)
	if account["email"] != "mina@example.org" || services["board"].(map[string]any)["of"] != account["id"] ||
		len(held["sessions"].([]any)) != 1 || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%v %v", held, a.Header)
	}
	for _, secret := range []string{"argon2", b.Cookie("maru-session"), b.Cookie("maru-device")} {
		if strings.Contains(a.Body, secret) {
			t.Errorf("the file holds %q", secret)
		}
	}
	b.Get("/account/security").Want(t, http.StatusOK, "Data downloaded")
}

// exported is where an export has what a table holds of a person, or why it does not.
var exported = map[string]struct{ member, not string }{
	"sessions":           {member: "sessions"},
	"browsers":           {member: "browsers"},
	"security_events":    {member: "security_history"},
	"audit_personal":     {member: "security_history"},
	"consents":           {member: "apps"},
	"passkeys":           {member: "passkeys"},
	"totp":               {member: "second_step"},
	"recovery_codes":     {member: "second_step"},
	"user_roles":         {member: "account"},
	"group_members":      {member: "groups"},
	"external_users":     {member: "external_ids"},
	"agreements":         {member: "agreements"},
	"mailed":             {member: "letters"},
	"grants":             {not: "what apps hold follows from what they were allowed, and is in apps with its last use"},
	"pending_logins":     {not: "lasts ten minutes and opens nothing"},
	"passkey_handles":    {not: "random, and says nothing"},
	"passkey_ceremonies": {not: "random, and lasts minutes"},
	"identities":         {member: "upstream_identities"},
	"upstream_logins":    {not: "random, and lasts minutes"},
	"outbox":             {not: "letters and calls under way, of which the history tells"},
	"user_words":         {not: "pieces of the address and the names, which are in account and claims"},
	"account_events":     {not: "what receivers of events are about to be told, of which the history tells"},
}

// Every table with a column of people is looked for in an export, so that a new one is not
// forgotten.
func TestAnExportHoldsEveryTableOfPeople(t *testing.T) {
	t.Parallel()
	s := peopletest.NewNamedWithMail(t)
	mina := verified(t, s, "mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.AddPasskey(s.PasskeyAuthenticator())
	b.TurnOn()
	b.Post("/account/email", "email", "new@example.org").WantRedirect(t, "/verify")
	ctx := t.Context()
	err := s.Store.Agreements.Agree(ctx, accounts.Agreement{UserID: mina.ID, Version: "1"})
	if err == nil {
		err = s.Store.Consents.GrantConsent(ctx, mina.ID, "app", []string{"openid"})
	}
	invitation, _, invited := s.Store.Invitations.CreateInvitation(ctx, accounts.Invitation{ExpiresAt: s.Clock.Now().Add(time.Hour)})
	if err = errors.Join(err, invited); err == nil {
		_, err = s.Store.Invitations.SpendInvitation(ctx, invitation.ID, mina.ID, mina.Email)
	}
	err = errors.Join(err, s.Store.Users.SetExternalID(ctx, "directory", mina.ID, "701984"))
	group, grouped := s.Store.Roles.CreateGroup(ctx, roles.Group{Name: "keepers"})
	if err = errors.Join(err, grouped); err == nil {
		err = errors.Join(s.Store.Roles.Set(ctx, mina.ID, []roles.Role{roles.Admin}),
			s.Store.Roles.GiveGroup(ctx, group.ID, roles.Moderator), s.Store.Roles.AddMember(ctx, group.ID, mina.ID))
	}
	if err == nil {
		err = s.Store.Upstreams.Create(ctx, upstreams.Upstream{Name: "other", Settings: "{}"})
	}
	if err == nil {
		_, err = s.Store.Upstreams.Link(ctx, upstreams.Identity{Upstream: "other", Issuer: "https://other.example", Subject: "1", UserID: mina.ID})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Post("/account/data", "do", "export")
	var held map[string]json.RawMessage
	file := b.Post("/account/data", "do", "export").Body
	if err := json.Unmarshal([]byte(file), &held); err != nil {
		t.Fatal(err, file)
	}
	tables := storetest.Beside(s.DatabaseURL).TablesWith(t, "user_id")
	if len(tables) < 10 {
		t.Fatal(tables)
	}
	for _, table := range tables {
		where, ok := exported[table]
		if !ok {
			t.Errorf("does an export hold what %s has of a person?", table)
		}
		if text := string(held[where.member]); where.member != "" && (text == "" || text == "null" || text == "[]") {
			t.Errorf("the export has no %s, where %s belongs", where.member, table)
		}
	}
	if !strings.Contains(string(held["invitation"]), invitation.ID) || !strings.Contains(string(held["letters"]), "new@example.org") ||
		!strings.Contains(string(held["second_step"]), `"recovery_codes_left": 10`) ||
		!strings.Contains(string(held["account"]), `"admin/admin"`) || !strings.Contains(string(held["groups"]), `"board/moderator"`) {
		t.Error(file)
	}
}

func TestASessionThatWasLeftOpenNeitherExportsNorDeletes(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	s.Clock.Advance(11 * time.Minute)
	for _, do := range []string{"export", "delete"} {
		b.Post("/account/data", "do", do, "posts", "keep").WantRedirect(t, "/login?confirm=yes")
	}
	b.Get("/login?confirm=yes").Want(t, http.StatusOK, "Confirm it’s you", `value="mina@example.org"`)
	b.Post("/login?confirm=yes", "email", "mina@example.org", "password", peopletest.Password).WantRedirect(t, "/account/data")
	b.Post("/account/data", "do", "export").Want(t, http.StatusOK)
}

func TestADeletionIsToldByMail(t *testing.T) {
	t.Parallel()
	s := peopletest.NewWithMail(t)
	user := s.Person("mina@example.org")
	if err := s.Store.Users.SetVerified(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	b.Post("/account/data", "do", "delete", "posts", "keep").Want(t, http.StatusOK)
	planned, ok := s.Mail.Last(t, "mina@example.org").Letter.(mail.DeletionScheduled)
	if want := s.Clock.Now().Add(accounts.DeletionDelay); !ok || !planned.When.Equal(want) || !strings.HasSuffix(planned.CancelLink, "/account") {
		t.Errorf("%+v, want %s", planned, want)
	}
	b.Post("/login", "email", "mina@example.org", "password", peopletest.Password)
	b.Post("/restore", "decision", "keep").WantRedirect(t, "/account")
	if got := s.Mail.Last(t, "mina@example.org").Letter; got != (mail.DeletionCancelled{}) {
		t.Errorf("%T", got)
	}
}

func TestAdministratorsAreToldOfOneWhoKeepsTheirAccount(t *testing.T) {
	t.Parallel()
	peopletest.EachWithMail(t, func(t *testing.T, s *peopletest.Site) {
		ctx := t.Context()
		for _, email := range []string{"mina@example.org", "other@example.org"} {
			user := s.Person(email)
			if err := errors.Join(s.Store.Users.SetVerified(ctx, user.ID), s.Store.Roles.Give(ctx, user.ID, roles.Admin)); err != nil {
				t.Fatal(err)
			}
		}
		b := s.Browser()
		b.LogIn("mina@example.org")
		b.Post("/account/data", "do", "delete", "posts", "keep").Want(t, http.StatusOK)
		b.Post("/login", "email", "mina@example.org", "password", peopletest.Password)
		if n := len(s.Mail.To("other@example.org")); n != 0 {
			t.Errorf("%d letters before", n)
		}
		b.Post("/restore", "decision", "keep")
		if told, ok := s.Mail.Last(t, "other@example.org").Letter.(mail.NewAdministrator); !ok || told.Account != "mina@example.org" {
			t.Errorf("%+v", told)
		}
	})
}

func TestAnAccountThatWaitsToBeDeletedCanBeKeptAndNothingElse(t *testing.T) {
	t.Parallel()
	peopletest.Each(t, func(t *testing.T, s *peopletest.Site) {
		user := s.Person("mina@example.org")
		b, elsewhere := s.Browser(), s.Browser()
		b.LogIn("mina@example.org")
		elsewhere.LogIn("mina@example.org")
		b.Post("/account/data", "do", "delete").Want(t, http.StatusUnprocessableEntity)
		b.Post("/account/data", "do", "delete", "posts", "delete").Want(t, http.StatusOK, "Your account will be deleted")
		for _, one := range []*peopletest.Browser{b, elsewhere} {
			one.Get("/account").WantRedirect(t, "/login")
		}

		logIn := func() {
			t.Helper()
			b.Post("/login", "email", "mina@example.org", "password", peopletest.Password)
		}
		logIn()
		for _, page := range []string{"/account", "/account/data", "/account/password"} {
			b.Get(page).WantRedirect(t, "/restore")
		}
		b.Post("/account/password", "password", peopletest.Password, "new_password", "another set of wooden words").WantRedirect(t, "/restore")
		b.Get("/restore").Want(t, http.StatusOK, `id="keep"`, `id="leave"`, "mina@example.org")
		b.Post("/restore", "decision", "leave").Want(t, http.StatusOK)
		if b.Get("/account").Status != http.StatusSeeOther {
			t.Error("still logged in")
		}
		if u, err := s.Store.Users.User(t.Context(), user.ID); err != nil || u.DeleteAt.IsZero() || !u.DeletePosts {
			t.Fatalf("%+v %v", u, err)
		}

		logIn()
		b.Post("/restore", "decision", "keep").WantRedirect(t, "/account")
		b.Get("/account/security").Want(t, http.StatusOK, "Account deletion requested", "Account deletion cancelled")
		b.Get("/restore").WantRedirect(t, "/account")
	})
}

// Two people use one browser: a page that the first was shown does nothing to the second.
func TestAPageOfOnePersonDoesNothingToTheNext(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	mina := s.Person("mina@example.org")
	hana := s.Person("hana@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	session := regexp.MustCompile(`name="session" value="([^"]+)"`).FindStringSubmatch(b.Get("/account/data").Body)[1]
	handle := b.Begin("prompt", "select_account")
	b.Post("/login?interaction="+handle, "email", "hana@example.org", "password", peopletest.Password)
	b.Post("/account/data", "do", "delete", "posts", "keep", "session", session).WantRedirect(t, "/account/data")
	for _, id := range []string{mina.ID, hana.ID} {
		if u, err := s.Store.Users.User(t.Context(), id); err != nil || !u.DeleteAt.IsZero() {
			t.Errorf("%+v %v", u, err)
		}
	}
}

func TestAPersonGetsTheirDataSoOften(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	s.Person("mina@example.org")
	b := s.Browser()
	b.LogIn("mina@example.org")
	for range 10 {
		b.Post("/account/data", "do", "export").Want(t, http.StatusOK)
	}
	if a := b.Post("/account/data", "do", "export"); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
}

func TestPeopleSeeTheirLogInsAndWhatOperatorsDid(t *testing.T) {
	t.Parallel()
	s := peopletest.New(t)
	mina := s.Person("mina@example.org")
	admin := s.Person("admin@example.org")
	log := audit.New(s.Store)
	for _, e := range []audit.Entry{
		{Kind: audit.UserDisabled, Person: mina.ID, Actor: audit.Actor{Kind: audit.Person, ID: admin.ID, Label: "admin@example.org"},
			From: "198.51.100.7", Reason: "looks like spam"},
		{Kind: audit.RoleGranted, Person: mina.ID, Target: audit.Target{Kind: "role", ID: "board/moderator", Label: "mina@example.org"},
			Actor: audit.Actor{Kind: audit.Machine}},
		{Kind: audit.UserEnabled, Person: mina.ID, Actor: audit.Actor{Kind: audit.Machine, Label: "root"}},
		{Kind: audit.GrantMade, Person: mina.ID, Actor: audit.Actor{Kind: audit.Person, ID: mina.ID}, From: "192.0.2.9",
			Target: audit.Target{Kind: "client", ID: "shop", Label: "<b>Shop</b>"}},
		{Kind: audit.GrantMade, Person: mina.ID, Actor: audit.Actor{Kind: audit.Person, ID: mina.ID}, From: "192.0.2.9",
			Target: audit.Target{Kind: "client", ID: "shop", Label: "<b>Shop</b>"}},
		{Kind: audit.ClientChanged, Actor: audit.Actor{Kind: audit.Person, ID: mina.ID}, Target: audit.Target{Kind: "client", ID: "other"}},
	} {
		if err := log.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	b := s.Browser()
	b.LogIn("mina@example.org")
	page := b.Get("/account/security")
	page.Want(t, http.StatusOK, "Logged in", "Account disabled", "Account enabled again", "by the people who run this service",
		"Role given: board/moderator", "Access given to an app: &lt;b&gt;Shop&lt;/b&gt;", "192.0.2.9")
	if strings.Count(page.Body, "Access given to an app") != 1 {
		t.Error("an app is there twice in one day")
	}
	b.Get("/account/security?lang=ko").Want(t, http.StatusOK, "로그인", "계정 사용 중지", "서비스 운영자", "앱에 접근 허용")
	file := b.Post("/account/data", "do", "export")
	file.Want(t, http.StatusOK, "login.succeeded", "user.disabled", "grant.made")
	for _, of := range []string{"198.51.100.7", admin.ID, "admin@example.org", "looks like spam", "root"} {
		if strings.Contains(page.Body, of) || strings.Contains(file.Body, of) {
			t.Errorf("the person is told %q of an operator", of)
		}
	}
}
