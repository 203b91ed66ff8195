package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAPostLivesOnBothEngines(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, bob := p.person("ann"), p.person("bob")

		made := p.Call("POST", "/v1/boards/free/posts", ann, object(t, map[string]any{
			"title": " " + norm.NFD.String("한글 제목") + "\t", "body": "one\r\ntwo\tthree\n", "format": "markdown"})).Want(201)
		id := made.Text("id")
		for name, want := range map[string]string{"title": "한글 제목", "body": "one\ntwo\tthree", "format": "markdown", "board": "free"} {
			if made.Text(name) != want {
				t.Errorf("made %v, want %s %q", made, name, want)
			}
		}
		if got := made.Header.Get("Location"); got != board.Audience()+"/v1/posts/"+id {
			t.Errorf("Location %s", got)
		}
		got := p.Call("GET", "/v1/posts/"+id, bob, "").Want(200)
		if got.Body != made.Body || got.ETag() != made.ETag() || got.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("made %v, got %v %v", made, got, got.Header)
		}
		if author, _ := got.Member("author").(map[string]any); author["id"] != "ann" || author["name"] != "" {
			t.Errorf("author %v", author)
		}

		changed := p.Call("PATCH", "/v1/posts/"+id, ann, `{"title":"New"}`,
			"If-Match", got.ETag(), "Content-Type", "application/merge-patch+json").Want(200)
		if changed.Text("title") != "New" || changed.Text("body") != "one\ntwo\tthree" ||
			changed.ETag() == got.ETag() || !updated(t, changed).After(updated(t, got)) {
			t.Errorf("changed %v", changed)
		}
		p.Call("PATCH", "/v1/posts/"+id, ann, `{"title":"Newer"}`, "If-Match", got.ETag()).Want(412)

		marked := p.Call("POST", "/v1/posts/"+id+"/comments", bob, `{"body":"**b**","format":"markdown"}`).Want(201)
		if marked.Text("format") != "markdown" || marked.Text("body") != "**b**" {
			t.Errorf("made %v", marked)
		}
		plain := p.Call("PATCH", "/v1/comments/"+marked.Text("id"), bob, `{"format":"plain"}`, "If-Match", marked.ETag()).Want(200)
		if plain.Text("format") != "plain" || plain.Text("body") != "**b**" {
			t.Errorf("changed %v", plain)
		}
		p.Call("DELETE", "/v1/comments/"+marked.Text("id"), bob, "").Want(204)
		first := p.newComment(bob, id, "")
		p.newComment(ann, id, first)
		if got := p.Call("GET", "/v1/posts/"+id, bob, "").Want(200).Member("comments"); got != 2.0 {
			t.Errorf("%v comments", got)
		}
		p.Call("DELETE", "/v1/comments/"+first, bob, "").Want(204)
		list := p.Call("GET", "/v1/posts/"+id+"/comments", bob, "").Want(200)
		deleted, bodies, authors := list.Items("deleted"), list.Items("body"), list.Items("author")
		if fmt.Sprint(deleted) != "[true false]" || bodies[0] != "" || authors[0] != nil {
			t.Errorf("comments %v", list)
		}
		p.Call("GET", "/v1/comments/"+first, bob, "").Want(404)

		p.Call("DELETE", "/v1/posts/"+id, ann, "", "If-Match", got.ETag()).Want(412)
		p.Call("DELETE", "/v1/posts/"+id, ann, "", "If-Match", changed.ETag()).Want(204)
		p.Call("GET", "/v1/posts/"+id, ann, "").Want(404)
		p.Call("GET", "/v1/posts/"+id+"/comments", p.moderator(), "").Want(404)

		// And through a stop.
		kept := p.newPost(ann)
		p.Stop()
		p = start(t, p.Issuer, databaseURL)
		p.Call("GET", "/v1/posts/"+kept, bob, "").Want(200)
	})
}

func TestOfChangesAtOnceOneWins(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann := p.person("ann")
		post := p.newPost(ann)
		comment := p.newComment(ann, post, "")
		for _, path := range []string{"/v1/posts/" + post, "/v1/comments/" + comment} {
			etag := p.Call("GET", path, ann, "").Want(200).ETag()
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					switch got := p.Call("PATCH", path, ann, fmt.Sprintf(`{"body":"by %d"}`, i), "If-Match", etag); got.Status {
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
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, bob, mod := p.person("ann"), p.person("bob"), p.moderator()
		post := p.newPost(ann)
		for _, c := range []struct {
			path, token, body, other string
			anew                     int // the status of body by a new key
		}{
			{"/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, `{"title":"t","body":"c"}`, 201},
			{"/v1/posts/" + post + "/comments", bob, `{"body":"b"}`, `{"body":"c"}`, 201},
			{"/v1/boards", mod, `{"slug":"new","title":"t"}`, `{"slug":"newer","title":"t"}`, 409},
		} {
			var mu sync.Mutex
			places := map[string]int{}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					got := p.Call("POST", c.path, c.token, c.body, "Idempotency-Key", "key-1").Want(201)
					mu.Lock()
					defer mu.Unlock()
					places[got.Header.Get("Location")+got.ETag()+got.Body]++
				})
			}
			wg.Wait()
			if len(places) != 1 {
				t.Errorf("%s: 8 requests got %d answers", c.path, len(places))
			}
			p.Call("POST", c.path, c.token, c.other, "Idempotency-Key", "key-1").Want(422).About("header.Idempotency-Key")
			p.Call("POST", c.path, c.token, c.other, "Idempotency-Key", "key-2").Want(201)
			for _, key := range []string{strings.Repeat("k", 256), "two words", "한글", "tab\tkey"} {
				p.Call("POST", c.path, c.token, c.body, "Idempotency-Key", key).Want(422).About("header.Idempotency-Key")
			}
			p.Call("POST", c.path, c.token, c.body, "Idempotency-Key", strings.Repeat("k", 255)).Want(c.anew)
		}
		// The key belongs to the person and to the route; the board is part of the request.
		p.Call("POST", "/v1/boards/free/posts", bob, `{"title":"bob's","body":"b"}`, "Idempotency-Key", "key-1").Want(201)
		p.Call("POST", "/v1/boards/new/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-1").Want(422)
		// Written differently, it is the same request.
		again := p.Call("POST", "/v1/boards/free/posts", ann, `{ "body":" b\r\n", "title":"t", "format":"plain" }`,
			"Idempotency-Key", "key-1").Want(201)
		p.Call("DELETE", "/v1/posts/"+again.Text("id"), ann, "").Want(204)
		p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-1").Want(404)
	})
}

// What a first request created stays created, whatever would be asked of it now.
func TestAKeyIsLookedUpBeforeTheRulesOfToday(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	long := object(t, map[string]any{"title": "long", "body": strings.Repeat("가", 2100)})
	first := p.Call("POST", "/v1/boards/free/posts", ann, long, "Idempotency-Key", "key-1").Want(201)
	again := func() {
		t.Helper()
		if got := p.Call("POST", "/v1/boards/free/posts", ann, long, "Idempotency-Key", "key-1").Want(201); got.Text("id") != first.Text("id") {
			t.Errorf("made another: %s", got.Body)
		}
	}
	for range 20 { // which count as no further long posts
		again()
	}
	refused := 0
	for i := range 12 {
		if p.Call("POST", "/v1/boards/free/posts", ann, long, "Idempotency-Key", fmt.Sprint("long-", i)).Status == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nobody bounds long posts")
	}
	again()
	board := p.Call("GET", "/v1/boards/free", mod, "").Want(200)
	p.Call("PATCH", "/v1/boards/free", mod, `{"moderators_only":true}`, "If-Match", board.ETag()).Want(200)
	p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-2").Want(403)
	again()
	p.Call("POST", "/v1/boards/free/posts", ann, `{"title":"t","body":"b"}`, "Idempotency-Key", "key-1").Want(422).About("header.Idempotency-Key")
	p.Call("POST", "/v1/boards/free/posts", p.Person("ann", "board:read"), long, "Idempotency-Key", "key-1").Want(403)
}

func TestPreconditions(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	post := p.newPost(ann)
	for path, c := range map[string]struct{ token, body string }{
		"/v1/posts/" + post:                           {ann, `{"body":"changed"}`},
		"/v1/comments/" + p.newComment(ann, post, ""): {ann, `{"body":"changed"}`},
		"/v1/boards/free":                             {mod, `{"title":"changed"}`},
	} {
		tag := p.Call("GET", path, c.token, "").Want(200).ETag()
		p.Call("PATCH", path, c.token, c.body).Want(428)
		for _, malformed := range []string{"1", `"1`, `"a" "b"`, `W/`, `*, "1"`, ",", `"a b"`, strings.Repeat(`"x",`, 11)} {
			p.Call("PATCH", path, c.token, c.body, "If-Match", malformed).Want(400)
		}
		for _, other := range []string{`"0"`, `"99"`, "W/" + tag, `"x", "y"`, `""`} {
			p.Call("PATCH", path, c.token, c.body, "If-Match", other).Want(412)
		}
		tag = p.Call("PATCH", path, c.token, c.body, "If-Match", `"x" , ,`+tag).Want(200).ETag()
		tag = p.Call("PATCH", path, c.token, `{}`, "If-Match", tag).Want(200).ETag()
		p.Call("PATCH", path, c.token, c.body, "If-Match", "*").Want(200)
		p.Call("PATCH", path, c.token, c.body, "If-Match", tag).Want(412)
	}
}

func TestMarksAreSeenAndCounted(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, bob, mod := p.person("ann"), p.person("bob"), p.moderator()
	post := p.newPost(ann)
	etag := p.Call("GET", "/v1/posts/"+post, ann, "").ETag()
	for _, mark := range []string{"pinned", "locked", "hidden"} {
		path := "/v1/posts/" + post + "/" + mark
		p.Call("PUT", path, mod, "").Want(204)
		got := p.Call("GET", "/v1/posts/"+post, ann, "").Want(200)
		if got.Member(mark) != true || got.ETag() != etag {
			t.Errorf("%s: %v", mark, got)
		}
		count, want := p.Call("GET", "/v1/boards/free", bob, "").Want(200).Member("posts"), 1.0
		if mark == "hidden" {
			want = 0
		}
		if count != want {
			t.Errorf("%s: the board counts %v posts", mark, count)
		}
		p.Call("DELETE", path, mod, "").Want(204)
		p.Call("DELETE", path, mod, "").Want(204)
		if got := p.Call("GET", "/v1/posts/"+post, bob, "").Want(200); got.Member(mark) != false {
			t.Errorf("%s taken off: %v", mark, got)
		}
	}
	comment := p.newComment(bob, post, "")
	p.newComment(ann, post, comment)
	p.mark("/v1/comments/" + comment + "/hidden")
	for name, c := range map[string]struct {
		token, body string
	}{"its author": {bob, "a comment"}, "a moderator": {mod, "a comment"}, "another": {ann, ""}} {
		list := p.Call("GET", "/v1/posts/"+post+"/comments", c.token, "").Want(200)
		if list.Items("hidden")[0] != true || list.Items("body")[0] != c.body || (list.Items("author")[0] == nil) != (c.body == "") {
			t.Errorf("%s sees %v", name, list)
		}
	}
	if got := p.Call("GET", "/v1/posts/"+post, ann, "").Member("comments"); got != 1.0 {
		t.Errorf("%v comments are counted", got)
	}
}

// updated is when a post was changed last. As texts, times do not compare: they end in no zeros.
func updated(t *testing.T, post servicetest.Response) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, post.Text("updated_at"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}
