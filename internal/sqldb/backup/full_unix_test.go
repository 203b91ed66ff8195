//go:build unix

package backup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/backup"
)

// A disk that is full, as a process sees it that may write files of 64 KiB at most: nothing half is left,
// and what was there is there.
func TestAFullDiskLeavesWhatWasThere(t *testing.T) {
	m := newMade(t)
	for i := range 40 { // so that it is larger than the limit, and what SQLite keeps beside it is not
		m.add(m.path, strings.Repeat("z", 4000)+fmt.Sprint(i))
	}
	m.file = filepath.Join(m.dir, "large")
	if _, err := backup.SQLite(t.Context(), "sqlite:"+m.path, m.file); err != nil {
		t.Fatal(err)
	}
	before, rows := m.left(), m.has(m.path)
	for what, says := range map[string]string{"backup": "copy the database", "restore": ""} {
		holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOnAFullDisk$", "-test.v")
		holder.Env = append(os.Environ(), "BACKUP_TEST_FULL="+what+" "+m.path+" "+m.file)
		out, err := holder.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "refused: ") || !strings.Contains(string(out), says) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
		if after := m.left(); after != before {
			t.Errorf("%s: there was %s, and is %s", what, before, after)
		}
	}
	if m.has(m.path) != rows {
		t.Error("the database has other rows")
	}
}

// TestOnAFullDisk is the process of TestAFullDiskLeavesWhatWasThere.
func TestOnAFullDisk(t *testing.T) {
	what := strings.Fields(os.Getenv("BACKUP_TEST_FULL"))
	if len(what) != 3 {
		t.Skip("it is the other process of another test")
	}
	m := made{t: t, dir: filepath.Dir(what[1]), path: what[1], file: what[2], migrations: migrations}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	var err error
	if what[0] == "backup" {
		_, err = backup.SQLite(t.Context(), "sqlite:"+m.path, filepath.Join(m.dir, "another"))
	} else {
		_, err = m.restore(m.file)
	}
	if err == nil {
		t.Error("there was room")
	}
	fmt.Println("refused:", err)
}

// A pipe in the place of a backup, or of what is beside it, is refused, and not waited for.
func TestAPipeIsNoBackup(t *testing.T) {
	for _, suffix := range []string{"", ".json"} {
		m := newMade(t)
		if err := errors.Join(os.Remove(m.file+suffix), syscall.Mkfifo(m.file+suffix, 0o600)); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := m.restore(m.file); done <- err }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "no ordinary file") {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("it waits for %s", m.file+suffix)
		}
	}
}

// What a backup that was ended early leaves is named, so that the next is not refused for ever.
func TestABackupThatEndedEarlyIsNamed(t *testing.T) {
	m := newMade(t)
	file := filepath.Join(m.dir, "another")
	for _, name := range []string{file, file + ".partial"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.SQLite(t.Context(), "sqlite:"+m.path, file); err == nil || !strings.Contains(err.Error(), file+".partial") {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(file), os.Remove(file+".partial")); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.SQLite(t.Context(), "sqlite:"+m.path, file); err != nil {
		t.Error(err)
	}
}
