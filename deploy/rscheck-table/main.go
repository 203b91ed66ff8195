// Command rscheck-table measures how the verifiers of several Go libraries
// withstand rscheck, and writes the table of jwks/rscheck/README.md.
//
// Each library protects one small server. What the handler around it decides
// (where the token is taken from, challenges, scopes) is left out.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

const audience = "https://api.example/notes"

// leftOut is what the handler decides, and not the library; and DPoP and status
// lists, which none but Maru's knows.
var leftOut = []string{
	"challenge*", "resource-metadata*", "refused-not-cached", "scope-missing", "token-in-query", "two-*", "many-in-one-header", "scheme-case", "no-token",
	"leak-*", "dpop", "dpop-replay", "dpop-other-*", "dpop-unbound", "dpop-bad-key", "dpop-time", "dpop-form", "dpop-challenge", "status-*",
}

func main() {
	out := flag.String("json", "", "`file` to write all results to, as JSON")
	readme := flag.String("readme", "", "`file` whose table is replaced; empty: the table is only printed")
	only := flag.String("only", "", "the one `library` to measure, by a part of its name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	if err := run(ctx, *out, *readme, *only); err != nil {
		fmt.Fprintln(os.Stderr, "rscheck-table:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, readme, only string) error {
	var measured []library
	for _, l := range libraries {
		if strings.Contains(l.name, only) {
			measured = append(measured, l)
		}
	}
	reports := make([]*attack.Report, len(measured))
	errs := make([]error, len(measured))
	var all sync.WaitGroup
	for i, l := range measured {
		all.Go(func() { // they mostly wait
			reports[i], errs[i] = measure(ctx, l)
			fmt.Fprintf(os.Stderr, "%s: done, %v\n", l.name, errs[i])
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", measured[i].name, err)
		}
	}
	if out != "" {
		byName := map[string]*attack.Report{}
		for i, l := range measured {
			byName[l.name] = reports[i]
		}
		text, err := json.MarshalIndent(byName, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	text := table(measured, reports)
	fmt.Print(text)
	if readme == "" {
		return nil
	}
	return replace(readme, text)
}

// measure attacks a server that a library protects. When the server does not
// fetch the key set in time, it gets a new verifier, as if it were restarted.
func measure(ctx context.Context, l library) (*attack.Report, error) {
	issuer, err := attack.NewIssuer(attack.IssuerConfig{})
	if err != nil {
		return nil, err
	}
	defer issuer.Close()
	notes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "notes") })
	var handler atomic.Pointer[http.Handler]
	var end context.CancelFunc = func() {}
	start := func(context.Context) error {
		end()
		var of context.Context
		of, end = context.WithCancel(ctx)
		h, err := l.protect(of, issuer.URL(), issuer.JWKSURL(), notes)
		if err == nil {
			handler.Store(&h)
		}
		return err
	}
	if err := start(ctx); err != nil {
		return nil, err
	}
	defer func() { end() }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }),
		ErrorLog:          log.New(io.Discard, "", 0), // of panics: the check tells
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close() // does not wait for handlers: some wait for keys for ever
	return attack.Run(ctx, issuer, attack.Config{
		URL: "http://" + listener.Addr().String() + "/notes", Audience: audience, Skip: leftOut, Restart: start,
		Timeout: 3 * time.Second, Patience: 15 * time.Second, Wait: 15 * time.Second, Flood: 200,
		Progress: func(r attack.Result) {
			fmt.Fprintf(os.Stderr, "%s: %s %s %s: %s\n", l.name, r.Verdict, r.Level, r.Name, r.Got)
		},
	})
}

// table is in Markdown: a row for each check that tells the libraries apart,
// and a line with the rest.
func table(measured []library, reports []*attack.Report) string {
	var rows, same bytes.Buffer
	fmt.Fprint(&rows, "| check | level |")
	for _, l := range measured {
		fmt.Fprintf(&rows, " %s |", strings.TrimSpace(l.name+" "+version(l.module)))
	}
	fmt.Fprintf(&rows, "\n|---|---|%s\n", strings.Repeat(":-:|", len(measured)))
	failed := make([]map[attack.Level]int, len(measured))
	for i := range failed {
		failed[i] = map[attack.Level]int{}
	}
	for n, check := range reports[0].Results {
		cells := make([]string, len(measured))
		for i, report := range reports {
			r := report.Results[n]
			cells[i] = map[attack.Verdict]string{attack.Pass: "✓", attack.Fail: "✗", attack.Skip: "–", attack.Unclear: "?"}[r.Verdict]
			if r.Verdict == attack.Fail {
				failed[i][r.Level]++
			}
			if r.Verdict == attack.Fail && r.Level != level(check.Name) {
				cells[i] = "(✗)"
			}
		}
		if !slices.ContainsFunc(cells, func(c string) bool { return c != "✓" }) {
			fmt.Fprintf(&same, " `%s`", check.Name)
			continue
		}
		fmt.Fprintf(&rows, "| `%s` | %v | %s |\n", check.Name, level(check.Name), strings.Join(cells, " | "))
	}
	for _, level := range []attack.Level{attack.Must, attack.Should} {
		fmt.Fprintf(&rows, "| failed | %v |", level)
		for i := range measured {
			fmt.Fprintf(&rows, " **%d** |", failed[i][level])
		}
		fmt.Fprintln(&rows)
	}
	return rows.String() + "\n" + wrapped("All of them pass:"+same.String()+".")
}

// wrapped breaks lines at 100 columns.
func wrapped(text string) string {
	var out strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
		case column+1+len(word) > 100:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String() + "\n"
}

func level(name string) attack.Level {
	checks := attack.Checks()
	return checks[slices.IndexFunc(checks, func(c attack.Check) bool { return c.Name == name })].Level
}

// version is the one that the program was built with; none for what is in this
// repository.
func version(module string) string {
	build, _ := debug.ReadBuildInfo()
	for _, dependency := range build.Deps {
		if dependency.Path == module && dependency.Replace == nil {
			return dependency.Version
		}
	}
	return ""
}

// replace writes the table between two comments of a file.
func replace(file, table string) error {
	const begin, end = "<!-- make rscheck-table writes this -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no place for the table", file)
	}
	return os.WriteFile(file, []byte(before+begin+table+end+after), 0o644)
}
