package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

// userService answers as the user service does, and gives the board its token.
type userService struct {
	server *httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
}

func newUserService(t *testing.T, issuer *jwkstest.Issuer) *userService {
	issuer.Handle("POST /oauth2/token", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "board" || secret != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"the-board","token_type":"Bearer","expires_in":600}`)
	}))
	u := new(userService)
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		answer := u.answer
		u.mu.Unlock()
		if answer == nil {
			answer = nameEverybody
		}
		answer(w, r)
	}))
	t.Cleanup(u.server.Close)
	return u
}

func (u *userService) set(answer http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = answer
}

func (u *userService) flags() []string {
	return []string{"--user-api=" + u.server.URL, "--client-id=board", "--client-secret=s"}
}

func nameEverybody(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer the-board" || r.URL.Path != "/v1/users" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	items := []map[string]string{}
	for id := range strings.SplitSeq(r.URL.Query().Get("ids"), ",") {
		items = append(items, map[string]string{"id": id, "display_name": "이름 " + id})
	}
	json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func names(list servicetest.Response) []any {
	names := []any{}
	for _, author := range list.Items("author") {
		if author, ok := author.(map[string]any); ok {
			names = append(names, author["name"])
		}
	}
	return names
}

func TestAuthorsHaveNamesAndKeepThem(t *testing.T) {
	t.Parallel()
	issuer := jwkstest.NewIssuer(t)
	users := newUserService(t, issuer)
	databaseURL := sqldbtest.SQLite(t)
	p := start(t, issuer, databaseURL, users.flags()...)
	ann := p.person("ann")
	post := p.newPost(ann)
	p.newComment(p.person("bob"), post, "")
	of := func(path string) []any { return names(p.Call("GET", path, ann, "").Want(200)) }
	shown := func() string {
		return fmt.Sprint(of("/v1/boards/free/posts"), of("/v1/posts/"+post+"/comments"))
	}
	const both = "[이름 ann] [이름 bob]"
	check := func() {
		t.Helper()
		if got := shown(); got != both {
			t.Errorf("names %s, want %s", got, both)
		}
	}
	// A busy machine may be late for the second that a reader waits.
	testenv.Eventually(t, "the authors have their names", func() bool { return shown() == both })
	check()
	users.server.Close()
	check()
	p.Stop()
	p = start(t, issuer, databaseURL, users.flags()...)
	ann = p.person("ann")
	check()
}

func TestATroubledUserServiceDoesNotSlowTheBoard(t *testing.T) {
	t.Parallel()
	issuer := jwkstest.NewIssuer(t)
	users := newUserService(t, issuer)
	release := make(chan struct{})
	defer close(release)
	for name, answer := range map[string]http.HandlerFunc{
		"slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"rubbish": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") },
		"broken":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) },
		"gone":    func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			users.set(answer)
			p := start(t, issuer, sqldbtest.SQLite(t), users.flags()...)
			begin := time.Now()
			for i := range 20 {
				p.newPost(p.person(fmt.Sprint("person-", i)))
			}
			list := p.Call("GET", "/v1/boards/free/posts", p.person("ann"), "").Want(200)
			if got := names(list); len(got) != 20 || got[0] != "" {
				t.Errorf("names %v", got)
			}
			// One of 21 requests may wait for a second.
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("21 requests took %v", took)
			}
		})
	}
}
