package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

var key = bytes.Repeat([]byte{7}, audit.KeySize)

// chained is a log with a chainer.
type chained struct {
	*storetest.World
	*audit.Chainer
	log  *audit.Log
	text *bytes.Buffer // of slog
}

func newChained(t *testing.T, w *storetest.World, change func(*audit.Config)) chained {
	t.Helper()
	text := &bytes.Buffer{}
	cfg := audit.Config{
		Store: w.Store, Key: key, Now: func() time.Time { return w.Now }, Log: slog.New(slog.NewTextHandler(text, nil)),
		Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := audit.NewChainer(cfg)
	ok(t, err)
	return chained{w, c, audit.New(w.Store), text}
}

// add records so many entries about the person, and chains them.
func (c chained) add(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		ok(t, c.log.Record(t.Context(), audit.Entry{
			Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: c.Person.ID}, Person: c.Person.ID, Reason: fmt.Sprint(i),
		}))
	}
	ok(t, c.Chain(t.Context()))
}

func (c chained) verify(t *testing.T, heads ...audit.Head) (audit.Report, error) {
	t.Helper()
	return audit.Verify(t.Context(), c.Store, key, heads...)
}

func (c chained) whole(t *testing.T, entries int64, heads ...audit.Head) audit.Report {
	t.Helper()
	r, err := c.verify(t, heads...)
	ok(t, err)
	if r.Entries != entries {
		t.Errorf("%d entries, not %d", r.Entries, entries)
	}
	return r
}

func TestEntriesGetTheirPlacesInTheirOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		if r := c.whole(t, 0); r.Head.Position != 0 {
			t.Error(r)
		}
		c.add(t, 450) // more than one batch
		r := c.whole(t, 450)
		if r.Head.Position != 450 || r.Waiting != 0 || r.Erased != 0 || r.Removed != 0 {
			t.Errorf("%+v", r)
		}
		all, err := c.log.After(t.Context(), 0, 1000)
		ok(t, err)
		for i, e := range all {
			if e.Reason != fmt.Sprint(i) || e.Position != int64(i+1) {
				t.Fatalf("entry %s is at %d", e.Reason, e.Position)
			}
		}
		ok(t, c.log.Record(t.Context(), audit.Entry{Kind: audit.KeyRotated}))
		if r := c.whole(t, 450); r.Waiting != 1 {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(c.text.String(), "head="+r.Head.String()) || !strings.Contains(c.text.String(), "msg=audit kind=login.succeeded position=1 ") {
			t.Error("the log has neither entries nor heads")
		}
	})
}

// The chain's order is the order of its positions: a clock that goes back changes nothing in it.
func TestAClockThatStepsBackBreaksNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		c.add(t, 2)
		w.Now = w.Now.Add(-24 * time.Hour)
		c.add(t, 2)
		w.Now = w.Now.Add(48 * time.Hour)
		c.add(t, 2)
		c.whole(t, 6)
	})
}

func TestTwoReplicasMakeOneChain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		one, other := newChained(t, w, nil), newChained(t, w, nil)
		var wg sync.WaitGroup
		for range 4 {
			for _, c := range []chained{one, other} {
				wg.Go(func() {
					for range 20 {
						err := c.log.Record(t.Context(), audit.Entry{Kind: audit.LoggedIn, Person: c.Person.ID})
						if err = errors.Join(err, c.Chain(t.Context())); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		if r := one.whole(t, 160); r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestACrashInTheMiddleOfABatchUndoesItAndTheNextGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		c.add(t, 3)
		for range 5 {
			ok(t, c.log.Record(t.Context(), audit.Entry{Kind: audit.LoggedIn, Person: c.Person.ID}))
		}
		ctx, crash := context.WithCancel(t.Context())
		n := 0
		_, err := w.Audit.Chain(ctx, 10, func(auditlog.Link, auditlog.Entry) []byte {
			if n++; n == 3 {
				crash()
			}
			return []byte("of the crashed")
		})
		if err == nil {
			t.Fatal("it did not crash")
		}
		if r := c.whole(t, 3); r.Waiting != 5 {
			t.Errorf("%+v", r)
		}
		ok(t, c.Chain(t.Context()))
		c.whole(t, 8)
	})
}

// Whatever somebody changes who can write to the database, but has not the key, shows.
func TestWhatIsChangedShows(t *testing.T) {
	for name, attack := range map[string]struct {
		statements []string
		at         int64
	}{
		"a row":                     {[]string{`UPDATE audit_log SET kind = 'login.failed' WHERE position = 3`}, 3},
		"its time":                  {[]string{`UPDATE audit_log SET at = at + 1 WHERE position = 3`}, 3},
		"its actor":                 {[]string{`UPDATE audit_log SET actor_kind = 'machine' WHERE position = 3`}, 3},
		"a row that goes":           {[]string{`DELETE FROM audit_log WHERE position = 3`}, 3},
		"the first row that goes":   {[]string{`DELETE FROM audit_log WHERE position = 1`}, 1},
		"the last row that goes":    {[]string{`DELETE FROM audit_log WHERE position = 6`}, 6},
		"a gap that is closed":      {[]string{`DELETE FROM audit_log WHERE position = 6`, `UPDATE audit_log SET position = 6 WHERE position = 5`, `UPDATE audit_log SET position = 5 WHERE position = 4`, `UPDATE audit_log SET position = 4 WHERE position = 3`}, 3},
		"two rows that swap places": {[]string{`UPDATE audit_log SET position = 99 WHERE position = 3`, `UPDATE audit_log SET position = 3 WHERE position = 4`, `UPDATE audit_log SET position = 4 WHERE position = 99`}, 3},
		"a row put in between": {[]string{
			`UPDATE audit_log SET position = 7 WHERE position = 6`,
			`INSERT INTO audit_log (id, at, kind, actor_kind, actor_id, target_kind, target_id, by_hash, about_hash, position, mac)
				SELECT 'forged', at, kind, actor_kind, actor_id, target_kind, target_id, by_hash, about_hash, 6, mac FROM audit_log WHERE position = 5`,
		}, 6},
		"a row put at the end": {[]string{
			`INSERT INTO audit_log (id, at, kind, actor_kind, actor_id, target_kind, target_id, by_hash, about_hash, position, mac)
				SELECT 'forged', at, kind, actor_kind, actor_id, target_kind, target_id, by_hash, about_hash, 7, mac FROM audit_log WHERE position = 5`,
		}, 7},
		"a personal part":             {[]string{`UPDATE audit_personal SET data = '{"person":"x"}' WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"its salt":                    {[]string{`UPDATE audit_personal SET salt = CAST('x' AS BYTEA) WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"a part under another's name": {[]string{`UPDATE audit_personal SET user_id = NULL WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"personal parts that swap": {[]string{
			`UPDATE audit_personal SET entry_id = 'x' WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`,
			`UPDATE audit_personal SET entry_id = (SELECT id FROM audit_log WHERE position = 3) WHERE entry_id = (SELECT id FROM audit_log WHERE position = 4)`,
			`UPDATE audit_personal SET entry_id = (SELECT id FROM audit_log WHERE position = 4) WHERE entry_id = 'x'`,
		}, 3},
		"a part that was not there": {[]string{`INSERT INTO audit_personal (entry_id, part, user_id, salt, data)
			SELECT entry_id, 'by', NULL, salt, data FROM audit_personal WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"a part of the entry as who did it":                         {[]string{`UPDATE audit_personal SET part = 'by' WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"a part of the entry as the other one, under nobody's name": {[]string{`UPDATE audit_personal SET part = 'by', user_id = NULL WHERE entry_id = (SELECT id FROM audit_log WHERE position = 3)`}, 3},
		"the old end that goes as if by age": {[]string{
			`UPDATE audit_chain SET anchor_position = 3, anchor_mac = (SELECT mac FROM audit_log WHERE position = 3)`,
			`DELETE FROM audit_log WHERE position <= 3`,
		}, 3},
		"the end, and the row of the ends with it to a lower position": {[]string{
			`UPDATE audit_chain SET position = 4`, `DELETE FROM audit_log WHERE position > 4`,
		}, 5},
		"everything": {[]string{`DELETE FROM audit_log`}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, w *storetest.World) {
				c := newChained(t, w, nil)
				c.add(t, 6)
				head := c.whole(t, 6).Head
				for _, one := range attack.statements {
					w.Exec(t, one)
				}
				var broken *audit.Broken
				if _, err := c.verify(t, head); !errors.As(err, &broken) || broken.Position != attack.at {
					t.Errorf("with a head: %v", err)
				}
				if _, err := c.verify(t); !errors.As(err, &broken) || broken.Position != attack.at {
					t.Errorf("without a head: %v", err)
				}
			})
		})
	}
}

// Whoever puts back an old row of the chain's ends, and removes what came after, makes a chain that
// is whole: it shows by what somebody else knows of the end, and not otherwise.
func TestAnEndThatIsCutOffShowsByAHeadThatIsKeptElsewhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		c.add(t, 3)
		early := c.whole(t, 3).Head
		w.Exec(t, `CREATE TABLE kept AS SELECT position, mac FROM audit_chain`)
		c.add(t, 3)
		late := c.whole(t, 6, early).Head

		w.Exec(t, `UPDATE audit_chain SET position = (SELECT position FROM kept), mac = (SELECT mac FROM kept)`)
		w.Exec(t, `DELETE FROM audit_log WHERE position > 3`)
		c.whole(t, 3, early)
		var broken *audit.Broken
		if _, err := c.verify(t, early, late); !errors.As(err, &broken) || !strings.Contains(err.Error(), "cut off") {
			t.Error(err)
		}
		c.add(t, 3) // and it goes on
		c.whole(t, 6, early)
		if _, err := c.verify(t, late); !errors.As(err, &broken) || broken.Position != 6 || !strings.Contains(err.Error(), "replaced") {
			t.Error(err)
		}
	})
}

// With another key, which whoever writes to the database has, nothing can be made that verifies.
func TestAChainOfAnotherKeyIsNotTheServers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, func(cfg *audit.Config) { cfg.Key = bytes.Repeat([]byte{8}, audit.KeySize) })
		c.add(t, 1)
		var broken *audit.Broken
		if _, err := c.verify(t); !errors.As(err, &broken) || broken.Position != 1 {
			t.Error(err)
		}
	})
}

func TestAPersonIsErasedAndTheChainIsWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, nil)
		c.add(t, 3)
		ok(t, c.log.Record(t.Context(), audit.Entry{Kind: audit.KeyRotated}))
		ok(t, c.Chain(t.Context()))
		head := c.whole(t, 4).Head
		w.Delete(t, w.Person)
		if r := c.whole(t, 4, head); r.Erased != 3 {
			t.Errorf("%+v", r)
		}
		if n := w.Count(t, "audit_personal"); n != 0 {
			t.Errorf("%d parts are left", n)
		}
	})
}

func TestOldEntriesGoFromTheOldEndAndTheRestVerifies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, func(cfg *audit.Config) { cfg.Retention = 24 * time.Hour })
		c.add(t, 250)
		first := c.whole(t, 250).Head
		w.Now = w.Now.Add(24*time.Hour + time.Second)
		c.add(t, 5)
		head := c.whole(t, 255, first).Head
		ok(t, c.Trim(t.Context()))
		ok(t, c.Chain(t.Context()))
		// What was removed is recorded, a batch each.
		if r := c.whole(t, 7, head, first); r.Removed != 250 || r.Head.Position != 257 {
			t.Errorf("%+v", r)
		}
		if n := w.Count(t, "audit_personal"); n != 7 {
			t.Errorf("%d parts are left", n)
		}
		w.Now = w.Now.Add(25 * time.Hour)
		ok(t, c.Trim(t.Context())) // all, the newest too
		c.whole(t, 0)
		ok(t, c.Chain(t.Context()))
		c.whole(t, 1)
	})
}

func TestNoEntryGoesBeforeOneThatIsYoungEnough(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		c := newChained(t, w, func(cfg *audit.Config) { cfg.Retention = 24 * time.Hour })
		c.add(t, 1)
		w.Now = w.Now.Add(-48 * time.Hour) // a clock that was behind
		c.add(t, 1)
		w.Now = w.Now.Add(48*time.Hour + time.Hour)
		ok(t, c.Trim(t.Context()))
		c.whole(t, 2)
	})
}

func TestHeadsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	h := audit.Head{Position: 17, MAC: key}
	if got, err := audit.ParseHead(h.String()); err != nil || got.String() != h.String() {
		t.Error(got, err)
	}
	for _, wrong := range []string{"", "17", ":", "0:" + h.String()[3:], "x:" + h.String()[3:], "17:Zm9v", h.String() + "=", "-1:" + h.String()[3:]} {
		if _, err := audit.ParseHead(wrong); err == nil {
			t.Errorf("%q is a head", wrong)
		}
	}
}

// Only what is an account's can go with one: who changed a key, and why, stays or is missed.
func TestAPartThatIsNobodysCannotBeErased(t *testing.T) {
	for name, e := range map[string]audit.Entry{
		"by": {Kind: audit.KeyRotated, Actor: audit.Actor{Kind: audit.Machine, Label: "root"}},
		"about": {Kind: audit.ClientChanged, Actor: audit.Actor{Kind: audit.Client, ID: "writer"}, Target: audit.Target{Kind: "client", ID: "shop"},
			Reason: "asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, w *storetest.World) {
				c := newChained(t, w, nil)
				c.add(t, 2)
				ok(t, c.log.Record(t.Context(), e))
				ok(t, c.Chain(t.Context()))
				c.whole(t, 3)
				w.Exec(t, `DELETE FROM audit_personal WHERE part = '`+name+`' AND entry_id = (SELECT id FROM audit_log WHERE position = 3)`)
				var broken *audit.Broken
				if _, err := c.verify(t); !errors.As(err, &broken) || broken.Position != 3 {
					t.Error(err)
				}
			})
		})
	}
}
