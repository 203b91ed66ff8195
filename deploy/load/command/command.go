// Package command is what the commands that measure Maru share: how they start, and the programs that
// they build.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/deploy/stack"
)

// Run is one run of a command.
type Run struct {
	Root string    // the repository's folder
	Dir  string    // a folder of the run's own, which is removed after it
	Out  io.Writer // for people
}

// Main parses the arguments into cfg, a struct as kong takes it, and does the work, until that is
// done or a signal asks it to end. A flag's environment variable begins with the name in capitals,
// as in LOAD_DURATION. An error becomes a line on standard error, and status 1.
func Main(name, about string, cfg any, work func(ctx context.Context, r Run) error, options ...kong.Option) {
	kong.Parse(cfg, append(options, kong.Name(name), kong.DefaultEnvars(strings.ToUpper(name)),
		kong.Description(about))...)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, name, work); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, work func(ctx context.Context, r Run) error) (err error) {
	root, err := stack.Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "maru-"+name+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return work(ctx, Run{Root: root, Dir: dir, Out: os.Stdout})
}

// Programs are the flags about Maru's programs.
type Programs struct {
	Tags string `help:"Build tags of Maru's programs, such as libcrypto." placeholder:"TAG,…"`
	Log  string `help:"A file for what the programs print. Empty: nowhere." placeholder:"PATH"`
}

// Build compiles the programs into the run's folder.
func (p Programs) Build(ctx context.Context, r Run) (stack.Programs, error) {
	return stack.Build(ctx, r.Root, filepath.Join(r.Dir, "bin"), "-tags="+p.Tags)
}

// OpenLog returns where the programs print, or nil: nowhere. The file is open until the process
// ends.
func (p Programs) OpenLog() (io.Writer, error) {
	if p.Log == "" {
		return nil, nil
	}
	file, err := os.Create(p.Log)
	if err != nil {
		return nil, err
	}
	return file, nil
}
