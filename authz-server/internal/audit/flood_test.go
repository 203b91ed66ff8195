package audit_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// told is what the log says of entries that were not recorded one by one, by their kinds.
func told(t *testing.T, l *audit.Log) (counted map[audit.Kind]int, entries int) {
	t.Helper()
	counted = map[audit.Kind]int{}
	all, err := l.List(t.Context(), auditlog.Filter{Kind: string(audit.LogCounted), Limit: 1000})
	ok(t, err)
	for _, e := range all {
		counted[audit.Kind(fmt.Sprint(e.Detail["kind"]))] += int(e.Detail["count"].(float64))
	}
	return counted, len(all)
}

// Somebody with many accounts logs in all day, tries passwords of many accounts, and has an app that
// asks for the same again and again. The log grows so far, every one of it is counted, and the chain
// is whole.
func TestAFloodIsCountedAndTheChainIsWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		const accounts, each = 12, 120
		tried := map[audit.Kind]int{}
		record := func(e audit.Entry) {
			t.Helper()
			ok(t, c.log.Record(t.Context(), e))
			tried[e.Kind]++
		}
		var ids []string
		for i := range accounts {
			ids = append(ids, w.Another(t, fmt.Sprintf("flood%d@example.com", i)).ID)
		}
		for range each {
			for _, id := range ids {
				record(audit.Entry{Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: id}, Person: id, From: "2001:db8::1"})
				record(audit.Entry{Kind: audit.LogInFailed, Actor: audit.Actor{Kind: audit.Unknown}, Person: id, From: "192.0.2.1"})
			}
		}
		for range 400 {
			record(audit.Entry{Kind: audit.ClientChanged, Actor: audit.Actor{Kind: audit.Client, ID: "app"}, Target: audit.Target{Kind: "client", ID: "app"}, From: "192.0.2.1"})
		}
		recorded := map[audit.Kind]int{audit.LoggedIn: accounts * 60, audit.LogInFailed: accounts * 30, audit.ClientChanged: 300}
		if n := w.Count(t, "audit_log"); n != accounts*90+300 {
			t.Errorf("%d entries", n)
		}
		// What somebody else does, from elsewhere, is recorded.
		record(audit.Entry{Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: w.Person.ID}, Person: w.Person.ID, From: "198.51.100.1"})
		recorded[audit.LoggedIn]++
		// So is what they do to the accounts of others, and what operators and commands do, however often.
		for range 700 {
			record(audit.Entry{Kind: audit.UserViewed, Actor: audit.Actor{Kind: audit.Machine}, Person: w.Person.ID})
			recorded[audit.UserViewed]++
		}

		ok(t, c.log.TellCounted(t.Context(), false))
		if counted, n := told(t, c.log); n != 0 {
			t.Errorf("numbers are told at once: %v", counted)
		}
		w.Now = w.Now.Add(10 * time.Minute)
		ok(t, c.log.TellCounted(t.Context(), false))
		counted, n := told(t, c.log)
		if n != 2*accounts+1 {
			t.Errorf("%d entries with numbers", n)
		}
		for kind, times := range tried {
			if recorded[kind]+counted[kind] != times {
				t.Errorf("%s: %d recorded and %d counted of %d", kind, recorded[kind], counted[kind], times)
			}
		}
		ok(t, c.log.TellCounted(t.Context(), true))
		if _, again := told(t, c.log); again != n {
			t.Error("numbers are told twice")
		}

		// Numbers of a person go with their account.
		for _, id := range ids[:2] {
			user, err := w.Users.User(t.Context(), id)
			ok(t, err)
			w.Delete(t, user)
		}
		ok(t, c.Chain(t.Context()))
		r, err := c.verify(t)
		if err != nil || int(r.Entries) != w.Count(t, "audit_log") || r.Waiting != 0 {
			t.Errorf("%+v %v", r, err)
		}
		if n := w.Count(t, "audit_personal WHERE data LIKE '%2001:db8%' AND user_id IS NULL"); n != 0 {
			t.Errorf("%d addresses of deleted accounts", n)
		}
	})
}

// One address with ever more accounts fills the log only so far.
func TestAnAddressWithManyAccountsIsCounted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		var ids []string
		for i := range 40 {
			ids = append(ids, w.Another(t, fmt.Sprintf("flood%d@example.com", i)).ID)
		}
		for i := range 1000 {
			id := ids[i%len(ids)]
			ok(t, l.Record(t.Context(), audit.Entry{Kind: audit.LogInFailed, Actor: audit.Actor{Kind: audit.Unknown}, Person: id, From: "192.0.2.1"}))
		}
		ok(t, l.TellCounted(t.Context(), true))
		all, err := l.List(t.Context(), auditlog.Filter{Kind: string(audit.LogCounted), Limit: 10})
		ok(t, err)
		if n := w.Count(t, "audit_log"); n != 601 || len(all) != 1 || all[0].From != "192.0.2.1" || all[0].Person != "" || all[0].Detail["count"] != 400.0 {
			t.Errorf("%d entries, %+v", n, all)
		}
	})
}

// A provider's address ends the sessions of many at the end of a working day: each is told of.
func TestLogOutsAtAnUpstreamAreNoTriesOfStrangers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := audit.New(w.Store)
		for i := range 20 {
			id := w.Another(t, fmt.Sprintf("worker%d@example.com", i)).ID
			for range 35 { // more than the 600 of strangers from an address
				ok(t, l.Record(t.Context(), audit.Entry{Kind: audit.SessionEnded, Actor: audit.Actor{Kind: audit.Unknown}, Person: id, From: "192.0.2.1"}))
			}
		}
		if n := w.Count(t, "audit_log"); n != 700 {
			t.Errorf("%d entries", n)
		}
	})
}

// Whoever's account is gone when the number is told has a number without a name.
func TestANumberOfAnAccountThatIsGoneIsTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l, user := audit.New(w.Store), w.Another(t, "gone@example.com")
		for range 301 {
			ok(t, l.Record(t.Context(), audit.Entry{Kind: audit.UserChanged, Actor: audit.Actor{Kind: audit.Person, ID: user.ID}, Person: user.ID}))
		}
		w.Delete(t, user)
		if err := errors.Join(l.TellCounted(t.Context(), true)); err != nil {
			t.Error(err)
		}
		if counted, _ := told(t, l); counted[audit.UserChanged] != 1 {
			t.Error(counted)
		}
	})
}
