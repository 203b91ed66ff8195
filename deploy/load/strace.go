package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errNoStrace says that system calls cannot be counted here.
var errNoStrace = errors.New("no strace here, or it may not watch")

// watchSyncs counts how often the processes have the disk written through while do runs. Linux does
// not count that by itself; strace stops them at each such call, which makes them slow but counts
// right.
func watchSyncs(ctx context.Context, pids []int, do func() error) (calls int64, err error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		return 0, errNoStrace
	}
	args := []string{"--quiet=exit", "-f", "-c", "-U", "name,calls", "-e", "trace=fsync,fdatasync,sync_file_range"}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	cmd := exec.CommandContext(ctx, strace, args...)
	said := &attached{want: len(pids), all: make(chan struct{})}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return 0, errNoStrace
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the signal that ends it is no news
		close(ended)
	}()
	select {
	case <-said.all:
	case <-ended: // it may not
		return 0, errNoStrace
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		return 0, errNoStrace
	}
	doErr := do()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		return 0, errors.Join(doErr, err)
	}
	<-ended // by the signal
	return parseStrace(said.String()), doErr
}

// attached reads what strace says, and closes all when it has said that it watches all processes.
type attached struct {
	mu   sync.Mutex
	text bytes.Buffer
	want int
	all  chan struct{}
	done bool
}

func (a *attached) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.text.Write(p)
	if !a.done && bytes.Count(a.text.Bytes(), []byte(" attached")) >= a.want {
		a.done = true
		close(a.all)
	}
	return len(p), nil
}

func (a *attached) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// parseStrace adds up the calls in strace's table of two columns.
func parseStrace(text string) (calls int64) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] == "total" {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			calls += n
		}
	}
	return calls
}
