// Package lastrelease finds the release before this source: its programs must run beside those of
// this source, on one database. The file deploy/last-release names its tag and its commit, so that
// a clone without tags finds it too; the commit after each release changes that file.
package lastrelease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// ErrAbsent means that the repository at hand does not have the release's commit: the source came
// without its history, or with a part of it.
var ErrAbsent = errors.New("the history does not reach back to the last release: fetch all of it (git fetch --unshallow)")

// Release is a version that was published.
type Release struct {
	Tag    string // such as v0.1.0
	Commit string // 40 hex digits
}

var form = regexp.MustCompile(`^(v\d+\.\d+\.\d+) ([0-9a-f]{40})\n$`)

// Read reads what the file in the repository at root says.
func Read(root string) (Release, error) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "last-release"))
	if err != nil {
		return Release{}, err
	}
	found := form.FindSubmatch(text)
	if found == nil {
		return Release{}, errors.New("deploy/last-release must have one line: a tag such as v0.1.0, and its commit")
	}
	return Release{Tag: string(found[1]), Commit: string(found[2])}, nil
}

// Find is [Read], and returns [ErrAbsent] if the repository at root lacks the commit.
func Find(ctx context.Context, root string) (Release, error) {
	release, err := Read(root)
	if err != nil {
		return Release{}, err
	}
	if _, err := git(ctx, root, "rev-parse", "--verify", "--quiet", release.Commit+"^{commit}"); err != nil {
		return Release{}, fmt.Errorf("%s: %w", release.Tag, ErrAbsent)
	}
	return release, nil
}

// File returns the content that a file of the repository at root had in the release.
func (r Release) File(ctx context.Context, root, path string) ([]byte, error) {
	return git(ctx, root, "show", r.Commit+":"+path)
}

// TaggedCommit returns the commit that the release's tag names in the repository at root; empty:
// there is no such tag.
func (r Release) TaggedCommit(ctx context.Context, root string) string {
	commit, err := git(ctx, root, "rev-parse", "--verify", "--quiet", "refs/tags/"+r.Tag+"^{commit}")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(commit))
}

// Extract writes the release's source into dir, which exists.
func (r Release) Extract(ctx context.Context, root, dir string) error {
	archive, err := git(ctx, root, "archive", "--format=tar", r.Commit)
	if err != nil {
		return err
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func git(ctx context.Context, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(log.Bytes()))
	}
	return out.Bytes(), nil
}
