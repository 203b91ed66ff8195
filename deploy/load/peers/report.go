package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/maru-auth/maru/deploy/load/machine"
)

// Report is everything that was measured.
type Report struct {
	Machine     machine.Machine `json:"machine"`
	Connections int             `json:"connections"`
	Rounds      int             `json:"rounds"`
	Duration    float64         `json:"duration_s"` // of a turn
	Servers     []Server        `json:"servers"`
	LeftOut     []string        `json:"left_out,omitempty"` // peers, each with the reason
}

// Server is one of those that were measured.
type Server struct {
	Name    string            `json:"name"`
	Store   string            `json:"store"`
	Figures map[string]Figure `json:"figures"` // by the kind of request; the median turn of each
}

// Figure is one turn. Times are in milliseconds.
type Figure struct {
	Rate float64 `json:"rate"` // requests a second
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	CPU  float64 `json:"cpu_ms"` // of the server and its database for each request; 0: not known
}

// median returns the turn whose rate is in the middle.
func median(turns []Figure) Figure {
	sorted := slices.SortedFunc(slices.Values(turns), func(a, b Figure) int { return cmp.Compare(a.Rate, b.Rate) })
	return sorted[(len(sorted)-1)/2]
}

// ours tells whether a server is Maru.
func (s Server) ours() bool { return strings.HasPrefix(s.Name, "Maru") }

// markdown is the table. After each rate of a peer stands what Maru's are of it, one for each
// engine.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %d connections, closed loop, RSA-2048; medians of %d turns of %.0f s, one server after another.\n\n",
		r.Machine, r.Connections, r.Rounds, r.Duration)
	b.WriteString("| requests a second (p99, CPU of a request, both in ms) | store |")
	for _, kind := range kinds {
		b.WriteString(" " + kind.title + " | Maru is × |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("--:|--:|", len(kinds)) + "\n")
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "| %s | %s |", s.Name, s.Store)
		for _, kind := range kinds {
			f, known := s.Figures[kind.name]
			if !known {
				b.WriteString(" – | – |")
				continue
			}
			fmt.Fprintf(&b, " %.0f (%.0f, %.2f) | %s |", f.Rate, f.P99, f.CPU, r.times(s, kind.name))
		}
		b.WriteString("\n")
	}
	for _, one := range r.LeftOut {
		b.WriteString("\nNot measured: " + one + "\n")
	}
	return b.String()
}

// times is how many times the rate of a peer Maru reaches, for each of its engines.
func (r *Report) times(peer Server, kind string) string {
	if peer.ours() {
		return ""
	}
	var parts []string
	for _, s := range r.Servers {
		if f, known := s.Figures[kind]; known && s.ours() && peer.Figures[kind].Rate > 0 {
			parts = append(parts, fmt.Sprintf("%.2f", f.Rate/peer.Figures[kind].Rate))
		}
	}
	return strings.Join(parts, ", ")
}
