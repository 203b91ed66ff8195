// Package program runs a program for a test: starts it, waits until it is ready, keeps what it
// prints, and ends it.
package program

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// Program is a running program. It is stopped when the test ends, and if the test failed, what it
// printed is shown.
type Program struct {
	Output // what it printed so far, on both of its outputs

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{} // closed after its end
	err   error         // of Wait; valid once ended is closed
}

// Start starts cmd, which must have neither Stdout nor Stderr, and does not wait for anything.
func Start(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	p := &Program{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", p.name(), &p.Output)
		}
	})
	return p
}

func (p *Program) name() string { return filepath.Base(p.cmd.Path) }

// PID is its process id.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// UntilReady returns once url answers below 500, and fails the test if the program ends before. No
// redirect is followed.
func (p *Program) UntilReady(url string) {
	p.t.Helper()
	probe := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	testenv.Eventually(p.t, p.name()+" is ready at "+url, func() bool {
		if p.Ended() {
			p.t.Fatalf("%s ended: %v", p.name(), p.err)
		}
		resp, err := probe.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode < 500
	})
}

// Says returns true once the program has printed text, and false if it ends without.
func (p *Program) Says(text string) bool {
	p.t.Helper()
	testenv.Eventually(p.t, p.name()+" says "+text, func() bool {
		return strings.Contains(p.String(), text) || p.Ended()
	})
	return strings.Contains(p.String(), text)
}

// Ended tells whether the program has ended.
func (p *Program) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Status waits until the program ends by itself, and returns its exit status: -1 if a signal ended
// it.
func (p *Program) Status() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatalf("%s does not end", p.name())
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	if p.err != nil {
		p.t.Fatal(p.err)
	}
	return 0
}

// Signal sends it a signal; one that has ended gets none.
func (p *Program) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !p.Ended() {
		select { // it may be ending at this moment
		case <-p.ended:
		case <-time.After(time.Minute):
			p.t.Errorf("signal %s: %v", p.name(), err)
		}
	}
}

// Stop asks the program to end by SIGTERM, and waits until it has. One that takes longer than 20
// seconds is killed, and the test fails.
func (p *Program) Stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.t.Errorf("%s had to be killed", p.name())
		p.Kill()
	}
}

// Kill ends the program as a power failure would, and waits until it is gone.
func (p *Program) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// Output is a buffer that one goroutine writes while others read. The zero value is empty.
type Output struct {
	Keep int // how many bytes of the end to keep at least; 0: all that is written

	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to it.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Keep > 0 && o.text.Len() > 2*o.Keep {
		o.text.Next(o.text.Len() - o.Keep)
	}
	return o.text.Write(p)
}

// String returns all that was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
