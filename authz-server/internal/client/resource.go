package client

import (
	"fmt"
	"slices"
	"strings"
)

// Scopes of OpenID Connect Core 1.0 §5.4 and §11: they are about the person, and belong to no
// resource.
var identityScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// Resource is a service that takes this server's access tokens. Its identifier is their aud, and no
// other resource has its scopes.
type Resource struct {
	ID     string // an absolute URI without a fragment (RFC 8707 §2)
	Scopes []string
	// OwnScopes are further scopes, which only a client can have that acts for nobody but itself.
	// So nobody is asked to grant them, and discovery does not announce them.
	OwnScopes []string
}

// Builtin returns Maru's own resource services, below an origin such as https://api.example.
func Builtin(apiOrigin string) []Resource {
	return []Resource{
		{ID: apiOrigin + "/user", Scopes: []string{"user:read", "user:write", "user:lookup"}},
		{ID: apiOrigin + "/board", Scopes: []string{"board:read", "board:write", "board:moderate"}},
	}
}

// ParseResource reads "URL=scope scope".
func ParseResource(text string) (Resource, error) {
	// A URL may have a "=" in its query, and a scope too. The scopes follow the last one before the
	// first space.
	head, tail, _ := strings.Cut(text, " ")
	i := strings.LastIndexByte(head, '=')
	if i < 0 {
		return Resource{}, fmt.Errorf(`%q is not of the form "URL=scope scope"`, text)
	}
	return Resource{ID: head[:i], Scopes: strings.Fields(head[i+1:] + " " + tail)}, nil
}

// CheckResources checks that identifiers and scopes are well formed, and that no two are the same.
func CheckResources(resources []Resource) error {
	ids := map[string]bool{}
	owner := map[string]string{}
	for _, scope := range identityScopes {
		owner[scope] = "OpenID Connect"
	}
	for _, resource := range resources {
		if problem := checkResourceID(resource.ID); problem != "" {
			return fmt.Errorf("the resource %q %s", resource.ID, problem)
		}
		if ids[resource.ID] {
			return fmt.Errorf("the resource %q is there twice", resource.ID)
		}
		ids[resource.ID] = true
		if len(resource.all()) == 0 {
			return fmt.Errorf("the resource %q must have at least one scope", resource.ID)
		}
		for _, scope := range resource.all() {
			if !scopeToken(scope) {
				return fmt.Errorf("the scope %q of the resource %q has a character that no scope may have (RFC 6749 §3.3)", scope, resource.ID)
			}
			if other, taken := owner[scope]; taken {
				return fmt.Errorf("the scope %q of the resource %q belongs to %s already; rename one, such as by a prefix", scope, resource.ID, other)
			}
			owner[scope] = resource.ID
		}
	}
	return nil
}

func (r Resource) all() []string { return slices.Concat(r.Scopes, r.OwnScopes) }

// Scopes returns every scope of a server with these resources that an app can ask people for, those
// of OpenID Connect first.
func Scopes(resources []Resource) []string {
	all := slices.Clone(identityScopes)
	for _, resource := range resources {
		all = append(all, resource.Scopes...)
	}
	return all
}

// OwnScopes returns the scopes that only a client can have that acts for nobody but itself.
func OwnScopes(resources []Resource) []string {
	var own []string
	for _, resource := range resources {
		own = append(own, resource.OwnScopes...)
	}
	return own
}

// AudienceOf returns the identifiers of the resources that scopes belong to, each once, in the
// order of resources; nil: the scopes are only about the person.
func AudienceOf(resources []Resource, scopes []string) []string {
	var audience []string
	for _, resource := range resources {
		if slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(resource.all(), scope) }) {
			audience = append(audience, resource.ID)
		}
	}
	return audience
}

func checkResourceID(id string) string {
	if problem := checkCharacters(id); problem != "" {
		return problem
	}
	scheme, rest, ok := strings.Cut(id, ":")
	switch {
	case !ok || !validScheme(scheme) || rest == "":
		return "must be an absolute URI, such as https://api.example/orders"
	case strings.Contains(id, "#"):
		return "must not have a fragment (#…)"
	case scheme == "https" || scheme == "http":
		// Nothing is fetched from it, so an internal service may have http.
		return checkAuthority("https", rest)
	}
	return ""
}

// scopeToken tells whether s can be a scope (RFC 6749 §3.3).
func scopeToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if b := s[i]; b <= ' ' || b >= 0x7f || b == '"' || b == '\\' {
			return false
		}
	}
	return s != ""
}
