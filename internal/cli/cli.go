// Package cli is what the command lines of all programs have in common: exit statuses, help, the
// signals that stop a program, and the check that every environment variable with the program's
// prefix is one of its settings.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses, the same for all programs and commands. 0 is success.
const (
	Failed = 1 // the command is understood, but failed
	Misuse = 2 // the command line, an environment variable or a setting is wrong: trying again does not help
)

// usageError marks an error as misuse.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks err, unless it is nil, as one for which [Status] is Misuse.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// statusError is an error with an exit status of its own.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// Exit gives err an exit status of its own, for a command whose status says more than whether it
// failed.
func Exit(status int, err error) error { return statusError{err, status} }

// Status returns the exit status for the error that a program ended with.
func Status(err error) int {
	var usage usageError
	var own statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &usage):
		return Misuse
	}
	return Failed
}

// Main runs the command that the arguments and the environment name, and ends the program. commands
// is a pointer to a struct with kong's tags; variables begin with prefix, such as "BOARD_".
func Main(name, prefix string, commands any, options ...kong.Option) {
	parser, err := kong.New(commands, options...)
	if err != nil {
		panic(err) // the tags are wrong
	}
	err = run(parser, name, prefix, os.Args[1:], os.Environ())
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	}
	os.Exit(Status(err))
}

// UntilStopped runs f with a context that ends when the program is told to stop: by SIGINT, which
// is Ctrl-C, or by SIGTERM.
func UntilStopped(f func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return f(ctx)
}

func run(parser *kong.Kong, name, prefix string, args, environ []string) error {
	command, err := Parse(parser, name, prefix, args, environ)
	if err != nil {
		return err
	}
	return command.Run()
}

// Parse reads the command line and the environment of the program name. Its errors are misuse. A
// variable that sets nothing is reported first, because it may be why a setting is missing.
func Parse(parser *kong.Kong, name, prefix string, args, environ []string) (*kong.Context, error) {
	command, err := parser.Parse(args)
	if wrong := CheckEnviron(parser.Model, prefix, environ); wrong != nil {
		return nil, wrong
	}
	if err != nil {
		return nil, Usage(fmt.Errorf("%w (see %s --help)", err, name))
	}
	return command, nil
}

// CheckEnviron refuses variables that begin with prefix and set nothing: they are most likely
// misspelt. It passes over what compose.yaml has for other containers under the same prefix
// (DATABASE_PASSWORD), what Kubernetes and Docker set for services of that name, and, for the
// prefix USER_, which other programs use too, what resembles no setting. Its error is misuse.
func CheckEnviron(app *kong.Application, prefix string, environ []string) error {
	known := []string{}
	eachFlag(app.Node, func(flag *kong.Flag) { known = append(known, flag.Envs...) })
	for _, one := range environ {
		name, value, _ := strings.Cut(one, "=")
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours || rest == "DATABASE_PASSWORD" || slices.Contains(known, name) || isServiceLink(rest, value) {
			continue
		}
		nearest, distance := Nearest(name, known)
		if prefix == "USER_" && distance > 3 {
			continue
		}
		return Usage(fmt.Errorf("the environment variable %s sets nothing; did you mean %s? All are in --help", name, nearest))
	}
	return nil
}

var serviceLink = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isServiceLink tells whether a variable, without its prefix, is one that Kubernetes sets in every
// container for each service of the namespace (enableServiceLinks), as Docker's links did.
func isServiceLink(rest, value string) bool {
	address := strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") || strings.HasPrefix(value, "sctp://")
	return serviceLink.MatchString(rest) || address && (rest == "PORT" || strings.HasSuffix(rest, "_PORT"))
}

func eachFlag(node *kong.Node, f func(*kong.Flag)) {
	for _, flag := range node.Flags {
		f(flag)
	}
	for _, child := range node.Children {
		eachFlag(child, f)
	}
}

// Nearest returns the word of known that takes the fewest changes of a character to become word,
// and how many it takes. known must not be empty.
func Nearest(word string, known []string) (nearest string, distance int) {
	distance = -1
	for _, one := range known {
		if d := changes(word, one); distance < 0 || d < distance {
			nearest, distance = one, d
		}
	}
	return nearest, distance
}

// changes returns the Levenshtein distance of two words, in bytes.
func changes(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Traces is what the help of a program says of traces, whose settings are OpenTelemetry's own and no
// flags.
const Traces = " Traces of requests go to OTEL_EXPORTER_OTLP_ENDPOINT (OTLP over HTTP, such as http://collector:4318); unset: there are none."

// Help prints the help of a program or command. A program's help includes the settings of its
// default command. A command's help has its own flags first, then the settings of the whole program
// that reads names for the command, such as "client create". Nil: all of them.
func Help(reads func(command string) []string) kong.HelpPrinter {
	return func(options kong.HelpOptions, ctx *kong.Context) error {
		app, selected := ctx.Model, ctx.Selected()
		switch fallback := app.DefaultCmd; {
		case selected == nil && fallback != nil:
			app.Flags = append(app.Flags, fallback.Flags...)
		case selected != nil && selected != fallback && reads != nil:
			narrow(app, reads(commandOf(selected)))
			if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
				return err
			}
			_, err := fmt.Fprintf(ctx.Stdout, "\nThe settings of the server: %s %s --help\n", app.Name, fallback.Name)
			return err
		}
		return kong.DefaultHelpPrinter(options, ctx)
	}
}

// commandOf returns a command with those above it, such as "client create".
func commandOf(node *kong.Node) string {
	name := node.Name
	for above := node.Parent; above != nil && above.Type == kong.CommandNode; above = above.Parent {
		name = above.Name + " " + name
	}
	return name
}

// narrow hides the settings of the whole program except those in named, and puts these after the
// command's flags.
func narrow(app *kong.Application, named []string) {
	for _, flag := range app.Flags {
		switch {
		case flag.Name == "help":
		case slices.Contains(named, flag.Name):
			flag.Group = &kong.Group{Key: "settings", Title: "Settings that it reads:"}
		default:
			flag.Hidden = true
		}
	}
}
