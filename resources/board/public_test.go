package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAPublicBoardIsReadWithoutAToken(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		mod, ann := p.moderator(), p.person("ann")
		id := p.call("POST", "/v1/boards/notice/posts", mod, `{"title":"공지","body":"b"}`).want(t, 201).text("id")
		shown, hidden := p.newComment(ann, id, ""), p.newComment(ann, id, "")
		p.mark("/v1/comments/" + hidden + "/hidden")
		private := p.newPost(ann)

		boards := p.call("GET", "/v1/boards?public_read=true", "", "").want(t, 200)
		if got := boards.items("slug"); !slices.Equal(got, []any{"notice"}) {
			t.Errorf("nobody sees the boards %v", got)
		}
		if all := p.call("GET", "/v1/boards?public_read=true", ann, "").want(t, 200).items("slug"); !slices.Equal(all, []any{"notice"}) {
			t.Errorf("somebody who asks for public boards sees %v", all)
		}
		got := p.call("GET", "/v1/posts/"+id, "", "").want(t, 200)
		if got.text("body") != "b" || got.header.Get("Cache-Control") != "public, max-age=10" || !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Authorization") {
			t.Errorf("%v %v", got, got.header)
		}
		if got := p.call("GET", "/v1/posts/"+id, ann, "").want(t, 200); got.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("somebody's answer may be cached: %v", got.header)
		}
		if ids := p.call("GET", "/v1/posts/"+id+"/comments", "", "").want(t, 200).items("id"); !slices.Equal(ids, []any{shown}) {
			t.Errorf("nobody sees the comments %v", ids)
		}
		for _, path := range []string{"/v1/boards", "/v1/boards?public_read=false", "/v1/posts/" + private, "/v1/posts/" + private + "/comments", "/v1/comments/" + shown, "/v1/posts?author=ann"} {
			got := p.call("GET", path, "", "").want(t, 401)
			if challenge := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `Bearer resource_metadata="`) {
				t.Errorf("%s: challenge %s", path, challenge)
			}
		}
		// What could be a token is judged as one.
		p.call("GET", "/v1/posts/"+id, "nonsense", "").want(t, 401)
		p.call("GET", "/v1/posts/"+id, "", "", "Authorization", "").want(t, 401)
		p.call("GET", "/v1/posts/"+id, "", "", "DPoP", "x").want(t, 401)

		board := p.call("GET", "/v1/boards/notice", "", "").want(t, 200)
		p.call("PATCH", "/v1/boards/notice", mod, `{"public_read":false}`, "If-Match", board.header.Get("ETag")).want(t, 200)
		p.call("GET", "/v1/posts/"+id, "", "").want(t, 401)
		made := p.call("POST", "/v1/boards", mod, `{"slug":"open","title":"t","public_read":true}`).want(t, 201)
		if made.member("public_read") != true {
			t.Error(made)
		}
		p.call("GET", "/v1/boards/open", "", "").want(t, 200)
	})
}

func TestAPersonsPostsAreListed(t *testing.T) {
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
				page := p.call("GET", path, token, "").want(t, 200)
				ids = append(ids, page.items("id")...)
				next := page.text("next")
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
		if got := p.call("GET", "/v1/posts?author=nobody", bob, "").want(t, 200).items("id"); len(got) != 0 {
			t.Error(got)
		}
		cursor := p.call("GET", "/v1/posts?author=ann&limit=2", bob, "").text("next")
		p.call("GET", "/v1/posts?author=bob&cursor="+cursor, bob, "").want(t, 422).about(t, "query.cursor")
		p.call("GET", "/v1/posts?author=a%01", bob, "").want(t, 422).about(t, "query.author")
		p.call("GET", "/v1/posts?author=ann&q=x", bob, "").want(t, 422).about(t, "query.q")
		p.call("GET", "/v1/posts?author=ann&board=free", bob, "").want(t, 422).about(t, "query.board")
		p.call("GET", "/v1/posts?author=", bob, "").want(t, 422).about(t, "query.q")
	})
}
