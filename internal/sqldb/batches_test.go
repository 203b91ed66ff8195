package sqldb_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestABatchThatTakesLongIsFollowedByASmallerOne(t *testing.T) {
	for _, c := range []struct {
		limit, most, want int64
		took              time.Duration
	}{
		{200, 200, 100, 30 * time.Millisecond},
		{100, 200, 100, 5 * time.Millisecond},
		{100, 200, 200, time.Millisecond},
		{200, 200, 200, time.Millisecond},
		{13, 200, 12, time.Second},
		{12, 200, 12, time.Second}, // or it would never end
		{3, 3, 3, time.Second},
	} {
		if got := sqldb.NextLimit(c.limit, c.most, c.took); got != c.want {
			t.Errorf("after %d rows of %d at most in %s: %d, want %d", c.limit, c.most, c.took, got, c.want)
		}
	}
}

var limitOf = regexp.MustCompile(`LIMIT (\d+)\)$`)

func TestNoStatementOfARemovalHasMoreRowsThanABatch(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		const many = 1000
		if _, err := db.Exec(t.Context(), fmt.Sprintf(`INSERT INTO things (id, n, live, raw)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT 't' || i, i, true, $1 FROM n`, many), []byte{}); err != nil {
			t.Fatal(err)
		}
		statements := 0
		ctx := sqldb.Observe(t.Context(), func(query string, _ []any) {
			if !strings.HasPrefix(query, "DELETE FROM things") {
				return
			}
			statements++
			if limit := limitOf.FindStringSubmatch(query); limit == nil {
				t.Errorf("without a limit: %s", query)
			} else if n, err := strconv.Atoi(limit[1]); err != nil || n > sqldb.BatchRows {
				t.Errorf("%d rows in one transaction", n)
			}
		})
		rows, err := db.Remove(ctx, old, 5000)
		if err != nil || rows != many {
			t.Errorf("%d rows went: %v", rows, err)
		}
		if statements < many/sqldb.BatchRows {
			t.Errorf("%d rows went in %d statements", rows, statements)
		}
	})
}

func TestAFullLastBatchIsFollowedByALook(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db := open(t, databaseURL)
		addThings(t, db, 1, 2, 3, 4)
		rows, err := db.Sweep(context.Background(), time.UnixMicro(10), []sqldb.Sweep{{Name: "things", Rows: old, Batch: 2}})
		if err != nil || rows != 4 || len(things(t, db)) != 0 {
			t.Errorf("%d rows went: %v", rows, err)
		}
	})
}
