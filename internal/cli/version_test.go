package cli

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestVersionSaysWhatTheProgramWasMadeFrom(t *testing.T) {
	run := func(args ...string) string {
		var out bytes.Buffer
		parser, err := kong.New(&struct {
			Version Version `cmd:""`
		}{}, kong.Name("board"), kong.Writers(&out, &out), kong.Bind(RSA(func() string { return "libcrypto 3.0.19" })))
		if err != nil {
			t.Fatal(err)
		}
		command, err := parser.Parse(args)
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Run(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(run("version", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if got["version"] == "" || got["version"] == nil || got["rsa"] != "libcrypto 3.0.19" || got["go"] != runtime.Version() {
		t.Errorf("JSON: %v", got)
	}
	text := run("version")
	if !strings.HasPrefix(text, "board ") || !strings.Contains(text, "libcrypto 3.0.19\n") {
		t.Errorf("text: %s", text)
	}
}

func TestABuildKnowsItsCommit(t *testing.T) {
	var b Build
	b.fill(&debug.BuildInfo{GoVersion: "go1.26.10", Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-11-26T13:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}})
	if want := (Build{Version: "(devel)", Commit: "0123abc", Date: "2026-11-26T13:00:00Z", Modified: true, Go: "go1.26.10"}); b != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
}

func TestTheLinkerKnowsBetter(t *testing.T) {
	version, commit, date = "v1.2.3", "0123abc", "2026-11-26T13:00:00Z"
	defer func() { version, commit, date = "", "", "" }()
	b := NewBuild(func() string { return "go" })
	if b.Version != version || b.Commit != commit || b.Date != date || b.RSA != "go" {
		t.Errorf("got %+v", b)
	}
}
