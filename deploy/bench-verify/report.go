package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

type report struct {
	Go         string    `json:"go"`
	System     string    `json:"system"`
	Rounds     int       `json:"rounds"`
	Tokens     int       `json:"tokens"`
	TokenBytes int       `json:"token_bytes"`
	BareNS     float64   `json:"bare_ns"` // the bare RSA operation
	Libraries  []library `json:"libraries"`
}

type library struct {
	Name   string `json:"name"`
	Type   bool   `json:"checks_typ"`
	Memory bool   `json:"remembers"`
	Hit    figure `json:"hit"`
	Miss   figure `json:"miss"`
}

func newReport(rounds, tokens, tokenBytes int, bare float64) *report {
	return &report{
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Rounds: rounds, Tokens: tokens, TokenBytes: tokenBytes, BareNS: bare,
	}
}

func (r *report) add(c contestant, miss, hit figure) {
	var versions []any
	for _, module := range c.Modules {
		versions = append(versions, version(module))
	}
	name := fmt.Sprintf(c.Name, versions...)
	r.Libraries = append(r.Libraries, library{Name: name, Type: c.Type, Memory: c.Memory, Miss: miss, Hit: hit})
	slices.SortStableFunc(r.Libraries, func(a, b library) int { return cmp.Compare(a.Miss.Bare, b.Miss.Bare) })
}

func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return dep.Version
			}
		}
	}
	return "unknown"
}

// table is in Markdown.
func (r *report) table() string {
	var b strings.Builder
	b.WriteString("| library | hit | allocations | miss | allocations | `typ` |\n|---|--:|--:|--:|--:|---|\n")
	for _, l := range r.Libraries {
		typ := "no"
		if l.Type {
			typ = "yes"
		}
		fmt.Fprintf(&b, "| %s | %.2f (%s) | %.0f | %.2f (%s) | %.0f | %s |\n",
			l.Name, l.Hit.Bare, micros(l.Hit), l.Hit.Allocations, l.Miss.Bare, micros(l.Miss), l.Miss.Allocations, typ)
	}
	fmt.Fprintf(&b, "\n%s, %s, tokens of %d bytes; the bare operation took %.1f µs and has 9 allocations of its own; medians of %d rounds.\n",
		r.Go, r.System, r.TokenBytes, r.BareNS/1000, r.Rounds)
	return b.String()
}

func micros(f figure) string { return fmt.Sprintf("%.1f µs", f.Nanoseconds/1000) }

func (r *report) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// The marks between which the table stands in a README.
const (
	beginMark = "<!-- make bench-verify README=jwks/README.md writes from here -->\n"
	endMark   = "<!-- to here -->\n"
)

// writeInto replaces the table in a file.
func (r *report) writeInto(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(beginMark))
	_, after, ended := bytes.Cut(rest, []byte(endMark))
	if !ok || !ended {
		return errors.New("the file has no marks for the table")
	}
	return os.WriteFile(file, slices.Concat(before, []byte(beginMark+"\n"+r.table()+"\n"+endMark), after), 0o600)
}
