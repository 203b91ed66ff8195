package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// metadata is what both discovery documents say (OIDC Discovery §3, RFC 8414 §2). It is made from the same values that
// the endpoints check requests by, so that it cannot announce what is not there.
type metadata struct {
	Issuer                            string   `json:"issuer"`
	AuthorizationEndpoint             string   `json:"authorization_endpoint"`
	TokenEndpoint                     string   `json:"token_endpoint"`
	UserinfoEndpoint                  string   `json:"userinfo_endpoint"`
	JWKSURI                           string   `json:"jwks_uri"`
	EndSessionEndpoint                string   `json:"end_session_endpoint"`
	RevocationEndpoint                string   `json:"revocation_endpoint"`
	IntrospectionEndpoint             string   `json:"introspection_endpoint"`
	ScopesSupported                   []string `json:"scopes_supported"`
	ResponseTypesSupported            []string `json:"response_types_supported"`
	ResponseModesSupported            []string `json:"response_modes_supported"`
	GrantTypesSupported               []string `json:"grant_types_supported"`
	SubjectTypesSupported             []string `json:"subject_types_supported"`
	IDTokenSigningAlgValuesSupported  []string `json:"id_token_signing_alg_values_supported"`
	TokenEndpointAuthMethodsSupported []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported"`
	CodeChallengeMethodsSupported     []string `json:"code_challenge_methods_supported"`
	ClaimsSupported                   []string `json:"claims_supported"`
	PromptValuesSupported             []string `json:"prompt_values_supported"`
	UILocalesSupported                []string `json:"ui_locales_supported"`
	ClaimsParameterSupported          bool     `json:"claims_parameter_supported"`
	RequestParameterSupported         bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported      bool     `json:"request_uri_parameter_supported"`
	IssParameterSupported             bool     `json:"authorization_response_iss_parameter_supported"`
}

func (s *Server) newMetadata() metadata {
	return metadata{
		Issuer:                            s.issuer,
		AuthorizationEndpoint:             s.issuer + "/oauth2/authorize",
		TokenEndpoint:                     s.issuer + "/oauth2/token",
		UserinfoEndpoint:                  s.issuer + "/oauth2/userinfo",
		JWKSURI:                           s.issuer + "/.well-known/jwks.json",
		EndSessionEndpoint:                s.issuer + "/oauth2/logout",
		RevocationEndpoint:                s.issuer + "/oauth2/revoke",
		IntrospectionEndpoint:             s.issuer + "/oauth2/introspect",
		ScopesSupported:                   client.Scopes(s.resources),
		ResponseTypesSupported:            s.responseTypes(),
		ResponseModesSupported:            responseModes,
		GrantTypesSupported:               grantTypes,
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{"RS256"},
		TokenEndpointAuthMethodsSupported: authMethods,
		RevocationAuthMethodsSupported:    authMethods,
		IntrospectionAuthMethodsSupported: methodsWithout("none"),
		CodeChallengeMethodsSupported:     []string{"S256"},
		ClaimsSupported: []string{"iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
			"name", "locale", "updated_at", "email", "email_verified"},
		PromptValuesSupported: promptValues,
		UILocalesSupported:    []string{"en", "ko"},
		IssParameterSupported: true,
	}
}

// serveMetadata answers both discovery addresses.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	text, err := json.Marshal(s.metadata)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	sum := sha256.Sum256(text)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/json")
	w.Write(text) //nolint:errcheck // nobody is left to tell
}
