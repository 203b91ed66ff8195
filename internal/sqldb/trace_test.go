package sqldb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/tracing"
)

func TestSpansNameStatementsAndHoldNoValues(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		recorder := tracetest.NewSpanRecorder()
		ctx, root := tracing.Begin(tracing.New(recorder).With(t.Context()), "root")
		err := db.Tx(ctx, func(ctx context.Context) error {
			_, err := db.Exec(ctx, `INSERT INTO things (id, n, live, raw) VALUES ($1, $2, true, $3)`, "secret", 1, []byte("secret"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow(ctx, `SELECT n FROM things WHERE id = $1`, "secret").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(ctx, `INSERT INTO things (id, n, live, raw) VALUES ($1, 1, true, $2)`, "secret", []byte{}); err == nil {
			t.Fatal("the same id twice")
		}
		if err := db.QueryRow(ctx, `SELECT n FROM things WHERE id = 'nobody'`).Scan(&n); err == nil {
			t.Fatal("found")
		}
		root.End(nil)
		var names []string
		for _, span := range recorder.Ended() {
			said := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events())
			names = append(names, span.Name()+map[bool]string{true: "!"}[span.Status().Code != 0])
			if strings.Contains(said, "secret") || strings.Contains(said, "nobody") {
				t.Errorf("a span says %s", said)
			}
		}
		const want = "INSERT things, transaction, SELECT things, INSERT things!, SELECT things, root"
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
