package client

import (
	"slices"
	"strings"
)

// maxAge is the longest default_max_age, in seconds: 20 years.
const maxAge = 20 * 365 * 24 * 3600

// checkAlgorithms refuses algorithms that the server does not have. It never has none, which OpenID
// Connect Core 1.0 §2 allows and RFC 8725 §3.2 advises against.
func (c *Client) checkAlgorithms(Policy) *Error {
	known := c.Algorithms()
	for _, one := range []struct{ field, alg string }{
		{"id_token_signed_response_alg", c.IDTokenSignedResponseAlg},
		{"userinfo_signed_response_alg", c.UserinfoSignedResponseAlg},
		{"authorization_signed_response_alg", c.AuthorizationSignedResponseAlg},
		{"introspection_signed_response_alg", c.IntrospectionSignedResponseAlg},
		{"token_endpoint_auth_signing_alg", c.TokenEndpointAuthSigningAlg},
		{"request_object_signing_alg", c.RequestObjectSigningAlg},
	} {
		if one.alg != "" && !slices.Contains(known, one.alg) {
			return metadataError(one.field, "must be one of %s", strings.Join(known, ", "))
		}
	}
	return nil
}

// checkKeys checks where the client's own keys are.
func (c *Client) checkKeys(policy Policy) *Error {
	if len(c.JWKS) > 0 && c.JWKSURI != "" { // RFC 7591 §2
		return metadataError("jwks", "must not be there beside jwks_uri: choose one")
	}
	if len(c.JWKS) > 0 {
		keys, problem := parseKeys(c.JWKS)
		if problem != "" {
			return metadataError("jwks", "%s", problem)
		}
		if len(keys) == 0 {
			return metadataError("jwks", "must hold a key that this server can use: RSA of 2048 to 8192 bits, EC on P-256, or Ed25519")
		}
	}
	if c.JWKSURI != "" {
		if problem := checkServerURI(c.JWKSURI, policy.InsecureLoopback); problem != "" {
			return metadataError("jwks_uri", "%s", problem)
		}
	}
	if len(c.JWKS) == 0 && c.JWKSURI == "" {
		switch {
		case c.TokenEndpointAuthMethod == AuthPrivateKeyJWT:
			return metadataError("jwks", "or jwks_uri must be there for token_endpoint_auth_method private_key_jwt")
		case c.RequireSignedRequestObject:
			return metadataError("jwks", "or jwks_uri must be there for require_signed_request_object")
		}
	}
	return nil
}

// checkRequests checks what the client says about its authorization requests.
func (c *Client) checkRequests(policy Policy) *Error {
	if len(c.RequestURIs) > maxURIs {
		return metadataError("request_uris", "may hold at most %d URIs", maxURIs)
	}
	for i, uri := range c.RequestURIs {
		// OpenID Connect Registration 1.0 §2: the fragment is a hash of the content.
		address, fragment, found := strings.Cut(uri, "#")
		if problem := checkServerURI(address, policy.InsecureLoopback); problem != "" {
			return metadataError("request_uris", "number %d %s", i+1, problem)
		}
		if problem := checkCharacters(uri); problem != "" || found && strings.Contains(fragment, "#") {
			return metadataError("request_uris", "number %d must have at most one fragment, of the characters of a URI (RFC 3986)", i+1)
		}
		if slices.Contains(c.RequestURIs[:i], uri) {
			return metadataError("request_uris", "number %d is there twice", i+1)
		}
	}
	if c.DefaultMaxAge != nil && (*c.DefaultMaxAge < 0 || *c.DefaultMaxAge > maxAge) {
		return metadataError("default_max_age", "must be 0 to %d seconds", int64(maxAge))
	}
	if c.InitiateLoginURI != "" {
		if problem := checkServerURI(c.InitiateLoginURI, false); problem != "" {
			return metadataError("initiate_login_uri", "%s", problem)
		}
	}
	return nil
}

// checkSubject checks what pairwise subjects need (OpenID Connect Core 1.0 §8.1). It does not fetch
// the document at sector_identifier_uri, which must name the redirect URIs.
func (c *Client) checkSubject(policy Policy) *Error {
	if c.SubjectType != "" && !slices.Contains(SubjectTypes, c.SubjectType) {
		return metadataError("subject_type", "must be %s", strings.Join(SubjectTypes, " or "))
	}
	if c.SectorIdentifierURI != "" {
		if problem := checkServerURI(c.SectorIdentifierURI, policy.InsecureLoopback); problem != "" {
			return metadataError("sector_identifier_uri", "%s", problem)
		}
	}
	if c.SubjectType == SubjectPairwise && c.Sector() == "" {
		return metadataError("sector_identifier_uri", "must be there for pairwise subjects, unless all redirect URIs have the same host")
	}
	if c.SubjectType == SubjectPairwise && c.HasGrantType(DeviceCode) {
		// Answers that go only to redirect URIs keep a client out of another's sector. A device
		// gets its ID token wherever it is.
		return metadataError("subject_type", "must be public beside the grant type %s, for which no redirect URI proves the sector", DeviceCode)
	}
	return nil
}

// checkLogout checks where the client is told of log-outs (OpenID Connect Back-Channel Logout 1.0
// §2.2, Front-Channel Logout 1.0 §2).
func (c *Client) checkLogout(policy Policy) *Error {
	if c.BackchannelLogoutURI != "" {
		if problem := checkServerURI(c.BackchannelLogoutURI, policy.InsecureLoopback); problem != "" {
			return metadataError("backchannel_logout_uri", "%s", problem)
		}
	}
	if c.FrontchannelLogoutURI == "" {
		return nil
	}
	if problem := checkServerURI(c.FrontchannelLogoutURI, policy.InsecureLoopback); problem != "" {
		return metadataError("frontchannel_logout_uri", "%s", problem)
	}
	if !slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return origin(uri) == origin(c.FrontchannelLogoutURI) }) {
		return metadataError("frontchannel_logout_uri", "must have the scheme, host and port of one of the redirect_uris")
	}
	return nil
}

// checkProfile refuses what FAPI 2.0 Security Profile §5.3 forbids and [Client.profileDefaults]
// does not set. [Client.checkAlgorithms] does so for algorithms.
func (c *Client) checkProfile(Policy) *Error {
	switch {
	case c.Profile == "":
		return nil
	case c.Profile != ProfileFAPI2:
		return metadataError("profile", "must be fapi2, or be left out")
	case c.TokenEndpointAuthMethod != AuthPrivateKeyJWT:
		return metadataError("token_endpoint_auth_method", "must be private_key_jwt for the profile fapi2")
	case c.HasGrantType(Implicit) || c.HasGrantType(DeviceCode):
		return metadataError("grant_types", "may hold authorization_code, refresh_token, client_credentials and %s for the profile fapi2", TokenExchange)
	}
	for i, uri := range c.RedirectURIs {
		if !strings.HasPrefix(uri, "https:") {
			return redirectError("redirect_uris", "number %d must be https for the profile fapi2", i+1)
		}
	}
	return nil
}
