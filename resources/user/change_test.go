package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/internal/service/servicetest"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/jwks/jwkstest"
)

func TestAChangeNeedsTheCurrentETag(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token, another := p.Person("a", readWrite), p.Person("b", readWrite)
	for call, body := range bodies {
		method, path, _ := strings.Cut(call, " ")
		change := func(ifMatch string) servicetest.Response {
			return p.Call(method, path, token, body, "If-Match", ifMatch)
		}
		read := p.Call("GET", path, token, "").Want(200)
		tag := read.ETag()
		if len(tag) < 10 || tag[0] != '"' || read.Header.Get("Cache-Control") != "private, no-store" {
			t.Fatalf("%v, %v", read, read.Header)
		}
		if r := p.Call("GET", path, token, "", "If-None-Match", "W/"+tag).Want(304); r.Body != "" {
			t.Error(r)
		}
		p.Call(method, path, token, body).Want(428)
		change(`"other"`).Want(412)
		change("W/" + tag).Want(412)
		change(strings.Trim(tag, `"`)).Want(400)
		changed := change(`"other", ` + tag).Want(200)
		if changed.ETag() == tag {
			t.Error("the tag stays the same")
		}
		change(tag).Want(412)
		if again := p.Call("GET", path, token, ""); again.ETag() != changed.ETag() || again.Body != changed.Body {
			t.Errorf("read %v, want %v", again, changed)
		}
		p.Call(method, path, another, body, "If-Match", changed.ETag()).Want(412)
	}
}

func TestOneOfParallelChangesWins(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		p := user.Start(t, jwkstest.NewIssuer(t), databaseURL)
		token := p.Person("a", readWrite)
		tag := p.Call("GET", "/v1/me", token, "").Want(200).ETag()
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				switch r := p.Call("PATCH", "/v1/me", token, fmt.Sprintf(`{"bio": "%d"}`, i), "If-Match", tag); r.Status {
				case 200:
					won.Add(1)
				case 412:
					lost.Add(1)
				default:
					t.Error(r)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("%d won and %d lost", won.Load(), lost.Load())
		}
	})
}

func TestWhatPeopleWriteIsCleanedAndKept(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := p.Person("a", readWrite)
	sent := `{"display_name": "  \u1100\u1161  ", "bio": "a\r\nb", "avatar_url": "HTTPS://한글.example/가", "website": "http://[::1]:80/"}`
	r := p.Call("PATCH", "/v1/me", token, sent, "If-Match", "*", "Content-Type", "application/merge-patch+json").Want(200)
	for name, want := range map[string]string{
		"display_name": "가", "bio": "a\nb", "avatar_url": "https://xn--bj0bj06e.example/%EA%B0%80", "website": "http://[::1]:80/",
	} {
		if r.Member(name) != want {
			t.Errorf("%s is %q, want %q", name, r.Member(name), want)
		}
	}
	r = p.Call("PATCH", "/v1/me", token, `{"bio": null, "website": ""}`, "If-Match", "*").Want(200)
	if r.Member("bio") != "" || r.Member("website") != "" || r.Member("display_name") != "가" {
		t.Error(r)
	}
	for _, tc := range []struct{ path, sent, kept string }{
		{"/v1/me/interests", `{"tags": ["Go", " go ", "한글", "GO", "산책"]}`, `{"tags":["Go","한글","산책"]}`},
		{"/v1/me/settings", `{"locale": "ko_kr", "time_zone": "America/Argentina/Buenos_Aires", "theme": "light"}`,
			`{"locale":"ko-KR","time_zone":"America/Argentina/Buenos_Aires","theme":"light"}`},
	} {
		if r := p.Call("PUT", tc.path, token, tc.sent, "If-Match", "*").Want(200); strings.TrimSpace(r.Body) != tc.kept {
			t.Error(r)
		}
	}
}

func TestBadInputIsRefusedByTheNameOfItsField(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := p.Person("a", "user:read user:write user:lookup")
	long := func(n int) string { return strings.Repeat("가", n) }
	settings := func(right, wrong string) string {
		return strings.Replace(`{"locale": "ko", "time_zone": "UTC", "theme": "dark"}`, right, wrong, 1)
	}
	for _, tc := range []struct{ call, body, location string }{
		{"PATCH /v1/me", `{"display_name": "` + long(81) + `"}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": " "}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": null}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": 7}`, "body.display_name"},
		{"PATCH /v1/me", `{"display_name": "a\u0000b"}`, "body.display_name"},
		{"PATCH /v1/me", `{"bio": "` + long(501) + `"}`, "body.bio"},
		{"PATCH /v1/me", `{"bio": "a\u0000"}`, "body.bio"},
		{"PATCH /v1/me", `{"avatar_url": "javascript:alert(1)"}`, "body.avatar_url"},
		{"PATCH /v1/me", `{"website": "https://a.example/` + long(500) + `"}`, "body.website"},
		{"PATCH /v1/me", `{"id": "b"}`, "body.id"},
		{"PATCH /v1/me", `{"Bio": "x"}`, "body.Bio"},
		{"PATCH /v1/me", `{"secret-member": "secret-value"}`, "body.secret-member"},
		{"PATCH /v1/me", `[]`, "body"},
		{"PUT /v1/me/settings", settings(`"ko"`, `"not a language"`), "body.locale"},
		{"PUT /v1/me/settings", settings(`"UTC"`, `"../../etc/passwd"`), "body.time_zone"},
		{"PUT /v1/me/settings", settings(`"UTC"`, `"Mars/Base"`), "body.time_zone"},
		{"PUT /v1/me/settings", settings(`"dark"`, `"secret-value"`), "body.theme"},
		{"PUT /v1/me/settings", settings(`"dark"`, `"dark", "notifications": {"email": true}`), "body.notifications"},
		{"PUT /v1/me/settings", settings(`"theme"`, `"x": 1, "theme"`), "body.x"},
		{"PUT /v1/me/interests", `{"tags": ["ok", "` + long(31) + `"]}`, "body.tags[1]"},
		{"PUT /v1/me/interests", `{"tags": [null]}`, "body.tags[0]"},
		{"PUT /v1/me/interests", `{"tags": null}`, "body.tags"},
		{"PUT /v1/me/interests", `{}`, "body"},
		{"PUT /v1/me/interests", `{"tags": ["` + numbers(31, `","`) + `"]}`, "body.tags"},
		{"GET /v1/users", "", "query.ids"},
		{"GET /v1/users?ids=", "", "query.ids"},
		{"GET /v1/users?ids=" + numbers(101, ","), "", "query.ids"},
	} {
		method, path, _ := strings.Cut(tc.call, " ")
		r := p.Call(method, path, token, tc.body, "If-Match", "*").Want(422)
		r.About(tc.location)
		if strings.Contains(r.Body, "secret-value") || strings.Contains(r.Body, "가가") {
			t.Errorf("the answer repeats the value: %v", r)
		}
	}
	if r := p.Call("GET", "/v1/me", token, "").Want(200); r.Member("bio") != "" {
		t.Errorf("something was changed: %v", r)
	}
}

// numbers are those from 0 to below n.
func numbers(n int, separator string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return strings.Join(list, separator)
}

func TestABodyMustBeJSONOfAModestSize(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := p.Person("a", readWrite)
	const asJSON = "application/json"
	for _, tc := range []struct {
		name, mediaType, body string
		status                int
	}{
		{"text", "text/plain", `{"bio": "x"}`, 415},
		{"another +json", "application/json-patch+json", `[]`, 415},
		{"a form", "application/x-www-form-urlencoded", `bio=x`, 415},
		{"no type worth the name", ";;", `{}`, 415},
		{"not JSON", asJSON, `{"bio": `, 400},
		{"two values", asJSON, `{} {}`, 400},
		{"not UTF-8", asJSON, "{\"bio\": \"\xff\"}", 400},
		{"no body", asJSON, "", 400},
		{"deep", asJSON, strings.Repeat("[", 20_000), 400},
		{"large", asJSON, `{"bio": "` + strings.Repeat("x", 70<<10) + `"}`, 413},
		{"very large", asJSON, `{"bio": "` + strings.Repeat("x", 2<<20) + `"}`, 413},
		{"JSON", asJSON + "; charset=utf-8", `{"bio": "x"}`, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := p.In(t).Call("PATCH", "/v1/me", token, tc.body, "If-Match", "*", "Content-Type", tc.mediaType).Want(tc.status)
			if tc.status == 415 && !strings.Contains(r.Header.Get("Accept-Patch"), "application/merge-patch+json") {
				t.Error("there is no Accept-Patch")
			}
		})
	}
}
