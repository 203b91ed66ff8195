package deploy

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mebibytes reads "512m", "1g", "512Mi" or "460MiB".
func mebibytes(t *testing.T, text string) int {
	t.Helper()
	m := regexp.MustCompile(`^(\d+)([mgMG])(i|iB)?$`).FindStringSubmatch(text)
	if m == nil {
		t.Errorf("%q is no amount of memory", text)
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	if strings.EqualFold(m[2], "g") {
		n *= 1024
	}
	return n
}

// goMemory checks that Go's runtime is told about nine tenths of what the container may use.
func goMemory(t *testing.T, where, limit, told string) {
	t.Helper()
	if limit == "" || told == "" {
		t.Errorf("%s: memory limit %q, GOMEMLIMIT %q", where, limit, told)
		return
	}
	if share := float64(mebibytes(t, told)) / float64(mebibytes(t, limit)); share < 0.85 || share > 0.92 {
		t.Errorf("%s: GOMEMLIMIT is %s of %s, want nine tenths", where, told, limit)
	}
}

func TestEveryContainersMemoryIsLimitedAndGoKnows(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	for name, s := range c.Services {
		if name == "postgres" {
			if mebibytes(t, s.MemLimit) < 512 {
				t.Errorf("postgres: %s", s.MemLimit)
			}
			continue
		}
		goMemory(t, "compose service "+name, s.MemLimit, s.Environment["GOMEMLIMIT"])
	}
	for _, o := range manifests(t) {
		if o.Kind != "Deployment" {
			continue
		}
		for _, c := range o.Spec.Template.Spec.Containers {
			told := ""
			for _, e := range c.Env {
				if e.Name == "GOMEMLIMIT" {
					told = e.Value
				}
			}
			goMemory(t, "deployment "+o.Metadata.Name, c.Resources.Limits.Memory, told)
		}
	}
}

func TestEveryContainersLogIsRotated(t *testing.T) {
	t.Parallel()
	c, _ := readCompose(t)
	for name, s := range c.Services {
		if s.Logging.Options["max-size"] == "" || s.Logging.Options["max-file"] == "" {
			t.Errorf("%s: %+v", name, s.Logging)
		}
	}
}

// What stops a container waits for as long as its program takes to stop without losing a request.
func TestAContainerIsGivenTheTimeThatAStopTakes(t *testing.T) {
	t.Parallel()
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(p.User, "serve", "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	setting := func(name string) time.Duration {
		m := regexp.MustCompile(name + `=([0-9a-z]+)`).FindSubmatch(help)
		if m == nil {
			t.Fatalf("--help has no %s:\n%s", name, help)
		}
		d, err := time.ParseDuration(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	delay, drain := setting("--shutdown-delay"), setting("--shutdown-timeout")
	if delay < 3*time.Second {
		t.Errorf("--shutdown-delay is %s, and the gateway needs two seconds to notice", delay)
	}
	c, _ := readCompose(t)
	for name, s := range c.Services {
		if s.StopGrace < delay+drain+2*time.Second {
			t.Errorf("compose service %s: stop_grace_period %s, want more than %s", name, s.StopGrace, delay+drain)
		}
	}
	for _, o := range manifests(t) {
		if o.Kind != "Deployment" {
			continue
		}
		pod := o.Spec.Template.Spec
		one := pod.Containers[0]
		before := time.Duration(one.Lifecycle.PreStop.Sleep.Seconds) * time.Second
		for _, e := range one.Env {
			if strings.HasSuffix(e.Name, "_SHUTDOWN_DELAY") {
				d, err := time.ParseDuration(e.Value)
				if err != nil {
					t.Fatal(err)
				}
				before += d
			}
		}
		if before < 3*time.Second {
			t.Errorf("%s: stops while requests are still sent to it (%s)", o.Metadata.Name, before)
		}
		if grace := time.Duration(pod.Grace) * time.Second; grace < before+drain+2*time.Second {
			t.Errorf("%s: is killed after %s, and may take %s", o.Metadata.Name, grace, before+drain)
		}
		if l := one.LivenessProbe; l.HTTPGet != nil && (l.Timeout < 5 || l.Failures < 3) {
			t.Errorf("%s: a slow program is killed: %+v", o.Metadata.Name, l)
		}
	}
}
