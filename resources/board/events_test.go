package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

const (
	claimsChanged = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	accountPurged = "https://schemas.openid.net/secevent/risc/event-type/account-purged"
)

func purge(subject, content string) jwkstest.SET {
	event := map[string]any{}
	if content != "" {
		event["content"] = content
	}
	return jwkstest.SET{Type: accountPurged, Subject: subject, Event: event}
}

func TestAPurgedAccountLeavesWhatItsPersonChose(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := start(t, jwkstest.NewIssuer(t), databaseURL)
		ann, eve, bob := p.person("ann/1"), p.person("eve"), p.person("bob")
		kept, gone := p.newPost(ann), p.newPost(eve)
		onKept, onBobs := p.newComment(ann, kept, ""), p.newPost(bob)
		evesComment := p.newComment(eve, onBobs, "")
		p.newComment(bob, onBobs, evesComment)
		for range 2 {
			p.Tell(purge("ann/1", ""))
			p.Tell(purge("eve", "delete"))
		}
		p.Tell(purge("never-seen", "delete"))
		for _, token := range []string{ann, eve} { // at once
			p.Call("POST", "/v1/boards/free/posts", token, `{"title":"t","body":"b"}`).Want(410)
			p.Call("POST", "/v1/posts/"+onBobs+"/comments", token, `{"body":"b"}`).Want(410)
		}
		testenv.Eventually(t, "eve's post is gone", func() bool { return p.Call("GET", "/v1/posts/"+gone, bob, "").Status == 404 })
		testenv.Eventually(t, "ann's post has no author", func() bool {
			author, there := member(t, p.Call("GET", "/v1/posts/"+kept, bob, "").Want(200).Body, "author")
			return author == nil && there
		})
		testenv.Eventually(t, "nor has her comment", func() bool {
			comments := p.Call("GET", "/v1/posts/"+kept+"/comments", bob, "").Want(200)
			author, there := member(t, comments.Body, "items", "0", "author")
			return author == nil && there && comments.Items("id")[0] == onKept
		})
		testenv.Eventually(t, "eve's comment is a stub", func() bool {
			comments := p.Call("GET", "/v1/posts/"+onBobs+"/comments", bob, "").Want(200)
			_, there := member(t, comments.Body, "items", "0", "author")
			return !there && comments.Items("deleted")[0] == true
		})
		if r := p.Call("GET", "/v1/posts/"+kept, bob, "").Want(200); r.Text("body") != "some text" {
			t.Error(r)
		}
		// It is nobody's now, and a moderator's to delete.
		p.Call("DELETE", "/v1/posts/"+kept, ann, "").Want(403)
		p.Call("PATCH", "/v1/posts/"+kept, ann, `{"title":"t"}`, "If-Match", "*").Want(403)
		p.Call("DELETE", "/v1/comments/"+onKept, p.moderator(), "").Want(204)
	})
}

// The acknowledgement is worth something: what was accepted is done, whatever happens to the
// program.
func TestAPurgeThatWasAcceptedIsDoneAfterARestart(t *testing.T) {
	t.Parallel()
	databaseURL, issuer := sqldbtest.SQLite(t), jwkstest.NewIssuer(t)
	p := start(t, issuer, databaseURL)
	ann, bob := p.person("ann"), p.person("bob")
	post := p.newPost(ann)
	for range 300 {
		p.newComment(ann, post, "")
	}
	p.Tell(purge("ann", "keep"))
	p.Stop()
	p = start(t, issuer, databaseURL)
	testenv.Eventually(t, "the board forgets her", func() bool {
		of := p.Call("GET", "/v1/posts?author=ann", bob, "").Want(200)
		comments := p.Call("GET", "/v1/posts/"+post+"/comments?limit=100", bob, "").Want(200)
		for _, author := range comments.Items("author") {
			if author != nil {
				return false
			}
		}
		return len(of.Items("id")) == 0
	})
}

func TestANewNameOfAnAuthorReachesTheBoard(t *testing.T) {
	t.Parallel()
	issuer := jwkstest.NewIssuer(t)
	users := newUserService(t, issuer)
	var name atomic.Value
	name.Store("Ann")
	asked := new(atomic.Int64)
	users.set(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		json.NewEncoder(w).Encode(map[string]any{"items": []any{map[string]any{"id": "ann", "display_name": name.Load()}}})
	})
	p := start(t, issuer, sqldbtest.SQLite(t), users.flags()...)
	ann := p.person("ann")
	p.newPost(ann)
	shown := func() string { return fmt.Sprint(names(p.Call("GET", "/v1/boards/free/posts", ann, "").Want(200))) }
	testenv.Eventually(t, "she has her name", func() bool { return shown() == "[Ann]" })
	rename := jwkstest.SET{Type: claimsChanged, Subject: "ann", Event: map[string]any{"claims": map[string]any{"name": "the account's"}}}
	before := asked.Load()
	p.Tell(rename)
	testenv.Eventually(t, "it asks the user service", func() bool { return asked.Load() > before })
	// Which has not heard of it yet: the board asks again, and shows the person's name meanwhile.
	if got := shown(); got != "[Ann]" {
		t.Error(got)
	}
	name.Store("Anna")
	testenv.Eventually(t, "she has her new name", func() bool { return shown() == "[Anna]" })
	before = asked.Load()
	p.Tell(jwkstest.SET{Type: claimsChanged, Subject: "never seen", Event: rename.Event})
	if asked.Load() != before {
		t.Error("it asks for somebody who wrote nothing")
	}
}
