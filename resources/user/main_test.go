package main

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/internal/service"
	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// user is the program under test.
var user = servicetest.Program[config]{
	Program: program, Run: run, Settings: func(c *config) *service.Settings { return &c.Settings },
	Read: "/v1/me", Scope: "user:read", Scopes: "user:read user:write user:lookup", Operations: 10,
}

const readWrite = "user:read user:write"

func TestTheUserServiceDoesWhatEveryResourceServiceDoes(t *testing.T) { user.Contract(t) }

func TestWhatWasAcknowledgedIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	databaseURL, issuer := sqldbtest.SQLite(t), jwkstest.NewIssuer(t)
	p := user.Start(t, issuer, databaseURL)
	p.Call("PATCH", "/v1/me", p.Person("a", readWrite), `{"bio": "kept"}`, "If-Match", "*").Want(200)
	p.Stop()
	p = user.Start(t, issuer, databaseURL)
	if r := p.Call("GET", "/v1/me", p.Person("a", readWrite), "").Want(200); r.Text("bio") != "kept" {
		t.Error(r)
	}
}

func TestWithTheIssuerStoppedValidTokensGoOnWorking(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	serveUserinfo(p, func(http.ResponseWriter, *http.Request) { t.Error("the issuer was reached") })
	before := p.Person("a", "openid "+readWrite)
	p.Call("GET", "/v1/users/nobody", before, "").Want(404) // the keys are there
	p.Issuer.SetDown(true)
	r := p.Call("GET", "/v1/me", before, "").Want(200)
	if r.Text("id") != "a" || r.Text("display_name") != "" {
		t.Fatal(r)
	}
	r = p.Call("PATCH", "/v1/me", before, `{"display_name": "A"}`, "If-Match", r.ETag()).Want(200)
	if r.Text("display_name") != "A" {
		t.Error(r)
	}
	p.Call("GET", "/v1/me", before[:len(before)-8]+"AAAAAAAA", "").Want(401) // forged
}
