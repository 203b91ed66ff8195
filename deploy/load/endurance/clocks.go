package endurance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/deploy/stack"
)

// Linux has no wall clock for one process: a time namespace shifts the monotonic clock alone, a
// library before libc's does not reach Go, and to set the machine's clock would concern everybody
// on it. So the programs are built by a Go whose time.Now adds what a file says. That file is
// named after the address on which the program listens, so that each replica has a clock of its
// own. Nothing of it is in the programs that anybody else builds.

// clockSource is added to each program.
const clockSource = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	for _, name := range []string{"AUTHZ_LISTEN", "USER_LISTEN", "BOARD_LISTEN", "DEMO_LISTEN"} {
		listen := os.Getenv(name)
		if listen == "" {
			continue
		}
		go func() {
			for range time.Tick(100 * time.Millisecond) {
				text, _ := os.ReadFile(%q + "/" + listen)
				time.Stepped, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			}
		}()
	}
}
`

// What is changed in package time.
const (
	nowBefore = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {\n\t\treturn Time{uint64(nsec), sec + unixToInternal, Local}"
	nowAfter  = "\tsec, nsec, mono := runtimeNow()\n\tsec += Stepped\n\tif mono == 0 {\n\t\treturn Time{uint64(nsec), sec + unixToInternal, Local}"
	variable  = "\n// Stepped is how many seconds the wall clock of this process is ahead.\nvar Stepped int64\n"
)

// BuildWithClocks builds the programs so that their wall clocks can be stepped, in dir. clocks is
// the folder of the files that do so. The first time takes as long as to build everything anew; the
// changed Go stays in bin/soak, because a build cache knows packages by where their Go is.
func BuildWithClocks(ctx context.Context, root, dir, tags string) (programs stack.Programs, clocks string, err error) {
	env := exec.CommandContext(ctx, "go", "env", "GOROOT")
	env.Dir = root
	out, err := env.Output()
	if err != nil {
		return programs, "", err
	}
	goroot := strings.TrimSpace(string(out))
	clocks = filepath.Join(dir, "clocks")
	if err := os.MkdirAll(clocks, 0o700); err != nil {
		return programs, "", err
	}
	own, err := filepath.Abs(filepath.Join(root, "bin", "soak", "go"))
	if err == nil {
		err = os.RemoveAll(own)
	}
	if err == nil {
		err = steppable(goroot, own)
	}
	if err != nil {
		return programs, "", err
	}
	overlay, err := addClock(root, dir, clocks)
	if err != nil {
		return programs, "", err
	}
	stepped := stack.Go{Command: filepath.Join(goroot, "bin", "go"), Env: []string{"GOROOT=" + own, "GOTOOLCHAIN=local"}}
	programs, err = stack.BuildWith(ctx, stepped, root, filepath.Join(dir, "bin"), "-overlay="+overlay, "-tags="+tags)
	return programs, clocks, err
}

// steppable makes a Go in which everything but package time is a link to goroot's.
func steppable(goroot, own string) error {
	changed := filepath.Join(own, "src", "time")
	if err := os.CopyFS(changed, os.DirFS(filepath.Join(goroot, "src", "time"))); err != nil {
		return err
	}
	for _, folder := range []string{"", "src"} {
		entries, err := os.ReadDir(filepath.Join(goroot, folder))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if path := filepath.Join(own, folder, entry.Name()); path != changed && path != filepath.Dir(changed) {
				if err := os.Symlink(filepath.Join(goroot, folder, entry.Name()), path); err != nil {
					return err
				}
			}
		}
	}
	file := filepath.Join(changed, "time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if strings.Count(string(text), nowBefore) != 1 {
		return errors.New("this Go's time.Now is another one than is known here")
	}
	if err := os.Remove(file); err != nil { // it may be write-protected, as in the module cache
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), nowBefore, nowAfter, 1)+variable), 0o600)
}

// addClock writes the list of files that the go command shall see in the programs' folders.
func addClock(root, dir, clocks string) (overlay string, err error) {
	source := filepath.Join(dir, "clock.go")
	if err := os.WriteFile(source, fmt.Appendf(nil, clockSource, clocks), 0o600); err != nil {
		return "", err
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for _, program := range []string{"authz-server", "resources/user", "resources/board", "client-demo"} {
		replace[filepath.Join(root, program, "zz_clock.go")] = source
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// clockSteps are how many seconds the clocks are ahead, in turn. A replica whose clock is more than
// 5 s from the database's is not ready, and takes no requests.
var clockSteps = []int64{2, -2, 3, 0, -3, 1}

// stepClock steps the clock of one program after the other.
func (e *endurance) stepClock() {
	n := int(e.stepped.Add(1)) - 1
	var listen []string
	for _, part := range e.site.Parts() {
		for _, setting := range part.Env {
			if name, address, _ := strings.Cut(setting, "="); strings.HasSuffix(name, "_LISTEN") && name != part.Prefix+"METRICS_LISTEN" {
				listen = append(listen, address)
			}
		}
	}
	step := clockSteps[n/len(listen)%len(clockSteps)]
	path := filepath.Join(e.cfg.Clocks, listen[n%len(listen)])
	err := os.WriteFile(path+".new", []byte(strconv.FormatInt(step, 10)), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		e.result.Clock++
	}
	e.note(err)
}
