// Package consent knows what an authorization request asks a person for, and how they answer. What
// is asked is a list of words: those of the scope, and "claims:NAME" for each claim about the
// person that the parameter "claims" asks for and the scope does not cover. Every page that asks
// shows [Choices] and takes its answer from [Read].
package consent

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// ScopeClaims are the claims that a scope asks for (OIDC Core §5.4).
var ScopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// Prefix begins the word for a claim.
const Prefix = "claims:"

// Asked is what the parameters of an authorization request ask for, each word once: the scope in
// its order, then the claims. The request has been checked, so that a parameter claims that cannot
// be read is left out.
func Asked(form url.Values) []string {
	var words []string
	for _, scope := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(words, scope) {
			words = append(words, scope)
		}
	}
	var request struct {
		Userinfo map[string]json.RawMessage `json:"userinfo"`
		IDToken  map[string]json.RawMessage `json:"id_token"`
	}
	if text := form.Get("claims"); text == "" || jose.UnmarshalExact([]byte(text), &request) != nil {
		return words
	}
	names := slices.Sorted(maps.Keys(request.Userinfo))
	for _, name := range append(names, slices.Sorted(maps.Keys(request.IDToken))...) {
		if !Covers(words, name) {
			words = append(words, wordFor(name))
		}
	}
	return words
}

// Covers tells whether an app that was granted words may get a claim. Every app may get claims that
// are not about a person.
func Covers(words []string, claim string) bool {
	personal := false
	for scope, claims := range ScopeClaims {
		if slices.Contains(claims, claim) {
			personal = true
			if slices.Contains(words, scope) {
				return true
			}
		}
	}
	return !personal || slices.Contains(words, wordFor(claim))
}

// wordFor is the word for a claim. It includes whether the claim is verified.
func wordFor(claim string) string { return Prefix + strings.TrimSuffix(claim, "_verified") }
