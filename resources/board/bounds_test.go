package main

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// One person must not fill the disk: neither by posts nor by comments, nor by changing them.
func TestOnePersonWritesSoMuchADay(t *testing.T) {
	t.Parallel()
	p := start(t, jwkstest.NewIssuer(t), sqldbtest.SQLite(t), "--daily-characters=1200")
	ann, bob := p.person("ann"), p.person("bob")
	newPost, short := "/v1/boards/free/posts", `{"title":"t","body":"b"}`
	post := p.Call("POST", newPost, ann, short, "Idempotency-Key", "post").Want(201).Text("id")
	comment := p.Call("POST", "/v1/posts/"+post+"/comments", ann, `{"body":"b"}`, "Idempotency-Key", "comment").Want(201).Text("id")
	p.Call("PATCH", "/v1/posts/"+post, ann, `{"title":"other"}`, "If-Match", "*").Want(200)
	p.Call("PATCH", "/v1/comments/"+comment, ann, `{"body":"other"}`, "If-Match", "*").Want(200)
	p.Call("POST", newPost, ann, object(t, map[string]any{"title": "t", "body": strings.Repeat("가", 400)})).Want(429) // which takes nothing
	p.Call("POST", newPost, ann, short).Want(201)
	p.Call("POST", newPost, ann, short).Want(201)

	for call, body := range map[string]string{
		"POST " + newPost:                      short,
		"POST /v1/posts/" + post + "/comments": `{"body":"b"}`,
		"PATCH /v1/posts/" + post:              `{"title":"again"}`,
		"PATCH /v1/comments/" + comment:        `{"body":"again"}`,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := p.Call(method, path, ann, body, "If-Match", "*").Want(429); got.Header.Get("Retry-After") == "" {
			t.Errorf("%v does not say until when", got)
		}
	}
	// What was created stays created, what somebody wrote is theirs to delete, and others write.
	p.Call("POST", newPost, ann, short, "Idempotency-Key", "post").Want(201)
	p.Call("POST", "/v1/posts/"+post+"/comments", ann, `{"body":"b"}`, "Idempotency-Key", "comment").Want(201)
	p.Call("DELETE", "/v1/comments/"+comment, ann, "").Want(204)
	p.newComment(bob, post, "")
	p.Call("DELETE", "/v1/posts/"+post, ann, "").Want(204)
}

func TestAWrongBoundIsRefusedAtTheStart(t *testing.T) {
	board.RefusesToStart(t, "--daily-characters", "--daily-characters=-1")
}
