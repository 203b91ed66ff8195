package e2e

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/maru-auth/maru/deploy/load/endurance"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

// A short form of `make soak`, without clock steps: for 30 s, or for as long as E2E_SOAK says.
func TestSteadyLoadWithRestartsLosesNoRequestAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	long := 30 * time.Second
	if text := os.Getenv("E2E_SOAK"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	l := &log{requests: map[string]int{}}
	// Other tests run beside this one: a fifth of what fits at one moment fits at all others.
	r, err := endurance.Run(t.Context(), endurance.Config{
		Root: root, Dir: t.TempDir(), Programs: p, Duration: long, Capacity: 2 * time.Second, Share: 0.2, Connections: 4, Restart: long / 4, Log: l,
	})
	if errors.Is(err, sqldbtest.ErrNoPostgres) {
		testenv.Absent(t, err.Error())
	}
	if err != nil {
		t.Fatalf("%v\nthe end of the log:\n%s", err, l.end(40))
	}
	if err := r.Check(); err != nil {
		t.Errorf("%v\nthe end of the log:\n%s", err, l.end(40))
	}
	if r.Replicas > 1 && r.Restarts == 0 {
		t.Error("no replica was restarted")
	}
	t.Logf("%d requests at %.0f/s, restarts: %d, 99 %% took %.0f ms at most: %+v", r.Steps, r.Rate, r.Restarts, r.P99, r.Growth)
}
