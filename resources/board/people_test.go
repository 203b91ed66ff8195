package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAPersonGetsEverythingThatTheyWrote(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, bob := p.person("ann/1"), p.person("bob")
	theirs := p.newPost(bob)
	var want []any
	for range 3 {
		want = append(want, p.newPost(ann))
	}
	p.mark("/v1/posts/" + want[1].(string) + "/hidden")
	for range 2 {
		want = append(want, p.newComment(ann, theirs, ""))
	}
	p.Call("DELETE", "/v1/posts/"+p.newPost(ann), ann, "").Want(204)
	p.newComment(bob, theirs, "")

	first := p.Call("GET", "/v1/me/export", ann, "").Want(200)
	if got := first.Items("id"); !slices.Equal(got, want) || first.Text("next") != "" || first.Text("id") != "ann/1" ||
		first.Text("service") != board.Audience() || first.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("%v, want %v", first, want)
	}
	for _, part := range []string{
		`"kind":"post","id":"` + want[1].(string) + `","board":"free","title":"a title","body":"some text","format":"plain","hidden":true`,
		`"kind":"comment","id":"` + want[4].(string) + `","post":"` + theirs + `","body":"a comment"`,
	} {
		if !strings.Contains(first.Body, part) {
			t.Errorf("%v has no %s", first, part)
		}
	}
	var got []any
	for next := "/v1/me/export?limit=1"; next != ""; {
		page := p.Call("GET", next, ann, "").Want(200)
		got = append(got, page.Items("id")...)
		cursor := page.Text("next")
		if cursor != "" {
			p.Call("GET", "/v1/me/export?cursor="+cursor, bob, "").Want(422).About("query.cursor")
			cursor = "/v1/me/export?limit=1&cursor=" + cursor
		}
		next = cursor
	}
	if !slices.Equal(got, want) {
		t.Errorf("page by page: %v, want %v", got, want)
	}
	if none := p.Call("GET", "/v1/me/export", p.person("new"), "").Want(200); !strings.Contains(none.Body, `"items":[]`) {
		t.Error(none)
	}
}

func TestTheExportNeedsALogInOfTheLastTenMinutes(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	token := func(since time.Duration) string {
		return p.Issuer.AccessToken(t, jwkstest.Token{
			Subject: "ann", Audience: board.Audience(), Scope: "board:read", AuthTime: time.Now().Add(-since)})
	}
	p.Call("GET", "/v1/me/export", token(9*time.Minute), "").Want(200)
	r := p.Call("GET", "/v1/me/export", token(11*time.Minute), "").Want(401)
	if got := r.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_user_authentication"`) ||
		!strings.Contains(got, `max_age="600"`) {
		t.Errorf("challenge %s", got)
	}
}

func TestADeletedPersonLeavesWhatTheyChose(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		issuer, ann, eve, bob := p.Client("issuer", "board:delete-user"), p.person("ann/1"), p.person("eve"), p.person("bob")
		kept, gone := p.newPost(ann), p.newPost(eve)
		onKept, onBobs := p.newComment(ann, kept, ""), p.newPost(bob)
		evesComment := p.newComment(eve, onBobs, "")
		p.newComment(bob, onBobs, evesComment)
		keep, remove := "/v1/users/ann%2F1?posts=keep", "/v1/users/eve?posts=delete"
		for range 2 {
			for _, path := range []string{keep, remove} {
				if r := p.Call("DELETE", path, issuer, "").Want(204); r.Header.Get("Retry-After") != "" || r.Body != "" {
					t.Errorf("%v %v", r, r.Header)
				}
			}
		}
		p.Call("DELETE", "/v1/users/never-seen?posts=delete", issuer, "").Want(204)
		p.Call("DELETE", "/v1/users/%01?posts=delete", issuer, "").Want(404)
		for _, query := range []string{"", "?posts=", "?posts=all"} {
			if r := p.Call("DELETE", "/v1/users/bob"+query, issuer, ""); r.Status != 422 {
				t.Errorf("%v, want 422", r)
			}
		}

		post := p.Call("GET", "/v1/posts/"+kept, bob, "").Want(200)
		if author, there := member(t, post.Body, "author"); author != nil || !there || post.Text("body") != "some text" {
			t.Error(post)
		}
		comments := p.Call("GET", "/v1/posts/"+kept+"/comments", bob, "").Want(200)
		if author, there := member(t, comments.Body, "items", "0", "author"); author != nil || !there || comments.Items("id")[0] != onKept {
			t.Error(comments)
		}
		// A stub has no author at all, whose account was not deleted as far as readers can tell.
		comments = p.Call("GET", "/v1/posts/"+onBobs+"/comments", bob, "").Want(200)
		if _, there := member(t, comments.Body, "items", "0", "author"); there || comments.Items("deleted")[0] != true {
			t.Error(comments)
		}
		p.Call("GET", "/v1/posts/"+gone, bob, "").Want(404)

		// It is nobody's now, and a moderator's to delete.
		p.Call("DELETE", "/v1/posts/"+kept, ann, "").Want(403)
		p.Call("PATCH", "/v1/posts/"+kept, ann, `{"title":"t"}`, "If-Match", "*").Want(403)
		for _, token := range []string{ann, eve} {
			p.Call("POST", "/v1/boards/free/posts", token, `{"title":"t","body":"b"}`).Want(410)
			p.Call("POST", "/v1/posts/"+onBobs+"/comments", token, `{"body":"b"}`).Want(410)
		}
		p.Call("DELETE", "/v1/comments/"+onKept, p.moderator(), "").Want(204)
	})
}

// A person who wrote very much is deleted in several calls, and other callers get their turn.
func TestADeletionThatTakesLongIsAnswered202(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	issuer, ann := p.Client("issuer", "board:delete-user"), p.person("ann")
	post := p.newPost(ann)
	for range 1001 { // a call's part is 1000
		p.newComment(ann, post, "")
	}
	r := p.Call("DELETE", "/v1/users/ann?posts=keep", issuer, "").Want(202)
	if r.Header.Get("Retry-After") != "1" || r.Body != "" {
		t.Errorf("%v %v", r, r.Header)
	}
	for calls := 0; r.Status == 202; calls++ {
		if calls == 100 {
			t.Fatal("it does not end")
		}
		r = p.Call("DELETE", "/v1/users/ann?posts=keep", issuer, "")
	}
	r.Want(204)
}

// member finds a member in JSON, by names and indexes.
func member(t *testing.T, body string, path ...string) (value any, there bool) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		t.Fatal(err)
	}
	there = true
	for _, step := range path {
		switch in := value.(type) {
		case map[string]any:
			value, there = in[step]
		case []any:
			value = in[step[0]-'0']
		default:
			return nil, false
		}
	}
	return value, there
}
