package stack

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// aloud tells a person how far the steps of a build are. Nil tells nothing.
type aloud struct {
	out   io.Writer
	every time.Duration // between two lines of one step
}

// step runs f, which writes what "go build -v" says to log.
func (a *aloud) step(what string, f func(log io.Writer) error) error {
	if a == nil {
		return f(nil)
	}
	fmt.Fprintln(a.out, what+"…")
	began, seen := time.Now(), &buildLog{}
	done := make(chan error, 1)
	go func() { done <- f(seen) }()
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err == nil {
				fmt.Fprintf(a.out, "  done in %s, %s\n", time.Since(began).Round(time.Second), seen)
			}
			return err
		case <-ticker.C:
			fmt.Fprintf(a.out, "  %s, %s\n", time.Since(began).Round(time.Second), seen)
		}
	}
}

// buildLog counts what "go build -v" says: a line for each module that it downloads, and one for
// each package that it compiles.
type buildLog struct {
	mu                   sync.Mutex
	rest                 []byte
	downloaded, compiled int
}

func (l *buildLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.rest = rest
		switch {
		case bytes.HasPrefix(line, []byte("go: downloading ")):
			l.downloaded++
		case isPackage(line):
			l.compiled++
		}
	}
}

// isPackage tells whether the line is one by which "go build -v" names a package.
func isPackage(line []byte) bool { return len(line) > 0 && !bytes.ContainsAny(line, " :#\t") }

func (l *buildLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprintf("%d packages compiled", l.compiled)
	if l.downloaded > 0 {
		text = fmt.Sprintf("%d modules downloaded, %s", l.downloaded, text)
	}
	return text
}
