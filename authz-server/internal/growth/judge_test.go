package main

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/machine"
)

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
		{"a machine on which nothing can be told", waits{Count: 1000, P999: 90, Longest: 400, Over: 40}, waits{Count: 1000, Longest: 300, Over: 70}, growth.Unclear},
	} {
		s := stall{Alone: tc.alone, Sweep: tc.sweep}
		if got := s.judge(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// Each table has a cell for each column, whatever was measured.
func TestTheTablesAreTables(t *testing.T) {
	for name, text := range map[string]string{
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
