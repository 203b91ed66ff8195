package oauth

import (
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Intersect returns the elements of a that are also in b, in a's order.
func Intersect(a, b []string) []string {
	var both []string
	for _, x := range a {
		if slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	return both
}

// Without returns the elements of a that are not in b, in a's order.
func Without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}

// Words is the words of a scope, each once. A body has room for many thousands.
func Words(text string) []string {
	var words []string
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		if !seen[word] {
			seen[word], words = true, append(words, word)
		}
	}
	return words
}

// ReadScope is [Words], if the client is registered for all of them.
func ReadScope(c *client.Client, text string) ([]string, error) {
	words, registered := Words(text), c.Scopes()
	for _, scope := range words {
		if !slices.Contains(registered, scope) {
			return nil, InvalidScope.Because("the client is not registered for the scope " + scope)
		}
	}
	return words, nil
}

// Resources says what tokens are good for. It is safe for concurrent use.
type Resources struct {
	Issuer  string          // the audience of a token for no service, but for this server's userinfo
	Catalog *client.Catalog // the resource services, and which scopes belong to each
}

// Of is the resource services that some of these scopes belong to. Scopes about a person (OIDC Core
// §5.4, §11) belong to none.
func (r *Resources) Of(scope ...string) []string { return client.AudienceOf(r.Catalog.All(), scope) }

// Known are those of the scopes that there are: about a person, or of a resource. A resource may have
// been removed after somebody granted its scope, or registered a client for it.
func (r *Resources) Known(scope []string) []string { return client.KnownScopes(r.Catalog.All(), scope) }

// Names are the short names of the resources with these identifiers.
func (r *Resources) Names(audience []string) []string {
	var names []string
	for _, one := range r.Catalog.All() {
		if slices.Contains(audience, one.ID) {
			names = append(names, one.Name)
		}
	}
	return names
}

// Apart keeps tokens for reserved resources apart: any service of a token's audience could use it at
// the others, so a token for the server's administration is for nothing else. It leaves reserved
// resources out of an audience of several, and out of the scope what belongs to those that are not in
// the audience. Who wants such a token names its resource (RFC 8707).
func (r *Resources) Apart(scope, audience []string) (apartScope, apartAudience []string) {
	for _, one := range r.Catalog.All() {
		if !one.Reserved {
			continue
		}
		if len(audience) > 1 {
			audience = Without(audience, []string{one.ID})
		}
		if !slices.Contains(audience, one.ID) {
			scope = Without(Without(scope, one.Scopes), one.OwnScopes)
		}
	}
	return scope, audience
}

// Audience is the audience of a token with these scopes: see Of. If it is for no service, it is for
// this server's userinfo.
func (r *Resources) Audience(scope []string) []string {
	if found := r.Of(scope...); len(found) > 0 {
		return found
	}
	return []string{r.Issuer}
}

// Narrow is the audience of a token with these scopes, narrowed to the resources asked for (RFC
// 8707 §2).
func (r *Resources) Narrow(scope, resources []string) ([]string, error) {
	audience := r.Audience(scope)
	if len(resources) == 0 {
		return audience, nil
	}
	for _, resource := range resources {
		if !slices.Contains(audience, resource) {
			return nil, InvalidTarget.Because("the resource " + resource + " is unknown, or no scope of the request belongs to it")
		}
		if len(resources) > 1 && slices.ContainsFunc(r.Catalog.All(), func(one client.Resource) bool { return one.ID == resource && one.Reserved }) {
			return nil, InvalidTarget.Because("a token for the resource " + resource + " is for nothing else; ask for it alone")
		}
	}
	return Intersect(audience, resources), nil
}
