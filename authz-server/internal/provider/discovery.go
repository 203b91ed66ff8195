package provider

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/authorize"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/internal/httpd"
)

// metadata is what both discovery documents say (OIDC Discovery §3, RFC 8414 §2). It is made from
// the same values that the endpoints check requests by, so that it cannot announce what does
// not work.
type metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	PAREndpoint           string `json:"pushed_authorization_request_endpoint"`
	UserinfoEndpoint      string `json:"userinfo_endpoint"`
	JWKSURI               string `json:"jwks_uri"`
	EndSessionEndpoint    string `json:"end_session_endpoint"`
	CheckSessionIframe    string `json:"check_session_iframe"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
	DeviceEndpoint        string `json:"device_authorization_endpoint"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`
	PolicyURI             string `json:"op_policy_uri,omitempty"`
	TermsURI              string `json:"op_tos_uri,omitempty"`

	ScopesSupported               []string `json:"scopes_supported"`
	ClaimsSupported               []string `json:"claims_supported"`
	ResponseTypesSupported        []string `json:"response_types_supported"`
	ResponseModesSupported        []string `json:"response_modes_supported"`
	GrantTypesSupported           []string `json:"grant_types_supported"`
	SubjectTypesSupported         []string `json:"subject_types_supported"`
	ACRValuesSupported            []string `json:"acr_values_supported"`
	PromptValuesSupported         []string `json:"prompt_values_supported"`
	DisplayValuesSupported        []string `json:"display_values_supported"`
	ClaimTypesSupported           []string `json:"claim_types_supported"`
	UILocalesSupported            []string `json:"ui_locales_supported"`
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`

	AuthMethodsSupported              []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgsSupported                 []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgsSupported       []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgsSupported    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`

	IDTokenAlgsSupported       []string `json:"id_token_signing_alg_values_supported"`
	UserinfoAlgsSupported      []string `json:"userinfo_signing_alg_values_supported"`
	AuthorizationAlgsSupported []string `json:"authorization_signing_alg_values_supported"`
	RequestObjectAlgsSupported []string `json:"request_object_signing_alg_values_supported"`
	DPoPAlgsSupported          []string `json:"dpop_signing_alg_values_supported"`
	IntrospectionAlgsSupported []string `json:"introspection_signing_alg_values_supported"`

	ClaimsParameterSupported     bool   `json:"claims_parameter_supported"`
	RequestParameterSupported    bool   `json:"request_parameter_supported"`
	RequestURIParameterSupported bool   `json:"request_uri_parameter_supported"`
	RequireRequestURIs           bool   `json:"require_request_uri_registration"`
	RequirePAR                   bool   `json:"require_pushed_authorization_requests"`
	RequireSignedRequests        bool   `json:"require_signed_request_object"`
	IssParameterSupported        bool   `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogout            bool   `json:"backchannel_logout_supported"`
	BackchannelLogoutSession     bool   `json:"backchannel_logout_session_supported"`
	FrontchannelLogout           bool   `json:"frontchannel_logout_supported"`
	FrontchannelLogoutSession    bool   `json:"frontchannel_logout_session_supported"`
	StatusLists                  string `json:"status_list_aggregation_endpoint"`                // draft-ietf-oauth-status-list-21 §9.1
	ClientDocumentsSupported     bool   `json:"client_id_metadata_document_supported,omitempty"` // draft-ietf-oauth-client-id-metadata-document §6
}

func newMetadata(cfg Config, at issuer.URL) metadata {
	claims := []string{"iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "c_hash"}
	for _, scope := range []string{"profile", "email", "address", "phone"} {
		claims = append(claims, consent.ScopeClaims[scope]...)
	}
	registration := ""
	if cfg.Registration.Offered() {
		registration = at.URL("/oauth2/register")
	}
	prompts := authorize.PromptValues
	if !cfg.People.Policy.Offered() { // a request with it leads to a page that says so, and to the log-in
		prompts = oauth.Without(prompts, []string{"create"})
	}
	return metadata{
		Issuer:                cfg.Issuer,
		AuthorizationEndpoint: at.URL("/oauth2/authorize"),
		TokenEndpoint:         at.URL("/oauth2/token"),
		PAREndpoint:           at.URL("/oauth2/par"),
		UserinfoEndpoint:      at.URL("/oauth2/userinfo"),
		JWKSURI:               at.URL("/.well-known/jwks.json"),
		EndSessionEndpoint:    at.URL("/oauth2/logout"),
		CheckSessionIframe:    at.URL("/oauth2/check_session"),
		RevocationEndpoint:    at.URL("/oauth2/revoke"),
		IntrospectionEndpoint: at.URL("/oauth2/introspect"),
		DeviceEndpoint:        at.URL("/oauth2/device_authorization"),
		RegistrationEndpoint:  registration,
		PolicyURI:             cfg.People.Policy.Terms.Privacy,
		TermsURI:              cfg.People.Policy.Terms.URL,

		ClaimsSupported:               claims,
		ResponseTypesSupported:        client.ResponseTypes(cfg.InsecureLegacyResponseTypes),
		ResponseModesSupported:        authorize.ResponseModes,
		GrantTypesSupported:           client.GrantTypes(cfg.InsecureLegacyResponseTypes),
		SubjectTypesSupported:         client.SubjectTypes,
		ACRValuesSupported:            proofs.ACRValues,
		PromptValuesSupported:         prompts,
		DisplayValuesSupported:        []string{"page", "popup"},
		ClaimTypesSupported:           []string{"normal"},
		UILocalesSupported:            cfg.Pages.Languages(),
		CodeChallengeMethodsSupported: []string{"S256"},

		AuthMethodsSupported:              client.AuthMethods,
		AuthAlgsSupported:                 client.Algorithms,
		RevocationAuthMethodsSupported:    client.AuthMethods,
		RevocationAuthAlgsSupported:       client.Algorithms,
		IntrospectionAuthMethodsSupported: oauth.Without(client.AuthMethods, []string{client.AuthNone}),
		IntrospectionAuthAlgsSupported:    client.Algorithms,

		IDTokenAlgsSupported:       client.Algorithms,
		UserinfoAlgsSupported:      client.Algorithms,
		AuthorizationAlgsSupported: client.Algorithms,
		RequestObjectAlgsSupported: client.Algorithms,
		DPoPAlgsSupported:          client.Algorithms,
		IntrospectionAlgsSupported: client.Algorithms,

		ClaimsParameterSupported:     true,
		RequestParameterSupported:    true,
		RequestURIParameterSupported: true,
		RequireRequestURIs:           true,
		IssParameterSupported:        true,
		BackchannelLogout:            true,
		BackchannelLogoutSession:     true,
		FrontchannelLogout:           true,
		FrontchannelLogoutSession:    true,
		StatusLists:                  at.URL(statusPath),
		ClientDocumentsSupported:     cfg.Clients.MetadataDocuments(),
	}
}

// metadataAge is how long others may keep the metadata.
const metadataAge = 5 * time.Minute

// serveMetadata answers both discovery addresses.
func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	present := p.metadata
	present.ScopesSupported = client.Scopes(p.Catalog.resources.All())
	text, err := json.Marshal(present)
	if err != nil {
		p.common.Error(w, r, err)
		return
	}
	httpd.ServeJSON(w, r, text, metadataAge)
}
