package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

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
