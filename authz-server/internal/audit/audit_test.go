package audit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var ok = storetest.OK

// one is the only entry of the log.
func one(t *testing.T, l *audit.Log) audit.Entry {
	t.Helper()
	all, err := l.List(t.Context(), auditlog.Filter{Limit: 10})
	ok(t, err)
	if len(all) != 1 {
		t.Fatalf("there are %d entries", len(all))
	}
	return all[0]
}

func TestAnEntrySaysWhoWhatWhomFromWhereWithWhichProofAndWhy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		ok(t, l.Record(t.Context(), audit.Entry{
			Kind: audit.ClientChanged, Actor: audit.Actor{Kind: audit.Person, ID: w.Person.ID, Label: "a@example.com"},
			Target: audit.Target{Kind: "client", ID: "app", Label: "The App"},
			From:   "192.0.2.1", UserAgent: "Browser", Proof: "phr", Reason: "asked for", Detail: map[string]any{"redirect_uris": 2},
		}))
		e := one(t, l)
		if e.Kind != audit.ClientChanged || e.Actor != (audit.Actor{Kind: audit.Person, ID: w.Person.ID, Label: "a@example.com"}) ||
			e.Target != (audit.Target{Kind: "client", ID: "app", Label: "The App"}) || e.From != "192.0.2.1" || e.UserAgent != "Browser" ||
			e.Proof != "phr" || e.Reason != "asked for" || e.Detail["redirect_uris"] != 2.0 || !e.At.Equal(w.Now) || e.Position != 0 || e.Erased != nil {
			t.Errorf("%+v", e)
		}
	})
}

func TestWhatIsNotCommittedIsNotInTheLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		undone := errors.New("undone")
		err := w.Tx(t.Context(), func(ctx context.Context) error {
			ok(t, l.Record(ctx, audit.Entry{Kind: audit.LoggedIn, Person: w.Person.ID}))
			return undone
		})
		if all, listed := l.List(t.Context(), auditlog.Filter{Limit: 10}); !errors.Is(err, undone) || listed != nil || len(all) != 0 {
			t.Error(err, all, listed)
		}
	})
}

func TestAnEntryThatCannotBeWrittenFails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		for name, e := range map[string]audit.Entry{
			"a kind that is not in the list": {Kind: "login.maybe"},
			"a detail that is no JSON":       {Kind: audit.LoggedIn, Detail: map[string]any{"f": func() {}}},
			"nobody's account":               {Kind: audit.LoggedIn, Person: "nobody"},
		} {
			if err := l.Record(t.Context(), e); err == nil {
				t.Error(name, "is taken")
			}
		}
		if all, err := l.List(t.Context(), auditlog.Filter{Limit: 10}); err != nil || len(all) != 0 {
			t.Error(all, err)
		}
	})
}

func TestANilLogRecordsNothing(t *testing.T) {
	t.Parallel()
	var l *audit.Log
	if err := l.Record(t.Context(), audit.Entry{Kind: audit.LoggedIn}); err != nil {
		t.Error(err)
	}
}

func TestAnEntryTakesTwoStatementsAtMost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		for want, e := range map[int]audit.Entry{
			1: {Kind: audit.KeyRotated},
			2: {Kind: audit.UserDisabled, Actor: audit.Actor{Kind: audit.Person, ID: w.Person.ID}, Reason: "spam"},
		} {
			ran := storetest.Statements(t.Context(), func(ctx context.Context) { ok(t, l.Record(ctx, e)) })
			inserts := slices.DeleteFunc(slices.Clone(ran), func(query string) bool { return !strings.HasPrefix(query, "INSERT") })
			if len(ran) != want || len(inserts) != want {
				t.Errorf("%s takes %d statements: %q", e.Kind, len(ran), ran)
			}
		}
	})
}

// An administrator and the person whom they act upon can go one after the other, and the rest
// stays.
func TestWhatIsPersonalGoesWithTheAccountOfItsPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		admin := w.Another(t, "admin@example.com")
		record := audit.Entry{
			Kind: audit.UserDisabled, Actor: audit.Actor{Kind: audit.Person, ID: admin.ID, Label: "the admin"}, Person: w.Person.ID,
			From: "192.0.2.1", Reason: "spam",
		}
		ok(t, l.Record(t.Context(), record))
		w.Delete(t, w.Person)
		if e := one(t, l); e.Actor.ID != admin.ID || e.From == "" || e.Person != "" || e.Reason != "" || !slices.Equal(e.Erased, []string{"about"}) {
			t.Errorf("%+v", e)
		}
		w.Delete(t, admin)
		if e := one(t, l); e.Actor != (audit.Actor{Kind: audit.Person}) || e.From != "" || !slices.Equal(e.Erased, []string{"by", "about"}) {
			t.Errorf("%+v", e)
		}
	})
}

func TestWhatOneActBringsAboutHasItsActor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		ctx := audit.With(t.Context(), audit.Entry{Actor: audit.Actor{Kind: audit.Machine}, Reason: "spam", From: "console"})
		ok(t, l.Record(ctx, audit.Entry{Kind: audit.SessionEnded, Person: w.Person.ID}))
		if e := one(t, l); e.Actor.Kind != audit.Machine || e.Reason != "spam" || e.From != "console" {
			t.Errorf("%+v", e)
		}
	})
}

func TestOversizeIsCut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		long := strings.Repeat("가", 100_000)
		detail := map[string]any{long: 1, "list": make([]int, 10_000), "name": long, "ok": true}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Header.Set("User-Agent", long)
		e := audit.OfRequest(audit.ClientRegistered, r)
		e.Actor, e.Target = audit.Actor{Kind: audit.Client, ID: long, Label: long}, audit.Target{Kind: "client", ID: long, Label: long}
		e.Reason, e.Proof, e.Detail = long, long, detail
		ok(t, l.Record(t.Context(), e))
		got := one(t, l)
		if got.Detail["cut"] != true || got.Detail["ok"] != true || len(got.Detail) != 3 || len(got.Detail["name"].(string)) > 310 {
			t.Errorf("%+v", got.Detail)
		}
		for _, text := range []string{got.Actor.ID, got.Actor.Label, got.Target.ID, got.Target.Label, got.UserAgent, got.Reason, got.Proof} {
			if text == "" || len(text) > 1010 {
				t.Errorf("%d bytes are kept", len(text))
			}
		}
	})
}

// Nobody's account goes with it, so it would stay.
func TestAnAddressWithoutAnAccountCannotBeRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		ok(t, l.Record(t.Context(), audit.Entry{Kind: audit.InvitationMade, Target: audit.Target{Kind: "invitation", ID: "i1", Label: "가나@example.org"}}))
		if e := one(t, l); e.Target.Label != "가…@example.org" || e.Target.ID != "i1" {
			t.Errorf("%+v", e)
		}
	})
}

func TestFailedTriesAreRecordedSoManyTimesAnHour(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		later := &audit.Later{Log: l, Now: func() time.Time { return w.Now }, Failed: func(_ context.Context, err error) { t.Error(err) }}
		try := func(n int, from string) {
			for range n {
				later.Record(t.Context(), audit.Entry{Kind: audit.LogInFailed, Actor: audit.Actor{Kind: audit.Unknown}, Person: w.Person.ID, From: from})
				later.Wait()
			}
		}
		try(35, "192.0.2.1")
		if n := w.Count(t, "audit_log"); n != 30 {
			t.Errorf("%d entries of one address", n)
		}
		try(1, "192.0.2.2") // another's tries are recorded nevertheless
		if n := w.Count(t, "audit_log"); n != 31 {
			t.Errorf("%d entries", n)
		}
		w.Now = w.Now.Add(time.Hour)
		for range 3 {
			later.Once(t.Context(), audit.Entry{Kind: audit.UserThrottled, Actor: audit.Actor{Kind: audit.Unknown}, Person: w.Person.ID})
		}
		try(1, "192.0.2.1")
		if n := w.Count(t, "audit_log"); n != 33 {
			t.Errorf("%d entries after an hour", n)
		}
		ok(t, l.TellCounted(t.Context(), false))
		all, err := l.List(t.Context(), auditlog.Filter{Kind: string(audit.LogCounted), Limit: 10})
		ok(t, err)
		if len(all) != 1 || all[0].Person != w.Person.ID || all[0].From != "192.0.2.1" || all[0].Detail["count"] != 5.0 || all[0].Detail["kind"] != "login.failed" {
			t.Errorf("%+v", all)
		}
	})
}

// Somebody who changes their name all day does not fill the database.
func TestAPersonFillsTheLogOnlySoFar(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l, other := audit.New(w.Store), w.Another(t, "other@example.com")
		changed := func(actor, person string) audit.Entry {
			return audit.Entry{Kind: audit.UserChanged, Actor: audit.Actor{Kind: audit.Person, ID: actor}, Person: person}
		}
		for range 400 {
			ok(t, l.Record(t.Context(), changed(w.Person.ID, w.Person.ID)))
		}
		all, err := l.List(t.Context(), auditlog.Filter{UserID: w.Person.ID, Limit: 1000})
		ok(t, err)
		if len(all) != 300 || all[0].Detail["more"] == nil || all[1].Detail != nil {
			t.Fatalf("%d entries, the last %v", len(all), all[0].Detail)
		}
		// Others, other kinds, and what operators do, are not kept from the log.
		for _, e := range []audit.Entry{
			changed(other.ID, other.ID), changed(other.ID, w.Person.ID), {Kind: audit.UserDisabled, Actor: audit.Actor{Kind: audit.Machine}, Person: w.Person.ID},
			{Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: w.Person.ID}, Person: w.Person.ID},
		} {
			ok(t, l.Record(t.Context(), e))
		}
		w.Now = w.Now.Add(time.Hour)
		ok(t, l.Record(t.Context(), changed(w.Person.ID, w.Person.ID)))
		if n := w.Count(t, "audit_log"); n != 305 {
			t.Errorf("%d entries", n)
		}
	})
}
