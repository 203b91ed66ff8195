// Command rscheck attacks an HTTP resource server from outside: it plays the
// issuer that the server trusts, sends it good and bad tokens, and says which
// it took. README.md shows how to use it on an API of your own.
//
// The exit status is 0 if the server did all that it must, 1 if it did not, and
// 2 if it could not be checked.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the command line's.
type options struct {
	attack.Config
	issuer  attack.IssuerConfig
	json    string
	limit   time.Duration
	list    bool
	strict  bool
	verbose bool
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	opts, err := parse(args, errs)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(errs, "rscheck:", err)
		return exitUsage
	case opts.list:
		for _, c := range attack.Checks() {
			fmt.Fprintf(out, "%-28s %-6s %s\n%s sends %s\n%s expects %s\n", c.Name, c.Level, c.Spec, indent, c.Sent, indent, c.Want)
		}
		return 0
	}
	status, err := opts.attack(ctx, out)
	if err != nil {
		fmt.Fprintln(errs, "rscheck:", err)
	}
	return status
}

func (opts *options) attack(ctx context.Context, out io.Writer) (status int, err error) {
	issuer, err := attack.NewIssuer(opts.issuer)
	if err != nil {
		return exitUsage, err
	}
	defer issuer.Close()
	ctx, cancel := context.WithTimeout(ctx, opts.limit)
	defer cancel()
	fmt.Fprintf(out, `The server must be configured so:
  issuer      %s
  key set     %s (discovery names it)
  audience    %s
  algorithms  %s
  typ         %s
Waiting up to %v until %s %s accepts a good token …

`, issuer.URL(), issuer.JWKSURL(), opts.Audience, issuer.Algorithm(), opts.Type, opts.Wait, opts.Method, opts.URL)
	opts.Progress = func(r attack.Result) { show(out, r, opts.verbose) }
	report, err := attack.Run(ctx, issuer, opts.Config)
	if err != nil {
		return exitUsage, err
	}
	if opts.json != "" {
		text, err := report.JSON()
		if err != nil {
			return exitUsage, err
		}
		if err := os.WriteFile(opts.json, append(text, '\n'), 0o600); err != nil {
			return exitUsage, err
		}
	}
	summary(out, report)
	limit := attack.Must
	if opts.strict {
		limit = attack.Should
	}
	if len(report.Failed(limit)) > 0 {
		return exitFailed, nil
	}
	return 0, nil
}

const indent = "                            "

// show prints a result: one line if all is well, and else what there is to know.
func show(out io.Writer, r attack.Result, verbose bool) {
	fmt.Fprintf(out, "%-7s %-6s %-28s %s\n", strings.ToUpper(string(r.Verdict)), r.Level, r.Name, r.Got)
	if verbose || r.Verdict == attack.Fail && r.Level != attack.Info {
		fmt.Fprintf(out, "               %s sent      %s\n               %s expected  %s\n               %s see       %s\n",
			indent, r.Sent, indent, r.Want, indent, r.Spec)
	}
}

func summary(out io.Writer, report *attack.Report) {
	var passed, unclear int
	for _, r := range report.Results {
		switch r.Verdict {
		case attack.Pass:
			passed++
		case attack.Unclear:
			unclear++
		}
	}
	must := len(report.Failed(attack.Must))
	fmt.Fprintf(out, "\n%d checks in %v: %d passed, %d failed a MUST, %d failed a SHOULD, %d unclear\n",
		len(report.Results), report.Took.Round(time.Second), passed, must, len(report.Failed(attack.Should))-must, unclear)
}

func parse(args []string, errs io.Writer) (*options, error) {
	opts := &options{Config: attack.Config{Header: http.Header{}, Claims: map[string]any{}}}
	f := flag.NewFlagSet("rscheck", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(errs, "rscheck --url URL --audience URL [flags]\n\nAttacks an HTTP resource server that trusts rscheck's issuer. "+
			"Give the server's\nconfiguration the issuer's URL that rscheck prints, or one of your choice by\n--issuer-listen and --issuer-url.\n\n")
		f.PrintDefaults()
	}
	cfg := &opts.Config
	f.StringVar(&cfg.URL, "url", "", "what is called; required")
	f.StringVar(&cfg.Method, "method", "GET", "the call's `method`")
	f.StringVar(&cfg.Body, "body", "", "the call's body")
	f.Func("header", "a `header` of each call, as \"Name: value\"; may be repeated", func(text string) error {
		name, value, found := strings.Cut(text, ":")
		if !found || name == "" {
			return errors.New(`it must look like "Name: value"`)
		}
		cfg.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	f.StringVar(&cfg.Audience, "audience", "", "what the server expects in aud; required")
	f.StringVar(&cfg.Scope, "scope", "", "the `scopes` that the call needs, separated by spaces; empty: none")
	f.StringVar(&cfg.Type, "typ", attack.DefaultTokenType, "the typ of access tokens; JWT for servers that cannot tell them from ID tokens")
	f.StringVar(&cfg.Subject, "sub", attack.DefaultSubject, "the subject of good tokens")
	f.StringVar(&cfg.ClientID, "client-id", attack.DefaultClientID, "the client_id of good tokens")
	f.Func("claim", "a further `claim` of good tokens, as name=JSON; may be repeated", func(text string) error {
		name, value, _ := strings.Cut(text, "=")
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			return fmt.Errorf("the value is not JSON: %w", err)
		}
		cfg.Claims[name] = v
		return nil
	})
	f.StringVar(&cfg.HTU, "htu", "", "the `URL` that DPoP proofs name, if it is not that of --url")
	f.BoolVar(&cfg.AllowRemote, "allow-remote", false, "attack a server that is not on a loopback address; only do so with servers that are yours")
	f.StringVar(&opts.issuer.Listen, "issuer-listen", "127.0.0.1:0", "`address` that the issuer listens on; port 0: a free one")
	f.StringVar(&opts.issuer.URL, "issuer-url", "", "the issuer's `URL`, if the server reaches it by another address than it listens on")
	f.StringVar(&opts.issuer.Algorithm, "alg", "RS256", "algorithm of good tokens: "+strings.Join(attack.Algorithms, ", "))
	f.Func("only", "`names` of the checks to make, separated by commas; * stands for any text; may be repeated", names(&cfg.Only))
	f.Func("skip", "`names` of checks not to make", names(&cfg.Skip))
	f.BoolVar(&opts.list, "list", false, "list the checks and exit")
	f.StringVar(&opts.json, "json", "", "`file` to write the report to, as JSON")
	f.BoolVar(&opts.strict, "strict", false, "exit with 1 for a failed SHOULD too")
	f.BoolVar(&opts.verbose, "verbose", false, "say for each check what was sent and expected")
	f.DurationVar(&cfg.Wait, "wait", attack.DefaultWait, "how long the server may take until it accepts a good token")
	f.DurationVar(&cfg.Timeout, "timeout", attack.DefaultTimeout, "how long one call may take")
	f.DurationVar(&cfg.Patience, "patience", attack.DefaultPatience, "how long the server may take to fetch the key set for an unknown key")
	f.DurationVar(&cfg.Removal, "removal", attack.DefaultRemoval, "how long the server may trust a key that left the key set")
	f.DurationVar(&cfg.Revocation, "revocation", attack.DefaultRevocation, "how long the server may take to refuse a token that a status list revokes")
	f.IntVar(&cfg.Flood, "flood", attack.DefaultFlood, "how many tokens with unknown keys the flood has")
	f.DurationVar(&opts.limit, "limit", 20*time.Minute, "when to give up altogether")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? All arguments are flags; rscheck --help lists them", f.Arg(0))
	}
	if !opts.list && (cfg.URL == "" || cfg.Audience == "") {
		return nil, errors.New("--url and --audience are required; rscheck --help lists all flags")
	}
	return opts, nil
}

func names(list *[]string) func(string) error {
	return func(text string) error {
		*list = append(*list, strings.Split(text, ",")...)
		return nil
	}
}
