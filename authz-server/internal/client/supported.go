package client

// What clients can be registered for. [Client.Check], discovery, the endpoints and --help are all
// made from the lists in this file.

// Grant types that a client can be registered for (RFC 7591 §2).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	ClientCredentials = "client_credentials"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628
	TokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693
	Implicit          = "implicit"                                        // with [Policy.LegacyResponseTypes] alone
)

// Ways to authenticate at the token endpoint (RFC 7591 §2).
const (
	AuthBasic         = "client_secret_basic"
	AuthPost          = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt" // RFC 7523 §2.2, OpenID Connect Core 1.0 §9
	AuthNone          = "none"            // a public client, which keeps no secret
)

// GrantTypes returns all grant types that a server supports, which depends on
// [Policy.LegacyResponseTypes].
func GrantTypes(legacy bool) []string {
	all := []string{AuthorizationCode, RefreshToken, ClientCredentials, DeviceCode, TokenExchange}
	if legacy {
		all = append(all, Implicit)
	}
	return all
}

// AuthMethods are all ways to authenticate. client_secret_jwt is not among them: it needs secrets
// that the server can read. Treat AuthMethods as a constant.
var AuthMethods = []string{AuthBasic, AuthPost, AuthPrivateKeyJWT, AuthNone}

// ResponseTypes returns all response types that a server supports (OAuth 2.0 Multiple Response Type
// Encoding Practices), their words sorted. It depends on [Policy.LegacyResponseTypes].
func ResponseTypes(legacy bool) []string {
	if !legacy {
		return []string{"code"}
	}
	return []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
}

// Subject types: by which sub a client knows people (OpenID Connect Core 1.0 §8).
const (
	SubjectPublic   = "public"   // by the same as other clients
	SubjectPairwise = "pairwise" // by one that only its sector has
)

// SubjectTypes are all of them. Treat it as a constant.
var SubjectTypes = []string{SubjectPublic, SubjectPairwise}

// Application types (OpenID Connect Registration 1.0 §2).
const (
	ApplicationWeb    = "web"
	ApplicationNative = "native"
)

var applicationTypes = []string{ApplicationWeb, ApplicationNative}
