package main

import (
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/machine"
)

// durations are n of them around a median, of which a machine spoils each tenth.
func durations(n int, median time.Duration, noise float64) (all []time.Duration) {
	for i := range n {
		d := median + time.Duration(float64(median)*0.02*float64(i%5-2))
		if i%10 == 3 {
			d = time.Duration(float64(d) * noise)
		}
		all = append(all, d)
	}
	return all
}

func TestARatioIsJudgedOnlyWhereItIsCertain(t *testing.T) {
	small := durations(150, time.Millisecond, 20)
	half := append(durations(75, time.Millisecond, 20), durations(75, 1500*time.Microsecond, 20)...) // something else began on the way
	for _, tc := range []struct {
		name, scenario string
		large          []time.Duration
		want           string
	}{
		{"the same", "refresh", durations(150, time.Millisecond, 20), flat},
		{"a tenth more", "refresh", durations(150, 1100*time.Microsecond, 20), flat},
		{"a third more", "refresh", durations(150, 1333*time.Microsecond, 20), dearer},
		{"a third more, of a look-up", "store: client", durations(150, 1333*time.Microsecond, 20), flat},
		{"three times a look-up", "store: client", durations(150, 3*time.Millisecond, 20), dearer},
		{"now this, now that", "refresh", half, unclear},
	} {
		if f := newFigure(tc.scenario, small, tc.large); f.Verdict != tc.want || f.Low > f.High {
			t.Errorf("%s: %+v, want %s", tc.name, f, tc.want)
		}
	}
}

func TestASweepIsChargedForWhatOthersWaitBeyondWhatTheyWaitAnyway(t *testing.T) {
	for _, tc := range []struct {
		name         string
		alone, sweep waits
		want         string
	}{
		{"quick", waits{Count: 1000, P999: 5, Longest: 6}, waits{Count: 1000, P999: 20, Longest: 30}, noStall},
		{"once, by chance", waits{Count: 1000, Longest: 6}, waits{Count: 1000, Longest: 70, Over: 1}, noStall},
		{"once, for long", waits{Count: 1000, Longest: 6}, waits{Count: 1000, Longest: 800, Over: 1}, stalls},
		{"often", waits{Count: 1000, Longest: 6}, waits{Count: 1000, Longest: 70, Over: 8}, stalls},
		{"a disk that stalls by itself", waits{Count: 10000, P999: 40, Longest: 400, Over: 6}, waits{Count: 10000, Longest: 300, Over: 9}, noStall},
		{"the same, and the sweep too", waits{Count: 10000, P999: 40, Longest: 400, Over: 6}, waits{Count: 10000, Longest: 300, Over: 40}, stalls},
		{"a machine on which nothing can be told", waits{Count: 1000, P999: 90, Longest: 400, Over: 40}, waits{Count: 1000, Longest: 300, Over: 70}, unclear},
	} {
		s := stall{Alone: tc.alone, Sweep: tc.sweep}
		if got := s.judge(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Each table has a cell for each column, whatever was measured.
func TestTheTablesAreTables(t *testing.T) {
	small := durations(60, time.Millisecond, 2)
	one, other := newFigure("refresh", small, small), newFigure("store: client", small, small)
	one.Engine, other.Engine = "sqlite", "postgres"
	for name, text := range map[string]string{
		"growth":  (&summary{Figures: []figure{one, other}, NotFlat: []string{"x"}, Starts: map[string]map[string]float64{"sqlite": {}}}).markdown(),
		"stall":   (&stallReport{Machine: machine.This(), Stalls: []stall{{Engine: "sqlite"}}, Swept: []swept{{"sqlite", 5, 10, 1}}}).markdown(),
		"upgrade": upgrades{Figures: []upgraded{{"sqlite", 1, 2, 3}}}.markdown(),
	} {
		columns := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			if n := strings.Count(line, "|"); columns == 0 {
				columns = n
			} else if n != columns {
				t.Errorf("%s: %d columns, the header has %d: %s", name, n, columns, line)
			}
		}
		if columns == 0 || !strings.HasPrefix(text, "`make "+name+"`: ") {
			t.Errorf("%s has no table, or does not say which command makes it:\n%s", name, text)
		}
	}
}
