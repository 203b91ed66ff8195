package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestListsInPages(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, mod := p.person("ann"), p.moderator()
	needle := func() string {
		return p.Call("POST", "/v1/boards/notice/posts", mod, `{"title":"a needle","body":"b"}`).Want(201).Text("id")
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
		{"/v1/posts/" + post + "/comments?limit=2", threads, func() { p.Call("DELETE", "/v1/comments/"+threads[0].(string), ann, "") }},
	} {
		var got []any
		for next := list.path; next != ""; list.others() {
			page := p.Call("GET", next, ann, "").Want(200)
			got = append(got, page.Items("id")...)
			if next = page.Text("next"); next != "" {
				cursors[list.path] = next
				next = list.path + "&cursor=" + next
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(list.want) {
			t.Errorf("%s: got %v, want %v", list.path, got, list.want)
		}
	}
	first := p.Call("GET", "/v1/boards?limit=1", ann, "").Want(200)
	second := p.Call("GET", "/v1/boards?limit=1&cursor="+first.Text("next"), ann, "").Want(200)
	if first.Items("slug")[0] != "notice" || second.Items("slug")[0] != "free" || second.Text("next") != "" {
		t.Errorf("boards: %v, then %v", first, second)
	}
	p.Call("DELETE", "/v1/posts/"+pinned+"/pinned", mod, "").Want(204)
	if first := p.Call("GET", "/v1/boards/free/posts?limit=1", ann, "").Want(200).Items("id"); first[0] == pinned {
		t.Error("it is still pinned")
	}

	// A cursor is good for its own list, and altered for none.
	for path, cursor := range cursors {
		for other := range cursors {
			if other != path {
				p.Call("GET", other+"&cursor="+cursor, ann, "").Want(422).About("query.cursor")
			}
		}
		for i := range cursor {
			altered := cursor[:i] + string(cursor[i]^1) + cursor[i+1:]
			if got := p.Call("GET", path+"&cursor="+altered, ann, ""); got.Status != 422 && got.Status != 200 {
				t.Errorf("altered at %d: %v", i, got)
			}
		}
		for _, altered := range []string{cursor + "=", cursor + "AA", cursor[:len(cursor)-1], " " + cursor} {
			p.Call("GET", path+"&cursor="+strings.ReplaceAll(altered, " ", "+"), ann, "").Want(422)
		}
	}
	for _, text := range []string{`[]`, `null`, `["1"]`, `["2","x","true","1","a"]`, `{"a":1}`, `["1","` + strings.Repeat("x", 100) + `"]`} {
		p.Call("GET", "/v1/boards/free/posts?cursor="+base64.RawURLEncoding.EncodeToString([]byte(text)), ann, "").Want(422)
	}
	p.Call("GET", "/v1/boards/notice/posts?cursor="+cursors["/v1/boards/free/posts?limit=2"], ann, "").Want(422)
}

func TestAPersonsPostsAreListed(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, bob := p.person("ann"), p.person("bob")
		var want []any
		for range 5 {
			want = append(want, p.newPost(ann))
			p.newPost(bob)
		}
		p.mark("/v1/posts/" + want[3].(string) + "/hidden")
		slices.Reverse(want)
		read := func(token string) (ids []any) {
			t.Helper()
			for path := "/v1/posts?author=ann&limit=2"; ; {
				page := p.Call("GET", path, token, "").Want(200)
				ids = append(ids, page.Items("id")...)
				next := page.Text("next")
				if next == "" {
					return ids
				}
				path = "/v1/posts?author=ann&limit=2&cursor=" + next
			}
		}
		if got := read(ann); !slices.Equal(got, want) {
			t.Errorf("ann's posts for herself: %v, want %v", got, want)
		}
		if got := read(bob); !slices.Equal(got, slices.Delete(slices.Clone(want), 1, 2)) {
			t.Errorf("ann's posts for another: %v, want %v without the hidden one", got, want)
		}
		if got := p.Call("GET", "/v1/posts?author=nobody", bob, "").Want(200).Items("id"); len(got) != 0 {
			t.Error(got)
		}
		cursor := p.Call("GET", "/v1/posts?author=ann&limit=2", bob, "").Text("next")
		p.Call("GET", "/v1/posts?author=bob&cursor="+cursor, bob, "").Want(422).About("query.cursor")
		p.Call("GET", "/v1/posts?author=a%01", bob, "").Want(422).About("query.author")
		p.Call("GET", "/v1/posts?author=ann&q=x", bob, "").Want(422).About("query.q")
		p.Call("GET", "/v1/posts?author=ann&board=free", bob, "").Want(422).About("query.board")
		p.Call("GET", "/v1/posts?author=", bob, "").Want(422).About("query.q")
	})
}

func TestSearchFindsWhatThePersonMaySee(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, bob := p.person("ann"), p.person("bob")
	make := func(title, body string) string {
		return p.Call("POST", "/v1/boards/free/posts", ann, object(t, map[string]any{"title": title, "body": body})).Want(201).Text("id")
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
		if got := p.Call("GET", "/v1/posts?"+query.Encode(), c.token, "").Want(200).Items("id"); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: got %v, want %v", c.query, got, c.want)
		}
	}
	if got := p.Call("GET", "/v1/posts?q=sure&board=notice", bob, "").Want(200).Items("id"); len(got) != 0 {
		t.Errorf("on another board: %v", got)
	}
}
