package client

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Scopes of OpenID Connect Core 1.0 §5.4 and §11: they are about the person, and belong to no
// resource.
var identityScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// MaxScopes is how many scopes a resource can have that is stored.
const MaxScopes = 64

// Resource is a service that takes this server's access tokens. Its identifier is their aud, and no
// other resource has its scopes.
type Resource struct {
	Name   string // a short one, by which roles name it; no other resource has it
	ID     string // an absolute URI without a fragment (RFC 8707 §2)
	Scopes []string
	// OwnScopes are further scopes, which only a client can have that acts for nobody but itself.
	// So nobody is asked to grant them, and discovery does not announce them.
	OwnScopes []string
	// Reserved resources are for clients that an operator registers: no other client can have their
	// scopes, and discovery does not announce them.
	Reserved bool
}

// Builtin returns Maru's own resource services, below an origin such as https://api.example.
func Builtin(apiOrigin string) []Resource {
	return []Resource{
		{Name: "user", ID: apiOrigin + "/user", Scopes: []string{"user:read", "user:write", "user:lookup"}},
		{Name: "board", ID: apiOrigin + "/board", Scopes: []string{"board:read", "board:write", "board:moderate"}},
	}
}

// The scopes of the resource [Administration].
const (
	ScopeAdminRead  = "admin:read"
	ScopeAdminWrite = "admin:write"
	ScopeSCIM       = "scim"
)

// Administration is the resource by which this server is administered; id is its address.
func Administration(id string) Resource {
	return Resource{Name: "admin", ID: id, Scopes: []string{ScopeAdminRead, ScopeAdminWrite}, OwnScopes: []string{ScopeSCIM}, Reserved: true}
}

// Administers tells whether c has power over the server: it has a scope of the resource
// [Administration], or may exchange people's tokens for it. id is that resource's address; empty: it
// is known by its scopes alone.
func (c *Client) Administers(id string) bool {
	return slices.ContainsFunc(c.Scopes(), func(scope string) bool {
		return scope == ScopeAdminRead || scope == ScopeAdminWrite || scope == ScopeSCIM
	}) || id != "" && slices.Contains(c.TokenExchangeAudiences, id)
}

// Named gives a name to each resource that has none: the last segment of its identifier's path or,
// if it has no path, the first label of its host. If another resource has that already, or it cannot
// be a name, the name is the whole identifier.
func Named(resources []Resource) []Resource {
	named := slices.Clone(resources)
	taken := map[string]bool{}
	for _, one := range named {
		taken[one.Name] = true
	}
	for i, one := range named {
		if one.Name != "" {
			continue
		}
		name := one.ID
		if u, err := url.Parse(one.ID); err == nil {
			short := path.Base(u.Path)
			if short == "/" || short == "." {
				short, _, _ = strings.Cut(u.Hostname(), ".")
			}
			if ResourceName(short) && !taken[short] {
				name = short
			}
		}
		named[i].Name, taken[name] = name, true
	}
	return named
}

var resourceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// ResourceName tells whether a name can be that of a resource: 1 to 32 characters from a-z, 0-9, _
// and -, the first of them a letter.
func ResourceName(name string) bool { return resourceName.MatchString(name) }

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
	ids, names := map[string]bool{}, map[string]bool{}
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
		if names[resource.Name] && resource.Name != "" {
			return fmt.Errorf("the name %q is of two resources", resource.Name)
		}
		names[resource.Name] = true
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

// Scopes returns every scope of a server with these resources that any app can ask people for, those
// of OpenID Connect first.
func Scopes(resources []Resource) []string { return scopes(resources, false) }

// ReservedScopes returns further scopes that only an app can ask people for that an operator
// registered.
func ReservedScopes(resources []Resource) []string { return scopes(resources, true) }

func scopes(resources []Resource, reserved bool) []string {
	var all []string
	if !reserved {
		all = slices.Clone(identityScopes)
	}
	for _, resource := range resources {
		if resource.Reserved == reserved {
			all = append(all, resource.Scopes...)
		}
	}
	return all
}

// KnownScopes returns those of the scopes that are about a person, or belong to one of the resources.
func KnownScopes(resources []Resource, scope []string) []string {
	var known []string
	for _, one := range scope {
		if slices.Contains(identityScopes, one) ||
			slices.ContainsFunc(resources, func(r Resource) bool { return slices.Contains(r.Scopes, one) || slices.Contains(r.OwnScopes, one) }) {
			known = append(known, one)
		}
	}
	return known
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
