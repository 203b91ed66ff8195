package main

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// A board whose write_role is editor takes posts and comments from editors alone; others read.
func TestABoardThatTakesARoleToWrite(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		moderator, member := p.moderator(), p.person("member")
		editor := p.Person("editor", "board:read board:write", "editor")
		other := p.Person("other", "board:read board:write", "writer", "Editor", "editors")
		const post, comment = `{"title":"a title","body":"some text"}`, `{"body":"a comment"}`
		set := func(role string) {
			t.Helper()
			if got := p.Call("PATCH", "/v1/boards/notice", moderator, `{"write_role":"`+role+`"}`, "If-Match", "*").Want(200).Text("write_role"); got != role {
				t.Errorf("the board needs %q", got)
			}
		}
		before := p.Call("POST", "/v1/boards/notice/posts", moderator, post).Want(201).Text("id")
		p.Call("POST", "/v1/boards/notice/posts", editor, post).Want(403) // moderators_only
		theirs := p.Call("POST", "/v1/posts/"+before+"/comments", member, comment).Want(201).Text("id")

		set("editor")
		written := p.Call("POST", "/v1/boards/notice/posts", editor, post).Want(201).Text("id")
		p.Call("POST", "/v1/posts/"+before+"/comments", editor, comment).Want(201)
		p.Call("PATCH", "/v1/posts/"+written, editor, `{"body":"other text"}`, "If-Match", "*").Want(200)
		for name, token := range map[string]string{"a member": member, "another role": other, "a moderator": moderator} {
			for _, target := range []string{"/v1/boards/notice/posts", "/v1/posts/" + before + "/comments"} {
				body := post
				if strings.HasSuffix(target, "comments") {
					body = comment
				}
				a := p.Call("POST", target, token, body).Want(403)
				if detail := a.Text("detail"); !strings.Contains(detail, "the role editor") {
					t.Errorf("%s writes to %s: %s", name, target, detail)
				}
			}
			p.Call("GET", "/v1/posts/"+written, token, "").Want(200)
			p.Call("POST", "/v1/boards/free/posts", token, post).Want(201)
		}
		// What somebody wrote before is theirs to delete, and not to change.
		p.Call("PATCH", "/v1/posts/"+before, moderator, `{"body":"other text"}`, "If-Match", "*").Want(403)
		p.Call("PATCH", "/v1/comments/"+theirs, member, `{"body":"other text"}`, "If-Match", "*").Want(403)
		p.Call("DELETE", "/v1/comments/"+theirs, member, "").Want(204)
		if n := p.Call("GET", "/v1/posts/"+before, member, "").Want(200).Member("comments"); n != float64(1) {
			t.Errorf("%v comments are counted", n)
		}
		for _, bad := range []string{"Editor", "a b", strings.Repeat("x", 33), "editor\\n", "board/editor"} {
			p.Call("PATCH", "/v1/boards/notice", moderator, `{"write_role":"`+bad+`"}`, "If-Match", "*").Want(422)
		}
		p.Call("PATCH", "/v1/boards/notice", editor, `{"write_role":""}`, "If-Match", "*").Want(403)
		set("")
		p.Call("POST", "/v1/boards/notice/posts", editor, post).Want(403)
		p.Call("POST", "/v1/boards", moderator, `{"slug":"desk","title":"Desk","write_role":"editor"}`).Want(201)
		p.Call("POST", "/v1/boards/desk/posts", editor, post).Want(201)
		p.Call("POST", "/v1/boards/desk/posts", member, post).Want(403)
	})
}
