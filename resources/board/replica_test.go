package main

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAReplicaThatLagsHidesNobodysOwnPostsAndServesWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	pair := sqldbtest.StartPair(t, "app")
	p := start(t, jwkstest.NewIssuer(t), pair.URL("app"), "--database-read-url="+pair.Second.URL("app"),
		"--database-statement-timeout=1s", "--database-read-max-lag=1h")
	ann, bob := p.person("ann"), p.person("bob")
	old := p.newPost(ann)
	list := func(token string) int {
		return len(p.Call("GET", "/v1/boards/free/posts", token, "").Want(http.StatusOK).Items("items"))
	}
	testenv.Eventually(t, "bob sees the post", func() bool { return list(bob) == 1 })

	pair.Second.Exec(`SELECT pg_wal_replay_pause()`)
	made := p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"new","body":"b"}`).Want(http.StatusCreated)
	at := "/v1/posts/" + made.Text("id")
	if n := list(ann); n != 2 {
		t.Errorf("ann sees %d posts after she wrote the second", n)
	}
	if n := list(bob); n != 1 {
		t.Errorf("bob sees %d posts: the list is not the replica's", n)
	}
	p.Call("GET", at, ann, "").Want(http.StatusOK)
	p.Call("GET", at, bob, "").Want(http.StatusOK) // it is not said to be missing
	// What changes something is decided by the latest state, whoever asks.
	p.Call("PATCH", at, ann, `{"title":"newer"}`, "If-Match", made.ETag()).Want(http.StatusOK)
	p.Call("POST", at+"/comments", bob, `{"body":"c"}`).Want(http.StatusCreated)
	p.Call("DELETE", "/v1/posts/"+old, ann, "", "If-Match", "*").Want(http.StatusNoContent)
	if n := list(ann); n != 1 {
		t.Errorf("ann sees %d posts after she deleted one", n)
	}
	pair.Second.Exec(`SELECT pg_wal_replay_resume()`)
	carl := p.person("carl")
	testenv.Eventually(t, "everybody sees the same", func() bool {
		return list(carl) == 1 && p.Call("GET", at, carl, "").Want(http.StatusOK).Text("title") == "newer"
	})

	pair.First.Kill()
	for _, token := range []string{ann, carl} { // ann has just written
		if n := list(token); n != 1 {
			t.Errorf("%d posts while the database is away", n)
		}
	}
	for _, path := range []string{"/v1/boards", at, at + "/comments", "/v1/posts?q=newer", "/readyz"} {
		p.Call("GET", path, carl, "").Want(http.StatusOK)
	}
	r := p.Call("POST", "/v1/boards/free/posts", carl, `{"title":"t","body":"b"}`).Want(http.StatusServiceUnavailable)
	if r.Header.Get("Retry-After") == "" {
		t.Error(r.Header)
	}
	pair.Second.Promote()
	testenv.Eventually(t, "the promoted replica takes posts", func() bool {
		return p.Call("POST", "/v1/boards/free/posts", carl, `{"title":"t","body":"b"}`).Status == http.StatusCreated
	})
}
