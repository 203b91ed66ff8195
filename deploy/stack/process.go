package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is one running part.
type process struct {
	part Part
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	exit Exit          // valid once done is closed
}

// Exit tells how a part ended.
type Exit struct {
	Part string
	Code int   // the exit status; 128 + the signal's number if a signal ended it, as shells count
	Err  error // nil for status 0
}

// Error names the part and how it ended.
func (e Exit) Error() string {
	if e.Err == nil {
		return e.Part + " ended"
	}
	return fmt.Sprintf("%s ended: %v", e.Part, e.Err)
}

// Unwrap returns the cause.
func (e Exit) Unwrap() error { return e.Err }

// start runs the part. Its output goes to log, each line after the part's name.
func start(part Part, env []string, log *lines) (*process, error) {
	cmd := exec.Command(part.Program, part.Args...)
	cmd.Env = part.Environment(env)
	out := log.of(part.Name)
	if log.to != nil { // otherwise the null device, which costs this process nothing
		cmd.Stdout, cmd.Stderr = out, out
	}
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = 5 * time.Second
	if err := startFromLastingThread(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", part.Name, err)
	}
	p := &process{part: part, cmd: cmd, done: make(chan struct{})}
	go func() {
		err := cmd.Wait()
		out.end()
		p.exit = Exit{Part: part.Name, Code: exitCode(err), Err: err}
		close(p.done)
	}()
	return p, nil
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// stop asks the process to end, and kills it when limit is over.
func (p *process) stop(limit <-chan time.Time) {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-limit:
		p.kill()
	}
}

// kill ends the process, and any that it started, as a power failure would, and waits until it is
// gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal goes to the part's whole process group. An error means that it has ended already, which
// done tells as well.
func (p *process) signal(s syscall.Signal) {
	if !p.ended() {
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// On Linux a child dies with its parent, see childAttributes; the kernel means the parent's thread,
// so that all children are started from one thread, which stays for as long as this program runs.
var lastingThread struct {
	once sync.Once
	run  chan func()
}

func startFromLastingThread(cmd *exec.Cmd) error {
	lastingThread.once.Do(func() {
		lastingThread.run = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range lastingThread.run {
				f()
			}
		}()
	})
	started := make(chan error)
	lastingThread.run <- func() { started <- cmd.Start() }
	return <-started
}

// lines writes whole lines of several processes to one log. The zero value discards them.
type lines struct {
	mu    sync.Mutex
	to    io.Writer
	width int // names are padded to it
}

func (l *lines) of(name string) *lineWriter { return &lineWriter{lines: l, name: name} }

func (l *lines) write(name string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		fmt.Fprintf(l.to, "%-*s | %s\n", l.width, name, line)
	}
}

// lineWriter collects one process's output into lines. os/exec writes to it from one goroutine.
type lineWriter struct {
	lines *lines
	name  string
	rest  []byte
}

const longestLine = 64 << 10

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			break
		}
		w.lines.write(w.name, line)
		w.rest = rest
	}
	if len(w.rest) > longestLine {
		w.end()
	}
	return len(p), nil
}

// end writes what came after the last newline.
func (w *lineWriter) end() {
	if len(w.rest) > 0 {
		w.lines.write(w.name, w.rest)
		w.rest = nil
	}
}
