package attack

import (
	"fmt"
	"strings"
	"time"
)

const (
	wrongAudience = "https://rscheck.example/other"
	wrongIssuer   = "https://rscheck.example"
	wrongType     = "rscheck+jwt"
)

var typeChecks = []Check{
	{"id-token", Must, "RFC 9068 §4; RFC 8725 §3.11", "an ID token of the issuer, whose aud is this server (typ JWT, nonce, azp)", refused401, refuses(func(r *run) []variant {
		if r.cfg.Type == "JWT" {
			return nil
		}
		return tokens(map[string]string{
			"as issued": r.token(idToken), "with typ jwt": r.token(idToken, setHeader("typ", "jwt")),
			"with the claims of an access token": r.token(alsoIDToken),
		})
	})},
	{"id-token-of-a-client", Must, "RFC 9068 §4", "an ordinary ID token of the issuer, whose aud is a client", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{
			"as issued": r.token(idToken, set("aud", r.cfg.ClientID)), "with a list": r.token(idToken, set("aud", []string{r.cfg.ClientID})),
			"with the claims of an access token": r.token(alsoIDToken, set("aud", r.cfg.ClientID)),
		})
	})},
	{"other-types", Must, "RFC 9068 §4; RFC 8725 §3.11", "the issuer's signature under typ rt+jwt, logout+jwt, secevent+jwt, statuslist+jwt, dpop+jwt and others", refused401, refuses(otherTypes)},
	{"typ-missing", Must, "RFC 9068 §4", "a token without typ, with an empty one, and with one that is no text", refused401, refuses(func(r *run) []variant {
		if r.cfg.Type == "JWT" {
			return nil
		}
		return tokens(map[string]string{
			"missing": r.token(func(h, _ map[string]any) { delete(h, "typ") }), "empty": r.token(setHeader("typ", "")),
			"null": r.token(setHeader("typ", nil)), "a list": r.token(setHeader("typ", []string{r.cfg.Type})),
		})
	})},
	{"typ-media-type", Info, "RFC 9068 §4; RFC 7515 §4.1.9", "a good token with typ application/at+jwt, and AT+JWT", "accepted", accepts(func(r *run) []variant {
		return tokens(map[string]string{"application/": r.token(setHeader("typ", "application/"+r.cfg.Type)), "capitals": r.token(setHeader("typ", strings.ToUpper(r.cfg.Type)))})
	})},
}

// alsoIDToken leaves what an access token has: no server is to depend on an
// issuer whose ID tokens lack it.
func alsoIDToken(h, c map[string]any) {
	h["typ"] = "JWT"
	c["nonce"], c["azp"], c["at_hash"], c["auth_time"] = "n-0S6_WzA2Mj", c["client_id"], "77QmUPtjPfzWtF2AnpK9RQ", c["iat"]
}

func idToken(h, c map[string]any) {
	alsoIDToken(h, c)
	delete(c, "client_id")
	delete(c, "scope")
}

func otherTypes(r *run) []variant {
	if r.cfg.Type == "JWT" {
		return nil
	}
	list := map[string]string{}
	for _, typ := range []string{"rt+jwt", "logout+jwt", "secevent+jwt", "statuslist+jwt", "token-introspection+jwt", "dpop+jwt", "oauth-authz-req+jwt", wrongType, "at", "jwt+at", r.cfg.Type + "x"} {
		list[typ] = r.token(setHeader("typ", typ))
	}
	return tokens(list)
}

var claimChecks = []Check{
	{"aud-wrong", Must, "RFC 7519 §4.1.3; RFC 9068 §4", "tokens for another audience: another host, one in a list, a longer, a shorter and one with a slash or a space more", refused401, refuses(audWrong)},
	{"aud-missing", Must, "RFC 9068 §4", "a token without aud, with null, an empty text and an empty list", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{
			"missing": r.token(unset("aud")), "null": r.token(set("aud", nil)), "empty": r.token(set("aud", "")), "empty list": r.token(set("aud", []string{})),
			"list of an empty text": r.token(set("aud", []string{""})), "object": r.token(set("aud", map[string]any{r.cfg.Audience: r.cfg.Audience})), "true": r.token(set("aud", true)),
		})
	})},
	{"aud-list", Should, "RFC 7519 §4.1.3", "a good token whose aud is a list with this server in it", "accepted", accepts(func(r *run) []variant {
		return tokens(map[string]string{"of one": r.token(set("aud", []string{r.cfg.Audience})), "of two": r.token(set("aud", []string{wrongAudience, r.cfg.Audience}))})
	})},
	{"iss-wrong", Must, "RFC 9068 §4; RFC 8725 §3.8", "tokens of another issuer: another host, a slash more, capitals, a longer and a shorter one, a list", refused401, refuses(issWrong)},
	{"iss-missing", Must, "RFC 9068 §2.2, §4", "a token without iss, with null and with an empty text", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{"missing": r.token(unset("iss")), "null": r.token(set("iss", nil)), "empty": r.token(set("iss", ""))})
	})},
	{"required-claims", Should, "RFC 9068 §2.2", "tokens without sub, client_id, iat or jti", refused401, refuses(func(r *run) []variant {
		if r.cfg.Type != DefaultTokenType {
			return nil
		}
		list := map[string]string{}
		for _, name := range []string{"sub", "client_id", "iat", "jti"} {
			list["without "+name] = r.token(unset(name))
		}
		return tokens(list)
	})},
	{"sub-malformed", Should, "RFC 7519 §4.1.2", "a sub that is empty, a number, a list, an object", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{
			"empty": r.token(set("sub", "")), "a number": r.token(set("sub", 1)), "a list": r.token(set("sub", []string{r.cfg.Subject})),
			"an object": r.token(set("sub", map[string]any{"sub": r.cfg.Subject})),
		})
	})},
	{"scope-missing", Must, "RFC 6750 §3.1", "tokens without the scope: none, another, one that begins or ends so, other capitals", "403", refuses(func(r *run) []variant {
		if r.cfg.Scope == "" {
			return nil
		}
		one := strings.Fields(r.cfg.Scope)[0]
		return tokens(map[string]string{
			"none": r.token(unset("scope")), "empty": r.token(set("scope", "")), "another": r.token(set("scope", "rscheck:other")),
			"a longer one": r.token(set("scope", one+":more "+one+"x x"+one)), "other capitals": r.token(set("scope", strings.ToUpper(one))),
			"with commas": r.token(set("scope", "a,"+one+",b")), "an object": r.token(set("scope", map[string]any{one: true})),
		})
	})},
	{"unknown-members", Should, "RFC 7519 §4; RFC 7515 §4", "a good token with claims and header parameters that nobody knows", "accepted", accepts(func(r *run) []variant {
		return tokens(map[string]string{
			"claims": r.token(set("https://rscheck.example/x", map[string]any{"a": []int{1}}), set("nonce", "x")), "header": r.token(setHeader("rscheck", 1)),
		})
	})},
}

func audWrong(r *run) []variant {
	good := r.cfg.Audience
	list := map[string]string{}
	for label, aud := range map[string]any{
		"another host": wrongAudience, "two others": []string{wrongAudience, wrongIssuer}, "longer": good + "/admin", "a slash more": good + "/",
		"text around it": "x" + good, "with another, in one text": good + " " + wrongAudience, "a comma": good + "," + wrongAudience,
		"the issuer": r.issuer.URL(), "any": "*", "nested list": []any{[]string{good}}, "space": " " + good,
	} {
		list[label] = r.token(set("aud", aud))
	}
	if len(good) > 1 {
		list["shorter"] = r.token(set("aud", good[:len(good)-1]))
	}
	if upper := strings.ToUpper(good); upper != good {
		list["capitals"] = r.token(set("aud", upper))
	}
	return tokens(list)
}

func issWrong(r *run) []variant {
	good := r.issuer.URL()
	list := map[string]string{}
	for label, iss := range map[string]any{
		"another host": wrongIssuer, "capitals": strings.ToUpper(good), "longer": good + ".example", "a path more": good + "/other",
		"shorter": good[:len(good)-1], "a list": []string{good}, "a user": strings.Replace(good, "://", "://user@", 1), "no scheme": strings.SplitN(good, "://", 2)[1],
		"a fragment": good + "#", "space": good + " ",
	} {
		list[label] = r.token(set("iss", iss))
	}
	slash := good + "/"
	if strings.HasSuffix(good, "/") {
		slash = strings.TrimSuffix(good, "/")
	}
	list["a slash more or less"] = r.token(set("iss", slash))
	return tokens(list)
}

var timeChecks = []Check{
	{"exp-past", Must, "RFC 7519 §4.1.4", "tokens that expired an hour, a day and fifty years ago", refused401, refuses(func(r *run) []variant {
		now := time.Now()
		return tokens(map[string]string{
			"an hour ago": r.token(set("exp", now.Add(-time.Hour).Unix())), "a day ago": r.token(set("exp", now.Add(-24*time.Hour).Unix())),
			"1970": r.token(set("exp", 1)), "zero": r.token(set("exp", 0)), "negative": r.token(set("exp", -now.Unix())),
			"a fraction": r.token(set("exp", float64(now.Add(-time.Hour).Unix())+0.5)),
		})
	})},
	{"exp-missing", Must, "RFC 9068 §2.2, §4", "tokens without exp, with null", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{"missing": r.token(unset("exp")), "null": r.token(set("exp", nil))})
	})},
	{"exp-malformed", Must, "RFC 7519 §2 (NumericDate), §4.1.4", "an exp of the past that is a text, a list or an object, and true", refused401, refuses(func(r *run) []variant {
		past := time.Now().Add(-time.Hour)
		return tokens(map[string]string{
			"a text": r.token(set("exp", fmt.Sprint(past.Unix()))), "a date": r.token(set("exp", past.UTC().Format(time.RFC3339))),
			"a list": r.token(set("exp", []int64{past.Unix()})), "an object": r.token(set("exp", map[string]any{"exp": past.Unix()})), "true": r.token(set("exp", true)),
			"never": r.token(set("exp", "never")),
		})
	})},
	{"exp-text", Should, "RFC 7519 §2 (NumericDate)", "an exp of the future that is a text", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{"a text": r.token(set("exp", fmt.Sprint(time.Now().Add(time.Minute).Unix())))})
	})},
	{"exp-huge", Should, "RFC 7519 §4.1.4", "an exp of 1e300, and of more than 64 bits", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{
			"1e300": r.token(set("exp", 1e300)), "2^64": r.token(set("exp", rawJSON("18446744073709551616"))), "2^63-1": r.token(set("exp", rawJSON("9223372036854775807"))),
		})
	})},
	{"exp-fraction", Info, "RFC 7519 §2 (NumericDate)", "a good token whose exp has a fraction", "accepted", accepts(func(r *run) []variant {
		return tokens(map[string]string{"fraction": r.token(set("exp", float64(time.Now().Add(time.Minute).Unix())+0.5))})
	})},
	{"nbf-future", Must, "RFC 7519 §4.1.5", "tokens that are valid in an hour, in a day", refused401, refuses(func(r *run) []variant {
		now := time.Now()
		return tokens(map[string]string{
			"an hour": r.token(set("nbf", now.Add(time.Hour).Unix())), "a day": r.token(set("nbf", now.Add(24*time.Hour).Unix()), set("exp", now.Add(25*time.Hour).Unix())),
			"a fraction": r.token(set("nbf", float64(now.Add(time.Hour).Unix())+0.5)),
		})
	})},
	{"iat-future", Should, "RFC 7519 §4.1.6", "tokens that are issued in an hour", refused401, refuses(func(r *run) []variant {
		return tokens(map[string]string{"an hour": r.token(set("iat", time.Now().Add(time.Hour).Unix()), set("exp", time.Now().Add(2*time.Hour).Unix()))})
	})},
	{"skew", Should, "RFC 7519 §4.1.4, §4.1.5", "tokens that expired, or become valid, some seconds to some minutes from now", "refused beyond 5 minutes", skew},
}

// skew finds by halves how far clocks may differ.
func skew(r *run) outcome {
	leeway := func(c func(time.Duration) change) time.Duration {
		low, high := time.Duration(0), 2*time.Hour // accepted; refused
		if !r.send(bearer(r.token(c(2 * time.Second)))).accepted() {
			return 0
		}
		if r.send(bearer(r.token(c(high)))).accepted() {
			return high
		}
		for high-low > 2*time.Second {
			middle := (low + high) / 2
			if r.send(bearer(r.token(c(middle)))).accepted() {
				low = middle
			} else {
				high = middle
			}
		}
		return low.Round(time.Second)
	}
	exp := leeway(func(d time.Duration) change { return set("exp", time.Now().Add(-d).Unix()) })
	nbf := leeway(func(d time.Duration) change { return set("nbf", time.Now().Add(d).Unix()) })
	got := fmt.Sprintf("exp counts for about %v longer, nbf about %v before", exp, nbf)
	if exp > maxLeeway+3*time.Second || nbf > maxLeeway+3*time.Second {
		return fail("%s", got)
	}
	return pass("%s", got)
}
