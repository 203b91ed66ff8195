package main

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTheIssuerEndsSessionsByLogoutTokens(t *testing.T) {
	w := start(t)
	login := func(sid string) *browser {
		w.issuer.set(func(i *fakeIssuer) { i.idClaims = func(claims map[string]any) { claims["sid"] = sid } })
		return w.browser().login()
	}
	loggedIn := func(b *browser) bool { return strings.Contains(b.get("/").text, `id="logout"`) }
	first, second := login("s-1"), login("s-2")
	sendUntyped := func(header, changes map[string]any) int {
		t.Helper()
		now := w.issuer.now().Unix()
		claims := map[string]any{"iss": w.issuer.server.URL, "aud": testClient, "iat": now, "exp": now + 120, "jti": "j",
			"sub": "person-1", "sid": "s-1",
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
		maps.Copy(claims, changes)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
		resp, err := http.PostForm(w.origin+"/backchannel-logout",
			url.Values{"logout_token": {signWith("k1", w.issuer.key, header, claims)}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	send := func(typ string, changes map[string]any) int {
		t.Helper()
		return sendUntyped(map[string]any{"typ": typ}, changes)
	}
	for name, status := range map[string]int{
		"an ID token's type": send("JWT", nil),
		"an empty type":      sendUntyped(map[string]any{"typ": ""}, nil),
		"no type, no events": sendUntyped(nil, map[string]any{"events": nil}),
		"no iat":             send("logout+jwt", map[string]any{"iat": nil}),
		"no events":          send("logout+jwt", map[string]any{"events": nil}),
		"another event":      send("logout+jwt", map[string]any{"events": map[string]any{"x": map[string]any{}}}),
		"a nonce":            send("logout+jwt", map[string]any{"nonce": "n"}),
		"another client's":   send("logout+jwt", map[string]any{"aud": "other"}),
		"another issuer's":   send("logout+jwt", map[string]any{"iss": "https://other.example"}),
		"expired":            send("logout+jwt", map[string]any{"exp": w.issuer.now().Unix() - 3600}),
		"nobody's":           send("logout+jwt", map[string]any{"sub": nil, "sid": nil}),
		"no jti":             send("logout+jwt", map[string]any{"jti": nil}),
	} {
		if status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
	if resp, err := http.PostForm(w.origin+"/backchannel-logout", nil); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Error("nothing at all was taken", err)
	}
	if !loggedIn(first) || !loggedIn(second) {
		t.Fatal("a forged token ended a session")
	}
	if status := send("logout+jwt", nil); status != http.StatusNoContent || loggedIn(first) || !loggedIn(second) {
		t.Errorf("by sid: %d", status)
	}
	first = login("s-3")
	if status := sendUntyped(nil, map[string]any{"sid": "s-3"}); status != http.StatusNoContent || loggedIn(first) {
		t.Errorf("without a type, which is only recommended: %d", status)
	}
	first = login("s-4")
	if status := send("application/Logout+JWT", map[string]any{"sid": "s-4"}); status != http.StatusNoContent || loggedIn(first) {
		t.Errorf("the type as a whole media type: %d", status)
	}
	if status := send("logout+jwt", map[string]any{"sid": nil}); status != http.StatusNoContent || loggedIn(second) {
		t.Errorf("by sub: %d", status)
	}
}

func TestForgedLogoutTokensDoNotMakeTheIssuerWork(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	before := w.issuer.keyReads.Load()
	send := func(kid string) int {
		t.Helper()
		now := w.issuer.now().Unix()
		token := signAs(kid, w.issuer.key, "logout+jwt", map[string]any{"iss": w.issuer.server.URL, "aud": testClient,
			"iat": now, "exp": now + 120, "jti": "j", "sub": "person-1",
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
		resp, err := http.PostForm(w.origin+"/backchannel-logout", url.Values{"logout_token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	w.pass(time.Minute)
	for range 50 {
		if status := send("nobody's"); status != http.StatusBadRequest {
			t.Fatalf("status %d", status)
		}
	}
	if n := w.issuer.keyReads.Load() - before; n != 1 {
		t.Errorf("50 forged tokens made the issuer tell its keys %d times", n)
	}
	b.login() // a key that is held does not wait for the next fetch

	w.issuer.noKeys.Store(true)
	w.pass(time.Minute)
	if status := send("new"); status != http.StatusServiceUnavailable {
		t.Errorf("a key that cannot be had: %d; the issuer would not send the token again", status)
	}
	if status := send("k1"); status != http.StatusNoContent {
		t.Errorf("a key that is held: %d", status)
	}
}
