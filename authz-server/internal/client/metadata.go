package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// A Member is a row of the table of client metadata, [Members].
type Member struct {
	Name        string // in JSON
	Option      string // of 'client create' and 'client update', without its dashes; empty: there is none
	Value       string // what --help calls the option's value; empty: its type
	Help        string // what --help says of the option
	Operator    bool   // only an operator can give it
	Localizable bool   // people see it; it can be there in other languages (RFC 7591 §2.2)

	field func(c *Client) any // *string, *[]string, *bool, **int64 or *json.RawMessage
}

// Members is everything that a client's metadata can have, in the order in which it is written. The
// JSON form, the options of the command line, and what a client cannot give itself follow from it.
// To add a member, add it here and check it in [Client.Check]. Treat Members as a constant.
var Members = []Member{
	{Name: "client_id", field: func(c *Client) any { return &c.ID }},
	{Name: "client_name", field: func(c *Client) any { return &c.Name }, Localizable: true,
		Option: "name", Help: "The name that people see."},
	{Name: "redirect_uris", field: func(c *Client) any { return &c.RedirectURIs },
		Option: "redirect-uri", Value: "URI", Help: "Where codes may be sent. Can be repeated."},
	{Name: "post_logout_redirect_uris", field: func(c *Client) any { return &c.PostLogoutRedirectURIs },
		Option: "post-logout-redirect-uri", Value: "URI", Help: "Where people may be sent after they log out. Can be repeated."},
	{Name: "grant_types", field: func(c *Client) any { return &c.GrantTypes },
		Option: "grant-type", Value: "TYPE", Help: "How it gets tokens: " + strings.Join(GrantTypes(false), ", ") + ". Can be repeated. Default: " + AuthorizationCode + "."},
	{Name: "response_types", field: func(c *Client) any { return &c.ResponseTypes }},
	{Name: "scope", field: func(c *Client) any { return &c.Scope },
		Option: "scope", Help: "What it may ask for: words separated by spaces. Default for a client for people: \"openid profile email\"."},
	{Name: "token_endpoint_auth_method", field: func(c *Client) any { return &c.TokenEndpointAuthMethod },
		Option: "auth-method", Value: "METHOD", Help: "How it authenticates: " + strings.Join(AuthMethods, ", ") + "."},
	{Name: "application_type", field: func(c *Client) any { return &c.ApplicationType },
		Option: "application-type", Value: "TYPE", Help: strings.Join(applicationTypes, " or ") + "."},
	{Name: "client_uri", field: func(c *Client) any { return &c.ClientURI }, Localizable: true,
		Option: "client-uri", Value: "URL", Help: "Its home page."},
	{Name: "logo_uri", field: func(c *Client) any { return &c.LogoURI }, Localizable: true,
		Option: "logo-uri", Value: "URL", Help: "Its logo."},
	{Name: "policy_uri", field: func(c *Client) any { return &c.PolicyURI }, Localizable: true,
		Option: "policy-uri", Value: "URL", Help: "Its privacy policy."},
	{Name: "tos_uri", field: func(c *Client) any { return &c.TermsURI }, Localizable: true,
		Option: "tos-uri", Value: "URL", Help: "Its terms of service."},
	{Name: "contacts", field: func(c *Client) any { return &c.Contacts },
		Option: "contact", Value: "ADDRESS", Help: "A mail address of those responsible for it. Can be repeated."},
	{Name: "software_id", field: func(c *Client) any { return &c.SoftwareID }},
	{Name: "software_version", field: func(c *Client) any { return &c.SoftwareVersion }},
	{Name: "trusted", field: func(c *Client) any { return &c.Trusted }, Operator: true,
		Option: "trusted", Help: "It is yours: people are not asked for consent."},
	{Name: "require_pkce", field: func(c *Client) any { return &c.RequirePKCE },
		Option: "require-pkce", Help: "Refuse authorization requests without PKCE. On for new clients."},
	{Name: "id_token_claims", field: func(c *Client) any { return &c.IDTokenClaims }, Operator: true,
		Option: "id-token-claims", Help: "id_token_claims: put the claims of the granted scope, such as name and email, into ID tokens too, and not only at userinfo. On for new clients without --profile fapi2."},
	{Name: "audiences", field: func(c *Client) any { return &c.Audiences }, Operator: true,
		Option: "audience", Value: "URL", Help: "A resource that it serves, by its identifier: it may introspect tokens for it. Can be repeated."},
	{Name: "id_token_signed_response_alg", field: func(c *Client) any { return &c.IDTokenSignedResponseAlg },
		Option: "id-token-alg", Value: "ALG", Help: "What signs its ID tokens: " + strings.Join(Algorithms, ", ") + "."},
	{Name: "userinfo_signed_response_alg", field: func(c *Client) any { return &c.UserinfoSignedResponseAlg }},
	{Name: "authorization_signed_response_alg", field: func(c *Client) any { return &c.AuthorizationSignedResponseAlg }},
	{Name: "introspection_signed_response_alg", field: func(c *Client) any { return &c.IntrospectionSignedResponseAlg }},
	{Name: "token_endpoint_auth_signing_alg", field: func(c *Client) any { return &c.TokenEndpointAuthSigningAlg }},
	{Name: "request_object_signing_alg", field: func(c *Client) any { return &c.RequestObjectSigningAlg }},
	{Name: "jwks", field: func(c *Client) any { return &c.JWKS }},
	{Name: "jwks_uri", field: func(c *Client) any { return &c.JWKSURI },
		Option: "jwks-uri", Value: "URL", Help: "Where the public keys are that it signs with."},
	{Name: "request_uris", field: func(c *Client) any { return &c.RequestURIs }},
	{Name: "subject_type", field: func(c *Client) any { return &c.SubjectType },
		Option: "subject-type", Value: "TYPE", Help: strings.Join(SubjectTypes, " or ") + ": whether it knows people by the same sub as other clients do, or by one of its own."},
	{Name: "sector_identifier_uri", field: func(c *Client) any { return &c.SectorIdentifierURI }},
	{Name: "default_max_age", field: func(c *Client) any { return &c.DefaultMaxAge }},
	{Name: "require_auth_time", field: func(c *Client) any { return &c.RequireAuthTime }},
	{Name: "initiate_login_uri", field: func(c *Client) any { return &c.InitiateLoginURI },
		Option: "initiate-login-uri", Value: "URL", Help: "Where others can have it begin a log-in."},
	{Name: "backchannel_logout_uri", field: func(c *Client) any { return &c.BackchannelLogoutURI },
		Option: "backchannel-logout-uri", Value: "URL", Help: "Where the server tells it of log-outs."},
	{Name: "backchannel_logout_session_required", field: func(c *Client) any { return &c.BackchannelLogoutSessionRequired }},
	{Name: "frontchannel_logout_uri", field: func(c *Client) any { return &c.FrontchannelLogoutURI },
		Option: "frontchannel-logout-uri", Value: "URL", Help: "What browsers load to tell it of log-outs."},
	{Name: "frontchannel_logout_session_required", field: func(c *Client) any { return &c.FrontchannelLogoutSessionRequired }},
	{Name: "require_pushed_authorization_requests", field: func(c *Client) any { return &c.RequirePAR },
		Option: "require-par", Help: "Refuse authorization requests that were not pushed."},
	{Name: "require_signed_request_object", field: func(c *Client) any { return &c.RequireSignedRequestObject }},
	{Name: "dpop_bound_access_tokens", field: func(c *Client) any { return &c.DPoPBound },
		Option: "dpop-bound", Help: "Give it no token without a DPoP proof."},
	{Name: "profile", field: func(c *Client) any { return &c.Profile },
		Option: "profile", Value: "NAME", Help: ProfileFAPI2 + ": hold it to the FAPI 2.0 Security Profile."},
	{Name: "token_exchange_audiences", field: func(c *Client) any { return &c.TokenExchangeAudiences }, Operator: true,
		Option: "token-exchange-audience", Value: "URL", Help: "A resource that it may exchange people's tokens for, by its identifier. Can be repeated."},
}

// A Kind is the type of a member's value.
type Kind string

// The kinds of members, as they are called in errors.
const (
	Text   Kind = "a string"
	List   Kind = "an array of strings"
	Switch Kind = "true or false"
	Number Kind = "a whole number"
	Object Kind = "a JSON object"
)

// Kind is the type of m's value.
func (m Member) Kind() Kind {
	switch m.field(new(Client)).(type) {
	case *[]string:
		return List
	case *bool:
		return Switch
	case **int64:
		return Number
	case *json.RawMessage:
		return Object
	}
	return Text
}

// empty tells whether c has no value for m: a member that is not written.
func (m Member) empty(c *Client) bool {
	switch value := m.field(c).(type) {
	case *string:
		return *value == ""
	case *[]string:
		return len(*value) == 0
	case *bool:
		return !*value
	case **int64:
		return *value == nil
	case *json.RawMessage:
		return len(*value) == 0
	default:
		panic(fmt.Sprintf("the member %s is a %T", m.Name, value))
	}
}

// clear takes m's value from c.
func (m Member) clear(c *Client) {
	switch value := m.field(c).(type) {
	case *string:
		*value = ""
	case *[]string:
		*value = nil
	case *bool:
		*value = false
	case **int64:
		*value = nil
	case *json.RawMessage:
		*value = nil
	}
}

// localizable tells whether the member of a name can have language tags.
func localizable(name string) bool {
	return slices.ContainsFunc(Members, func(m Member) bool { return m.Localizable && m.Name == name })
}

// A Patch has new values for some members, by the members' names: a string, []string, bool, *int64 or
// json.RawMessage, depending on the member's [Kind]. An empty value removes a member. A name with a
// language tag, such as "client_name#ko", has a string.
type Patch map[string]any

// ReadPatch reads a patch from a JSON Merge Patch (RFC 7396) of the metadata: null removes a member.
// It checks only names and the types of values; the error is an [*Error].
func ReadPatch(data []byte) (Patch, error) {
	var raw map[string]json.RawMessage
	if err := jose.UnmarshalExact(data, &raw); err != nil || raw == nil {
		return nil, &Error{Code: InvalidMetadata, Description: "must be a JSON object"}
	}
	p := Patch{}
	for _, m := range Members {
		value, there := raw[m.Name]
		if !there {
			continue
		}
		delete(raw, m.Name)
		var c Client
		if string(value) != "null" {
			if err := m.decode(&c, value); err != nil {
				return nil, err
			}
		}
		switch field := m.field(&c).(type) {
		case *string:
			p[m.Name] = *field
		case *[]string:
			p[m.Name] = *field
		case *bool:
			p[m.Name] = *field
		case **int64:
			p[m.Name] = *field
		case *json.RawMessage:
			p[m.Name] = *field
		}
	}
	for name, value := range raw {
		base, _, tagged := strings.Cut(name, "#")
		var text string
		switch {
		case !tagged || !localizable(base):
			return nil, metadataError(name, "is no member that this server knows")
		case json.Unmarshal(value, &text) != nil:
			return nil, metadataError(name, "must be a string")
		}
		p[name] = text
	}
	return p, nil
}

// Apply changes c by p. If p names the grant types and not the response types, the response types
// follow from the new grant types.
func (p Patch) Apply(c *Client) {
	for _, m := range Members {
		value, named := p[m.Name]
		if !named {
			continue
		}
		switch field := m.field(c).(type) {
		case *string:
			*field = value.(string)
		case *[]string:
			*field = value.([]string)
		case *bool:
			*field = value.(bool)
		case **int64:
			*field = value.(*int64)
		case *json.RawMessage:
			*field = value.(json.RawMessage)
		}
	}
	p.localize(c)
	if p.Names("grant_types") && !p.Names("response_types") {
		c.ResponseTypes = nil
	}
}

// localize changes the members of c that are in other languages. Copies of c share none of it.
func (p Patch) localize(c *Client) {
	localized := maps.Clone(c.Localized)
	for name, value := range p {
		if !strings.Contains(name, "#") {
			continue
		}
		if localized == nil {
			localized = map[string]string{}
		}
		localized[name] = value.(string)
		if value == "" {
			delete(localized, name)
		}
	}
	c.Localized = localized
}

// Changed names the members that differ between two states of a client, in the order of [Members].
func Changed(before, after Client) (names []string) {
	for _, m := range Members {
		one, other := m.field(&before), m.field(&after)
		if !reflect.DeepEqual(one, other) && !(m.empty(&before) && m.empty(&after)) {
			names = append(names, m.Name)
		}
	}
	if !maps.Equal(before.Localized, after.Localized) {
		names = append(names, "names in other languages")
	}
	return names
}

// Names tells whether p has a value for a member, be it an empty one.
func (p Patch) Names(member string) bool {
	_, named := p[member]
	return named
}

// MarshalJSON writes the metadata; members without a value are left out.
func (c Client) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	add := func(name string, value any) error {
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), raw...)
		return nil
	}
	for _, m := range Members {
		if !m.empty(&c) {
			if err := add(m.Name, m.field(&c)); err != nil {
				return nil, err
			}
		}
		if !m.Localizable {
			continue
		}
		for _, name := range sortedKeys(c.Localized) {
			if base, _, _ := strings.Cut(name, "#"); base == m.Name {
				if err := add(name, c.Localized[name]); err != nil {
					return nil, err
				}
			}
		}
	}
	return append(out, '}'), nil
}

// JSONWith is the JSON form of c, followed by the members of more, a JSON object: what registration
// says besides the metadata (RFC 7591 §3.2.1).
func (c Client) JSONWith(more any) (json.RawMessage, error) {
	own, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(more)
	if err != nil || len(rest) <= len("{}") {
		return own, err
	}
	return append(append(own[:len(own)-1], ','), rest[1:]...), nil
}

// UnmarshalJSON reads metadata, and ignores members that it does not know (RFC 7591 §2). See
// [Decode].
func (c *Client) UnmarshalJSON(data []byte) error {
	decoded, _, err := Decode(data)
	if err != nil {
		return err
	}
	*c = decoded
	return nil
}

// Decode reads metadata. It returns separately the members that it does not know, which a server
// ignores (RFC 7591 §2) and the command line refuses. Names are compared exactly. It checks only
// the types of values; the error is an [*Error].
func Decode(data []byte) (c Client, unknown map[string]json.RawMessage, err error) {
	var raw map[string]json.RawMessage
	if err := jose.UnmarshalExact(data, &raw); err != nil {
		return Client{}, nil, &Error{Code: InvalidMetadata, Description: "must be a JSON object: " + err.Error()}
	}
	if raw == nil {
		return Client{}, nil, &Error{Code: InvalidMetadata, Description: "must be a JSON object"}
	}
	for _, m := range Members {
		value, there := raw[m.Name]
		if !there {
			continue
		}
		delete(raw, m.Name)
		if err := m.decode(&c, value); err != nil {
			return Client{}, nil, err
		}
	}
	for name, value := range raw {
		base, _, tagged := strings.Cut(name, "#")
		if !tagged || !localizable(base) {
			continue
		}
		delete(raw, name)
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return Client{}, nil, metadataError(name, "must be a string")
		}
		if c.Localized == nil {
			c.Localized = map[string]string{}
		}
		c.Localized[name] = text
	}
	return c, raw, nil
}

// decode reads m's value into c.
func (m Member) decode(c *Client, value json.RawMessage) error {
	field := m.field(c)
	if json.Unmarshal(value, field) != nil {
		return metadataError(m.Name, "must be %s", m.Kind())
	}
	if text, ok := field.(*json.RawMessage); ok {
		switch {
		case string(value) == "null":
			*text = nil
		case value[0] != '{':
			return metadataError(m.Name, "must be %s", m.Kind())
		}
	}
	return nil
}
