package tokenendpoint_test

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// BenchmarkRefreshStorage refreshes one grant again and again, each time after the window of grace,
// and tells what that leaves in the database: rows and bytes (tables with their indexes), and on
// Postgres the bytes of its write-ahead log. The figures in DESIGN.md are of a whole life of a
// grant, 90 days with a refresh every ten minutes:
//
//	go test ./authz-server/internal/tokenendpoint -run '^$' -bench RefreshStorage -benchtime 12960x
func BenchmarkRefreshStorage(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkRefreshStorage(b, sqldbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkRefreshStorage(b, sqldbtest.Postgres(b)) })
}

func benchmarkRefreshStorage(b *testing.B, databaseURL string) {
	f := providertest.New(b, databaseURL)
	beside, err := sqldb.Open(b.Context(), databaseURL)
	if err != nil {
		b.Fatal(err)
	}
	defer beside.Close()
	statements, writes := 0, 0
	refresh := func(token string) string {
		r := f.Request("POST", "/oauth2/token", providertest.RefreshGrant(token))
		r.SetBasicAuth("app", providertest.Secret)
		w := httptest.NewRecorder()
		f.Server.Config.Handler.ServeHTTP(w, r.WithContext(sqldb.Observe(r.Context(), func(query string, _ []any) {
			if statements++; !strings.HasPrefix(query, "SELECT") {
				writes++
			}
		})))
		return f.Tokens(providertest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}).Refresh
	}
	token := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "board:read offline_access"))).Refresh
	token = refresh(token)

	before := size(b, beside, databaseURL)
	statements, writes = 0, 0
	var times []time.Duration
	for b.Loop() {
		f.Clock.Advance(11 * time.Second)
		start := time.Now()
		token = refresh(token)
		times = append(times, time.Since(start))
	}
	after, n := size(b, beside, databaseURL), float64(b.N)
	b.ReportMetric(float64(median(times).Microseconds()), "median-µs")
	b.ReportMetric(float64(statements)/n, "statements/op")
	b.ReportMetric(float64(writes)/n, "writes/op")
	b.ReportMetric(float64(after.rows), "rows")
	b.ReportMetric(float64(after.bytes-before.bytes)/n, "disk-B/op")
	if after.log > 0 {
		b.ReportMetric(float64(after.log-before.log)/n, "log-B/op")
	}
}

// sizes are those of a database, in bytes, and how many rows its grants have.
type sizes struct{ rows, bytes, log int64 }

func size(b *testing.B, db *sqldb.DB, databaseURL string) (s sizes) {
	b.Helper()
	scan := func(query string, into ...any) {
		if err := db.ExecReturning(context.Background(), query).Scan(into...); err != nil {
			b.Fatal(err)
		}
	}
	scan(`SELECT (SELECT count(*) FROM grants) + (SELECT count(*) FROM refresh_tokens)`, &s.rows)
	if db.Engine() == sqldb.Postgres {
		scan(`SELECT CAST(sum(pg_total_relation_size(relid)) AS BIGINT), CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)
			FROM pg_stat_user_tables`, &s.bytes, &s.log)
		return s
	}
	scan(`PRAGMA wal_checkpoint(TRUNCATE)`, new(int), new(int), new(int))
	file, err := os.Stat(strings.TrimPrefix(databaseURL, "sqlite:"))
	if err != nil {
		b.Fatal(err)
	}
	s.bytes = file.Size()
	return s
}
