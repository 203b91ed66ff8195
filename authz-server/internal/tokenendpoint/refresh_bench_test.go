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

// BenchmarkRefreshStorage refreshes 60 grants of an app in turn, each of them every ten minutes, and
// tells what each refresh leaves in the database: rows of grants and refresh tokens, bytes on disk
// (of all tables with their indexes), and on Postgres those of the write-ahead log. The figures in
// DESIGN.md are by
//
//	go test ./authz-server/internal/tokenendpoint -run '^$' -bench RefreshStorage -benchtime 6000x
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
	const grants, every = 60, 10 * time.Minute
	browser := f.Browser().LogIn(f.User)
	var tokens [grants]string
	for i := range tokens {
		tokens[i] = refresh(f.Tokens(f.Redeem(browser.Code("scope", "board:read offline_access"))).Refresh)
	}

	before := storetest.SizeOf(b, databaseURL)
	statements, writes = 0, 0
	turn := 0
	ratio(b, func() {
		f.Clock.Advance(every / grants)
		turn = (turn + 1) % grants
	}, func() { tokens[turn] = refresh(tokens[turn]) })
	after, n := storetest.SizeOf(b, databaseURL), float64(b.N)
	b.ReportMetric(float64(statements)/n, "statements/op")
	b.ReportMetric(float64(writes)/n, "writes/op")
	b.ReportMetric(float64(after.Rows-before.Rows)/n, "rows/op")
	b.ReportMetric(float64(after.Bytes-before.Bytes)/n, "disk-B/op")
	if after.Log > 0 {
		b.ReportMetric(float64(after.Log-before.Log)/n, "log-B/op")
	}
}
