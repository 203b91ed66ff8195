package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/service/servicetest"
)

// bodies that each change accepts.
var bodies = map[string]string{
	"PATCH /v1/me":         `{"bio": "hello"}`,
	"PUT /v1/me/settings":  `{"locale": "ko", "time_zone": "Asia/Seoul", "theme": "dark"}`,
	"PUT /v1/me/interests": `{"tags": ["go"]}`,
}

func TestTheTableOfWhoMayDoWhatIsTrue(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	const id = "person-1"
	tokens := map[string]string{
		"nobody":               "",
		"person, user:read":    p.Person(id, "user:read"),
		"person, user:write":   p.Person(id, "user:write"),
		"person, other scopes": p.Person(id, "openid board:write user userread user:reader"),
		"client, user:read":    p.Client("board", "user:read user:write"),
		"client, user:lookup":  p.Client("board", "user:lookup"),
		"client, other scopes": p.Client("board", "board:read user:lookups"),
	}
	p.Call("GET", "/v1/me", tokens["person, user:read"], "").Want(200)
	callers, rows := servicetest.Table(t)
	if len(callers) != len(tokens) {
		t.Fatalf("the table has the callers %q", callers)
	}
	for _, row := range rows {
		method, path, _ := strings.Cut(row[0], " ")
		path = strings.ReplaceAll(path, "{id}", id)
		for i, caller := range callers {
			token, known := tokens[caller]
			if !known {
				t.Fatalf("the table has an unknown caller %q", caller)
			}
			r := p.Call(method, path, token, bodies[row[0]], "If-Match", "*")
			if fmt.Sprint(r.Status) != row[1+i] {
				t.Errorf("%v by %s, want %s", r, caller, row[1+i])
				continue
			}
			ofAPersonOnly := strings.HasPrefix(caller, "client, ") && strings.HasPrefix(path, "/v1/me")
			switch {
			case r.Status == 401:
				user.NeedsToken(r)
			case r.Status == 403 && r.Header.Get("WWW-Authenticate") == "" && ofAPersonOnly: // no other scope would help
				r.Want(403)
			case r.Status == 403:
				user.NeedsScope(r)
			}
		}
	}
}
