package provider

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks"
)

// claimsRequest is the parameter "claims" (OIDC Core §5.5).
type claimsRequest struct {
	Userinfo map[string]*claimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]*claimRequest `json:"id_token,omitempty"`
}

// claimRequest is what is said of one claim; null: nothing (§5.5.1).
type claimRequest struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// allows tells whether value is one of those asked for.
func (c *claimRequest) allows(value string) bool {
	if c == nil || (c.Value == nil && c.Values == nil) {
		return true
	}
	text, err := json.Marshal(value)
	return err == nil && (bytes.Equal(c.Value, text) || slices.ContainsFunc(c.Values, func(one json.RawMessage) bool { return bytes.Equal(one, text) }))
}

// checkClaimsRequest refuses what the person logged in cannot answer: another subject, or an essential acr that is not theirs (§5.5.1, §5.5.1.1).
func (s *Server) checkClaimsRequest(a *authorization, current *login.Session) error {
	subject := s.subject(&a.Client, current.UserID)
	if !a.Claims.IDToken["sub"].allows(subject) || !a.Claims.Userinfo["sub"].allows(subject) {
		return refuse(fosite.ErrLoginRequired, "another person than the one that the claims parameter names is logged in")
	}
	if acr := a.Claims.IDToken["acr"]; acr != nil && acr.Essential && !acr.allows(current.ACR) {
		return refuse(errUnmetRequirements, "the log-in cannot reach the acr that the claims parameter calls essential")
	}
	return nil
}

// errUnmetRequirements is of OpenID Connect Core Error Code unmet_authentication_requirements 1.0.
var errUnmetRequirements = &fosite.RFC6749Error{ErrorField: "unmet_authentication_requirements", CodeField: 400}

// only is the request without what the person was asked for and did not grant. null stays null: nothing is said of the claim.
func (c claimsRequest) only(granted []string) claimsRequest {
	covered := func(asked map[string]*claimRequest) map[string]*claimRequest {
		asked = maps.Clone(asked)
		maps.DeleteFunc(asked, func(name string, _ *claimRequest) bool { return !consent.Covers(granted, name) })
		return asked
	}
	return claimsRequest{Userinfo: covered(c.Userinfo), IDToken: covered(c.IDToken)}
}

// claimsAbout are the claims about a person that scopes and single requests ask for. One without a value is left out (§5.3.2).
func claimsAbout(user store.User, scope []string, requested map[string]*claimRequest) (map[string]any, error) {
	wanted := slices.Collect(maps.Keys(requested))
	for _, one := range scope {
		wanted = append(wanted, consent.ScopeClaims[one]...)
	}
	all, err := allClaims(user)
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	for _, name := range wanted {
		if value, ok := all[name]; ok {
			found[name] = value
		}
	}
	return found, nil
}

// allClaims is everything that is known about a person, without what has no value.
func allClaims(user store.User) (map[string]any, error) {
	all, err := user.Claims.Map()
	if err != nil {
		return nil, err
	}
	all["updated_at"], all["email"], all["email_verified"] = user.UpdatedAt.Unix(), user.Email, user.EmailVerified
	if user.Name != "" {
		all["name"] = user.Name
	}
	if user.Locale != "" {
		all["locale"] = user.Locale
	}
	return all, nil
}

// readClaimsRequest reads what an authorization stored. It was checked then.
func readClaimsRequest(text string) (request claimsRequest, err error) {
	if text != "" {
		err = jwks.UnmarshalExact([]byte(text), &request)
	}
	return request, err
}
