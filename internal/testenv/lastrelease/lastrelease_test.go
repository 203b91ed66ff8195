package lastrelease_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/lastrelease"
)

var root = filepath.Join("..", "..", "..")

func find(t *testing.T) lastrelease.Release {
	t.Helper()
	release, err := lastrelease.Find(t.Context(), root)
	if err != nil {
		testenv.Absent(t, err.Error())
	}
	return release
}

func TestTheFileAndTheTagNameOneCommit(t *testing.T) {
	release := find(t)
	switch commit := release.TaggedCommit(t.Context(), root); commit {
	case release.Commit:
	case "":
		t.Skip("this clone has no tags")
	default:
		t.Errorf("the tag %s is at %s, and deploy/last-release says %s", release.Tag, commit, release.Commit)
	}
}

// The commit that becomes a release has its heading in the changelog, and cannot name itself in
// deploy/last-release: the next commit does.
func TestTheLastReleaseIsTheNewestOfTheChangelogOrTheOneBefore(t *testing.T) {
	release := find(t)
	now, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if versions := versionsOf(now); len(versions) == 0 || !slices.Contains(versions[:min(2, len(versions))], release.Tag) {
		t.Errorf("deploy/last-release names %s, and CHANGELOG.md %v", release.Tag, versions)
	}
	then, err := release.File(t.Context(), root, "CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if versions := versionsOf(then); len(versions) == 0 || versions[0] != release.Tag {
		t.Errorf("the changelog of %s has %v", release.Tag, versions)
	}
}

// versionsOf returns the tags of a changelog's versions, the newest first.
func versionsOf(changelog []byte) (tags []string) {
	for _, found := range regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - `).FindAllSubmatch(changelog, -1) {
		tags = append(tags, "v"+string(found[1]))
	}
	return tags
}

func TestTheReleasesSourceIsExtracted(t *testing.T) {
	release, dir := find(t), t.TempDir()
	if err := release.Extract(t.Context(), root, dir); err != nil {
		t.Fatal(err)
	}
	want, err := release.File(t.Context(), root, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || string(got) != string(want) {
		t.Errorf("go.mod: %v", err)
	}
}
