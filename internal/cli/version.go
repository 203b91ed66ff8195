package cli

import (
	"fmt"
	"io"
	"runtime/debug"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// What the linker is told with -X where the source is no repository, as in the image's build.
// Empty: the program knows by itself.
var version, commit, date string

// Build says what a program was made from. Scripts read it as JSON: the names version and rsa stay.
type Build struct {
	Version  string `json:"version"`            // of a tag such as v0.1.0, of a commit after it, or "(devel)"
	Commit   string `json:"commit,omitempty"`   // in full
	Date     string `json:"date,omitempty"`     // of the commit (RFC 3339, UTC)
	Modified bool   `json:"modified,omitempty"` // the source was not that of the commit
	Go       string `json:"go"`                 // the version that compiled it
	RSA      string `json:"rsa"`                // what computes RSA signatures: "go", or "libcrypto" and a version
}

// RSA returns Build.RSA of a program. Bind it for kong, for [Version].
type RSA func() string

// NewBuild returns what this program was made from.
func NewBuild(rsa RSA) Build {
	b := Build{Version: "unknown", RSA: rsa()}
	info, ok := debug.ReadBuildInfo()
	if ok {
		b.fill(info)
	}
	if version != "" {
		b.Version = version
	}
	if commit != "" {
		b.Commit, b.Date = commit, date
	}
	return b
}

func (b *Build) fill(info *debug.BuildInfo) {
	b.Version, b.Go = info.Main.Version, info.GoVersion
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.time":
			b.Date = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
}

// Version is the command "version" of all programs. An [RSA] must be bound.
type Version struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints what the program was made from.
func (v Version) Run(k *kong.Context, rsa RSA) error {
	build := NewBuild(rsa)
	if v.JSON {
		return PrintJSON(k.Stdout, build)
	}
	return build.print(k.Stdout, k.Model.Name)
}

func (b Build) print(w io.Writer, program string) error {
	table := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintf(table, "%s\t%s\n", program, b.Version)
	for _, line := range [][2]string{{"commit", b.Commit}, {"date", b.Date}, {"go", b.Go}, {"rsa", b.RSA}} {
		if line[1] != "" {
			fmt.Fprintf(table, "%s\t%s\n", line[0], line[1])
		}
	}
	return table.Flush()
}
