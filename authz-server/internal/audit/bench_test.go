package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// BenchmarkEntry records log-ins, 50 in a transaction so that syncs do not count, and tells what one
// costs: to add, to give its place in the chain, to verify, and on disk; and how much memory the heap has
// at most while all are verified. Its clock goes an hour on now and then, so that none is over a bound. The
// figures in DESIGN.md are by
//
//	go test ./authz-server/internal/audit -run '^$' -bench Entry -benchtime 20000x
//	go test ./authz-server/internal/audit -run '^$' -bench Entry/sqlite -benchtime 1000000x -timeout 1h
func BenchmarkEntry(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkEntry(b, sqldbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkEntry(b, sqldbtest.Postgres(b)) })
}

func benchmarkEntry(b *testing.B, databaseURL string) {
	var later time.Duration
	s, err := store.Open(b.Context(), databaseURL, func() time.Time { return time.Now().Add(later) })
	storetest.OK(b, err)
	defer s.Close()
	user, err := s.Users.CreateUser(b.Context(), accounts.User{Email: "mina@example.org", Name: "Mina", PasswordHash: "x"})
	storetest.OK(b, err)
	chain, err := audit.NewChainer(audit.Config{Store: s, Key: key, Log: slog.New(slog.DiscardHandler)})
	storetest.OK(b, err)
	e := audit.Entry{
		Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: user.ID, Label: user.Email}, Person: user.ID, From: "2001:db8::17",
		UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
		Proof:     "1", Detail: map[string]any{"amr": []string{"pwd"}, "sid": "3FTLTEZLERXVDAN5UP6OARZ4TQ", "new_device": false},
	}
	before := storetest.SizeOf(b, databaseURL)
	log, n := audit.New(s), float64(b.N)
	b.ResetTimer()
	for left := b.N; left > 0; left -= 50 {
		storetest.OK(b, s.Tx(b.Context(), func(ctx context.Context) error {
			for i := range min(left, 50) {
				e.From = fmt.Sprintf("2001:db8::%x", i%10)
				if err := log.Record(ctx, e); err != nil {
					return err
				}
			}
			return nil
		}))
		later += 6 * time.Minute
	}
	b.StopTimer()
	if waiting, err := s.Audit.Backlog(b.Context()); err != nil || waiting.IsZero() {
		b.Fatal("nothing was recorded", err)
	}
	began := time.Now()
	storetest.OK(b, chain.Chain(b.Context()))
	b.ReportMetric(float64(time.Since(began).Microseconds())/n, "chain-µs/op")
	began = time.Now()
	most := heapWhile(func() {
		var report audit.Report
		report, err = audit.Verify(b.Context(), s, key)
		if int(report.Entries) != b.N {
			b.Errorf("%d entries of %d", report.Entries, b.N)
		}
	})
	storetest.OK(b, err)
	b.ReportMetric(float64(most)/(1<<20), "verify-MB")
	b.ReportMetric(float64(time.Since(began).Microseconds())/n, "verify-µs/op")
	b.ReportMetric(float64(storetest.SizeOf(b, databaseURL).Bytes-before.Bytes)/n, "disk-B/op")
}

// heapWhile returns how many bytes the heap had at most while f ran, looked at 200 times a second.
func heapWhile(f func()) (most uint64) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	var now runtime.MemStats
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return most
		case <-tick.C:
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
}
