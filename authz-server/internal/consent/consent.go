// Package consent puts into words what an authorization request asks a person for: the words of its scope, and
// "claims:NAME" for each claim about the person that it asks for by the parameter "claims" and that none of these scopes
// covers. A consent is a list of such words.
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
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
		"gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// Prefix begins the word for a claim.
const Prefix = "claims:"

// Asked is what the parameters of an authorization request ask for, each word once: the scope in its order, then the claims.
// The request has been checked; of a parameter claims that cannot be read nothing is said.
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

// Covers tells whether a claim may be told to whom words were granted. That is so of every claim that is not about a person.
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

// wordFor is the word for a claim. Whether something is verified is told with it.
func wordFor(claim string) string { return Prefix + strings.TrimSuffix(claim, "_verified") }
