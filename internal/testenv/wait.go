package testenv

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/freeport"
)

// patience bounds every wait of a test. A test that passes never uses it up, so it is long enough
// for a busy machine.
const patience = 90 * time.Second

// Eventually returns once ok returns true, and fails the test with "waited in vain until" and what
// if it does not within a minute and a half. It asks often at first and more rarely later.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end, pause := time.Now().Add(patience), time.Millisecond; !ok(); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(pause)
	}
}

// Watched is a context that tells when somebody begins to wait for its end. Make one with [Watch].
type Watched struct {
	context.Context

	once    sync.Once
	waiting chan struct{}
}

// Watch returns a context that is ctx, watched.
func Watch(ctx context.Context) *Watched {
	return &Watched{Context: ctx, waiting: make(chan struct{})}
}

// Done is that of [context.Context].
func (w *Watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

// Waiting is closed at the first call of Done: the code under test has come to its wait.
func (w *Watched) Waiting() <-chan struct{} { return w.waiting }

// FreePort returns a TCP port of loopback for a program that cannot choose one by itself; see
// [freeport.Reserve]. It is the test's own until the test ends.
func FreePort(t testing.TB) string {
	t.Helper()
	port, release, err := freeport.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return strconv.Itoa(port)
}
