// Package machine says on what machine something was measured, and writes tables into READMEs.
package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
)

// Machine is where something was measured.
type Machine struct {
	CPU        string `json:"cpu,omitempty"` // its model; empty: not known
	Processors int    `json:"processors"`
	System     string `json:"system"`
	Go         string `json:"go"`
	Memory     int64  `json:"memory,omitempty"` // bytes; 0: not known
}

// Processors is how many this process may use.
func Processors() int { return runtime.NumCPU() }

// This is the machine that this process runs on.
func This() Machine {
	return Machine{
		CPU: line("/proc/cpuinfo", "model name"), Processors: Processors(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
		Memory: kilobytes(line("/proc/meminfo", "MemTotal")) << 10,
	}
}

// line returns the value of the first line of that name.
func line(file, name string) string {
	text, err := os.ReadFile(file) //nolint:gosec // G304: one of two files of /proc
	if err != nil {
		return ""
	}
	for one := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(one, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func kilobytes(text string) (n int64) {
	_, _ = fmt.Sscanf(text, "%d kB", &n) // 0: not known
	return n
}

func (m Machine) String() string {
	text := m.System
	if m.CPU != "" {
		text = m.CPU + ", " + text
	}
	text = fmt.Sprintf("%d processors of %s, %s", m.Processors, text, m.Go)
	if m.Memory > 0 {
		text += fmt.Sprintf(", %.0f GB of memory", float64(m.Memory)/1e9)
	}
	return text
}

// Output is where a command puts what it measured. It is a part of the command's settings.
type Output struct {
	Out    string `help:"A file for what was measured, as JSON. Empty: none." env:"OUT" placeholder:"PATH"`
	Readme string `help:"A file whose table of this is written anew, between its marks. Empty: none." env:"README" placeholder:"PATH"`
}

// Write writes report as JSON, and text, which is Markdown, between the marks of that name.
func (o Output) Write(name string, report any, text string) error {
	if err := o.writeJSON(report); err != nil || o.Readme == "" {
		return err
	}
	return WriteBetween(o.Readme, name, text)
}

// WritePart is [Output.Write] for one of several commands that write into one JSON object: report is
// its member of that name, and the others stay.
func (o Output) WritePart(part, name string, report any, text string) error {
	all := map[string]json.RawMessage{}
	if o.Out != "" {
		switch before, err := os.ReadFile(o.Out); {
		case err == nil:
			if err := json.Unmarshal(before, &all); err != nil {
				return fmt.Errorf("%s has something else than parts: %w", o.Out, err)
			}
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	encoded, err := json.Marshal(report)
	if err != nil {
		return err
	}
	all[part] = encoded
	return o.Write(name, all, text)
}

func (o Output) writeJSON(report any) error {
	if o.Out == "" {
		return nil
	}
	encoded, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.Out, append(encoded, '\n'), 0o644) //nolint:gosec // G306: figures for everybody
}

// Table makes a table of Markdown. A column whose title ends with ">" is aligned to the right.
func Table(titles []string, rows [][]string) string {
	var head, line strings.Builder
	for _, title := range titles {
		title, right := strings.CutSuffix(title, ">")
		head.WriteString("| " + title + " ")
		line.WriteString("|--" + map[bool]string{false: "-", true: ":"}[right])
	}
	text := head.String() + "|\n" + line.String() + "|\n"
	for _, row := range rows {
		text += "| " + strings.Join(row, " | ") + " |\n"
	}
	return text
}

// WriteBetween replaces what a file has between the marks of a name, which are lines: <!-- NAME: from
// here --> and <!-- NAME: to here -->.
func WriteBetween(file, name, text string) error {
	content, err := os.ReadFile(file) //nolint:gosec // G304: the operator names it
	if err != nil {
		return err
	}
	begin, end := []byte("<!-- "+name+": from here -->\n"), []byte("<!-- "+name+": to here -->\n")
	before, rest, began := bytes.Cut(content, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !began || !ended {
		return errors.New(file + " has no marks for the table of " + name)
	}
	return os.WriteFile(file, slices.Concat(before, begin, []byte("\n"+strings.TrimSpace(text)+"\n\n"), end, after), 0o644) //nolint:gosec // G306: a document
}
