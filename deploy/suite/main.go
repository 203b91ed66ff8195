// Command suite runs "go test" with the arguments that it gets, shows what "go test" would show,
// and at the end the tests that took the longest. It ends with the status of "go test".
//
// All packages share one Postgres cluster, which it starts before and stops after, and the
// programs, which it builds. "go test" knows these by their files, so that a package that runs a
// program is tested again when the program has changed.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// shown is how many of the slowest tests are listed.
const shown = 10

func main() {
	// A Ctrl-C reaches "go test" too, which ends; this process then cleans up.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	err := run(os.Args[1:])
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(max(exit.ExitCode(), 1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...) //nolint:gosec // G204: whoever runs it chooses the arguments
	cmd.Stderr = os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv("TEST_POSTGRES_URL") == "" {
		url, stop, startErr := sqldbtest.Start()
		switch {
		case errors.Is(startErr, sqldbtest.ErrNoPostgres): // the tests say so themselves
		case startErr != nil:
			return startErr
		default:
			defer func() { err = errors.Join(err, stop()) }()
			cmd.Env = append(cmd.Env, sqldbtest.SharedCluster+"="+url)
		}
	}
	programs, err := stack.BuildForTests(context.Background(), ".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // the tests of programs fail by the same; others need not
	} else {
		cmd.Env = append(cmd.Env, stack.BuiltForTests+"="+programs.Caddy)
	}
	if _, err := stack.BuildLastReleaseForTests(context.Background(), "."); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(report(out, os.Stdout), cmd.Wait())
}

// event is a line of "go test -json", see "go doc test2json".
type event struct {
	Action  string
	Package string
	Test    string // empty: it is about the package
	Output  string
	Elapsed float64 // seconds, with the end of a test or a package
}

// A timing is how long a test took, without those that it waited for as a parallel one.
type timing struct {
	name    string
	elapsed time.Duration
}

// report reads events until they end, and writes each package's part as soon as the package has
// ended.
func report(events io.Reader, w io.Writer) error {
	pending := map[string][]event{} // by package
	var slowest []timing
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil { // go itself speaks
				fmt.Fprintf(w, "%s", line)
				continue
			}
			ended := e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
			switch {
			case e.Package == "" || e.Action == "build-output":
				fmt.Fprint(w, e.Output)
			case ended && e.Test == "":
				fmt.Fprint(w, text(pending[e.Package], e.Action == "fail"))
				delete(pending, e.Package)
			default:
				pending[e.Package] = append(pending[e.Package], e)
			}
			if ended && e.Test != "" && !strings.Contains(e.Test, "/") {
				slowest = append(slowest, timing{e.Package + " " + e.Test, time.Duration(e.Elapsed * float64(time.Second))})
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, events := range pending { // it was stopped in the middle
		fmt.Fprint(w, text(events, true))
	}
	list(w, slowest)
	return nil
}

// text is what "go test" says of a package that ended: what the package itself says and, when it
// failed, the output of all its tests that did not pass.
func text(events []event, failed bool) string {
	passed := map[string]bool{}
	for _, e := range events {
		passed[e.Test] = passed[e.Test] || e.Action == "pass" || e.Action == "skip"
	}
	var out strings.Builder
	for _, e := range events {
		noise := strings.HasPrefix(e.Output, "=== ") || e.Output == "PASS\n"
		if e.Action == "output" && !noise && (e.Test == "" || failed && !passed[e.Test]) {
			out.WriteString(e.Output)
		}
	}
	return out.String()
}

func list(w io.Writer, all []timing) {
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(a, b timing) int { return cmp.Compare(b.elapsed, a.elapsed) })
	fmt.Fprintln(w, "the slowest tests:")
	for _, one := range all[:min(shown, len(all))] {
		fmt.Fprintf(w, "%8.2fs  %s\n", one.elapsed.Seconds(), one.name)
	}
}
