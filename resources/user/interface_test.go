package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPublicProfilesInBulk(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	for _, id := range []string{"a", "b", "c/d e"} {
		p.Call("PATCH", "/v1/me", p.Person(id, "user:write"), `{"display_name": "name of `+id+`"}`, "If-Match", "*").Want(200)
	}
	token := p.Client("board", "user:lookup")
	get := func(path string) string { return strings.TrimSpace(p.Call("GET", path, token, "").Want(200).Body) }

	var list struct{ Items []map[string]string }
	answer := get("/v1/users?ids=b,nobody,a,b,,c%2Fd%20e,%01")
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list.Items) != 3 {
		t.Fatal(answer, err)
	}
	for i, id := range []string{"b", "a", "c/d e"} {
		if list.Items[i]["id"] != id || list.Items[i]["display_name"] != "name of "+id || len(list.Items[i]) != 5 {
			t.Errorf("%v", list.Items[i])
		}
	}
	if none := get("/v1/users?ids=nobody"); none != `{"items":[]}` {
		t.Error(none)
	}
	get("/v1/users?ids=" + numbers(100, ","))
}

func TestOnePublicProfile(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	p.Call("PATCH", "/v1/me", p.Person("c/d e", "user:write"), `{"display_name": "name"}`, "If-Match", "*").Want(200)
	token := p.Client("board", "user:lookup")
	one := p.Call("GET", "/v1/users/c%2Fd%20e", token, "").Want(200)
	if one.Text("id") != "c/d e" || one.Header.Get("Cache-Control") != "private, max-age=60" {
		t.Error(one, one.Header)
	}
	p.Call("GET", "/v1/users/c%2Fd%20e", token, "", "If-None-Match", one.ETag()).Want(304)
	for _, id := range []string{"nobody", "%01", strings.Repeat("x", 5000), "%2e%2e", "a%20"} {
		p.Call("GET", "/v1/users/"+id, token, "").Want(404)
	}
	for _, id := range []string{"%00", "%FF"} { // no text
		p.Call("GET", "/v1/users/"+id, token, "").Want(400)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	token := p.Person("a", "user:read")
	for _, path := range []string{"/v2/me", "/v1/me/", "//v1/me", "/v1/users/", "/schemas/Profile"} {
		p.Call("GET", path, token, "").Want(404)
	}
	for call, allow := range map[string]string{
		"DELETE /v1/me": "GET, PATCH, HEAD, OPTIONS", "POST /v1/me/settings": "GET, PUT, HEAD, OPTIONS",
		"PUT /v1/users/a": "GET, HEAD, OPTIONS", "POST /openapi.json": "GET, HEAD, OPTIONS", "SPY /v1/me": "GET, PATCH, HEAD, OPTIONS",
	} {
		method, path, _ := strings.Cut(call, " ")
		if r := p.Call(method, path, token, "").Want(405); r.Header.Get("Allow") != allow {
			t.Errorf("%v: Allow: %s, want %s", r, r.Header.Get("Allow"), allow)
		}
	}
	get, head := p.Call("GET", "/v1/me", token, ""), p.Call("HEAD", "/v1/me", token, "").Want(200)
	if head.Body != "" || head.ETag() != get.ETag() {
		t.Errorf("%v %v", head, head.Header)
	}
	r := p.Call("GET", "/v1/me", token, "", "Accept", "text/html, json;q=0.1").Want(200)
	if r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type: %s", r.Header.Get("Content-Type"))
	}
}

func TestAPageOfAnotherOriginMayCall(t *testing.T) {
	t.Parallel()
	p := user.StartNew(t)
	const page = "http://localhost:8080"
	r := p.Call("OPTIONS", "/v1/me", "", "", "Origin", page,
		"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,if-match").Want(204)
	for header, want := range map[string]string{"Origin": "*", "Methods": "PATCH", "Headers": "Authorization"} {
		if got := r.Header.Get("Access-Control-Allow-" + header); !strings.Contains(got, want) {
			t.Errorf("Access-Control-Allow-%s: %s, want %s", header, got, want)
		}
	}
	if r.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("pages may send cookies")
	}
	// Also a refusal, so that the page can see why.
	if r := p.Call("GET", "/v1/me", "", "", "Origin", page).Want(401); r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%v", r.Header)
	}
	p.Call("OPTIONS", "/v3", "", "").Want(404)
	// A browser that is refused here would not let the page see the 404.
	p.Call("OPTIONS", "/v3", "", "", "Access-Control-Request-Method", "GET").Want(204)
}
