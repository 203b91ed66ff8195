package main

import (
	"encoding/json"
	"testing"

	"go.uber.org/goleak"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

const allScopes = "board:read board:write board:moderate"

// board is the program under test.
var board = servicetest.Program[config]{
	Program: program, Run: run, Settings: func(c *config) *service.Settings { return &c.Settings },
	Read: "/v1/boards", Scope: "board:read", Scopes: allScopes, Operations: 25,
}

func TestTheBoardServiceDoesWhatEveryResourceServiceDoes(t *testing.T) { board.Contract(t) }

func TestNamesNeedTheServicesOwnAccount(t *testing.T) {
	board.RefusesToStart(t, "--client-id", "--user-api=http://user.example")
}

func TestNothingIsLeftBehindAtTheEnd(t *testing.T) { // not parallel: it counts goroutines
	issuer := jwkstest.NewIssuer(t)
	before := goleak.IgnoreCurrent()
	p := start(t, issuer, sqldbtest.SQLite(t), "--user-api=http://127.0.0.1:1", "--client-id=board", "--client-secret=s")
	p.newPost(p.person("ann"))
	p.Stop()
	goleak.VerifyNone(t, before)
}

// running is the service with what tests write on its boards.
type running struct {
	*servicetest.Service
	t *testing.T
}

func start(t *testing.T, issuer *jwkstest.Issuer, databaseURL string, args ...string) running {
	t.Helper()
	return running{board.Start(t, issuer, databaseURL, args...), t}
}

func startNew(t *testing.T) running {
	t.Helper()
	return running{board.StartNew(t), t}
}

// person returns the token of a person who reads and writes; moderator that of a moderator with
// every scope.
func (p running) person(subject string) string { return p.Person(subject, "board:read board:write") }
func (p running) moderator() string            { return p.Person("moderator", allScopes, "moderator") }

// newPost and newComment return the id of what they make.
func (p running) newPost(token string) string {
	p.t.Helper()
	return p.Call("POST", "/v1/boards/free/posts", token, `{"title":"a title","body":"some text"}`).Want(201).Text("id")
}

func (p running) newComment(token, post, parent string) string {
	p.t.Helper()
	body := object(p.t, map[string]any{"body": "a comment", "parent": parent})
	return p.Call("POST", "/v1/posts/"+post+"/comments", token, body).Want(201).Text("id")
}

// mark sets a mark, such as "/v1/posts/ID/hidden".
func (p running) mark(path string) {
	p.t.Helper()
	p.Call("PUT", path, p.moderator(), "").Want(204)
}

// object is a JSON object.
func object(t *testing.T, members map[string]any) string {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
