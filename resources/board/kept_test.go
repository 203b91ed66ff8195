package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

func TestAListShowsAtOnceWhatWasDone(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	ann, bob, mod := p.person("ann"), p.person("bob"), p.moderator()
	list := func(token string) string {
		return p.Call("GET", "/v1/boards/free/posts", token, "").Want(200).Body
	}
	var first, second, comment string
	for _, step := range []struct {
		does   string
		act    func()
		others string // what others than the author and moderators see; %s is the first post's id
	}{
		{"nothing", func() {}, `{"items":[]}`},
		{"write", func() { first = p.newPost(ann) }, `"id":"%s"`},
		{"comment", func() { comment = p.newComment(bob, first, "") }, `"comments":1`},
		{"hide the comment", func() { p.mark("/v1/comments/" + comment + "/hidden") }, `"comments":0`},
		{"show it", func() { p.Call("DELETE", "/v1/comments/"+comment+"/hidden", mod, "").Want(204) }, `"comments":1`},
		{"delete it", func() { p.Call("DELETE", "/v1/comments/"+comment, bob, "").Want(204) }, `"comments":0`},
		{"change", func() { p.Call("PATCH", "/v1/posts/"+first, ann, `{"title":"other"}`, "If-Match", "*").Want(200) }, `"title":"other"`},
		{"pin", func() { p.mark("/v1/posts/" + first + "/pinned") }, `"pinned":true`},
		{"lock", func() { p.mark("/v1/posts/" + first + "/locked") }, `"locked":true`},
		{"hide", func() { p.mark("/v1/posts/" + first + "/hidden") }, `{"items":[]}`},
		{"write another", func() { second = p.newPost(bob) }, `"title":"a title"`},
		{"delete it", func() { p.Call("DELETE", "/v1/posts/"+second, bob, "").Want(204) }, `{"items":[]}`},
		{"show", func() { p.Call("DELETE", "/v1/posts/"+first+"/hidden", mod, "").Want(204) }, `"id":"%s"`},
	} {
		for range 2 { // so that there is a page that could be kept
			for _, token := range []string{ann, bob, mod} {
				list(token)
			}
		}
		step.act()
		want := strings.ReplaceAll(step.others, "%s", first)
		for who, token := range map[string]string{"bob": bob, "another client": p.person("carl")} {
			if got := list(token); !strings.Contains(got, want) {
				t.Errorf("after %s, %s sees %s, want %s", step.does, who, got, want)
			}
		}
		for who, token := range map[string]string{"the author": ann, "a moderator": mod} {
			if got := list(token); first != "" && !strings.Contains(got, first) {
				t.Errorf("after %s, %s does not see the post: %s", step.does, who, got)
			}
		}
	}
	if author := fmt.Sprint(p.Call("GET", "/v1/boards/free/posts", bob, "").Items("author")...); !strings.Contains(author, "ann") {
		t.Error(author)
	}
	p.Tell(purge("ann", ""))
	testenv.Eventually(t, "the list names the author no more", func() bool { return !strings.Contains(list(bob), `"ann"`) })
	for range 2 {
		p.Call("GET", "/v1/boards/none/posts", bob, "").Want(404)
	}
}

func TestAModeratorsTokenWithoutTheScopeSeesTheListOfOthers(t *testing.T) {
	t.Parallel()
	p := startNew(t)
	hidden := p.newPost(p.person("ann"))
	p.mark("/v1/posts/" + hidden + "/hidden")
	for _, one := range []struct {
		token string
		sees  bool
	}{
		{p.moderator(), true}, {p.Person("moderator", "board:read", "moderator"), false},
		{p.Person("eve", allScopes), false}, {p.person("ann"), true}, {p.person("bob"), false}, {p.moderator(), true},
	} {
		for range 2 {
			if got := p.Call("GET", "/v1/boards/free/posts", one.token, "").Want(200).Items("id"); (len(got) == 1) != one.sees {
				t.Errorf("sees %v, want it seen: %v", got, one.sees)
			}
		}
	}
}
