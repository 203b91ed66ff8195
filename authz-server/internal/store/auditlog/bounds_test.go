package auditlog_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
)

// Somebody with any number of accounts and addresses gets so many entries an hour, whatever they do,
// and has the process remember a bounded number of them.
func TestHoweverManyFloodTheLogItGrowsSoMuchAnHour(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, one := range []struct {
		name  string
		own   auditlog.Own
		many  func(o *auditlog.Own, i int)
		tries int
		most  int
	}{
		{"an account from an address", auditlog.Own{Class: auditlog.Accesses, Person: "a", From: "192.0.2.1"}, func(*auditlog.Own, int) {}, 1000, 60},
		{"an account from everywhere", auditlog.Own{Class: auditlog.Accesses, Person: "a"}, anyAddress, 10_000, 600},
		{"an account's deeds", auditlog.Own{Class: auditlog.Deeds, Person: "a"}, anyAddress, 10_000, 300},
		{"a client's deeds", auditlog.Own{Class: auditlog.Deeds, Client: "c"}, anyAddress, 10_000, 300},
		{"an address with many accounts", auditlog.Own{Class: auditlog.Accesses, From: "192.0.2.1"}, anyPerson, 50_000, 10_000},
		{"an address's deeds", auditlog.Own{Class: auditlog.Deeds, From: "192.0.2.1"}, anyPerson, 50_000, 3_000},
		{"an address that fails", auditlog.Own{Class: auditlog.Failures, From: "192.0.2.1"}, anyPerson, 50_000, 600},
		{"a /48 with many accounts", auditlog.Own{Class: auditlog.Accesses}, func(o *auditlog.Own, i int) {
			anyPerson(o, i)
			o.From = fmt.Sprintf("2001:db8:1:%x::%x", i%65536, i/65536)
		}, 100_000, 30_000},
		{"everybody who gets in", auditlog.Own{Class: auditlog.Accesses}, anybody, 300_000, 100_000},
		{"everybody's deeds", auditlog.Own{Class: auditlog.Deeds}, anybody, 50_000, 10_000},
		{"everybody who fails", auditlog.Own{Class: auditlog.Failures}, anybody, 50_000, 3_600},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			entries := auditlog.NewEntries(nil, func() time.Time { return now })
			admitted := 0
			for i := range one.tries {
				own := one.own
				own.Kind = "a kind"
				one.many(&own, i)
				if ok, _ := entries.Admit(own, networksOf(own.From)...); ok {
					admitted++
				}
			}
			// Numbers share their places: somebody can be stopped a little early, and never late.
			if admitted > one.most || admitted < one.most*9/10 {
				t.Errorf("%d of %d are recorded, want %d", admitted, one.tries, one.most)
			}
			counted, told := 0, entries.Counted(true)
			for _, c := range told {
				counted += int(c.Count)
			}
			if admitted+counted != one.tries || len(told) > 1001 {
				t.Errorf("%d are recorded and %d counted, of %d; %d numbers", admitted, counted, one.tries, len(told))
			}
			// Somebody else, with another deed, is recorded.
			if ok, last := entries.Admit(auditlog.Own{Class: auditlog.Deeds, Kind: "another", Person: "quiet", From: "198.51.100.7"}); !ok || last {
				t.Error("somebody else is not recorded")
			}
		})
	}
}

// networksOf are the networks of an address, as package httpd has them.
func networksOf(from string) []string {
	addr, err := netip.ParseAddr(from)
	if err != nil {
		return nil
	}
	if !addr.Is6() {
		return []string{from}
	}
	return []string{netip.PrefixFrom(addr, 64).Masked().String(), netip.PrefixFrom(addr, 48).Masked().String()}
}

func anyAddress(o *auditlog.Own, i int) {
	o.From = fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
}
func anyPerson(o *auditlog.Own, i int) { o.Person = fmt.Sprintf("p%d", i) }
func anybody(o *auditlog.Own, i int) {
	anyPerson(o, i)
	anyAddress(o, i)
}

func TestAnAccountsLastEntryOfAnHourIsMarked(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	entries := auditlog.NewEntries(nil, func() time.Time { return now })
	own := auditlog.Own{Class: auditlog.Deeds, Kind: "a kind", Person: "a"}
	for hour := range 2 {
		for i := range 302 {
			if ok, last := entries.Admit(own); ok != (i < 300) || last != (i == 299) {
				t.Errorf("hour %d, entry %d: %t %t", hour, i, ok, last)
			}
		}
		now = now.Add(time.Hour)
	}
	now = now.Add(-3 * time.Hour) // a clock that goes back begins another hour, and stops nobody
	if ok, _ := entries.Admit(own); !ok {
		t.Error("a clock that goes back stops entries")
	}
}

// BenchmarkAdmit tells what the bounds cost an entry.
func BenchmarkAdmit(b *testing.B) {
	entries := auditlog.NewEntries(nil, time.Now)
	own := auditlog.Own{Class: auditlog.Accesses, Kind: "login.succeeded"}
	for i := range b.N {
		anybody(&own, i)
		entries.Admit(own, networksOf(own.From)...)
	}
}
