package growth

import (
	"strings"
	"testing"
	"time"
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
		{"the same", "refresh", durations(150, time.Millisecond, 20), Flat},
		{"a tenth more", "refresh", durations(150, 1100*time.Microsecond, 20), Flat},
		{"a third more", "refresh", durations(150, 1333*time.Microsecond, 20), Dearer},
		{"a third more, of a look-up", "store: client", durations(150, 1333*time.Microsecond, 20), Flat},
		{"three times a look-up", "store: client", durations(150, 3*time.Millisecond, 20), Dearer},
		{"now this, now that", "refresh", half, Unclear},
	} {
		if f := newFigure(tc.scenario, small, tc.large); f.Verdict != tc.want || f.Low > f.High {
			t.Errorf("%s: %+v, want %s", tc.name, f, tc.want)
		}
	}
}

// The table has a cell for each column, whatever was measured.
func TestTheTableIsATable(t *testing.T) {
	small := durations(60, time.Millisecond, 2)
	s := newSummary("board", "posts", Settings{Small: 1, Large: 2})
	for engine, scenario := range map[string]string{"sqlite": "refresh", "postgres": "store: client"} {
		f := newFigure(scenario, small, small)
		f.Engine = engine
		s.add(f)
	}
	s.started("sqlite", 1, time.Second)
	s.NotFlat = []string{"x"}
	columns, text := 0, s.markdown()
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if n := strings.Count(line, "|"); columns == 0 {
			columns = n
		} else if n != columns {
			t.Errorf("%d columns, the header has %d: %s", n, columns, line)
		}
	}
	if columns != 12 || !strings.HasPrefix(text, "`make growth`: ") || !strings.Contains(text, "1 beside 2 posts") || !strings.Contains(text, "Costs more: x.") {
		t.Errorf("no table, or it does not say what was measured:\n%s", text)
	}
}
