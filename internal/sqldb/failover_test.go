package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestAfterAFailoverNothingAcknowledgedIsLostAndAZombieIsNotAsked(t *testing.T) {
	pair := sqldbtest.StartPair(t, "app")
	opts := sqldb.Options{DatabaseStatementTimeout: time.Second, DatabaseConnectTimeout: 3 * time.Second}
	db := openWith(t, pair.URL("app"), opts)

	var mu sync.Mutex
	acknowledged := map[string]bool{}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%d-%d", worker, n)
				err := db.Tx(t.Context(), func(ctx context.Context) error {
					rows, err := insert(ctx, db, id)
					if err == nil && rows != 1 {
						err = errors.New("the row is there already")
					}
					return err
				})
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[id] = true
				case !errors.Is(err, sqldb.ErrUnavailable):
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	written := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	grows := func(by int, what string) {
		t.Helper()
		before := written()
		testenv.Eventually(t, what, func() bool { return written() >= before+by })
	}
	grows(50, "the primary takes writes")
	pair.First.Kill()
	pair.Second.Promote()
	promoted := time.Now()
	grows(50, "the promoted server takes writes")
	t.Logf("writes went on %s after the promotion", time.Since(promoted).Round(time.Millisecond))
	stop()
	all.Wait()
	present := map[string]bool{}
	ids, err := sqldb.All(t.Context(), db, scanText, `SELECT id FROM things`)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		present[id] = true
	}
	for id := range acknowledged {
		if !present[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}

	// The old primary comes back as one. It is the first host of the URL and takes connections; its
	// rows are old, and a commit would wait for a standby that nobody is.
	pair.First.Start()
	for name, db := range map[string]*sqldb.DB{"a process that saw the failover": db, "a new process": openWith(t, pair.URL("app"), opts)} {
		answered := func(what string, err error) bool { // a busy machine may be slower than the limits
			if err != nil && !errors.Is(err, sqldb.ErrUnavailable) {
				t.Errorf("%s, %s: %v", name, what, err)
				return true
			}
			return err == nil
		}
		testenv.Eventually(t, name+" writes", func() bool {
			_, err := db.Exec(t.Context(), `UPDATE things SET n = 7 WHERE id = $1`, ids[0])
			return answered("a write", err)
		})
		var wg sync.WaitGroup
		for range 16 { // more than are open: new connections are made
			wg.Go(func() {
				testenv.Eventually(t, name+" is answered", func() bool {
					return answered("a transaction", db.Tx(t.Context(), func(ctx context.Context) error {
						var port int
						if err := db.QueryRow(ctx, `SELECT CAST(current_setting('port') AS INTEGER)`).Scan(&port); err != nil {
							return err
						}
						if !strings.HasSuffix(pair.Second.URL(""), fmt.Sprint(":", port, "/?sslmode=disable")) {
							t.Errorf("%s asks the old primary", name)
						}
						return nil
					}))
				})
			})
		}
		wg.Wait()
	}
	alone := openUnmigrated(t, pair.First.URL("app"), opts)
	if _, err := insert(t.Context(), alone, "at the zombie"); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("the old primary acknowledged a write: %v", err)
	}
}

func TestAProcessThatIsCutOffWithTheOldPrimaryLeavesItWhenItHearsOfTheNew(t *testing.T) {
	pair := sqldbtest.StartPair(t, "app")
	db := openWith(t, pair.URL("app"), sqldb.Options{DatabaseStatementTimeout: time.Second})
	at := func() (port string) {
		if err := db.QueryRow(t.Context(), `SELECT current_setting('port')`).Scan(&port); err != nil {
			t.Error(err)
		}
		return port
	}
	before := at()
	pair.Second.Promote() // and the first goes on
	db.Look(t.Context())
	if after := at(); after == before {
		t.Error("the connection to the old primary is used on")
	}
}
