package lastrelease_test

import (
	"os"
	"path/filepath"
	"strings"
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

func TestTheLastReleaseIsTheNewestOfTheChangelog(t *testing.T) {
	release := find(t)
	now, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	then, err := release.File(t.Context(), root, "CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	heading := "\n## [" + strings.TrimPrefix(release.Tag, "v") + "] - "
	for what, text := range map[string]string{"the changelog": string(now), "the changelog of the release": string(then)} {
		_, rest, found := strings.Cut(text, "\n## [Unreleased]\n")
		if !found {
			t.Fatalf("%s has no part [Unreleased]", what)
		}
		at := strings.Index(rest, "\n## [")
		if at < 0 || !strings.HasPrefix(rest[at:], heading) {
			t.Errorf("in %s, %q does not follow [Unreleased]", what, strings.TrimSpace(heading))
		}
	}
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
