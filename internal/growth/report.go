package growth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/machine"
)

type summary struct {
	Machine  machine.Machine               `json:"machine"`
	What     string                        `json:"what"`
	Small    int                           `json:"small"` // so many of what
	Large    int                           `json:"large"`
	Starts   map[string]map[string]float64 `json:"seconds_until_ready"` // by engine, and how many there are
	Figures  []figure                      `json:"figures"`
	NotFlat  []string                      `json:"not_flat"`
	Unclear  []string                      `json:"unclear"`
	MostFlat float64                       `json:"flat_up_to"`

	program string
}

func newSummary(program, what string, set Settings) *summary {
	return &summary{program: program, What: what, Small: set.Small, Large: set.Large, Machine: machine.This(), MostFlat: most,
		Starts: map[string]map[string]float64{}}
}

func (s *summary) started(engine string, size int, took time.Duration) {
	if s.Starts[engine] == nil {
		s.Starts[engine] = map[string]float64{}
	}
	s.Starts[engine][strconv.Itoa(size)] = took.Seconds()
}

func (s *summary) add(f figure) {
	s.Figures = append(s.Figures, f)
	switch f.Verdict {
	case Dearer:
		s.NotFlat = append(s.NotFlat, f.Engine+" "+f.Scenario)
	case Unclear:
		s.Unclear = append(s.Unclear, f.Engine+" "+f.Scenario)
	}
}

// markdown is the table of a README: a row for each scenario, with all engines.
func (s *summary) markdown() string {
	var engines, names []string
	for _, f := range s.Figures {
		if !slices.Contains(engines, f.Engine) {
			engines = append(engines, f.Engine)
		}
		if !slices.Contains(names, f.Scenario) {
			names = append(names, f.Scenario)
		}
	}
	titles := []string{s.program + ": µs, medians"}
	for _, engine := range engines {
		titles = append(titles, fmt.Sprintf("%s: %d>", engine, s.Small), fmt.Sprintf("%d>", s.Large), "×>", "between>", "")
	}
	var rows [][]string
	for _, name := range names {
		row := []string{name}
		for _, engine := range engines {
			row = append(row, s.cells(engine, name)...)
		}
		rows = append(rows, row)
	}
	starts := []string{"from start until ready, s"}
	for _, engine := range engines {
		of := s.Starts[engine]
		starts = append(starts, fmt.Sprintf("%.2f", of[strconv.Itoa(s.Small)]), fmt.Sprintf("%.2f", of[strconv.Itoa(s.Large)]), "", "", "")
	}
	text := fmt.Sprintf("`make growth`: %s; %d beside %d %s, in turn. A ratio lies between the two with a confidence of 96 %%; flat is up to %.1f, and up to %d for "+
		"single calls of the store.\n\n", s.Machine, s.Small, s.Large, s.What, most, mostOfStore) + machine.Table(titles, append(rows, starts))
	count := func(what string, of []string) string {
		if len(of) == 0 {
			return ""
		}
		return fmt.Sprintf("\n%s: %s.\n", what, strings.Join(of, ", "))
	}
	return text + count("Costs more", s.NotFlat) + count("Unclear, for the machine was too busy", s.Unclear)
}

// cells are those of a scenario on an engine.
func (s *summary) cells(engine, scenario string) []string {
	i := slices.IndexFunc(s.Figures, func(f figure) bool { return f.Engine == engine && f.Scenario == scenario })
	if i < 0 {
		return []string{"–", "–", "–", "–", ""}
	}
	f := s.Figures[i]
	verdict := f.Verdict
	if verdict != Flat {
		verdict = "**" + verdict + "**"
	}
	return []string{fmt.Sprintf("%.0f", f.SmallUS), fmt.Sprintf("%.0f", f.LargeUS), fmt.Sprintf("%.2f", f.Ratio),
		fmt.Sprintf("%.2f, %.2f", f.Low, f.High), verdict}
}
