//go:build unix

package backup

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The server's account may write to the folder of its database, where root restores it.
func TestALinkGivesNobodyTheFileThatItLeadsTo(t *testing.T) {
	dir := t.TempDir()
	victim, like, link := filepath.Join(dir, "victim"), filepath.Join(dir, "like"), filepath.Join(dir, "link")
	for _, file := range []string{victim, like} {
		if err := os.WriteFile(file, []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(like, link); err == nil {
		t.Error("it writes where the link leads to")
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "theirs" {
		t.Errorf("%q %v", text, err)
	}
	if err := os.Chown(like, 4711, 4711); err != nil {
		return // only root can
	}
	adopt(link, like)
	if info, err := os.Stat(victim); err != nil || info.Sys().(*syscall.Stat_t).Uid == 4711 {
		t.Error("the file of somebody else changed its owner", err)
	}
	adopt(victim, like)
	if info, err := os.Stat(victim); err != nil || info.Sys().(*syscall.Stat_t).Uid != 4711 {
		t.Error("a file keeps its owner", err)
	}
}
