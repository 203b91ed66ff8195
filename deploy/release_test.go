package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/maru-auth/maru/internal/testenv"
)

// releaseBuild is as much of a build in .goreleaser.yaml as is looked at here.
type releaseBuild struct {
	ID, Main, Binary             string
	Goos, Goarch, Flags, Ldflags []string
	Tags                         []string
	ModTimestamp                 string `yaml:"mod_timestamp"`
}

func releaseBuilds(t *testing.T) []releaseBuild {
	t.Helper()
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Version int
		Env     []string
		Builds  []releaseBuild
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.Version != 2 || !slices.Contains(config.Env, "CGO_ENABLED=0") {
		t.Errorf("not of version 2, or not static: %+v", config)
	}
	return config.Builds
}

func TestAReleaseHasEveryProgramForEverySystem(t *testing.T) {
	t.Parallel()
	programs := map[string]string{"authz-server": "./authz-server", "user": "./resources/user", "board": "./resources/board",
		"client-demo": "./client-demo"}
	for _, build := range releaseBuilds(t) {
		if programs[build.ID] != build.Main || build.Binary != build.ID {
			t.Errorf("%+v", build)
		}
		delete(programs, build.ID)
		for _, system := range []string{"linux", "darwin", "windows"} {
			if !slices.Contains(build.Goos, system) {
				t.Errorf("%s is not built for %s", build.ID, system)
			}
		}
		if !slices.Contains(build.Goarch, "amd64") || !slices.Contains(build.Goarch, "arm64") {
			t.Errorf("%s is built for %v alone", build.ID, build.Goarch)
		}
		if !slices.Contains(build.Flags, "-trimpath") || build.ModTimestamp != "{{ .CommitTimestamp }}" {
			t.Errorf("two builds of %s differ by path or time", build.ID)
		}
		if !slices.Contains(build.Tags, "timetzdata") {
			t.Errorf("%s lacks the time zones where the system has none", build.ID)
		}
	}
	if len(programs) > 0 {
		t.Errorf("not built: %v", programs)
	}
	if path, err := exec.LookPath("goreleaser"); err == nil {
		check := exec.CommandContext(t.Context(), path, "check")
		check.Dir, check.Env = "..", append(os.Environ(), "SBOM=deploy/release/sbom.sh")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("goreleaser check: %v\n%s", err, out)
		}
	}
}

// Who wants to know whether a program is of its source can build it again, anywhere.
func TestTwoBuildsInTwoFoldersGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	build := releaseBuilds(t)[slices.IndexFunc(releaseBuilds(t), func(b releaseBuild) bool { return b.ID == "user" })]
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	list.Dir = ".."
	files, err := list.Output()
	if err != nil {
		testenv.Absent(t, "the source is no git work tree: "+err.Error())
	}
	elsewhere := filepath.Join(t.TempDir(), "a", "longer", "path")
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			continue // removed, not yet committed
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(elsewhere, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var sums [][32]byte
	for _, from := range []string{"..", elsewhere} {
		out := filepath.Join(t.TempDir(), build.Binary)
		// The commit is the same for both; a copy without git does not know it.
		args := append([]string{"build", "-buildvcs=false", "-o", out, "-tags", strings.Join(build.Tags, ","),
			"-ldflags", strings.Join(build.Ldflags, " ")}, build.Flags...)
		run := exec.CommandContext(t.Context(), "go", append(args, build.Main)...)
		run.Dir, run.Env = from, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if text, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		program, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sha256.Sum256(program))
		if root, _ := filepath.Abs(".."); bytes.Contains(program, []byte(root)) {
			t.Error("the program tells where it was built")
		}
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the same source differ")
	}
}

func TestAnSBOMNamesWhatAProgramIsMadeOf(t *testing.T) {
	t.Parallel()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	write := func() []byte {
		out := filepath.Join(t.TempDir(), "authz-server.cdx.json")
		if text, err := exec.CommandContext(t.Context(), "sh", "release/sbom.sh", p.AuthzServer, out).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := write()
	var sbom struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			Name, Version, PURL string
		}
	}
	if err := json.Unmarshal(text, &sbom); err != nil {
		t.Fatal(err)
	}
	if sbom.Format != "CycloneDX" || len(sbom.Components) < 20 {
		t.Errorf("%s of %d components", sbom.Format, len(sbom.Components))
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	fosite := regexp.MustCompile(`github.com/ory/fosite (v\S+)`).FindSubmatch(mod)
	found := false
	for _, c := range sbom.Components {
		if c.Name == "github.com/ory/fosite" {
			found = fosite != nil && c.Version == string(fosite[1]) && c.PURL != ""
		}
	}
	if !found {
		t.Error("the SBOM lacks fosite, or its version")
	}
	if !bytes.Equal(text, write()) {
		t.Error("a second SBOM of the same program differs")
	}
}

func TestEveryReleaseHasNotes(t *testing.T) {
	t.Parallel()
	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	versions := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindAllSubmatch(changelog, -1)
	if len(versions) == 0 {
		t.Fatal("CHANGELOG.md has no version")
	}
	notes := func(version string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "sh", "release/notes.sh", version).Output()
		return string(out), err
	}
	for _, version := range versions {
		got, err := notes("v" + string(version[1]))
		if err != nil || strings.Contains(got, "\n## ") || strings.HasPrefix(got, "\n") || len(got) < 20 {
			t.Errorf("%s: %v\n%.300s", version[1], err, got)
		}
	}
	if got, err := notes("v99.0.0"); err == nil {
		t.Errorf("a version that there is not has notes: %.100q", got)
	}
}

// interfacesBreak says whether the check of interfaces finds that a document breaks clients.
func interfacesBreak(t *testing.T, document string, text []byte) bool {
	t.Helper()
	// In a clone of its own, for the document is named by its path there.
	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.CommandContext(t.Context(), "git", "clone", "-q", "--shared", "--no-checkout", "..", clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, content := range map[string]string{"deploy/release/interfaces.sh": "release/interfaces.sh", "deploy/last-release": "last-release",
		"go.mod": "../go.mod", "deploy/tools/oasdiff/go.mod": "tools/oasdiff/go.mod", "deploy/tools/oasdiff/go.sum": "tools/oasdiff/go.sum"} {
		data, err := os.ReadFile(content)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(clone, name), data)
	}
	writeFile(t, filepath.Join(clone, document), text)
	out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(clone, "deploy/release/interfaces.sh"), document).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "breaks clients") {
		t.Fatalf("%v\n%s", err, out)
	}
	return err != nil
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnInterfaceThatBreaksClientsIsNoticed(t *testing.T) {
	t.Parallel()
	const document = "resources/board/openapi.json"
	text, err := os.ReadFile(filepath.Join("..", document))
	if err != nil {
		t.Fatal(err)
	}
	if interfacesBreak(t, document, text) {
		t.Error("the document of today breaks clients of the last release")
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	paths := tree["paths"].(map[string]any)
	for path := range paths {
		if strings.HasSuffix(path, "/posts") {
			delete(paths, path)
		}
	}
	broken, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	if !interfacesBreak(t, document, broken) {
		t.Error("nobody notices that posts cannot be listed any longer")
	}
}

var exact = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)

var pinned = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+@[0-9a-f]{40}$`)

// A job that CI has and a developer has not would find what nobody can try.
func TestTheWorkflowsCallWhatEverybodyCanRun(t *testing.T) {
	t.Parallel()
	type step struct {
		Run, Uses string
		With      map[string]any
	}
	var jobs []string
	for _, name := range []string{"ci", "release", "vulndb"} {
		text, err := os.ReadFile("../.github/workflows/" + name + ".yml")
		if err != nil {
			t.Fatal(err)
		}
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Container, Uses, Needs string
				RunsOn                 string `yaml:"runs-on"`
				Timeout                int    `yaml:"timeout-minutes"`
				Strategy               struct {
					Matrix struct{ Machine []string }
				}
				Steps []step
			}
		}
		if err := yaml.Unmarshal(text, &workflow); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(workflow.Permissions) == 0 {
			t.Errorf("%s may do anything", name)
		}
		for id, job := range workflow.Jobs {
			if job.Uses == "" && job.Timeout == 0 {
				t.Errorf("%s: %s may run for six hours", name, id)
			}
			for _, step := range job.Steps {
				jobs = append(jobs, name+"/"+id+": "+step.Run+step.Uses)
				// A tag can be moved to other code, which would have what the job may do.
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s uses %s, which names no commit", name, id, step.Uses)
				}
				if version, _ := step.With["version"].(string); strings.HasPrefix(step.Uses, "goreleaser/") && !exact.MatchString(version) {
					t.Errorf("%s: %s releases by whichever goreleaser %q is", name, id, version)
				}
				if keeps := step.With["persist-credentials"]; strings.HasPrefix(step.Uses, "actions/checkout@") && keeps != false {
					t.Errorf("%s: %s leaves its token to whatever runs after the checkout", name, id)
				}
			}
		}
		if name == "ci" {
			test := workflow.Jobs["test"]
			if !slices.Equal(test.Strategy.Matrix.Machine, []string{"ubuntu-24.04", "ubuntu-24.04-arm"}) {
				t.Errorf("the tests run on %v", test.Strategy.Matrix.Machine)
			}
			mod, err := os.ReadFile("../go.mod")
			if err != nil {
				t.Fatal(err)
			}
			want := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindSubmatch(mod)
			if test.Container != "golang:"+string(want[1])+"-bookworm" {
				t.Errorf("the tests run in %s, and go.mod names Go %s", test.Container, want[1])
			}
		}
		if name == "release" && (workflow.Jobs["check"].Uses != "./.github/workflows/ci.yml" || workflow.Jobs["release"].Needs != "check" || workflow.Jobs["images"].Needs != "check") {
			t.Error("something is released that was not checked")
		}
	}
	all := strings.Join(jobs, "\n")
	for _, want := range []string{"ci/test: .ci/run", "release/release: make release", "release/release: actions/attest-build-provenance@",
		"release/images: docker/build-push-action@"} {
		if !strings.Contains(all, want) {
			t.Errorf("no job has %q:\n%s", want, all)
		}
	}
}
