package growthtest

import (
	"testing"
	"testing/fstest"

	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

func TestWhatLooksAtAWholeTableIsFound(t *testing.T) {
	schema := fstest.MapFS{"0001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (id BIGINT PRIMARY KEY, owner TEXT NOT NULL, n BIGINT NOT NULL, done BOOLEAN NOT NULL);
CREATE INDEX things_owner ON things (owner, n);
CREATE INDEX things_undone ON things (n) WHERE NOT done;
`)}}
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		db, err := sqldb.Open(t.Context(), databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Migrate(t.Context(), schema); err != nil {
			t.Fatal(err)
		}
		fill(t, db, []string{`INSERT INTO things (id, owner, n, done) ` + Numbers + ` SELECT i, 'o', i, false FROM n`})
		g := Test{DB: db, URL: databaseURL}
		for _, c := range []struct {
			query string
			args  []any
			grows bool
		}{
			{`SELECT n FROM things WHERE id = $1`, []any{7}, false},
			{`SELECT n FROM things x WHERE owner = $1 ORDER BY n DESC LIMIT $2`, []any{"o", 100}, false},
			{`SELECT id FROM things WHERE n > $1 AND NOT done ORDER BY n LIMIT 5`, []any{Rows - 10}, false},
			{`DELETE FROM things WHERE id IN (SELECT id FROM things WHERE n <= $1 AND NOT done ORDER BY n LIMIT 200)`, []any{400}, false},
			{`SELECT count(*) FROM things`, nil, true},
			{`SELECT count(*) FROM things x WHERE owner = $1`, []any{"o"}, true},
			{`SELECT id FROM things x WHERE n + 1 = $1`, []any{7}, true},
			{`SELECT id FROM things WHERE owner = $1 AND id = 7 + n`, []any{"o"}, true},
			{`UPDATE things SET n = n WHERE owner = $1`, []any{"o"}, true},
			{`SELECT a.id, EXISTS (SELECT 1 FROM things b WHERE b.n = a.id) FROM things a ORDER BY a.id LIMIT 100`, nil, true},
		} {
			var wrong []string // by any of the ways to plan it
			for _, one := range g.explain(t, []statement{{c.query, c.args}})[0] {
				wrong = append(wrong, g.wrong(c.query, one, []string{"things"})...)
			}
			if (wrong != nil) != c.grows {
				t.Errorf("%s: %v", c.query, wrong)
			}
		}
	})
}
