package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/deploy/load/driver"
	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/deploy/load/usage"
	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/machine"
)

// Report is everything that was measured.
type Report struct {
	Machine  machine.Machine `json:"machine"`
	Version  string          `json:"version,omitempty"`
	RSA      string          `json:"rsa"` // what makes the signatures: go, or a libcrypto
	Units    Units           `json:"units"`
	Duration float64         `json:"duration_s"` // of each loop
	Rows     []Row           `json:"rows"`
	Memory   []Memory        `json:"memory,omitempty"`
}

// Memory is what a program holds, in bytes of resident memory.
type Memory struct {
	Engine  string `json:"engine"`
	Program string `json:"program"`
	Rest    int64  `json:"rest"` // when it has started and nobody asks anything
	Peak    int64  `json:"peak"` // the most it ever had
}

// Row is what was measured of one scenario.
type Row struct {
	Scenario    string `json:"scenario"`
	Title       string `json:"title"`
	Engine      string `json:"engine"` // any: it asks no database
	Way         string `json:"way"`
	Connections int    `json:"connections"`
	Requests    int    `json:"requests"` // HTTP requests of each step

	Closed Loop  `json:"closed"`
	Open   *Loop `json:"open,omitempty"`

	Tail float64 `json:"p99_of_p50,omitempty"` // the 99th percentile of the open loop as a multiple of its median; 0: there is none

	CPU     map[string]float64 `json:"cpu_ms,omitempty"` // of each step, by program; "driver" is ours
	PerCore float64            `json:"per_core"`         // steps a second for which one processor is enough, without the driver
	Busy    float64            `json:"busy"`             // how busy the processors were, with whatever else ran here, of 1
	Written float64            `json:"written_bytes"`    // to storage, for each step; -1: not known
	Syncs   *float64           `json:"syncs,omitempty"`  // writes through to the disk, for each step

	Shares     map[string]float64 `json:"shares,omitempty"` // of the processor time, of 1: signature, hash, gateway, database, other
	Bottleneck string             `json:"bottleneck"`
	Verdict    string             `json:"verdict"`
}

// Loop is one loop. Times are in milliseconds.
type Loop struct {
	Offered float64          `json:"offered,omitempty"` // steps a second; 0: as many as fit
	Rate    float64          `json:"rate"`              // steps a second that succeeded
	P50     float64          `json:"p50_ms"`
	P90     float64          `json:"p90_ms"`
	P99     float64          `json:"p99_ms"`
	Max     float64          `json:"max_ms"`
	Steps   int64            `json:"steps"`
	Errors  map[string]int64 `json:"errors,omitempty"`
	Example string           `json:"example,omitempty"`
}

func newLoop(r *driver.Result, offered float64) Loop {
	l := Loop{Offered: offered, Rate: r.Rate(), Steps: r.Latency.Count(), Max: milliseconds(r.Latency.Max())}
	l.P50, l.P90, l.P99 = milliseconds(r.Latency.Percentile(50)), milliseconds(r.Latency.Percentile(90)), milliseconds(r.Latency.Percentile(99))
	if r.Failed() > 0 {
		l.Errors, l.Example = r.Errors, r.Example.Error()
	}
	return l
}

func newReport(ctx context.Context, cfg config, programs stack.Programs, dir string) (*Report, error) {
	r := &Report{Machine: machine.This(), Duration: cfg.Duration.Seconds()}
	r.Version, r.RSA = site.Version(ctx, programs)
	var err error
	r.Units, err = measureUnits(ctx, r.RSA, dir)
	return r, err
}

func (r *Report) memory(engine string, rest, peak map[string]usage.Usage) {
	for _, program := range slices.Sorted(maps.Keys(peak)) {
		if program == "postgres" {
			continue // its processes share memory, which would be counted many times
		}
		r.Memory = append(r.Memory, Memory{engine, program, rest[program].RSS, peak[program].Peak})
	}
}

// cost says what a step took of the machine.
func (row *Row) cost(one site.Scenario, closed *driver.Result, t taken, u Units) {
	steps := float64(max(closed.Latency.Count(), 1))
	row.Written = -1
	if !t.known {
		return
	}
	row.CPU = map[string]float64{"driver": milliseconds(t.own) / steps}
	var server, written float64
	for name, used := range t.by {
		of := milliseconds(used.CPU) / steps
		if of > 0 {
			row.CPU[name] = of
		}
		server += of
		if used.Written < 0 || written < 0 {
			written = -1
		} else {
			written += float64(used.Written) / steps
		}
	}
	row.Written = written
	if server > 0 {
		row.PerCore = 1000 / server
	}
	row.Busy = t.busy
	row.Shares = shares(one, row.CPU, server, u)
}

// shares divides the processor time of a step among what is known to be in it: signatures and
// hashes by what a bare one takes, gateway and database as measured, and the rest.
func shares(one site.Scenario, cpu map[string]float64, server float64, u Units) map[string]float64 {
	parts := map[string]float64{
		"signature": float64(one.Signatures) * u.Signature, "hash": float64(one.Hashes) * u.Hash,
		"gateway": cpu["gateway"], "database": cpu["postgres"],
	}
	rest := server
	for _, name := range []string{"gateway", "database", "hash", "signature"} { // what is measured comes first
		ms := min(parts[name], max(rest, 0))
		parts[name] = ms / max(server, 1e-9)
		rest -= ms
	}
	parts["other"] = max(rest, 0) / max(server, 1e-9)
	maps.DeleteFunc(parts, func(_ string, share float64) bool { return share < 0.005 })
	return parts
}

// longTail is how many times the median the 99th percentile may be at part load.
const longTail = 3

// tails says in which rows it is more.
func (r *Report) tails() string {
	var long []string
	measured := 0
	for _, row := range r.Rows {
		if row.Open != nil {
			measured++
		}
		if row.Tail > longTail {
			long = append(long, fmt.Sprintf("%s (%s, %s: %.1f)", row.Title, row.Engine, row.Way, row.Tail))
		}
	}
	if measured == 0 {
		return ""
	}
	text := fmt.Sprintf("\nAt part load the 99th percentile is at most %d × the median in %d of %d rows", longTail, measured-len(long), measured)
	if len(long) > 0 {
		text += ". It is more for " + strings.Join(long, ", ")
	}
	return text + ".\n"
}

// idle is how busy the processors are at most when something else is what stops a closed loop.
const idle = 0.75

// judge names the bottleneck, and says what it means.
func (row *Row) judge(one site.Scenario, u Units) {
	switch {
	case row.CPU == nil:
		row.Bottleneck, row.Verdict = "unknown", "this system does not tell"
		return
	case row.Busy < idle && one.Writes:
		row.Bottleneck = "disk"
		row.Verdict = fmt.Sprintf("the processors are %.0f %% busy, the rest waits for the disk (%.1f ms to write through)", 100*row.Busy, u.Sync)
	default:
		names := slices.SortedFunc(maps.Keys(row.Shares), func(a, b string) int {
			return cmp.Or(cmp.Compare(row.Shares[b], row.Shares[a]), cmp.Compare(a, b))
		})
		if len(names) == 0 {
			names = []string{"other"}
		}
		row.Bottleneck = names[0]
		row.Verdict = fmt.Sprintf("%.0f %% of the processor time", 100*row.Shares[names[0]])
		if len(names) > 1 {
			row.Verdict += fmt.Sprintf(", %s %.0f %%", names[1], 100*row.Shares[names[1]])
		}
	}
	if one.Signatures > 0 && one.Hashes == 0 {
		row.Verdict += fmt.Sprintf("; %.2f × bare signatures", 1000/row.PerCore/(float64(one.Signatures)*u.Signature))
	}
	if row.Tail > longTail {
		row.Verdict += fmt.Sprintf("; the 99th percentile is %.1f × the median", row.Tail)
	}
}

// failures is an error that names the scenarios in which requests failed.
func (r *Report) failures() error {
	var errs []error
	for _, row := range r.Rows {
		for _, loop := range []*Loop{&row.Closed, row.Open} {
			if loop != nil && len(loop.Errors) > 0 {
				errs = append(errs, fmt.Errorf("%s (%s, %s): %v, such as %s", row.Scenario, row.Engine, row.Way, loop.Errors, loop.Example))
			}
			if loop != nil && loop.Steps == 0 {
				errs = append(errs, fmt.Errorf("%s (%s, %s): nothing succeeded", row.Scenario, row.Engine, row.Way))
			}
		}
	}
	return errors.Join(errs...)
}

// line tells of a row as soon as it is there.
func (row *Row) line() string {
	text := fmt.Sprintf("%-20s %-9s %-8s %9.0f/s   half %7.2f ms   99 %% %7.2f ms", row.Scenario, row.Engine, row.Way, row.Closed.Rate, row.Closed.P50, row.Closed.P99)
	if row.Open != nil {
		text += fmt.Sprintf("   at %.0f/s: %.2f, %.2f ms", row.Open.Offered, row.Open.P50, row.Open.P99)
	}
	return text + "   " + row.Bottleneck
}

var header = []string{"request", "database", "way", "/s", "p50 ms", "p99 ms", "p50, p99 at part load", "p99 is × p50", "CPU ms: server", "gateway", "database", "one core gives /s",
	"syncs", "KB written", "bottleneck", "verdict"}

func (row *Row) cells() []string {
	service := 0.0
	for name, ms := range row.CPU {
		if name != "gateway" && name != "postgres" && name != "driver" {
			service += ms
		}
	}
	open, tail, syncs, written := "–", "–", "–", "–"
	if row.Tail > longTail {
		tail = fmt.Sprintf("**%.1f**", row.Tail)
	} else if row.Tail > 0 {
		tail = fmt.Sprintf("%.1f", row.Tail)
	}
	if row.Open != nil {
		open = fmt.Sprintf("%s, %s", short(row.Open.P50), short(row.Open.P99))
	}
	if row.Syncs != nil {
		syncs = fmt.Sprintf("%.2f", *row.Syncs)
	}
	if row.Written >= 0 {
		written = fmt.Sprintf("%.1f", row.Written/1000)
	}
	return []string{row.Title, row.Engine, row.Way, fmt.Sprintf("%.0f", row.Closed.Rate), short(row.Closed.P50), short(row.Closed.P99), open, tail,
		short(service), short(row.CPU["gateway"]), short(row.CPU["postgres"]), fmt.Sprintf("%.0f", row.PerCore), syncs, written, row.Bottleneck, row.Verdict}
}

// short is a number of milliseconds with three digits.
func short(ms float64) string {
	switch {
	case ms == 0:
		return "–"
	case ms < 1:
		return fmt.Sprintf("%.3f", ms)
	case ms < 10:
		return fmt.Sprintf("%.2f", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// conditions says how it was measured, as sentences of a README.
func (r *Report) conditions() string {
	u := r.Units
	text := fmt.Sprintf("%s; signatures by %s; loops of %s. By themselves, in the same run: an RSA-2048 signature %.2f ms (Go %.2f, ",
		r.Machine, r.RSA, time.Duration(r.Duration*float64(time.Second)), u.Signature, u.GoRSA)
	if u.OpenSSL > 0 {
		text += fmt.Sprintf("OpenSSL %.2f), ", u.OpenSSL)
	} else {
		text += "OpenSSL is not installed), "
	}
	return text + fmt.Sprintf("a password hash %.1f ms, to write a page through to the disk %.2f ms.", u.Hash, u.Sync)
}

func (r *Report) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n\n", r.conditions())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(header, "\t"))
	for i := range r.Rows {
		fmt.Fprintln(w, strings.Join(r.Rows[i].cells(), "\t"))
	}
	w.Flush()
	fmt.Fprint(out, r.tails())
	if len(r.Memory) > 0 {
		fmt.Fprintln(out, "\nresident memory in MB")
	}
	for _, m := range r.Memory {
		fmt.Fprintf(w, "%s\t%s\tat rest %.0f\tat the peak %.0f\n", m.Engine, m.Program, float64(m.Rest)/1e6, float64(m.Peak)/1e6)
	}
	w.Flush()
}

// markdown is the table of the README.
func (r *Report) markdown() string {
	var b strings.Builder
	b.WriteString(r.conditions() + "\n\n")
	b.WriteString("| " + strings.Join(header, " | ") + " |\n|---|---|---" + strings.Repeat("|--:", len(header)-5) + "|---|---|\n")
	for i := range r.Rows {
		b.WriteString("| " + strings.Join(r.Rows[i].cells(), " | ") + " |\n")
	}
	if len(r.Memory) > 0 {
		b.WriteString("\n| resident memory, MB | database | at rest | at the peak |\n|---|---|--:|--:|\n")
	}
	for _, m := range r.Memory {
		fmt.Fprintf(&b, "| %s | %s | %.0f | %.0f |\n", m.Program, m.Engine, float64(m.Rest)/1e6, float64(m.Peak)/1e6)
	}
	b.WriteString(r.tails() + r.sizing())
	return b.String()
}

// Of the sizing.
const (
	loginsAMinute = 10_000
	roomLeft      = 0.7 // how busy processors may be planned to be
)

// sizing says how many processors the log-ins of a busy minute need, by the dearest way that was
// measured. Empty: no whole log-in was.
func (r *Report) sizing() string {
	var most *Row
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Scenario == "journey" && row.PerCore > 0 && (most == nil || row.PerCore < most.PerCore) {
			most = row
		}
	}
	if most == nil {
		return ""
	}
	each := 1000 / most.PerCore
	return fmt.Sprintf("\n%d log-ins a minute are %.0f a second. A whole one (%s, %s) takes %.1f ms of a processor, of which the password's hash %.1f ms: "+
		"%.1f processors are busy all the time, so plan %.0f, to have them %.0f %% busy.\n",
		loginsAMinute, loginsAMinute/60.0, most.Engine, most.Way, each, r.Units.Hash,
		loginsAMinute/60.0*each/1000, math.Ceil(loginsAMinute/60.0*each/1000/roomLeft), 100*roomLeft)
}
