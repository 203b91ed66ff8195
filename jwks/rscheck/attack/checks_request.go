package attack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var requestChecks = []Check{
	{"no-token", Must, "RFC 6750 §3", "no token; an empty one; Basic; a cookie; a scheme of another name", refused401, refuses(noToken)},
	{"token-in-query", Should, "RFC 6750 §2.3, §5.3; RFC 9700 §4.3.2", "a good token in the query (access_token, token, jwt), and nowhere else", refused401, refuses(func(r *run) []variant {
		var list []variant
		for _, name := range []string{"access_token", "token", "jwt", "auth", "bearer"} {
			list = append(list, variant{name, request{query: url.Values{name: {r.token()}}}})
		}
		return list
	})},
	{"two-ways", Should, "RFC 6750 §2, §3.1", "a good token in the header, and one in the query", "400", refuses(func(r *run) []variant {
		q := r.good()
		q.query = url.Values{"access_token": {r.token()}}
		return []variant{{"header and query", q}}
	})},
	{"two-headers", Should, "RFC 6750 §2; RFC 9110 §5.3", "two Authorization headers, one with a good token and one with a bad", "400 or 401", refuses(func(r *run) []variant {
		good, bad := "Bearer "+r.token(), "Bearer "+r.tokenBy(r.issuer.foreign)
		return []variant{
			{"bad first", request{authorization: []string{bad, good}}}, {"good first", request{authorization: []string{good, bad}}},
			{"Basic first", request{authorization: []string{"Basic cnNjaGVjazpyc2NoZWNr", good}}}, {"good before Basic", request{authorization: []string{good, "Basic cnNjaGVjazpyc2NoZWNr"}}},
		}
	})},
	{"many-in-one-header", Should, "RFC 6750 §2.1", "several tokens in one Authorization header, with commas and spaces", "400 or 401", refuses(func(r *run) []variant {
		good, bad := r.token(), r.tokenBy(r.issuer.foreign)
		return []variant{
			{"good, bad", bearer(good + ", Bearer " + bad)}, {"bad, good", bearer(bad + ", Bearer " + good)},
			{"good bad", bearer(good + " " + bad)}, {"bad good", bearer(bad + " " + good)}, {"good,bad", bearer(good + "," + bad)},
			{"a hundred", bearer(strings.Repeat("x,", 100) + good)},
		}
	})},
	{"scheme-case", Info, "RFC 9110 §11.1", "a good token under bearer and BEARER", "accepted", accepts(func(r *run) []variant {
		return []variant{{"bearer", request{authorization: []string{"bearer " + r.token()}}}, {"BEARER", request{authorization: []string{"BEARER " + r.token()}}}}
	})},
}

func noToken(r *run) []variant {
	good := r.token()
	return []variant{
		{"no token", request{}},
		{"an empty header", request{authorization: []string{""}}},
		{"Bearer alone", request{authorization: []string{"Bearer"}}},
		{"Bearer and a space", request{authorization: []string{"Bearer "}}},
		{"Bearer null", bearer("null")},
		{"Bearer undefined", bearer("undefined")},
		{"Basic", request{authorization: []string{"Basic " + good}}},
		{"a scheme that begins so", request{authorization: []string{"Bearers " + good}}},
		{"a scheme that ends so", request{authorization: []string{"xBearer " + good}}},
		{"cookies", request{header: http.Header{"Cookie": {"access_token=" + good + "; token=" + good}}}},
		{"other headers", request{header: http.Header{"X-Access-Token": {good}, "X-Auth-Token": {good}, "X-Forwarded-User": {r.cfg.Subject}, "X-Forwarded-Access-Token": {good}}}},
	}
}

var challengeChecks = []Check{
	{"challenge", Must, "RFC 6750 §3; RFC 9110 §15.5.2", "no token", "401 with WWW-Authenticate: Bearer", func(r *run) outcome {
		a := r.send(request{})
		switch {
		case a.status != http.StatusUnauthorized:
			return fail("%v", a)
		case !hasScheme(a, "Bearer") && !hasScheme(a, "DPoP"):
			o := fail("401 with the challenges %q", a.challenges())
			return o
		}
		return pass("401, %s", a.challenges())
	}},
	{"challenge-without-error", Should, "RFC 6750 §3.1", "no token", "a challenge without an error code", func(r *run) outcome {
		a := r.send(request{})
		if parameter(a, "error") != "" {
			return fail("%s", a.challenges())
		}
		return pass("no error code")
	}},
	{"challenge-invalid-token", Should, "RFC 6750 §3.1", "an expired token, one with a bad signature, and one for another audience", `401 with error="invalid_token"`, invalidToken},
	{"challenge-no-redirect", Should, "RFC 6750 §3", "no token, and an expired one", "no redirect to a page, and no 200 with an error", func(r *run) outcome {
		for _, q := range []request{{}, bearer(r.token(set("exp", time.Now().Add(-time.Hour).Unix())))} {
			if a := r.send(q); a.status >= 300 && a.status < 400 {
				return fail("%v to %s", a, a.header.Get("Location"))
			}
		}
		return pass("none")
	}},
	{"challenge-scope", Should, "RFC 6750 §3, §3.1", "a good token without the scope", `403 with error="insufficient_scope" and the scope`, insufficientScope},
	{"refused-not-cached", Should, "RFC 9111 §5.2.2.5", "a bad token", "nothing that lets a cache keep the refusal for others", func(r *run) outcome {
		a := r.send(bearer("x"))
		if control := a.header.Get("Cache-Control"); strings.Contains(control, "public") || strings.Contains(control, "s-maxage") {
			return fail("Cache-Control: %s", control)
		}
		return pass("Cache-Control: %q", a.header.Get("Cache-Control"))
	}},
	{"resource-metadata", Info, "RFC 9728 §5.1", "no token", "a challenge with resource_metadata", func(r *run) outcome {
		if at := parameter(r.send(request{}), "resource_metadata"); at != "" {
			return pass("%s", at)
		}
		return fail("none")
	}},
	{"resource-metadata-consistent", Must, "RFC 9728 §3.1, §3.3", "GET of the metadata that the challenge names", "resource is the URL that the metadata's was made from, and the issuer is among authorization_servers", resourceMetadata},
}

func invalidToken(r *run) outcome {
	for label, token := range map[string]string{
		"expired": r.token(set("exp", time.Now().Add(-time.Hour).Unix())), "with a bad signature": r.tokenBy(r.issuer.foreign, setHeader("kid", r.issuer.signer().id)),
		"for another audience": r.token(set("aud", wrongAudience)),
	} {
		a := r.send(bearer(token))
		switch {
		case a.accepted():
			continue // another check says so
		case a.status != http.StatusUnauthorized || parameter(a, "error") != "invalid_token":
			return fail("a token %s got %v, %q", label, a, a.challenges())
		}
	}
	return pass("401 invalid_token")
}

func insufficientScope(r *run) outcome {
	if r.cfg.Scope == "" {
		return skip("no scope was named")
	}
	a := r.send(bearer(r.token(set("scope", "rscheck:other"))))
	switch {
	case a.accepted():
		return skip("it does not look at the scope")
	case a.status != http.StatusForbidden || parameter(a, "error") != "insufficient_scope":
		return fail("%v, %q", a, a.challenges())
	case parameter(a, "scope") == "":
		return pass("403 insufficient_scope, and not which scope is needed")
	}
	return pass("403 insufficient_scope, scope %q", parameter(a, "scope"))
}

func hasScheme(a answer, scheme string) bool {
	return regexp.MustCompile(`(?i)(^|,\s*)` + scheme + `(\s|,|$)`).MatchString(a.challenges())
}

// parameter returns a parameter of the first challenge that has it.
func parameter(a answer, name string) string {
	match := regexp.MustCompile(`(?:^|[\s,])` + name + `\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))`).FindStringSubmatch(a.challenges())
	if match == nil {
		return ""
	}
	return match[1] + match[2]
}

// wellKnownResource is where metadata lies, between a resource's host and path
// (RFC 9728 §3).
const wellKnownResource = "/.well-known/oauth-protected-resource"

// resourceMetadata fetches the document. Its public address may lead nowhere
// here; then the path is tried at the server itself.
func resourceMetadata(r *run) outcome {
	at := parameter(r.send(request{}), "resource_metadata")
	if at == "" {
		return skip("no resource_metadata in the challenge")
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || !strings.HasPrefix(u.Path, wellKnownResource) && !strings.Contains(u.Path, wellKnownResource) {
		return fail("%q is not a metadata URL", at)
	}
	here, _ := url.Parse(r.cfg.URL) // it was called
	here.Path, here.RawPath, here.RawQuery = u.Path, u.RawPath, u.RawQuery
	a := r.target.callOnce(r.ctx, http.MethodGet, here.String(), request{bare: true})
	if a.status != http.StatusOK && here.Host != u.Host {
		a = r.target.callOnce(r.ctx, http.MethodGet, at, request{bare: true})
	}
	if a.status != http.StatusOK {
		return fail("%s answers %v", at, a)
	}
	var document struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
	}
	if err := json.Unmarshal([]byte(a.body), &document); err != nil {
		return fail("the metadata is not JSON of that form: %v", err)
	}
	// What the resource's identifier would make of it.
	want := *u
	want.Path, want.RawPath = strings.Replace(u.Path, wellKnownResource, "", 1), ""
	if strings.TrimSuffix(document.Resource, "/") != strings.TrimSuffix(want.String(), "/") {
		return fail("resource is %q, and the metadata is at %s", document.Resource, at)
	}
	if document.Servers != nil && !slices.Contains(document.Servers, r.issuer.URL()) {
		return fail("authorization_servers %q does not name the issuer %s", document.Servers, r.issuer.URL())
	}
	note := ""
	if document.Resource != r.cfg.Audience {
		note = fmt.Sprintf("; the audience %q is another", r.cfg.Audience)
	}
	return pass("resource %s%s", document.Resource, note)
}

var leakChecks = []Check{
	{"leak-token", Must, "CWE-209", "everything above", "no refusal that repeats the token", func(r *run) outcome { return r.leaked("token") }},
	{"leak-trace", Should, "CWE-209", "everything above", "no refusal with a stack trace, a source file or a key", func(r *run) outcome { return r.leaked("trace") }},
}

func (r *run) leaked(what string) outcome {
	if where, leaked := r.target.leak(what); leaked {
		return fail("%s", where)
	}
	return pass("none in %d answers", r.target.answers())
}
