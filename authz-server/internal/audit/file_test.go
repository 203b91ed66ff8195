package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

// positions are those of the lines of a file.
func positions(t *testing.T, path string) (all []int) {
	t.Helper()
	text, err := os.ReadFile(path)
	ok(t, err)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var line struct{ Position int }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		all = append(all, line.Position)
	}
	return all
}

func wantPositions(t *testing.T, path string, from, to int) {
	t.Helper()
	all := positions(t, path)
	for i, at := range all {
		if at != from+i {
			t.Fatalf("%s has %v", path, all)
		}
	}
	if len(all) != to-from+1 {
		t.Errorf("%s has %v, not %d to %d", path, all, from, to)
	}
}

func TestTheFileHasEveryEntryAcrossRestartsAndRotations(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		start := func() chained { return newChained(t, w, func(cfg *audit.Config) { cfg.File = path }) }
		newChained(t, w, nil).add(t, 3) // of another replica, before
		c := start()
		c.add(t, 2)
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path, 1, 5)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info.Mode(), err)
		}
		ok(t, os.Rename(path, path+".1"))
		c.add(t, 2)
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path+".1", 1, 5)
		wantPositions(t, path, 6, 7)
		c.add(t, 1)
		c.end(t)
		c = start()
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path, 6, 8)
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path, 6, 8)
	})
}

// A machine stops in the middle of a line: its entry comes again, on a line of its own.
func TestALineThatACrashCutShortSpoilsNoOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		start := func() chained { return newChained(t, w, func(cfg *audit.Config) { cfg.File = path }) }
		c := start()
		c.add(t, 2)
		ok(t, c.Follow(t.Context()))
		c.end(t)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		ok(t, err)
		const torn = `{"position":3,"kin`
		_, err = f.WriteString(torn)
		ok(t, errors.Join(err, f.Close()))
		c = start()
		c.add(t, 1)
		ok(t, c.Follow(t.Context()))
		c.end(t)
		text, err := os.ReadFile(path)
		ok(t, err)
		ok(t, os.WriteFile(path, bytes.Replace(text, []byte(torn+"\n"), nil, 1), 0o600))
		wantPositions(t, path, 1, 3)
	})
}

// end ends the chainer, which lets its file go.
func (c chained) end(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Run(ctx)
}

// A server that is replaced by another one on its machine ends while that runs already.
func TestTwoProcessesWriteAFileOneAfterTheOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		start := func() chained { return newChained(t, w, func(cfg *audit.Config) { cfg.File = path }) }
		one := start()
		one.add(t, 2)
		ok(t, one.Follow(t.Context()))
		other := start()
		one.add(t, 2)
		if err := other.Follow(t.Context()); err == nil || !strings.Contains(err.Error(), "another process writes it") {
			t.Error(err)
		}
		ok(t, one.Follow(t.Context()))
		one.end(t)
		other.add(t, 1)
		ok(t, other.Follow(t.Context()))
		wantPositions(t, path, 1, 5)
	})
}

func TestAFileThatCannotBeWrittenStopsNobodyAndCatchesUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		c := newChained(t, w, func(cfg *audit.Config) { cfg.File = path })
		c.add(t, 2)
		ok(t, c.Follow(t.Context()))
		// /dev/full is a disk without room.
		ok(t, os.Rename(path, path+".1"))
		ok(t, os.Symlink("/dev/full", path))
		c.add(t, 2)
		if err := c.Follow(t.Context()); err == nil {
			t.Error("the disk is full, and nobody noticed")
		}
		c.add(t, 1) // goes on
		ok(t, os.Remove(path))
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path, 3, 5)
	})
}

func TestAFileAheadOfTheDatabaseGoesOnAndTheLogSaysSo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		ok(t, os.WriteFile(path+".position", []byte("7\n"), 0o600))
		c := newChained(t, w, func(cfg *audit.Config) { cfg.File = path })
		c.add(t, 2)
		ok(t, c.Follow(t.Context()))
		if !strings.Contains(c.text.String(), "restored from a backup") {
			t.Error(c.text.String())
		}
		c.add(t, 1)
		ok(t, c.Follow(t.Context()))
		wantPositions(t, path, 3, 3)
	})
}

func TestAFileThatCannotBeOpenedIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(path string) error{
		"no folder":          func(string) error { return nil },
		"no file":            func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a position that is": func(path string) error { return os.WriteFile(path+".position", []byte("x"), 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		if name == "no folder" {
			path = filepath.Join(path, "audit.jsonl")
		}
		ok(t, prepare(path))
		_, err := audit.NewChainer(audit.Config{Key: key, File: path, Store: new(store.Store)})
		if err == nil || !strings.Contains(err.Error(), "--audit-file") {
			t.Error(name, err)
		}
	}
}

// Names and headers are other people's text.
func TestALineOfTheFileIsOneLine(t *testing.T) {
	t.Parallel()
	e := audit.Entry{Kind: audit.LoggedIn, UserAgent: "x\n{\"kind\":\"user.deleted\"}\r\x1b[2Jy\u2028\u0085", Reason: "\x00\u009b"}
	text, err := json.Marshal(e)
	if err != nil || strings.ContainsFunc(string(text), func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("%q %v", text, err)
	}
	var back struct {
		UserAgent string `json:"user_agent"`
	}
	if err := json.Unmarshal(text, &back); err != nil || back.UserAgent != e.UserAgent {
		t.Errorf("%q %v", back.UserAgent, err)
	}
}
