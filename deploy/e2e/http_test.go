package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

// claims reads a token that the test has no need to verify.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

type profile struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	Bio         string `json:"bio"`
}

type post struct {
	ID, Title, Body string
	Author          struct{ ID, Name string }
	Comments        int
}

func TestAnOrdinaryClientLogsAPersonInAndItsTokensOpenBothServices(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	g := sample.signUp(someone)

	access := claims(t, g.AccessToken)
	if access["iss"] != r.Issuer || access["client_id"] != "sample-app" || access["sub"] != g.ID.Subject {
		t.Errorf("access token: %v", access)
	}

	// the user service
	me := call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil)
	var own profile
	me.decode(t, http.StatusOK, &own)
	if own.ID != g.ID.Subject || own.DisplayName != someone.Name {
		t.Errorf("the profile %+v is not that of %s %s", own, g.ID.Subject, someone.Name)
	}
	if a := call(t, "PATCH", r.API+"/user/v1/me", g.AccessToken, map[string]string{"bio": "x"}, "If-Match",
		me.Header.Get("ETag")); a.Status != http.StatusForbidden {
		t.Errorf("a change without user:write: %s", a)
	}

	// the board, which asks the user service for the author's name
	var written post
	call(t, "POST", r.API+"/board/v1/boards/free/posts", g.AccessToken,
		map[string]string{"title": "안녕하세요", "body": "첫 글입니다."}).decode(t, http.StatusCreated, &written)
	if written.Title != "안녕하세요" || written.Author.ID != g.ID.Subject {
		t.Errorf("the post: %+v", written)
	}
	call(t, "POST", r.API+"/board/v1/posts/"+written.ID+"/comments", g.AccessToken,
		map[string]string{"body": "반갑습니다"}).decode(t, http.StatusCreated, &struct{}{})
	testenv.Eventually(t, "the board knows the author's name", func() bool {
		var read post
		call(t, "GET", r.API+"/board/v1/posts/"+written.ID, g.AccessToken, nil).decode(t, http.StatusOK, &read)
		return read.Author.Name == someone.Name && read.Comments == 1
	})

	// userinfo, refresh, revocation, at the addresses that discovery names
	var endpoints struct {
		Userinfo   string `json:"userinfo_endpoint"`
		Revocation string `json:"revocation_endpoint"`
	}
	if err := sample.provider.Claims(&endpoints); err != nil {
		t.Fatal(err)
	}
	var info struct{ Sub, Name, Email string }
	call(t, "GET", endpoints.Userinfo, g.AccessToken, nil).decode(t, http.StatusOK, &info)
	if info.Sub != g.ID.Subject || info.Name != someone.Name || info.Email != someone.Email {
		t.Errorf("userinfo: %+v", info)
	}
	var refreshed struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	call(t, "POST", sample.Endpoint.TokenURL, "", refreshForm(g.RefreshToken)).decode(t, http.StatusOK, &refreshed)
	if refreshed.RefreshToken == g.RefreshToken {
		t.Error("the refresh token was not rotated")
	}
	if a := call(t, "POST", endpoints.Revocation, "",
		url.Values{"client_id": {"sample-app"}, "token": {refreshed.RefreshToken}}); a.Status != http.StatusOK {
		t.Errorf("revocation: %s", a)
	}
	if a := call(t, "POST", sample.Endpoint.TokenURL, "",
		refreshForm(refreshed.RefreshToken)); a.Status != http.StatusBadRequest ||
		!strings.Contains(string(a.Body), "invalid_grant") {
		t.Errorf("a refresh after the revocation: %s", a)
	}
	if a := call(t, "GET", endpoints.Userinfo, refreshed.AccessToken, nil); a.Status != http.StatusUnauthorized {
		t.Errorf("userinfo after the revocation: %s", a)
	}
}

func TestTheSecondTimeNothingIsAsked(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	first := sample.signUp(someone)
	shown, state, nonce, verifier := sample.request(someone)
	second := sample.exchange(someone, shown, state, nonce, verifier) // neither log-in nor consent
	if first.ID.Subject != second.ID.Subject || first.ID.IssuedAt.After(second.ID.IssuedAt) {
		t.Errorf("first %+v, then %+v", first.ID, second.ID)
	}
}

func TestAServiceCallsAServiceByItself(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	someone := newPerson(t, nil)
	g := sampleApp(t, r, everyScope...).signUp(someone)
	call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil).decode(t, http.StatusOK, &struct{}{})

	token := service(t, r, "user:lookup")
	if c := claims(t, token); c["sub"] != "sample-service" || c["scope"] != "user:lookup" {
		t.Errorf("the service's token: %v", c)
	}
	var found struct{ Items []profile }
	call(t, "GET", r.API+"/user/v1/users?ids="+g.ID.Subject, token, nil).decode(t, http.StatusOK, &found)
	if len(found.Items) != 1 || found.Items[0].DisplayName != someone.Name {
		t.Errorf("the look-up: %+v", found)
	}
	if a := call(t, "GET", r.API+"/user/v1/me", token, nil); a.Status != http.StatusForbidden {
		t.Errorf("a service as a person: %s", a)
	}
}

func TestATokenOpensOnlyWhatItIsFor(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	someone := newPerson(t, nil)
	g := sampleApp(t, r, "openid", "user:read", "offline_access").signUp(someone)
	if a := call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil); a.Status != http.StatusOK {
		t.Fatalf("the user service: %s", a)
	}
	raw, ok := g.Extra("id_token").(string)
	if !ok {
		t.Fatal("no ID token")
	}
	board := service(t, r, "board:read")
	spoiled := g.AccessToken[:len(g.AccessToken)-6] + "AAAAAA"
	for name, tc := range map[string]struct{ url, token string }{
		"another audience, user to board": {r.API + "/board/v1/boards", g.AccessToken},
		"another audience, board to user": {r.API + "/user/v1/users/x", board},
		"an ID token":                     {r.API + "/user/v1/me", raw},
		"a refresh token":                 {r.API + "/user/v1/me", g.RefreshToken},
		"a spoiled signature":             {r.API + "/user/v1/me", spoiled},
		"no JWT":                          {r.API + "/user/v1/me", "secret"},
		"no token":                        {r.API + "/user/v1/me", ""},
		"no token at the board":           {r.API + "/board/v1/boards", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := call(t, "GET", tc.url, tc.token, nil)
			challenge := a.Header.Get("WWW-Authenticate")
			if a.Status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") ||
				a.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s, challenge %q", a, challenge)
			}
			if hasError := strings.Contains(challenge, `error="invalid_token"`); hasError != (tc.token != "") { // RFC 6750 §3.1
				t.Errorf("challenge %q", challenge)
			}
			// RFC 9728 §5.1: the challenge leads to the metadata, and that to the issuer.
			_, rest, found := strings.Cut(challenge, `resource_metadata="`)
			metadata, _, _ := strings.Cut(rest, `"`)
			if !found {
				t.Fatalf("the challenge names no metadata: %q", challenge)
			}
			var resource struct {
				Resource             string
				AuthorizationServers []string `json:"authorization_servers"`
			}
			call(t, "GET", metadata, "", nil).decode(t, http.StatusOK, &resource)
			if len(resource.AuthorizationServers) != 1 || resource.AuthorizationServers[0] != r.Issuer ||
				!strings.HasPrefix(tc.url, resource.Resource+"/") {
				t.Errorf("metadata at %s: %+v", metadata, resource)
			}
		})
	}
}

func TestLoggingOutEndsWhatHangsOnTheSession(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	sample := sampleApp(t, r, "openid", "user:read")
	someone := newPerson(t, nil)
	g := sample.signUp(someone)
	if g.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	raw, _ := g.Extra("id_token").(string)
	shown := someone.open(r.Issuer + "/oauth2/logout?" + url.Values{"id_token_hint": {raw}}.Encode())
	if shown.byID("logout") != nil {
		shown = shown.press("logout")
	}
	if shown.Status != http.StatusOK {
		t.Fatalf("the log-out page: %d %s", shown.Status, shown.text())
	}
	if a := call(t, "POST", sample.Endpoint.TokenURL, "", refreshForm(g.RefreshToken)); a.Status != http.StatusBadRequest {
		t.Errorf("a refresh after the log-out: %s", a)
	}
	if shown, _, _, _ := sample.request(someone); shown.byID("login") == nil {
		t.Errorf("the next log-in is not asked for: %s %s", shown.URL, shown.text())
	}
}

func TestDemoAccountsWorkAndTheModeratorModerates(t *testing.T) {
	t.Parallel()
	r := start(t, 1)
	for _, tc := range []struct {
		email, password string
		moderate        bool
	}{
		{"demo@maru.example", "wooden-floor-in-autumn-light", false},
		{"moderator@maru.example", "keeper-of-the-quiet-courtyard", true},
	} {
		someone := newPerson(t, nil)
		at := someone.open(r.App + "/login")
		at = agree(at.press("login", "email", tc.email, "password", tc.password))
		if at.Status != http.StatusOK || at.URL.Host != strings.TrimPrefix(r.App, "http://") || at.byID("logout") == nil {
			t.Fatalf("%s is not logged in at the demo app: %s %d %s", tc.email, at.URL, at.Status, at.text())
		}
		title := "written by " + tc.email
		someone.open(r.App+"/boards/notice/write").press("save", "title", title, "body", "x")
		if written := strings.Contains(someone.open(r.App+"/boards/notice").text(), title); written != tc.moderate {
			t.Errorf("%s writes notices: %v, want %v", tc.email, written, tc.moderate)
		}
	}
}
