package main

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/service/servicetest"
)

func TestWrongRequestsAreRefusedByPlaceAndNeverRepeated(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	post := p.newPost(ann)
	comment := p.newComment(ann, post, "")
	reply := p.newComment(ann, post, comment)
	elsewhere := p.newComment(ann, p.newPost(ann), "")
	newPost, newComment := "POST /v1/boards/free/posts", "POST /v1/posts/"+post+"/comments"
	long := strings.Repeat
	for _, c := range []struct {
		name, call, token, body string
		status                  int
		location                string
	}{
		{"no title", newPost, ann, `{"body":"b"}`, 422, "body"},
		{"empty title", newPost, ann, `{"title":"","body":"b"}`, 422, "body.title"},
		{"blank title", newPost, ann, `{"title":" \u3000 ","body":"b"}`, 422, "body.title"},
		{"invisible title", newPost, ann, `{"title":"\u3164","body":"b"}`, 422, "body.title"},
		{"long title", newPost, ann, `{"title":"` + long("가", 201) + `","body":"b"}`, 422, "body.title"},
		{"two lines of title", newPost, ann, `{"title":"a\nb","body":"b"}`, 422, "body.title"},
		{"turned title", newPost, ann, `{"title":"a\u202eb","body":"b"}`, 422, "body.title"},
		{"long body", newPost, ann, `{"title":"t","body":"` + long("가", 20001) + `"}`, 422, "body.body"},
		{"NUL", newPost, ann, `{"title":"t","body":"a\u0000b"}`, 422, "body.body"},
		{"escape", newPost, ann, `{"title":"t","body":"\u001b[31m"}`, 422, "body.body"},
		{"lone CR", newPost, ann, `{"title":"t","body":"a\rb"}`, 422, "body.body"},
		{"format", newPost, ann, `{"title":"t","body":"b","format":"html"}`, 422, "body.format"},
		{"null", newPost, ann, `{"title":null,"body":"b"}`, 422, "body.title"},
		{"number", newPost, ann, `{"title":7,"body":"b"}`, 422, "body.title"},
		{"unknown member", newPost, ann, `{"title":"t","body":"b","author":"mallory"}`, 422, "body.author"},
		{"other case", newPost, ann, `{"Title":"t","title":"t","body":"b"}`, 422, "body.Title"},
		{"no object", newPost, ann, `["secret-7731"]`, 422, "body"},
		{"no JSON", newPost, ann, `{"title":secret-7731`, 400, ""},
		{"no UTF-8", newPost, ann, "{\"title\":\"\xff\",\"body\":\"b\"}", 400, ""},
		{"no body", newPost, ann, "", 400, ""},
		{"too much", newPost, ann, `{"title":"t","body":"` + long("x", 300<<10) + `"}`, 413, ""},
		{"far too much", newPost, ann, `{"title":"t","body":"` + long("x", 2<<20) + `"}`, 413, ""},
		{"null in a patch", "PATCH /v1/posts/" + post, ann, `{"title":null}`, 422, "body.title"},
		{"pin by patch", "PATCH /v1/posts/" + post, ann, `{"pinned":true}`, 422, "body.pinned"},
		{"blank in a patch", "PATCH /v1/posts/" + post, ann, `{"body":"\n"}`, 422, "body.body"},
		{"blank comment patch", "PATCH /v1/comments/" + comment, ann, `{"body":"\t"}`, 422, "body.body"},
		{"long comment", newComment, ann, `{"body":"` + long("가", 2001) + `"}`, 422, "body.body"},
		{"format of a comment", newComment, ann, `{"body":"b","format":"html"}`, 422, "body.format"},
		{"reply to a reply", newComment, ann, `{"body":"b","parent":"` + reply + `"}`, 422, "body.parent"},
		{"reply across posts", newComment, ann, `{"body":"b","parent":"` + elsewhere + `"}`, 422, "body.parent"},
		{"reply to nothing", newComment, ann, `{"body":"b","parent":"\u0000"}`, 422, "body.parent"},
		{"slug", "POST /v1/boards", mod, `{"slug":"No!","title":"t"}`, 422, "body.slug"},
		{"long slug", "POST /v1/boards", mod, `{"slug":"` + long("a", 41) + `","title":"t"}`, 422, "body.slug"},
		{"slug with an end", "POST /v1/boards", mod, `{"slug":"a\n","title":"t"}`, 422, "body.slug"},
		{"taken slug", "POST /v1/boards", mod, `{"slug":"free","title":"t"}`, 409, ""},
		{"board title", "PATCH /v1/boards/free", mod, `{"title":"` + long("가", 101) + `"}`, 422, "body.title"},
		{"board description", "PATCH /v1/boards/free", mod, `{"description":"` + long("가", 501) + `"}`, 422, "body.description"},
		{"limit 0", "GET /v1/boards?limit=0", ann, "", 422, "query.limit"},
		{"limit 101", "GET /v1/boards/free/posts?limit=101", ann, "", 422, "query.limit"},
		{"limit x", "GET /v1/posts/" + post + "/comments?limit=secret-7731", ann, "", 422, "query.limit"},
		{"no query", "GET /v1/posts", ann, "", 422, "query.q"},
		{"blank query", "GET /v1/posts?q=%20", ann, "", 422, "query.q"},
		{"long query", "GET /v1/posts?q=" + strings.Repeat("x", 101), ann, "", 422, "query.q"},
		{"NUL query", "GET /v1/posts?q=a%00b", ann, "", 400, ""},
		{"broken query", "GET /v1/posts?q=%ff", ann, "", 400, ""},
		{"board in a query", "GET /v1/posts?q=x&board=A_b", ann, "", 422, "query.board"},
		{"cursor", "GET /v1/boards?cursor=secret-7731", ann, "", 422, "query.cursor"},
		{"no such board", "GET /v1/boards/none", ann, "", 404, ""},
		{"no such board's posts", "GET /v1/boards/none/posts", ann, "", 404, ""},
		{"post to no board", "POST /v1/boards/none/posts", ann, `{"title":"t","body":"b"}`, 404, ""},
		{"NUL board", "GET /v1/boards/a%00b", ann, "", 400, ""},
		{"NUL post", "GET /v1/posts/a%00b", ann, "", 400, ""},
		{"broken post", "DELETE /v1/posts/%ff", ann, "", 400, ""},
		{"NUL comment", "GET /v1/comments/%00", ann, "", 400, ""},
		{"comment to no post", "POST /v1/posts/nothing/comments", ann, `{"body":"b"}`, 404, ""},
		{"pin nothing", "PUT /v1/posts/nothing/pinned", mod, "", 404, ""},
		{"hide nothing", "PUT /v1/comments/" + strings.Repeat("a", 26) + "/hidden", mod, "", 404, ""},
		{"no such path", "GET /v1/nothing", ann, "", 404, ""},
		{"two slashes", "GET /v1//boards", ann, "", 404, ""},
		{"docs", "GET /docs", "", "", 404, ""},
		{"schemas", "GET /schemas/Post.json", "", "", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.call, " ")
			got := p.In(t).Call(method, path, c.token, c.body, "If-Match", "*").Want(c.status)
			if c.location != "" {
				got.About(c.location)
			}
			if strings.Contains(got.Body, "secret-7731") || len(got.Body) > 2000 {
				t.Errorf("the answer repeats what was sent: %.300s", got.Body)
			}
		})
	}
}

func TestTheLongestTextsAreTaken(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann := p.person("ann")
	// Jamo that normalize to one syllable each, and characters that JSON may escape in twelve
	// bytes.
	title, body := strings.Repeat("각", 200), strings.Repeat("😀", 20000)
	escaped := strings.Repeat(`\ud83d\ude00`, 20000)
	got := p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"`+norm.NFD.String(title)+`","body":"`+escaped+`"}`).Want(201)
	if got.Text("title") != title || got.Text("body") != body {
		t.Error("the text came back otherwise")
	}
	comment := `{"body":"` + norm.NFD.String(strings.Repeat("한", 2000)) + `"}`
	p.Call("POST", "/v1/posts/"+got.Text("id")+"/comments", ann, comment).Want(201)
}

func TestMethodsAndMediaTypes(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann := p.person("ann")
	for path, allow := range map[string]string{
		"/v1/boards":            "GET, POST, HEAD, OPTIONS",
		"/v1/posts/x":           "GET, PATCH, DELETE, HEAD, OPTIONS",
		"/v1/posts/x/pinned":    "PUT, DELETE, OPTIONS",
		"/v1/boards/free/posts": "GET, POST, HEAD, OPTIONS",
		"/openapi.json":         "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"TRACE", "PROPFIND"} {
			if got := p.Call(method, path, ann, "").Want(405); got.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %s, want %s", method, path, got.Header.Get("Allow"), allow)
			}
		}
		got := p.Call("OPTIONS", path, "", "", "Origin", "http://page.example", "Access-Control-Request-Method", "POST").Want(204)
		allowed := func(what string) string { return got.Header.Get("Access-Control-Allow-" + what) }
		if allowed("Methods") != allow || !strings.Contains(allowed("Headers"), "If-Match") || allowed("Origin") != "*" {
			t.Errorf("%s: preflight %v", path, got.Header)
		}
	}
	post := func(header ...string) servicetest.Response {
		return p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, header...)
	}
	for _, mediaType := range []string{
		"text/plain", "application/x-www-form-urlencoded", "application/xml", "rubbish;;", "application/json+", "a;b+c",
	} {
		post("Content-Type", mediaType).Want(415)
	}
	post("Content-Type", "application/json; charset=utf-8", "Accept", "text/html").Want(201)
	if got := p.Call("HEAD", "/v1/boards/free", ann, "").Want(200); len(got.Body) != 0 || got.ETag() == "" {
		t.Errorf("HEAD: %v", got)
	}
}
