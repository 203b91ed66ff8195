package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type serveCommand struct {
	Listen      string `help:"Address." default:":1"`
	DatabaseURL string `help:"Database."`
}

func (serveCommand) Run() error { return nil }

type failCommand struct{}

func (failCommand) Run() error { return errors.New("it could not be done") }

func parser(t *testing.T, prefix string, out *bytes.Buffer) *kong.Kong {
	t.Helper()
	var commands struct {
		Issuer string       `help:"The issuer."`
		Quiet  bool         `help:"Say nothing."`
		Serve  serveCommand `cmd:"" default:"withargs" help:"Serve."`
		Fail   struct {
			Hard failCommand `cmd:"" help:"Fail hard."`
			Own  string      `help:"Of its own." env:"-"`
		} `cmd:"" help:"Fail."`
	}
	p, err := kong.New(&commands,
		kong.Name("thing"), kong.DefaultEnvars(strings.TrimSuffix(prefix, "_")), kong.Writers(out, out), kong.Exit(func(int) {}),
		kong.Help(Help(func(command string) []string {
			if command == "fail hard" {
				return []string{"issuer"}
			}
			return nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStatus(t *testing.T) {
	p := func() *kong.Kong { return parser(t, "THING_", new(bytes.Buffer)) }
	for _, test := range []struct {
		args    string
		environ []string
		want    int
	}{
		{"", nil, 0},
		{"serve --listen=:2", nil, 0},
		{"fail hard", nil, Failed},
		{"fail harder", nil, Misuse},
		{"--nonsense", nil, Misuse},
		{"serve", []string{"THING_ISUER=x"}, Misuse},
	} {
		err := run(p(), "thing", "THING_", strings.Fields(test.args), test.environ)
		if got := Status(err); got != test.want {
			t.Errorf("%q %v: %d, %v", test.args, test.environ, got, err)
		}
	}
	err := run(p(), "thing", "THING_", []string{"--nonsense"}, []string{"THING_ISUER=x"})
	if err == nil || !strings.Contains(err.Error(), "THING_ISSUER") { // as a setting that is missing for that
		t.Error(err)
	}
	if Status(fmt.Errorf("in it: %w", Usage(errors.New("x")))) != Misuse || Usage(nil) != nil {
		t.Error("misuse is not seen")
	}
}

func TestVariablesThatSetNothingAreRefused(t *testing.T) {
	for prefix, variables := range map[string]map[string]string{
		"THING_": {
			"THING_ISSUER": "", "THING_LISTEN": "", "THING_DATABASE_URL": "", "THING_QUIET": "", // settings, of every command
			"THING_ISUER": "THING_ISSUER", "THING_DATABASE": "THING_DATABASE_URL", "THING_OWN": "did you mean", "THING_": "did you mean",
			"THINGS_ISUER": "", "OTHER_THING_ISUER": "", "thing_isuer": "", "THING": "", // another prefix
			"THING_DATABASE_PASSWORD": "", "THING_SERVICE_HOST": "", "THING_SERVICE_PORT": "", "THING_SERVICE_PORT_HTTP": "",
			"THING_PORT_9300_TCP": "", "THING_PORT_9300_TCP_ADDR": "", "THING_PORT_9300_TCP_PROTO": "",
			"THING_SERVER_SERVICE_HOST": "", "THING_SERVER_PORT_80_UDP_PORT": "",
			"THING_PORT": "did you mean", "THING_SERVICE": "did you mean",
		},
		"USER_": {"USER_ZDOTDIR": "", "USER_ISUER": "USER_ISSUER", "USER_LISTN": "USER_LISTEN"},
	} {
		for name, want := range variables {
			err := CheckEnviron(parser(t, prefix, new(bytes.Buffer)).Model, prefix, []string{"PATH=/bin", name + "=secret-value"})
			if (err == nil) != (want == "") || err != nil &&
				(!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name+" ") || strings.Contains(err.Error(), "secret-value")) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	links := []string{"THING_PORT=tcp://10.0.0.1:80", "THING_SERVER_PORT=udp://10.0.0.1:80"}
	if err := CheckEnviron(parser(t, "THING_", new(bytes.Buffer)).Model, "THING_", links); err != nil {
		t.Error(err)
	}
}

func TestHelpShowsWhatMatters(t *testing.T) {
	help := func(args ...string) string {
		var out bytes.Buffer
		if _, err := parser(t, "THING_", &out).Parse(append(args, "--help")); err != nil && out.Len() == 0 {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, want := range []string{"--listen", "$THING_LISTEN", "--issuer", "--database-url", "serve", "fail hard"} {
		if out := help(); !strings.Contains(out, want) {
			t.Errorf("the help of the program lacks %s:\n%s", want, out)
		}
	}
	if out := help("serve"); !strings.Contains(out, "--listen") || !strings.Contains(out, "--issuer") {
		t.Error(out)
	}
	out := help("fail", "hard")
	own, issuer := strings.Index(out, "--own"), strings.Index(out, "--issuer")
	if own < 0 || issuer < own || strings.Contains(out, "--quiet") || strings.Contains(out, "--listen") ||
		!strings.Contains(out, "thing serve --help") {
		t.Error(out)
	}
}
