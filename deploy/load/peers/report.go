package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/maru-auth/maru/internal/machine"
)

// Report is everything that was measured.
type Report struct {
	Machine     machine.Machine `json:"machine"`
	Connections int             `json:"connections"`
	Rounds      int             `json:"rounds"`
	Duration    float64         `json:"duration_s"` // of a turn
	Version     string          `json:"version,omitempty"`
	Tags        string          `json:"tags,omitempty"` // build tags of Maru's programs
	RSA         string          `json:"rsa"`            // what makes Maru's signatures: go, or a libcrypto
	OpenSSL     float64         `json:"openssl"`        // signatures a second of one processor, as `openssl speed` says, the higher of before and after; 0: not installed
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
	tags := ""
	if r.Tags != "" {
		tags = " PEERS_TAGS=" + r.Tags
	}
	fmt.Fprintf(&b, "`make peers%s`: %s; %d connections, closed loop, RSA-2048, Maru's by %s; medians of %d turns of %.0f s, one server after another.\n\n",
		tags, r.Machine, r.Connections, r.RSA, r.Rounds, r.Duration)
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
	b.WriteString(r.shares())
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

// bare measures what OpenSSL signs by itself.
func (r *Report) bare(ctx context.Context) error {
	ms, err := machine.OpenSSL(ctx, 2)
	if err == nil && ms > 0 {
		r.OpenSSL = max(r.OpenSSL, 1000/ms)
	}
	return err
}

// shares says how many of the signatures that OpenSSL alone would make on all processors Maru hands
// out as tokens by client credentials, where each takes one. Empty: OpenSSL is not installed.
func (r *Report) shares() string {
	if r.OpenSSL == 0 {
		return ""
	}
	all := r.OpenSSL * float64(r.Machine.Processors)
	text := fmt.Sprintf("\n`openssl speed -seconds 2 rsa2048` signs %.0f times a second on one processor, and so %.0f on %d.", r.OpenSSL, all, r.Machine.Processors)
	for _, s := range r.Servers {
		if f, known := s.Figures["client-credentials"]; known && s.ours() {
			text += fmt.Sprintf(" Client credentials of %s are %.2f of that.", s.Name, f.Rate/all)
		}
	}
	return text + "\n"
}
