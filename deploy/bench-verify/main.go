// Bench-verify compares what it costs to verify an access token with package
// jwks and with other libraries, all of which make the same checks: see
// contestants.go. `make bench-verify` runs it.
//
// The contestants take turns in many rounds, so that whatever else the machine
// does slows all alike. A time is the processor time of the process, with what
// the garbage collector takes; a ratio is the median over the rounds of the time
// divided by that of the bare RSA operation in the same round.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"time"
)

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 200, "how many `times` each contestant verifies all tokens")
	tokens := flag.Int("tokens", 64, "how `many` tokens there are")
	out := flag.String("out", "", "write a summary as JSON to this `file`")
	readme := flag.String("readme", "", "write the table into this `file`, between its marks")
	flag.Parse()
	if *rounds < 1 || *tokens < 1 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*rounds, *tokens, *out, *readme); err != nil {
		log.Fatal("bench-verify: ", err)
	}
}

func run(rounds, tokens int, out, readme string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	iss, err := newIssuer()
	if err != nil {
		return err
	}
	defer iss.server.Close()
	all := contestants(ctx, iss)
	for _, c := range all {
		if err := c.check(iss); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	report, err := measure(iss, all, rounds, tokens)
	if err != nil {
		return err
	}
	fmt.Print(report.table())
	if out != "" {
		if err := report.writeJSON(out); err != nil {
			return err
		}
	}
	if readme != "" {
		return report.writeInto(readme)
	}
	return nil
}

// check makes sure that a contestant makes the checks that are compared.
func (c contestant) check(iss *issuer) error {
	verify, err := c.verifier()
	if err != nil {
		return err
	}
	good := iss.token(nil)
	for range 2 {
		if err := verify(good); err != nil {
			return fmt.Errorf("refuses a good token: %w", err)
		}
	}
	bad, otherType := iss.badTokens()
	for name, token := range bad {
		if verify(token) == nil {
			return fmt.Errorf("accepts a token that is bad: %s", name)
		}
	}
	if accepted := verify(otherType) == nil; accepted == c.Type {
		return fmt.Errorf("accepts a token of another type: %v", accepted)
	}
	return nil
}

// A figure is what one verification costs.
type figure struct {
	Nanoseconds float64 `json:"ns"`
	Bare        float64 `json:"x_bare"` // as a multiple of the bare RSA operation
	Allocations float64 `json:"allocs"`
	Bytes       float64 `json:"bytes"`
}

// measure has the contestants verify all tokens in each round: first by a
// verifier that knows none of them (a miss), then by one that verified them
// before (a hit), which is the same for those that remember nothing.
func measure(iss *issuer, all []contestant, rounds, tokens int) (*report, error) {
	texts := make([]string, tokens)
	bares := make([]func() error, tokens)
	for i := range texts {
		texts[i] = iss.token(nil)
		bares[i] = iss.bare(texts[i])
	}
	bare := func() error {
		for _, one := range bares {
			if err := one(); err != nil {
				return err
			}
		}
		return nil
	}
	warm := make([]func(string) error, len(all))
	misses, hits := make([]samples, len(all)), make([]samples, len(all))
	var alone []float64
	for round := range rounds + countedRounds {
		// To count allocations costs time, so the first rounds are timed and the
		// last ones counted.
		sampleOf := clock
		if round >= rounds {
			sampleOf = count
		}
		of, err := sampleOf(bare)
		if err != nil {
			return nil, err
		}
		for i, c := range all {
			fresh, err := c.verifier()
			if err != nil {
				return nil, err
			}
			if warm[i] == nil {
				warm[i] = fresh
			}
			for _, turn := range []struct {
				verify func(string) error
				to     *samples
			}{{fresh, &misses[i]}, {warm[i], &hits[i]}} {
				one, err := sampleOf(verifyAll(turn.verify, texts))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.Name, err)
				}
				turn.to.add(one.each(tokens), of.each(tokens))
			}
		}
		if round < rounds {
			alone = append(alone, of.each(tokens).ns)
		}
	}
	r := newReport(rounds, tokens, len(texts[0]), median(alone))
	for i, c := range all {
		r.add(c, misses[i].figure(), hits[i].figure())
	}
	return r, nil
}

// countedRounds is how many rounds count allocations.
const countedRounds = 5

func verifyAll(verify func(string) error, tokens []string) func() error {
	return func() error {
		for _, token := range tokens {
			if err := verify(token); err != nil {
				return err
			}
		}
		return nil
	}
}

// sample is what something cost: its time, or its allocations and their bytes.
type sample struct {
	timed                  bool
	ns, allocations, bytes float64
}

func (s sample) each(n int) sample {
	return sample{s.timed, s.ns / float64(n), s.allocations / float64(n), s.bytes / float64(n)}
}

func clock(f func() error) (sample, error) {
	start := processTime()
	err := f()
	return sample{timed: true, ns: float64((processTime() - start).Nanoseconds())}, err
}

func count(f func() error) (sample, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := f()
	runtime.ReadMemStats(&after)
	return sample{allocations: float64(after.Mallocs - before.Mallocs), bytes: float64(after.TotalAlloc - before.TotalAlloc)}, err
}

// samples are those of all rounds.
type samples struct{ ns, bare, allocations, bytes []float64 }

func (s *samples) add(one, bare sample) {
	if !one.timed {
		s.allocations, s.bytes = append(s.allocations, one.allocations), append(s.bytes, one.bytes)
		return
	}
	s.ns, s.bare = append(s.ns, one.ns), append(s.bare, one.ns/bare.ns)
}

func (s *samples) figure() figure {
	return figure{median(s.ns), median(s.bare), median(s.allocations), median(s.bytes)}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

var started = time.Now()
