package tokenendpoint_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// BenchmarkRefreshStorage refreshes one grant again and again, each time after the window of grace,
// and tells what that leaves in the database: rows, and for each refresh the bytes on disk (tables
// with their indexes) and on Postgres those of the write-ahead log. The figures in DESIGN.md are of
// a whole life of a grant, 90 days with a refresh every ten minutes:
//
//	go test ./authz-server/internal/tokenendpoint -run '^$' -bench RefreshStorage -benchtime 12960x
func BenchmarkRefreshStorage(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkRefreshStorage(b, sqldbtest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkRefreshStorage(b, sqldbtest.Postgres(b)) })
}

func benchmarkRefreshStorage(b *testing.B, databaseURL string) {
	f := providertest.New(b, databaseURL)
	statements, writes := 0, 0
	refresh := func(token string) string {
		r := f.Request("POST", "/oauth2/token", providertest.RefreshGrant(token))
		r.SetBasicAuth("app", providertest.Secret)
		w := httptest.NewRecorder()
		for _, one := range storetest.Statements(r.Context(), func(ctx context.Context) {
			f.Server.Config.Handler.ServeHTTP(w, r.WithContext(ctx))
		}) {
			if statements++; !strings.HasPrefix(one, "SELECT") {
				writes++
			}
		}
		return f.Tokens(providertest.Answer{Status: w.Code, Header: w.Header(), Body: w.Body.String()}).Refresh
	}
	token := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "board:read offline_access"))).Refresh
	token = refresh(token)

	before := storetest.SizeOf(b, databaseURL)
	statements, writes = 0, 0
	ratio(b, func() { f.Clock.Advance(11 * time.Second) }, func() { token = refresh(token) })
	after, n := storetest.SizeOf(b, databaseURL), float64(b.N)
	b.ReportMetric(float64(statements)/n, "statements/op")
	b.ReportMetric(float64(writes)/n, "writes/op")
	b.ReportMetric(float64(after.Rows), "rows")
	b.ReportMetric(float64(after.Bytes-before.Bytes)/n, "disk-B/op")
	if after.Log > 0 {
		b.ReportMetric(float64(after.Log-before.Log)/n, "log-B/op")
	}
}
