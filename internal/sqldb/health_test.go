package sqldb_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestTheWatchTellsOfADatabaseThatTakesNoWrites(t *testing.T) {
	databaseURL := sqldbtest.SQLite(t)
	db := openWith(t, databaseURL, sqldb.Options{DatabaseLockTimeout: 20 * time.Millisecond})
	hold(t, databaseURL, func(context.Context, *sqldb.DB) error { return nil })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	metrics := prometheus.NewRegistry()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		db.Watch(ctx, slog.New(slog.NewTextHandler(writer, nil)), metrics)
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil || !strings.Contains(line, "takes no writes") {
		t.Fatal(line, err)
	}
	go io.Copy(io.Discard, reader)
	stop()
	<-ended
	writer.Close()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		got[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	if got["database_ready"] != 1 || got["database_writable"] != 0 {
		t.Error(got)
	}
}

func TestAClockThatIsOffIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		off  time.Duration
		says string
	}{
		"right": {0, ""}, "a day ahead": {24 * time.Hour, "ahead of"}, "a minute behind": {-time.Minute, "behind"},
	} {
		t.Run(name, func(t *testing.T) {
			now := func() time.Time { return time.Now().Add(test.off) }
			db := openWith(t, sqldbtest.Postgres(t), sqldb.Options{Now: now})
			for _, err := range []error{db.Ready(t.Context()), db.CheckClock(t.Context())} {
				if (err != nil) != (test.says != "") || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
			}
			for range 2 { // the second answer is remembered
				if right, err := db.ClockRight(t.Context()); err != nil || right != (test.says == "") {
					t.Errorf("right %t, %v", right, err)
				}
			}
			db = openWith(t, sqldbtest.SQLite(t), sqldb.Options{Now: now})
			if right, err := db.ClockRight(t.Context()); err != nil || !right {
				t.Errorf("SQLite has no clock of its own: right %t, %v", right, err)
			}
			if err := errors.Join(db.Ready(t.Context()), db.CheckClock(t.Context())); err != nil {
				t.Errorf("SQLite has no clock of its own: %v", err)
			}
		})
	}
}
