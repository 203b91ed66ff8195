package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv/chrome"
	"github.com/maru-auth/maru/internal/testenv/testkey"
)

func TestTokensAreShownOnTheirPageAlone(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	b.get("/tokens").want(t, http.StatusOK, "eyJ", "at+jwt", "rt+jwt", "person-1", w.issuer.audiences[0])
	for _, path := range []string{"/", "/profile", "/boards", "/api/me", "/nowhere"} {
		b.get(path).without(t, "eyJ")
	}
	w.browser().get("/api/me").want(t, http.StatusForbidden)
}

func TestARefreshTokenNeverReachesTheBrowser(t *testing.T) {
	w := start(t)
	b := w.browser().login()
	pages := map[string]shown{}
	for _, path := range []string{"/", "/tokens", "/profile", "/api/me"} {
		pages[path] = b.get(path)
	}
	pages["/tokens"].want(t, http.StatusOK, "Refresh token", "rt+jwt", `id="access-raw"`, `id="id-raw"`)
	pages["/tokens"].without(t, `id="refresh-raw"`)
	w.issuer.set(func(i *fakeIssuer) {
		if len(i.refresh) == 0 {
			t.Error("the issuer gave none")
		}
		for token := range i.refresh {
			for path, page := range pages {
				page.without(t, token)
				if signature := token[strings.LastIndex(token, ".")+1:]; strings.Contains(page.text, signature) {
					t.Errorf("%s has a refresh token's signature", path)
				}
			}
		}
	})
}

func TestThePageOfTokensLeadsToTheServicesReferences(t *testing.T) {
	w := start(t)
	w.browser().login().get("/tokens").want(t, http.StatusOK, "API reference", `href="`+w.services.user.URL+`/docs"`,
		`href="`+w.services.board.URL+`/docs"`)
}

func TestTheBrowserChecksATokenBeforeItCalls(t *testing.T) {
	w := start(t)
	b := w.tab()
	b.open("/login?to=/tokens")
	b.See("#refresh", "rt+jwt")
	for _, kind := range []string{"access", "id"} {
		b.Click(chrome.CSS("#" + kind + "-check"))
		b.See(chrome.CSS("#"+kind+"-result.good"), "Good")
		b.Click(chrome.CSS("#" + kind + "-tamper"))
		b.Click(chrome.CSS("#" + kind + "-check"))
		b.See(chrome.CSS("#"+kind+"-result.bad"), "signature does not match")
		b.Click(chrome.CSS("#" + kind + "-restore"))
		b.Click(chrome.CSS("#" + kind + "-check"))
		b.See(chrome.CSS("#"+kind+"-result.good"), "Good")
	}
	b.Click("#call")
	b.See("#call-answer", `"id": "person-1"`)
	b.See("#call-result.good", "the service was called")

	b.Click("#access-tamper")
	b.Click("#call")
	b.See("#call-result.bad", "nothing was called")
	if js[bool](b, `!document.getElementById("call-answer").hidden`) {
		t.Error("an answer is shown for a forged token")
	}

	b.Click("#access-restore")
	b.issuer.down.Store(true)
	b.Click("#access-check")
	b.See("#access-result.bad", "could not be fetched")
	b.issuer.down.Store(false)
	b.See("[data-expires]", "min")
	b.Calm()
}

// TestTheCheckInTheBrowser tries check.js with tokens of every kind.
func TestTheCheckInTheBrowser(t *testing.T) {
	w := start(t)
	b := w.tab()
	b.open("/login?to=/tokens")
	now := time.Now().Unix()
	good := func() map[string]any {
		return map[string]any{"iss": w.issuer.server.URL, "sub": "p", "aud": w.issuer.audiences, "iat": now, "exp": now + 600}
	}
	with := func(name string, value any) map[string]any {
		claims := good()
		claims[name] = value
		return claims
	}
	without := func(name string) map[string]any {
		claims := good()
		delete(claims, name)
		return claims
	}
	sign := func(claims map[string]any) string { return w.issuer.sign(w.issuer.key, "at+jwt", claims) }
	genuine := sign(good())
	parts := strings.Split(genuine, ".")
	other := testkey.RSA(t, "another issuer")

	for name, test := range map[string]struct{ token, wrong string }{
		"good":                   {genuine, ""},
		"one audience":           {sign(with("aud", w.issuer.audiences[0])), ""},
		"type with application/": {w.issuer.sign(w.issuer.key, "application/at+jwt", good()), ""},
		"tampered claims":        {parts[0] + "." + strings.Split(sign(with("sub", "q")), ".")[1] + "." + parts[2], "signature"},
		"tampered signature":     {parts[0] + "." + parts[1] + "." + flip(parts[2]), "signature"},
		"no signature":           {parts[0] + "." + parts[1] + ".", "signature"},
		"signed by another":      {w.issuer.sign(other, "at+jwt", good()), "signature"},
		"alg none":               {b64(`{"alg":"none","typ":"at+jwt","kid":"k1"}`) + "." + parts[1] + ".", "algorithm signature"},
		"alg HS256": {b64(`{"alg":"HS256","typ":"at+jwt","kid":"k1"}`) + "." + parts[1] + "." + parts[2],
			"algorithm signature"},
		"unknown key":             {b64(`{"alg":"RS256","typ":"at+jwt","kid":"k2"}`) + "." + parts[1] + "." + parts[2], "signature"},
		"the key by another name": {signAs("k2", w.issuer.key, "at+jwt", good()), "signature"},
		"a key of its own": {b64(`{"alg":"RS256","typ":"at+jwt","jwk":{"kty":"RSA"}}`) + "." + parts[1] + "." +
			parts[2], "signature"},
		"critical extension": {b64(`{"alg":"RS256","typ":"at+jwt","kid":"k1","crit":["x"]}`) + "." + parts[1] +
			"." + parts[2], "form signature"},
		"ID token":                    {w.issuer.sign(w.issuer.key, "JWT", good()), "type"},
		"refresh token":               {w.issuer.sign(w.issuer.key, "rt+jwt", good()), "type"},
		"another issuer":              {sign(with("iss", "https://evil.example")), "issuer"},
		"issuer with a slash":         {sign(with("iss", w.issuer.server.URL+"/")), "issuer"},
		"another audience":            {sign(with("aud", "https://evil.example")), "audience"},
		"no audience":                 {sign(without("aud")), "audience"},
		"audience by part":            {sign(with("aud", w.issuer.audiences[0]+"/x")), "audience"},
		"expired":                     {sign(with("exp", now-3600)), "expiry"},
		"expired within the leeway":   {sign(with("exp", now-1)), ""},
		"no expiry":                   {sign(without("exp")), "expiry"},
		"expiry as text":              {sign(with("exp", fmt.Sprint(now+600))), "expiry"},
		"not yet valid":               {sign(with("nbf", now+600)), "expiry"},
		"issued in the future":        {sign(with("iat", now+600)), "expiry"},
		"nonsense":                    {"nonsense", "form"},
		"empty":                       {"", "form"},
		"four parts":                  {genuine + ".x", "form"},
		"padding":                     {parts[0] + "." + parts[1] + "." + parts[2] + "==", "form"},
		"claims that are no object":   {parts[0] + "." + b64(`[1]`) + "." + parts[2], "form"},
		"claims that are null":        {parts[0] + "." + b64(`null`) + "." + parts[2], "form"},
		"claims that are not UTF-8":   {parts[0] + "." + b64("{\"a\":\"\xff\"}") + "." + parts[2], "form"},
		"too long":                    {parts[0] + "." + strings.Repeat("A", 20000) + "." + parts[2], "form"},
		"expired and of another kind": {w.issuer.sign(w.issuer.key, "JWT", with("exp", now-3600)), "type expiry"},
	} {
		t.Run(name, func(t *testing.T) {
			result := js[struct {
				OK    bool   `json:"ok"`
				Wrong string `json:"wrong"`
			}](b, fmt.Sprintf(`(async () => {
				const { checkToken, issuerKeys } = await import(new URL("check.js", document.querySelector("script[type=module]").src));
				const demand = { issuer: %q, audiences: [%q, %q], types: ["at+jwt", "application/at+jwt"] };
				const { ok, results } = await checkToken(%q, demand, await issuerKeys(demand.issuer), %d);
				return { ok, wrong: Object.keys(results).filter((k) => results[k] !== true).join(" ") };
			})()`, w.issuer.server.URL, w.issuer.audiences[0], w.issuer.audiences[1], test.token, now))
			if result.Wrong != test.wrong || result.OK != (test.wrong == "") {
				t.Errorf("ok %v, wrong %q; want %q", result.OK, result.Wrong, test.wrong)
			}
		})
	}
	b.Calm()
}

func TestTheBrowserRefusesADiscoveryDocumentOfAnotherIssuer(t *testing.T) {
	w := start(t)
	b := w.tab()
	b.open("/login?to=/tokens")
	w.issuer.set(func(i *fakeIssuer) {
		i.meta = func(document map[string]any) { document["issuer"] = "https://evil.example" }
	})
	b.Click("#access-check")
	b.See("#access-result.bad", "could not be fetched")
}
