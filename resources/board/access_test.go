package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	tokens := map[string]string{
		"nobody":     "",
		"no scope":   p.Person("nobody in particular", "openid profile", "moderator"),
		"client":     p.Client("service", board.Scopes, "moderator"),
		"reader":     p.Person("reader", "board:read"),
		"writer":     p.person("writer"),
		"author":     p.person("author"),
		"role only":  p.Person("role", "board:read board:write", "moderator"),
		"scope only": p.Person("scope", allScopes, "member"),
		"moderator":  p.Person("moderator", board.Scopes, "moderator"),
	}
	callers, rows := servicetest.Table(t)
	if len(callers) != len(tokens) || len(rows) < 40 {
		t.Fatalf("the table has %d rows and the callers %q", len(rows), callers)
	}
	for n, row := range rows {
		method, path, _ := strings.Cut(row[0], " ")
		for i, name := range callers {
			token, ok := tokens[name]
			if !ok {
				t.Fatalf("the table has an unknown caller %q", name)
			}
			target, tag := p.stage(path, name, token)
			body := strings.Replace(bodyOf(method, path), "new-board", fmt.Sprintf("board-%d-%d", n, i), 1)
			if got := p.Call(method, target, token, body, "If-Match", tag); fmt.Sprint(got.Status) != row[1+i] {
				t.Errorf("%s by %s: %v, want %s", row[0], name, got, row[1+i])
			}
		}
	}
}

// bodyOf returns a body that a call of the table accepts.
func bodyOf(method, path string) string {
	switch {
	case method == "POST" && path == "/v1/boards":
		return `{"slug":"new-board","title":"New"}`
	case method == "POST" && strings.HasSuffix(path, "/posts"):
		return `{"title":"t","body":"b"}`
	case method == "POST":
		return `{"body":"b"}`
	case method == "PATCH" && strings.Contains(path, "/boards"):
		return `{"description":"changed"}`
	case method == "PATCH":
		return `{"body":"changed"}`
	}
	return ""
}

// stage makes what a path of the table speaks of and returns the real path, with an ETag for it.
func (p running) stage(path, name, token string) (target, tag string) {
	p.t.Helper()
	start, end := strings.Index(path, "{"), strings.Index(path, "}")
	if start < 0 {
		return path, "*"
	}
	author := p.person("author")
	var id, kind string
	switch placeholder := path[start+1 : end]; placeholder {
	case "public", "public-hidden":
		kind = "posts"
		id = p.Call("POST", "/v1/boards/notice/posts", p.moderator(), `{"title":"a title","body":"some text"}`).Want(201).Text("id")
		if placeholder == "public-hidden" {
			p.mark("/v1/posts/" + id + "/hidden")
		}
	case "post", "locked", "hidden", "own-locked":
		kind = "posts"
		if placeholder == "own-locked" && !slices.Contains([]string{"nobody", "no scope", "client", "reader"}, name) {
			author = token
		}
		id = p.newPost(author)
		if placeholder != "post" {
			p.mark("/v1/posts/" + id + "/" + strings.TrimPrefix(placeholder, "own-"))
		}
	case "comment", "locked-comment", "hidden-comment":
		kind = "comments"
		post := p.newPost(p.person("somebody else"))
		id = p.newComment(author, post, "")
		switch placeholder {
		case "locked-comment":
			p.mark("/v1/posts/" + post + "/locked")
		case "hidden-comment":
			p.mark("/v1/comments/" + id + "/hidden")
		}
	default:
		p.t.Fatalf("the table has an unknown placeholder %q", placeholder)
	}
	tag = p.Call("GET", "/v1/"+kind+"/"+id, p.moderator(), "").Want(200).ETag()
	return path[:start] + id + path[end+1:], tag
}

func TestAPublicBoardIsReadWithoutAToken(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		mod, ann := p.moderator(), p.person("ann")
		id := p.Call("POST", "/v1/boards/notice/posts", mod, `{"title":"공지","body":"b"}`).Want(201).Text("id")
		shown, hidden := p.newComment(ann, id, ""), p.newComment(ann, id, "")
		p.mark("/v1/comments/" + hidden + "/hidden")
		private := p.newPost(ann)

		boards := p.Call("GET", "/v1/boards?public_read=true", "", "").Want(200)
		if got := boards.Items("slug"); !slices.Equal(got, []any{"notice"}) {
			t.Errorf("nobody sees the boards %v", got)
		}
		if all := p.Call("GET", "/v1/boards?public_read=true", ann, "").Want(200).Items("slug"); !slices.Equal(all, []any{"notice"}) {
			t.Errorf("somebody who asks for public boards sees %v", all)
		}
		got := p.Call("GET", "/v1/posts/"+id, "", "").Want(200)
		varies := strings.Contains(strings.Join(got.Header.Values("Vary"), ","), "Authorization")
		if got.Text("body") != "b" || got.Header.Get("Cache-Control") != "public, max-age=10" || !varies {
			t.Errorf("%v %v", got, got.Header)
		}
		if got := p.Call("GET", "/v1/posts/"+id, ann, "").Want(200); got.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("somebody's answer may be cached: %v", got.Header)
		}
		if ids := p.Call("GET", "/v1/posts/"+id+"/comments", "", "").Want(200).Items("id"); !slices.Equal(ids, []any{shown}) {
			t.Errorf("nobody sees the comments %v", ids)
		}
		for _, path := range []string{
			"/v1/boards", "/v1/boards?public_read=false", "/v1/posts/" + private, "/v1/posts/" + private + "/comments",
			"/v1/comments/" + shown, "/v1/posts?author=ann",
		} {
			board.NeedsToken(p.Call("GET", path, "", ""))
		}
		// What could be a token is judged as one.
		p.Call("GET", "/v1/posts/"+id, "nonsense", "").Want(401)
		p.Call("GET", "/v1/posts/"+id, "", "", "Authorization", "").Want(401)
		p.Call("GET", "/v1/posts/"+id, "", "", "DPoP", "x").Want(401)

		board := p.Call("GET", "/v1/boards/notice", "", "").Want(200)
		p.Call("PATCH", "/v1/boards/notice", mod, `{"public_read":false}`, "If-Match", board.ETag()).Want(200)
		p.Call("GET", "/v1/posts/"+id, "", "").Want(401)
		made := p.Call("POST", "/v1/boards", mod, `{"slug":"open","title":"t","public_read":true}`).Want(201)
		if made.Member("public_read") != true {
			t.Error(made)
		}
		p.Call("GET", "/v1/boards/open", "", "").Want(200)
	})
}
