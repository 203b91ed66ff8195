package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// fakeServices are the user and board services as ARCHITECTURE.md describes them, in memory.
type fakeServices struct {
	issuer      *fakeIssuer
	now         func() time.Time
	user, board *httptest.Server
	userDown    atomic.Bool
	boardDown   atomic.Bool
	before      atomic.Value // func(*http.Request), called first; nil: nothing

	mu        sync.Mutex
	profiles  map[string]*versioned
	settings  map[string]*versioned
	interests map[string]*versioned
	boards    []map[string]any
	posts     []*versioned
	comments  []*versioned
	keys      map[string]*versioned // by Idempotency-Key
	next      int
	calls     map[string]map[string]bool // by service: method and pattern
	strangers int                        // calls without a token to the board
	stepUp    atomic.Value               // string: the challenge for every export; empty: for those after an old log-in
	cutShort  atomic.Bool                // the second page of the board's export fails
}

// versioned is a JSON object and its version, which is its ETag.
type versioned struct {
	id      string
	fields  map[string]any
	version int
}

func (v *versioned) etag() string { return fmt.Sprintf(`"%d"`, v.version) }

func newFakeServices(t *testing.T, issuer *fakeIssuer, now func() time.Time) *fakeServices {
	s := &fakeServices{issuer: issuer, now: now, profiles: map[string]*versioned{}, settings: map[string]*versioned{},
		interests: map[string]*versioned{}, keys: map[string]*versioned{}}
	s.addBoard("notice", "공지", "Announcements", true)
	s.addBoard("free", "자유", "Whatever you like", false)
	s.calls = map[string]map[string]bool{"user": {}, "board": {}}
	s.user = httptest.NewServer(s.listen("user", &s.userDown, s.userRoutes()))
	s.board = httptest.NewServer(s.listen("board", &s.boardDown, s.boardRoutes()))
	t.Cleanup(s.user.Close)
	t.Cleanup(s.board.Close)
	return s
}

func (s *fakeServices) listen(name string, down *atomic.Bool, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		if before, ok := s.before.Load().(func(*http.Request)); ok {
			before(r)
		}
		routes.ServeHTTP(w, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls[name][r.Pattern] = true
	})
}

func problem(w http.ResponseWriter, status int, detail string, fields ...string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	var errs []map[string]string
	for _, f := range fields {
		errs = append(errs, map[string]string{"location": "body." + f, "message": "is not valid"})
	}
	json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail, "errors": errs})
}

func answer(w http.ResponseWriter, status int, etag string, value any) {
	w.Header().Set("Content-Type", "application/json")
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

// current tells whether r may change v, and answers if not.
func current(w http.ResponseWriter, r *http.Request, v *versioned) bool {
	switch r.Header.Get("If-Match") {
	case "":
		problem(w, http.StatusPreconditionRequired, "If-Match is missing")
	case v.etag():
		return true
	default:
		problem(w, http.StatusPreconditionFailed, "it was changed")
	}
	return false
}

func (s *fakeServices) addBoard(slug, title, text string, moderatorsOnly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boards = append(s.boards, map[string]any{
		"slug": slug, "title": title, "description": text, "moderators_only": moderatorsOnly, "created_at": s.now(), "posts": 0,
	})
}

// change changes a profile as another device of the same person would.
func (s *fakeServices) change(person, field, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profiles[person].fields[field] = value
	s.profiles[person].version++
}

func (s *fakeServices) userRoutes() http.Handler {
	mux := http.NewServeMux()
	own := func(name string, all map[string]*versioned, fresh func(person string) map[string]any, method string,
		wrong func(map[string]any) []string) {
		read := func(person string) *versioned {
			if all[person] == nil {
				all[person] = &versioned{id: person, fields: fresh(person), version: 1}
			}
			return all[person]
		}
		mux.HandleFunc("GET "+name, func(w http.ResponseWriter, r *http.Request) {
			person, _, ok := s.issuer.whose(w, r)
			if !ok {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			v := read(person)
			answer(w, http.StatusOK, v.etag(), v.fields)
		})
		mux.HandleFunc(method+" "+name, func(w http.ResponseWriter, r *http.Request) {
			person, _, ok := s.issuer.whose(w, r)
			if !ok {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			v := read(person)
			if !current(w, r, v) {
				return
			}
			change := map[string]any{}
			json.NewDecoder(r.Body).Decode(&change)
			if fields := wrong(change); fields != nil {
				problem(w, http.StatusUnprocessableEntity, "not valid", fields...)
				return
			}
			for name, value := range change {
				v.fields[name] = value
			}
			v.version++
			answer(w, http.StatusOK, v.etag(), v.fields)
		})
	}
	own("/v1/me", s.profiles, func(person string) map[string]any {
		return map[string]any{"id": person, "display_name": "이름-" + person, "bio": "", "avatar_url": "", "website": "",
			"created_at": s.now(), "updated_at": s.now()}
	}, "PATCH", func(change map[string]any) (fields []string) {
		if name, _ := change["display_name"].(string); strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > 80 {
			fields = append(fields, "display_name")
		}
		if site, _ := change["website"].(string); site != "" && !strings.HasPrefix(site, "http") {
			fields = append(fields, "website")
		}
		return fields
	})
	own("/v1/me/settings", s.settings, func(string) map[string]any {
		return map[string]any{"locale": "", "time_zone": "", "theme": "system"}
	}, "PUT", func(change map[string]any) []string {
		if _, err := time.LoadLocation(change["time_zone"].(string)); err != nil {
			return []string{"time_zone"}
		}
		return nil
	})
	own("/v1/me/interests", s.interests, func(string) map[string]any { return map[string]any{"tags": []any{}} }, "PUT",
		func(change map[string]any) []string {
			if tags, _ := change["tags"].([]any); len(tags) > 30 {
				return []string{"tags"}
			}
			return nil
		})
	mux.HandleFunc("GET /v1/me/export", func(w http.ResponseWriter, r *http.Request) {
		if person, ok := s.fresh(w, r); ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			answer(w, http.StatusOK, "", map[string]any{"service": "user", "profile": s.profiles[person].fields})
		}
	})
	mux.HandleFunc("GET /v1/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := s.issuer.whose(w, r); !ok {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		v := s.profiles[r.PathValue("id")]
		if v == nil {
			problem(w, http.StatusNotFound, "nobody")
			return
		}
		answer(w, http.StatusOK, "", v.fields)
	})
	return mux
}

// fresh is fakeIssuer.whose for what needs a log-in of the last ten minutes (RFC 9470).
func (s *fakeServices) fresh(w http.ResponseWriter, r *http.Request) (person string, ok bool) {
	if person, _, ok = s.issuer.whose(w, r); !ok {
		return "", false
	}
	var claims struct {
		AuthTime int64 `json:"auth_time"`
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(r.Header.Get("Authorization"), ".")[1])
	json.Unmarshal(payload, &claims)
	challenge, _ := s.stepUp.Load().(string)
	if challenge == "" && s.now().Sub(time.Unix(claims.AuthTime, 0)) > 10*time.Minute {
		challenge = `max_age="600"`
	}
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_user_authentication", error_description="d", `+challenge)
		problem(w, http.StatusUnauthorized, "More recent authentication is required.")
		return "", false
	}
	return person, true
}

func (s *fakeServices) boardRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/me/export", func(w http.ResponseWriter, r *http.Request) {
		person, ok := s.fresh(w, r)
		if !ok {
			return
		}
		page := map[string]any{"service": "board", "id": person, "name": "name", "items": []any{map[string]any{"kind": "post", "n": 1}}}
		switch {
		case r.FormValue("cursor") == "":
			page["next"] = "more"
		case s.cutShort.Load():
			problem(w, http.StatusServiceUnavailable, "later")
			return
		default:
			page["items"] = []any{map[string]any{"kind": "comment", "n": 2}, map[string]any{"kind": "comment", "n": 3}}
		}
		answer(w, http.StatusOK, "", page)
	})
	handle := func(pattern string, h func(w http.ResponseWriter, r *http.Request, person string, moderator bool)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" && s.forAll(w, r) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.strangers++
				h(w, r, "", false)
				return
			}
			person, moderator, ok := s.issuer.whose(w, r)
			if !ok {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			h(w, r, person, moderator)
		})
	}
	handle("GET /v1/boards", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
		var boards []map[string]any
		for _, b := range s.boards {
			n := 0
			for _, p := range s.posts {
				if p.fields["board"] == b["slug"] {
					n++
				}
			}
			b["posts"] = n
			if r.FormValue("public_read") != "true" || b["public_read"] == true {
				boards = append(boards, b)
			}
		}
		answer(w, http.StatusOK, "", map[string]any{"items": boards})
	})
	handle("GET /v1/boards/{slug}", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
		for _, b := range s.boards {
			if b["slug"] == r.PathValue("slug") {
				answer(w, http.StatusOK, `"1"`, b)
				return
			}
		}
		problem(w, http.StatusNotFound, "no such board")
	})
	handle("GET /v1/boards/{slug}/posts", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
		var found []*versioned
		for _, pinned := range []bool{true, false} {
			for i := len(s.posts) - 1; i >= 0; i-- {
				if p := s.posts[i]; p.fields["board"] == r.PathValue("slug") && p.fields["pinned"] == pinned {
					found = append(found, p)
				}
			}
		}
		s.list(w, r, found, 20)
	})
	handle("GET /v1/posts", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
		var found []*versioned
		for _, p := range s.posts {
			if a := r.FormValue("author"); a != "" {
				if p.fields["author"].(map[string]any)["id"] == a {
					found = append([]*versioned{p}, found...)
				}
				continue
			}
			text := p.fields["title"].(string) + " " + p.fields["body"].(string)
			if b := r.FormValue("board"); strings.Contains(text, r.FormValue("q")) && (b == "" || b == p.fields["board"]) {
				found = append(found, p)
			}
		}
		s.list(w, r, found, 20)
	})
	handle("POST /v1/boards/{slug}/posts", func(w http.ResponseWriter, r *http.Request, person string, _ bool) {
		s.create(w, r, person, &s.posts, map[string]any{"board": r.PathValue("slug"), "pinned": false, "locked": false,
			"hidden": false, "comments": 0}, "title", "body")
	})
	handle("GET /v1/posts/{id}/comments", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
		var found []*versioned
		for _, c := range s.comments {
			if c.fields["post"] == r.PathValue("id") {
				found = append(found, c)
			}
		}
		s.list(w, r, found, 100)
	})
	handle("POST /v1/posts/{id}/comments", func(w http.ResponseWriter, r *http.Request, person string, _ bool) {
		post := find(s.posts, r.PathValue("id"))
		if post == nil {
			problem(w, http.StatusNotFound, "no such post")
			return
		}
		if post.fields["locked"] == true {
			problem(w, http.StatusForbidden, "The post is locked.")
			return
		}
		post.fields["comments"] = post.fields["comments"].(int) + 1
		s.create(w, r, person, &s.comments, map[string]any{"post": r.PathValue("id"), "parent": "", "hidden": false}, "body")
	})
	for _, kind := range []struct {
		path string
		all  *[]*versioned
	}{{"/v1/posts", &s.posts}, {"/v1/comments", &s.comments}} {
		handle("GET "+kind.path+"/{id}", func(w http.ResponseWriter, r *http.Request, _ string, _ bool) {
			if v := found(w, *kind.all, r); v != nil {
				answer(w, http.StatusOK, v.etag(), v.fields)
			}
		})
		handle("PATCH "+kind.path+"/{id}", func(w http.ResponseWriter, r *http.Request, person string, _ bool) {
			v := found(w, *kind.all, r)
			if v == nil || !mine(w, v, person) || !current(w, r, v) {
				return
			}
			json.NewDecoder(r.Body).Decode(&v.fields)
			v.version++
			v.fields["updated_at"] = s.now()
			answer(w, http.StatusOK, v.etag(), v.fields)
		})
		handle("DELETE "+kind.path+"/{id}", func(w http.ResponseWriter, r *http.Request, person string, moderator bool) {
			v := found(w, *kind.all, r)
			if v == nil || !moderator && !mine(w, v, person) || !current(w, r, v) {
				return
			}
			for i, other := range *kind.all {
				if other == v {
					*kind.all = append((*kind.all)[:i], (*kind.all)[i+1:]...)
					break
				}
			}
			w.WriteHeader(http.StatusNoContent)
		})
		mark := func(w http.ResponseWriter, r *http.Request, _ string, moderator bool) {
			if !moderator {
				problem(w, http.StatusForbidden, "moderators only")
				return
			}
			if v := found(w, *kind.all, r); v != nil {
				v.fields[r.PathValue("mark")] = r.Method == http.MethodPut
				w.WriteHeader(http.StatusNoContent)
			}
		}
		handle("PUT "+kind.path+"/{id}/{mark}", mark)
		handle("DELETE "+kind.path+"/{id}/{mark}", mark)
	}
	return mux
}

// forAll tells whether a stranger may read what r asks for.
func (s *fakeServices) forAll(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	board := r.PathValue("slug")
	if post := find(s.posts, r.PathValue("id")); post != nil {
		board, _ = post.fields["board"].(string)
	}
	all := r.FormValue("public_read") == "true"
	for _, b := range s.boards {
		all = all || b["slug"] == board && b["public_read"] == true
	}
	if all && r.Method == http.MethodGet {
		w.Header().Set("Cache-Control", "public, max-age=10")
	}
	return all && r.Method == http.MethodGet
}

// open lets everybody read a board.
func (s *fakeServices) open(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.boards {
		if b["slug"] == slug {
			b["public_read"] = true
		}
	}
}

func find(all []*versioned, id string) *versioned {
	for _, v := range all {
		if v.id == id {
			return v
		}
	}
	return nil
}

func found(w http.ResponseWriter, all []*versioned, r *http.Request) *versioned {
	v := find(all, r.PathValue("id"))
	if v == nil {
		problem(w, http.StatusNotFound, "nothing there")
	}
	return v
}

func mine(w http.ResponseWriter, v *versioned, person string) bool {
	if v.fields["author"].(map[string]any)["id"] != person {
		problem(w, http.StatusForbidden, "not yours")
		return false
	}
	return true
}

func (s *fakeServices) create(w http.ResponseWriter, r *http.Request, person string, all *[]*versioned,
	fields map[string]any, needed ...string) {
	key := r.Header.Get("Idempotency-Key")
	if made := s.keys[key]; key != "" && made != nil {
		sent := map[string]any{}
		json.NewDecoder(r.Body).Decode(&sent)
		if sent["body"] != made.fields["body"] {
			problem(w, http.StatusUnprocessableEntity, "this key was used for something else")
			return
		}
		answer(w, http.StatusCreated, made.etag(), made.fields)
		return
	}
	json.NewDecoder(r.Body).Decode(&fields)
	for _, name := range needed {
		text, _ := fields[name].(string)
		if strings.TrimSpace(text) == "" || name == "title" && utf8.RuneCountInString(text) > 200 {
			problem(w, http.StatusUnprocessableEntity, "not valid", name)
			return
		}
	}
	s.next++
	v := &versioned{id: "id" + strconv.Itoa(s.next), fields: fields, version: 1}
	name := "이름-" + person
	if p := s.profiles[person]; p != nil {
		name, _ = p.fields["display_name"].(string)
	}
	fields["id"], fields["author"], fields["created_at"], fields["updated_at"] = v.id,
		map[string]any{"id": person, "name": name}, s.now(), s.now()
	*all = append(*all, v)
	s.keys[key] = v
	answer(w, http.StatusCreated, v.etag(), fields)
}

func (s *fakeServices) list(w http.ResponseWriter, r *http.Request, all []*versioned, limit int) {
	from, _ := strconv.Atoi(r.FormValue("cursor"))
	out := map[string]any{}
	items := []map[string]any{}
	for i := from; i < len(all) && i < from+limit; i++ {
		items = append(items, all[i].fields)
	}
	if from+limit < len(all) {
		out["next"] = strconv.Itoa(from + limit)
	}
	out["items"] = items
	answer(w, http.StatusOK, "", out)
}
