//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// BenchmarkList reads the first page of a board: empty, and with 20 posts by five people.
func BenchmarkList(b *testing.B) {
	for _, posts := range []int{0, 20} {
		for _, engine := range []struct {
			name string
			new  func(testing.TB) string
		}{{"sqlite", sqldbtest.SQLite}, {"postgres", sqldbtest.Postgres}} {
			b.Run(fmt.Sprintf("%s/%d-posts", engine.name, posts), func(b *testing.B) {
				servicetest.LogTo(b, filepath.Join(b.TempDir(), "log"))
				s := board.Start(b, jwkstest.NewIssuer(b), engine.new(b), "--log-level=info", "--log-format=json")
				for i := range posts {
					body := fmt.Sprintf(`{"title":"마루에 앉아 %d","body":%q}`, i, strings.Repeat("오늘은 날씨가 좋다. ", 20))
					s.Call("POST", "/v1/boards/free/posts", s.Person(fmt.Sprint("person", i%5), "board:read board:write"), body).Want(201)
				}
				s.Benchmark(b, "/v1/boards/free/posts", s.Person("ann", "board:read"))
			})
		}
	}
}
