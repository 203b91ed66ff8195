package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func object(t *testing.T, members map[string]any) string {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAPostLivesOnBothEngines(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, bob := p.person("ann"), p.person("bob")

		made := p.call("POST", "/v1/boards/free/posts", ann, object(t, map[string]any{
			"title": " " + norm.NFD.String("한글 제목") + "\t", "body": "one\r\ntwo\tthree\n", "format": "markdown"})).want(t, 201)
		id := made.text("id")
		if made.text("title") != "한글 제목" || made.text("body") != "one\ntwo\tthree" || made.text("format") != "markdown" || made.text("board") != "free" {
			t.Errorf("made %v", made)
		}
		if got := made.header.Get("Location"); got != audience+"/v1/posts/"+id {
			t.Errorf("Location %s", got)
		}
		got := p.call("GET", "/v1/posts/"+id, bob, "").want(t, 200)
		if string(got.body) != string(made.body) || got.header.Get("ETag") != made.header.Get("ETag") || got.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("made %v, got %v %v", made, got, got.header)
		}
		if author, _ := got.member("author").(map[string]any); author["id"] != "ann" || author["name"] != "" {
			t.Errorf("author %v", author)
		}

		changed := p.call("PATCH", "/v1/posts/"+id, ann, `{"title":"New"}`, "If-Match", got.header.Get("ETag"), "Content-Type", "application/merge-patch+json").want(t, 200)
		if changed.text("title") != "New" || changed.text("body") != "one\ntwo\tthree" || changed.header.Get("ETag") == got.header.Get("ETag") || changed.text("updated_at") <= got.text("updated_at") {
			t.Errorf("changed %v", changed)
		}
		p.call("PATCH", "/v1/posts/"+id, ann, `{"title":"Newer"}`, "If-Match", got.header.Get("ETag")).want(t, 412)

		marked := p.call("POST", "/v1/posts/"+id+"/comments", bob, `{"body":"**b**","format":"markdown"}`).want(t, 201)
		if marked.text("format") != "markdown" || marked.text("body") != "**b**" {
			t.Errorf("made %v", marked)
		}
		plain := p.call("PATCH", "/v1/comments/"+marked.text("id"), bob, `{"format":"plain"}`, "If-Match", marked.header.Get("ETag")).want(t, 200)
		if plain.text("format") != "plain" || plain.text("body") != "**b**" {
			t.Errorf("changed %v", plain)
		}
		p.call("DELETE", "/v1/comments/"+marked.text("id"), bob, "").want(t, 204)
		first := p.newComment(bob, id, "")
		p.newComment(ann, id, first)
		if got := p.call("GET", "/v1/posts/"+id, bob, "").want(t, 200).member("comments"); got != 2.0 {
			t.Errorf("%v comments", got)
		}
		p.call("DELETE", "/v1/comments/"+first, bob, "").want(t, 204)
		list := p.call("GET", "/v1/posts/"+id+"/comments", bob, "").want(t, 200)
		if deleted, bodies, authors := list.items("deleted"), list.items("body"), list.items("author"); len(deleted) != 2 || deleted[0] != true || bodies[0] != "" || authors[0] != nil || deleted[1] != false {
			t.Errorf("comments %v", list)
		}
		p.call("GET", "/v1/comments/"+first, bob, "").want(t, 404)

		p.call("DELETE", "/v1/posts/"+id, ann, "", "If-Match", got.header.Get("ETag")).want(t, 412)
		p.call("DELETE", "/v1/posts/"+id, ann, "", "If-Match", changed.header.Get("ETag")).want(t, 204)
		p.call("GET", "/v1/posts/"+id, ann, "").want(t, 404)
		p.call("GET", "/v1/posts/"+id+"/comments", p.moderator(), "").want(t, 404)

		// And through a stop.
		kept := p.newPost(ann)
		p.stop()
		p = start(t, p.issuer, databaseURL)
		p.call("GET", "/v1/posts/"+kept, bob, "").want(t, 200)
	})
}

func TestOfChangesAtOnceOneWins(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann := p.person("ann")
		post := p.newPost(ann)
		comment := p.newComment(ann, post, "")
		for _, path := range []string{"/v1/posts/" + post, "/v1/comments/" + comment} {
			etag := p.call("GET", path, ann, "").want(t, 200).header.Get("ETag")
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					switch got := p.call("PATCH", path, ann, fmt.Sprintf(`{"body":"by %d"}`, i), "If-Match", etag); got.status {
					case 200:
						won.Add(1)
					case 412:
						lost.Add(1)
					default:
						t.Errorf("%s: %v", path, got)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 11 {
				t.Errorf("%s: %d won, %d lost", path, won.Load(), lost.Load())
			}
		}
	})
}

func TestAKeyCreatesOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, bob, mod := p.person("ann"), p.person("bob"), p.moderator()
		post := p.newPost(ann)
		for _, c := range []struct{ path, token, body, other string }{
			{"/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, `{"title":"t","body":"c"}`},
			{"/v1/posts/" + post + "/comments", bob, `{"body":"b"}`, `{"body":"c"}`},
			{"/v1/boards", mod, `{"slug":"new","title":"t"}`, `{"slug":"newer","title":"t"}`},
		} {
			var mu sync.Mutex
			places := map[string]int{}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					got := p.call("POST", c.path, c.token, c.body, "Idempotency-Key", "key-1").want(t, 201)
					mu.Lock()
					defer mu.Unlock()
					places[got.header.Get("Location")+got.header.Get("ETag")+string(got.body)]++
				})
			}
			wg.Wait()
			if len(places) != 1 {
				t.Errorf("%s: 8 requests got %d answers", c.path, len(places))
			}
			p.call("POST", c.path, c.token, c.other, "Idempotency-Key", "key-1").want(t, 422).about(t, "header.Idempotency-Key")
			p.call("POST", c.path, c.token, c.other, "Idempotency-Key", "key-2").want(t, 201)
			for _, key := range []string{strings.Repeat("k", 256), "two words", "한글", "tab\tkey"} {
				p.call("POST", c.path, c.token, c.body, "Idempotency-Key", key).want(t, 422).about(t, "header.Idempotency-Key")
			}
			p.call("POST", c.path, c.token, c.body, "Idempotency-Key", strings.Repeat("k", 255)).want(t, map[bool]int{true: 409, false: 201}[c.path == "/v1/boards"])
		}
		// The key belongs to the person and to the route; the board is part of the request.
		p.call("POST", "/v1/boards/free/posts", bob, `{"title":"bob's","body":"b"}`, "Idempotency-Key", "key-1").want(t, 201)
		p.call("POST", "/v1/boards/new/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-1").want(t, 422)
		// Written differently, it is the same request.
		again := p.call("POST", "/v1/boards/free/posts", ann, `{ "body":" b\r\n", "title":"t", "format":"plain" }`, "Idempotency-Key", "key-1").want(t, 201)
		p.call("DELETE", "/v1/posts/"+again.text("id"), ann, "").want(t, 204)
		p.call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-1").want(t, 404)
	})
}

func TestPreconditions(t *testing.T) {
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	post := p.newPost(ann)
	for path, c := range map[string]struct{ token, body string }{
		"/v1/posts/" + post:                           {ann, `{"body":"changed"}`},
		"/v1/comments/" + p.newComment(ann, post, ""): {ann, `{"body":"changed"}`},
		"/v1/boards/free":                             {mod, `{"title":"changed"}`},
	} {
		tag := p.call("GET", path, c.token, "").want(t, 200).header.Get("ETag")
		p.call("PATCH", path, c.token, c.body).want(t, 428)
		for _, malformed := range []string{"1", `"1`, `"a" "b"`, `W/`, `*, "1"`, ",", `"a b"`, strings.Repeat(`"x",`, 11)} {
			p.call("PATCH", path, c.token, c.body, "If-Match", malformed).want(t, 400)
		}
		for _, other := range []string{`"0"`, `"99"`, "W/" + tag, `"x", "y"`, `""`} {
			p.call("PATCH", path, c.token, c.body, "If-Match", other).want(t, 412)
		}
		tag = p.call("PATCH", path, c.token, c.body, "If-Match", `"x" , ,`+tag).want(t, 200).header.Get("ETag")
		tag = p.call("PATCH", path, c.token, `{}`, "If-Match", tag).want(t, 200).header.Get("ETag")
		p.call("PATCH", path, c.token, c.body, "If-Match", "*").want(t, 200)
		p.call("PATCH", path, c.token, c.body, "If-Match", tag).want(t, 412)
	}
}

func TestWrongRequestsAreRefusedByPlaceAndNeverRepeated(t *testing.T) {
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	post := p.newPost(ann)
	comment := p.newComment(ann, post, "")
	reply := p.newComment(ann, post, comment)
	elsewhere := p.newComment(ann, p.newPost(ann), "")
	text := func(members map[string]any) string { return object(t, members) }
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		location                        string
	}{
		{"no title", "POST", "/v1/boards/free/posts", ann, `{"body":"b"}`, 422, "body"},
		{"empty title", "POST", "/v1/boards/free/posts", ann, `{"title":"","body":"b"}`, 422, "body.title"},
		{"blank title", "POST", "/v1/boards/free/posts", ann, `{"title":" \u3000 ","body":"b"}`, 422, "body.title"},
		{"invisible title", "POST", "/v1/boards/free/posts", ann, `{"title":"\u3164","body":"b"}`, 422, "body.title"},
		{"long title", "POST", "/v1/boards/free/posts", ann, text(map[string]any{"title": strings.Repeat("가", 201), "body": "b"}), 422, "body.title"},
		{"two lines of title", "POST", "/v1/boards/free/posts", ann, `{"title":"a\nb","body":"b"}`, 422, "body.title"},
		{"turned title", "POST", "/v1/boards/free/posts", ann, `{"title":"a\u202eb","body":"b"}`, 422, "body.title"},
		{"long body", "POST", "/v1/boards/free/posts", ann, text(map[string]any{"title": "t", "body": strings.Repeat("가", 20001)}), 422, "body.body"},
		{"NUL", "POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"a\u0000b"}`, 422, "body.body"},
		{"escape", "POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"\u001b[31m"}`, 422, "body.body"},
		{"lone CR", "POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"a\rb"}`, 422, "body.body"},
		{"format", "POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b","format":"html"}`, 422, "body.format"},
		{"null", "POST", "/v1/boards/free/posts", ann, `{"title":null,"body":"b"}`, 422, "body.title"},
		{"number", "POST", "/v1/boards/free/posts", ann, `{"title":7,"body":"b"}`, 422, "body.title"},
		{"unknown member", "POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b","author":"mallory"}`, 422, "body.author"},
		{"other case", "POST", "/v1/boards/free/posts", ann, `{"Title":"t","title":"t","body":"b"}`, 422, "body.Title"},
		{"no object", "POST", "/v1/boards/free/posts", ann, `["secret-7731"]`, 422, "body"},
		{"no JSON", "POST", "/v1/boards/free/posts", ann, `{"title":secret-7731`, 400, ""},
		{"no UTF-8", "POST", "/v1/boards/free/posts", ann, "{\"title\":\"\xff\",\"body\":\"b\"}", 400, ""},
		{"no body", "POST", "/v1/boards/free/posts", ann, "", 400, ""},
		{"too much", "POST", "/v1/boards/free/posts", ann, text(map[string]any{"title": "t", "body": strings.Repeat("x", 300<<10)}), 413, ""},
		{"far too much", "POST", "/v1/boards/free/posts", ann, text(map[string]any{"title": "t", "body": strings.Repeat("x", 2<<20)}), 413, ""},
		{"null in a patch", "PATCH", "/v1/posts/" + post, ann, `{"title":null}`, 422, "body.title"},
		{"pin by patch", "PATCH", "/v1/posts/" + post, ann, `{"pinned":true}`, 422, "body.pinned"},
		{"blank in a patch", "PATCH", "/v1/posts/" + post, ann, `{"body":"\n"}`, 422, "body.body"},
		{"blank comment patch", "PATCH", "/v1/comments/" + comment, ann, `{"body":"\t"}`, 422, "body.body"},
		{"long comment", "POST", "/v1/posts/" + post + "/comments", ann, text(map[string]any{"body": strings.Repeat("가", 2001)}), 422, "body.body"},
		{"format of a comment", "POST", "/v1/posts/" + post + "/comments", ann, `{"body":"b","format":"html"}`, 422, "body.format"},
		{"reply to a reply", "POST", "/v1/posts/" + post + "/comments", ann, text(map[string]any{"body": "b", "parent": reply}), 422, "body.parent"},
		{"reply across posts", "POST", "/v1/posts/" + post + "/comments", ann, text(map[string]any{"body": "b", "parent": elsewhere}), 422, "body.parent"},
		{"reply to nothing", "POST", "/v1/posts/" + post + "/comments", ann, `{"body":"b","parent":"\u0000"}`, 422, "body.parent"},
		{"slug", "POST", "/v1/boards", mod, `{"slug":"No!","title":"t"}`, 422, "body.slug"},
		{"long slug", "POST", "/v1/boards", mod, text(map[string]any{"slug": strings.Repeat("a", 41), "title": "t"}), 422, "body.slug"},
		{"slug with an end", "POST", "/v1/boards", mod, `{"slug":"a\n","title":"t"}`, 422, "body.slug"},
		{"taken slug", "POST", "/v1/boards", mod, `{"slug":"free","title":"t"}`, 409, ""},
		{"board title", "PATCH", "/v1/boards/free", mod, text(map[string]any{"title": strings.Repeat("가", 101)}), 422, "body.title"},
		{"board description", "PATCH", "/v1/boards/free", mod, text(map[string]any{"description": strings.Repeat("가", 501)}), 422, "body.description"},
		{"limit 0", "GET", "/v1/boards?limit=0", ann, "", 422, "query.limit"},
		{"limit 101", "GET", "/v1/boards/free/posts?limit=101", ann, "", 422, "query.limit"},
		{"limit x", "GET", "/v1/posts/" + post + "/comments?limit=secret-7731", ann, "", 422, "query.limit"},
		{"no query", "GET", "/v1/posts", ann, "", 422, "query.q"},
		{"blank query", "GET", "/v1/posts?q=%20", ann, "", 422, "query.q"},
		{"long query", "GET", "/v1/posts?q=" + strings.Repeat("x", 101), ann, "", 422, "query.q"},
		{"NUL query", "GET", "/v1/posts?q=a%00b", ann, "", 400, ""},
		{"broken query", "GET", "/v1/posts?q=%ff", ann, "", 400, ""},
		{"board in a query", "GET", "/v1/posts?q=x&board=A_b", ann, "", 422, "query.board"},
		{"cursor", "GET", "/v1/boards?cursor=secret-7731", ann, "", 422, "query.cursor"},
		{"no such board", "GET", "/v1/boards/none", ann, "", 404, ""},
		{"no such board's posts", "GET", "/v1/boards/none/posts", ann, "", 404, ""},
		{"post to no board", "POST", "/v1/boards/none/posts", ann, `{"title":"t","body":"b"}`, 404, ""},
		{"NUL board", "GET", "/v1/boards/a%00b", ann, "", 400, ""},
		{"NUL post", "GET", "/v1/posts/a%00b", ann, "", 400, ""},
		{"broken post", "DELETE", "/v1/posts/%ff", ann, "", 400, ""},
		{"NUL comment", "GET", "/v1/comments/%00", ann, "", 400, ""},
		{"comment to no post", "POST", "/v1/posts/nothing/comments", ann, `{"body":"b"}`, 404, ""},
		{"pin nothing", "PUT", "/v1/posts/nothing/pinned", mod, "", 404, ""},
		{"hide nothing", "PUT", "/v1/comments/" + strings.Repeat("a", 26) + "/hidden", mod, "", 404, ""},
		{"no such path", "GET", "/v1/nothing", ann, "", 404, ""},
		{"two slashes", "GET", "/v1//boards", ann, "", 404, ""},
		{"docs", "GET", "/docs", "", "", 404, ""},
		{"schemas", "GET", "/schemas/Post.json", "", "", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			got := p.call(c.method, c.path, c.token, c.body, "If-Match", "*").want(t, c.status)
			if c.location != "" {
				got.about(t, c.location)
			}
			if strings.Contains(string(got.body), "secret-7731") || len(got.body) > 2000 {
				t.Errorf("the answer repeats what was sent: %.300s", got.body)
			}
		})
	}
}

func TestTheLongestTextsAreTaken(t *testing.T) {
	p := startNew(t)
	ann := p.person("ann")
	// Jamo that normalize to one syllable each, and characters that JSON may escape in twelve bytes.
	title, body := strings.Repeat("각", 200), strings.Repeat("😀", 20000)
	escaped := strings.Repeat(`\ud83d\ude00`, 20000)
	got := p.call("POST", "/v1/boards/free/posts", ann, `{"title":"`+norm.NFD.String(title)+`","body":"`+escaped+`"}`).want(t, 201)
	if got.text("title") != title || got.text("body") != body {
		t.Error("the text came back otherwise")
	}
	p.call("POST", "/v1/posts/"+got.text("id")+"/comments", ann, object(t, map[string]any{"body": norm.NFD.String(strings.Repeat("한", 2000))})).want(t, 201)
}

func TestMethodsAndMediaTypes(t *testing.T) {
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
			if got := p.call(method, path, ann, "").want(t, 405); got.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %s, want %s", method, path, got.header.Get("Allow"), allow)
			}
		}
		got := p.call("OPTIONS", path, "", "", "Origin", "http://page.example", "Access-Control-Request-Method", "POST").want(t, 204)
		if got.header.Get("Access-Control-Allow-Methods") != allow || !strings.Contains(got.header.Get("Access-Control-Allow-Headers"), "If-Match") || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: preflight %v", path, got.header)
		}
	}
	for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "rubbish;;", "application/json+", "a;b+c"} {
		p.call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Content-Type", mediaType).want(t, 415)
	}
	p.call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Content-Type", "application/json; charset=utf-8", "Accept", "text/html").want(t, 201)
	if got := p.call("HEAD", "/v1/boards/free", ann, "").want(t, 200); len(got.body) != 0 || got.header.Get("ETag") == "" {
		t.Errorf("HEAD: %v", got)
	}
}

func TestListsInPages(t *testing.T) {
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	needle := func() string {
		return p.call("POST", "/v1/boards/notice/posts", mod, `{"title":"a needle","body":"b"}`).want(t, 201).text("id")
	}
	var posts, needles []any
	for range 5 {
		posts = append([]any{p.newPost(ann)}, posts...)
		needles = append([]any{needle()}, needles...)
	}
	pinned := p.newPost(ann)
	p.mark("/v1/posts/" + pinned + "/pinned")
	p.mark("/v1/posts/" + pinned + "/pinned")              // done twice it is done once
	p.mark("/v1/posts/" + needles[3].(string) + "/pinned") // means nothing to a search
	posts = append([]any{pinned}, posts...)
	post := posts[1].(string)
	var threads []any
	for range 3 {
		comment := p.newComment(ann, post, "")
		threads = append(threads, comment, p.newComment(ann, post, comment))
	}

	cursors := map[string]string{}
	for _, list := range []struct {
		path   string
		want   []any
		others func() // what others write while pages are turned: it neither doubles nor loses anything
	}{
		{"/v1/boards/free/posts?limit=2", posts, func() { p.newPost(ann) }},
		{"/v1/posts?limit=2&board=notice&q=NEEDLE", needles, func() { needle() }},
		{"/v1/posts/" + post + "/comments?limit=2", threads, func() { p.call("DELETE", "/v1/comments/"+threads[0].(string), ann, "") }},
	} {
		var got []any
		for next := list.path; next != ""; list.others() {
			page := p.call("GET", next, ann, "").want(t, 200)
			got = append(got, page.items("id")...)
			if next = page.text("next"); next != "" {
				cursors[list.path] = next
				next = list.path + "&cursor=" + next
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(list.want) {
			t.Errorf("%s: got %v, want %v", list.path, got, list.want)
		}
	}
	if got := p.call("GET", "/v1/boards?limit=1", ann, "").want(t, 200); got.items("slug")[0] != "notice" || got.text("next") == "" {
		t.Errorf("boards: %v", got)
	} else if got := p.call("GET", "/v1/boards?limit=1&cursor="+got.text("next"), ann, "").want(t, 200); got.items("slug")[0] != "free" || got.text("next") != "" {
		t.Errorf("boards: %v", got)
	}
	p.call("DELETE", "/v1/posts/"+pinned+"/pinned", mod, "").want(t, 204)
	if first := p.call("GET", "/v1/boards/free/posts?limit=1", ann, "").want(t, 200).items("id"); first[0] == pinned {
		t.Error("it is still pinned")
	}

	// A cursor is good for its own list, and altered for none.
	for path, cursor := range cursors {
		for other := range cursors {
			if other != path {
				p.call("GET", other+"&cursor="+cursor, ann, "").want(t, 422).about(t, "query.cursor")
			}
		}
		for i := range cursor {
			altered := cursor[:i] + string(cursor[i]^1) + cursor[i+1:]
			if got := p.call("GET", path+"&cursor="+altered, ann, ""); got.status != 422 && got.status != 200 {
				t.Errorf("altered at %d: %v", i, got)
			}
		}
		for _, altered := range []string{cursor + "=", cursor + "AA", cursor[:len(cursor)-1], " " + cursor} {
			p.call("GET", path+"&cursor="+strings.ReplaceAll(altered, " ", "+"), ann, "").want(t, 422)
		}
	}
	for _, text := range []string{`[]`, `null`, `["1"]`, `["2","x","true","1","a"]`, `{"a":1}`, `["1","` + strings.Repeat("x", 100) + `"]`} {
		p.call("GET", "/v1/boards/free/posts?cursor="+base64.RawURLEncoding.EncodeToString([]byte(text)), ann, "").want(t, 422)
	}
	p.call("GET", "/v1/boards/notice/posts?cursor="+cursors["/v1/boards/free/posts?limit=2"], ann, "").want(t, 422)
}

func TestSearchFindsWhatThePersonMaySee(t *testing.T) {
	p := startNew(t)
	ann, bob := p.person("ann"), p.person("bob")
	make := func(title, body string) string {
		return p.call("POST", "/v1/boards/free/posts", ann, object(t, map[string]any{"title": title, "body": body})).want(t, 201).text("id")
	}
	seoul := make("서울의 봄", "마루에 앉아")
	percent := make("100% sure", "under_score")
	hidden := make("비밀", "마루 밑")
	p.mark("/v1/posts/" + hidden + "/hidden")
	for _, c := range []struct {
		token, query string
		want         []any
	}{
		{bob, "마루", []any{seoul}},
		{bob, norm.NFD.String("마루"), []any{seoul}},
		{ann, "마루", []any{hidden, seoul}},
		{p.moderator(), "마루", []any{hidden, seoul}},
		{bob, "%", []any{percent}},
		{bob, "_", []any{percent}},
		{bob, `\`, []any{}},
		{bob, "SURE", []any{percent}},
		{bob, strings.Repeat("가", 100), []any{}},
	} {
		r, err := http.NewRequest("GET", "http://x/v1/posts", nil)
		if err != nil {
			t.Fatal(err)
		}
		query := r.URL.Query()
		query.Set("q", c.query)
		if got := p.call("GET", "/v1/posts?"+query.Encode(), c.token, "").want(t, 200).items("id"); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: got %v, want %v", c.query, got, c.want)
		}
	}
	if got := p.call("GET", "/v1/posts?q=sure&board=notice", bob, "").want(t, 200).items("id"); len(got) != 0 {
		t.Errorf("on another board: %v", got)
	}
}

func TestMarksAreSeenAndCounted(t *testing.T) {
	p := startNew(t)
	ann, bob, mod := p.person("ann"), p.person("bob"), p.moderator()
	post := p.newPost(ann)
	etag := p.call("GET", "/v1/posts/"+post, ann, "").header.Get("ETag")
	for _, mark := range []string{"pinned", "locked", "hidden"} {
		path := "/v1/posts/" + post + "/" + mark
		p.call("PUT", path, mod, "").want(t, 204)
		got := p.call("GET", "/v1/posts/"+post, ann, "").want(t, 200)
		if got.member(mark) != true || got.header.Get("ETag") != etag {
			t.Errorf("%s: %v", mark, got)
		}
		if count := p.call("GET", "/v1/boards/free", bob, "").member("posts"); mark == "hidden" && count != 0.0 || mark != "hidden" && count != 1.0 {
			t.Errorf("%s: the board counts %v posts", mark, count)
		}
		p.call("DELETE", path, mod, "").want(t, 204)
		p.call("DELETE", path, mod, "").want(t, 204)
		if got := p.call("GET", "/v1/posts/"+post, bob, "").want(t, 200); got.member(mark) != false {
			t.Errorf("%s taken off: %v", mark, got)
		}
	}
	comment := p.newComment(bob, post, "")
	p.newComment(ann, post, comment)
	p.mark("/v1/comments/" + comment + "/hidden")
	for name, c := range map[string]struct {
		token, body string
	}{"its author": {bob, "a comment"}, "a moderator": {mod, "a comment"}, "another": {ann, ""}} {
		list := p.call("GET", "/v1/posts/"+post+"/comments", c.token, "").want(t, 200)
		if list.items("hidden")[0] != true || list.items("body")[0] != c.body || (list.items("author")[0] == nil) != (c.body == "") {
			t.Errorf("%s sees %v", name, list)
		}
	}
	if got := p.call("GET", "/v1/posts/"+post, ann, "").member("comments"); got != 1.0 {
		t.Errorf("%v comments are counted", got)
	}
}

// userService answers as the user service does, and gives the board its token.
type userService struct {
	server *httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
}

func newUserService(t *testing.T, issuer *jwkstest.Issuer) *userService {
	issuer.Handle("POST /oauth2/token", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "board" || secret != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"the-board","token_type":"Bearer","expires_in":600}`)
	}))
	u := new(userService)
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		answer := u.answer
		u.mu.Unlock()
		if answer == nil {
			answer = nameEverybody
		}
		answer(w, r)
	}))
	t.Cleanup(u.server.Close)
	return u
}

func (u *userService) set(answer http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = answer
}

func (u *userService) flags() []string {
	return []string{"--user-api=" + u.server.URL, "--client-id=board", "--client-secret=s"}
}

func nameEverybody(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer the-board" || r.URL.Path != "/v1/users" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	items := []map[string]string{}
	for id := range strings.SplitSeq(r.URL.Query().Get("ids"), ",") {
		items = append(items, map[string]string{"id": id, "display_name": "이름 " + id})
	}
	json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func names(list response) []any {
	names := []any{}
	for _, author := range list.items("author") {
		if author, ok := author.(map[string]any); ok {
			names = append(names, author["name"])
		}
	}
	return names
}

func TestAuthorsHaveNamesAndKeepThem(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	users := newUserService(t, issuer)
	databaseURL := sqldbtest.SQLite(t)
	p := start(t, issuer, databaseURL, users.flags()...)
	ann := p.person("ann")
	post := p.newPost(ann)
	p.newComment(p.person("bob"), post, "")
	check := func(want string) {
		t.Helper()
		posts, comments := names(p.call("GET", "/v1/boards/free/posts", ann, "").want(t, 200)), names(p.call("GET", "/v1/posts/"+post+"/comments", ann, "").want(t, 200))
		if got := fmt.Sprint(posts, comments); got != want {
			t.Errorf("names %s, want %s", got, want)
		}
	}
	// A busy machine may be late for the second that a reader waits.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if fmt.Sprint(names(p.call("GET", "/v1/posts/"+post+"/comments", ann, ""))) == "[이름 bob]" && fmt.Sprint(names(p.call("GET", "/v1/boards/free/posts", ann, ""))) == "[이름 ann]" {
			break
		}
	}
	check("[이름 ann] [이름 bob]")
	users.server.Close()
	check("[이름 ann] [이름 bob]")
	p.stop()
	p = start(t, issuer, databaseURL, users.flags()...)
	ann = p.person("ann")
	check("[이름 ann] [이름 bob]")
}

func TestATroubledUserServiceDoesNotSlowTheBoard(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	users := newUserService(t, issuer)
	release := make(chan struct{})
	defer close(release)
	for name, answer := range map[string]http.HandlerFunc{
		"slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"rubbish": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"broken":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"gone":    func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			users.set(answer)
			p := start(t, issuer, sqldbtest.SQLite(t), users.flags()...)
			begin := time.Now()
			for i := range 20 {
				p.newPost(p.person(fmt.Sprint("person-", i)))
			}
			list := p.call("GET", "/v1/boards/free/posts", p.person("ann"), "").want(t, 200)
			if got := names(list); len(got) != 20 || got[0] != "" {
				t.Errorf("names %v", got)
			}
			// One of 21 requests may wait for a second.
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("21 requests took %v", took)
			}
		})
	}
}

func TestValidTokensAreServedWhileTheIssuerIsDown(t *testing.T) {
	issuer := jwkstest.NewIssuer(t)
	databaseURL := sqldbtest.SQLite(t)
	p := start(t, issuer, databaseURL)
	ann := p.person("ann")
	p.newPost(ann)
	issuer.SetDown(true)
	p.newPost(p.person("bob"))
	p.call("GET", "/v1/boards/free/posts", ann, "").want(t, 200)
	for _, bad := range issuer.BadTokens(audience, jwkstest.Token{Scope: allScopes}) {
		// An unknown key cannot be told from a new one while the issuer is silent: 503, and still nobody gets in.
		if got := p.call("GET", "/v1/boards", bad.Token, ""); got.status != 401 && got.status != 503 && got.status != 431 {
			t.Errorf("%s: %v", bad.Name, got)
		}
	}
	p.stop()

	// Started without the issuer, it answers what needs no token, says when to come back, and recovers by itself.
	p = start(t, issuer, databaseURL)
	p.call("GET", "/readyz", "", "").want(t, 200)
	p.call("GET", "/openapi.json", "", "").want(t, 200)
	if got := p.call("GET", "/v1/boards", ann, "").want(t, 503); got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("without keys: %v", got.header)
	}
	issuer.SetDown(false)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got := p.call("GET", "/v1/boards", ann, ""); got.status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("never recovered: %v", got)
		}
	}
}
