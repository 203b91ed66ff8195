package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/load/usage"
)

func TestTheBottleneckIsWhatTakesMostOfTheProcessors(t *testing.T) {
	units := Units{Signature: 1, Hash: 30, Sync: 2}
	ms := func(n float64) usage.Usage {
		return usage.Usage{CPU: time.Duration(n * 100 * float64(time.Millisecond))}
	} // of 100 steps
	for _, tc := range []struct {
		name string
		one  site.Scenario
		by   map[string]usage.Usage
		busy float64
		want string
	}{
		{"one signature", site.Scenario{Signatures: 1}, map[string]usage.Usage{"authz-server": ms(1.2)}, 0.98, "signature"},
		{"one signature, through a costly gateway", site.Scenario{Signatures: 1}, map[string]usage.Usage{"authz-server": ms(1.2), "gateway": ms(1.5)}, 0.98, "gateway"},
		{"a hash", site.Scenario{Hashes: 1, Writes: true}, map[string]usage.Usage{"authz-server": ms(33)}, 0.98, "hash"},
		{"writes that wait", site.Scenario{Signatures: 3, Writes: true}, map[string]usage.Usage{"authz-server": ms(4)}, 0.4, "disk"},
		{"idle, and it writes nothing", site.Scenario{}, map[string]usage.Usage{"board": ms(0.3)}, 0.4, "other"},
		{"mostly Postgres", site.Scenario{Writes: true}, map[string]usage.Usage{"board": ms(0.3), "postgres": ms(0.5)}, 0.9, "database"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			closed := &driver.Result{Elapsed: time.Second}
			for range 100 {
				closed.Latency.Add(time.Millisecond)
			}
			var row Row
			row.cost(tc.one, closed, taken{known: true, by: tc.by, busy: tc.busy}, units)
			row.judge(tc.one, units)
			if row.Bottleneck != tc.want {
				t.Errorf("%s (%s), want %s", row.Bottleneck, row.Verdict, tc.want)
			}
			sum := 0.0
			for _, share := range row.Shares {
				sum += share
			}
			if math.Abs(sum-1) > 0.02 {
				t.Errorf("the shares %v are %.2f together", row.Shares, sum)
			}
		})
	}
}

func TestARowSaysThatATailIsLong(t *testing.T) {
	row := Row{CPU: map[string]float64{"authz-server": 1}, Shares: map[string]float64{"other": 1}, Busy: 1, PerCore: 1000, Open: &Loop{P50: 1, P99: 3.5}, Tail: 3.5}
	row.judge(site.Scenario{}, Units{})
	if !strings.Contains(row.Verdict, "3.5 × the median") {
		t.Error(row.Verdict)
	}
	row.Title, row.Engine, row.Way = "refresh", "sqlite", "direct"
	table := (&Report{Rows: []Row{row, {Open: &Loop{P50: 1, P99: 3}, Tail: 3}, {}}}).markdown()
	for _, want := range []string{" **3.5** |", "in 1 of 2 rows. It is more for refresh (sqlite, direct: 3.5).\n"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestWhatToolsPrintIsRead(t *testing.T) {
	const strace = "strace: Process 12 attached with 3 threads\n^Csyscall              calls\n---------------- ---------\nfdatasync              123\nfsync                    4\n---------------- ---------\ntotal                  127\n"
	if got := parseStrace(strace); got != 127 {
		t.Errorf("%d calls, want 127", got)
	}
}

func TestTheRowsOfTheTableHaveAsManyCellsAsItsHeader(t *testing.T) {
	row := Row{Title: "x", Engine: "any", Way: "direct", Written: -1}
	if got := len(row.cells()); got != len(header) {
		t.Errorf("%d cells, %d columns", got, len(header))
	}
	for line := range strings.Lines((&Report{Rows: []Row{row}}).markdown()) {
		if n := strings.Count(line, "|"); n > 0 && n != len(header)+1 {
			t.Errorf("%d columns: %s", n-1, line)
		}
	}
}

func TestAFailedRequestFailsTheRun(t *testing.T) {
	good := Loop{Steps: 1}
	r := Report{Rows: []Row{{Closed: good, Open: &good}}}
	if err := r.failures(); err != nil {
		t.Error(err)
	}
	r.Rows = append(r.Rows, Row{Scenario: "refresh", Closed: good, Open: &Loop{Steps: 9, Errors: map[string]int64{"status 503": 1}}})
	if err := r.failures(); err == nil || !strings.Contains(err.Error(), "refresh") {
		t.Errorf("%v", err)
	}
}

func TestTheSizingIsThatOfTheDearestWholeLogIn(t *testing.T) {
	r := Report{Units: Units{Hash: 30}, Rows: []Row{
		{Scenario: "journey", Engine: "sqlite", Way: "direct", PerCore: 25},
		{Scenario: "journey", Engine: "postgres", Way: "gateway", PerCore: 20}, // 50 ms each
		{Scenario: "login", PerCore: 1},
	}}
	const want = "(postgres, gateway) takes 50.0 ms of a processor, of which the password's hash 30.0 ms: 8.3 processors are busy all the time, so plan 12,"
	if got := r.sizing(); !strings.Contains(got, want) {
		t.Errorf("%q, want %q in it", got, want)
	}
	if got := (&Report{}).sizing(); got != "" {
		t.Errorf("%q without a log-in", got)
	}
}
