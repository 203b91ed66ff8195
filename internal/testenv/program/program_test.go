package program_test

import (
	"os/exec"
	"testing"

	"github.com/maru-auth/maru/internal/testenv/program"
)

func TestAProgramSaysWhatItPrintsAndStopsWhenAsked(t *testing.T) {
	p := program.Start(t, exec.Command("sh", "-c",
		`echo out; echo error >&2; trap 'echo bye; exit 3' TERM; while :; do sleep 0.01; done`))
	if !p.Says("out\nerror\n") || p.Ended() {
		t.Fatalf("%q", p.String())
	}
	p.Stop()
	if status := p.Status(); status != 3 || !p.Says("bye") {
		t.Errorf("status %d, %q", status, p.String())
	}
}

func TestAProgramThatEndsIsNotWaitedFor(t *testing.T) {
	p := program.Start(t, exec.Command("sh", "-c", "echo no; exit 4"))
	if p.Says("serving") || p.Status() != 4 {
		t.Errorf("%q", p.String())
	}
}

func TestAKilledProgramHasNoStatus(t *testing.T) {
	p := program.Start(t, exec.Command("sleep", "600"))
	p.Kill()
	if !p.Ended() || p.Status() != -1 {
		t.Error(p.Status())
	}
}
