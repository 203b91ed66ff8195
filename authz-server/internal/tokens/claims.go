package tokens

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/jwks/jose"
)

// ClaimsRequest is the parameter "claims" (OIDC Core §5.5).
type ClaimsRequest struct {
	Userinfo map[string]*ClaimRequest `json:"userinfo,omitempty"`
	IDToken  map[string]*ClaimRequest `json:"id_token,omitempty"`
}

// ClaimRequest is the request for one claim (§5.5.1); null asks for it as a voluntary one.
type ClaimRequest struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// Allows tells whether value is one of those asked for.
func (c *ClaimRequest) Allows(value string) bool {
	if c == nil || (c.Value == nil && c.Values == nil) {
		return true
	}
	text, err := json.Marshal(value)
	if err != nil {
		return false
	}
	same := func(one json.RawMessage) bool { return bytes.Equal(one, text) }
	return same(c.Value) || slices.ContainsFunc(c.Values, same)
}

// Texts are the values that are asked for and are text, in the order of preference. A value that
// is no text is left out, for no claim of ours has it; if there is none besides, the one empty text
// stands for it.
func (c *ClaimRequest) Texts() (texts []string) {
	for _, one := range append([]json.RawMessage{c.Value}, c.Values...) {
		var text string
		if one != nil && json.Unmarshal(one, &text) == nil {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 && (c.Value != nil || c.Values != nil) {
		texts = []string{""}
	}
	return texts
}

// Only returns the request without claims that the person did not grant. null stays null.
func (c ClaimsRequest) Only(granted []string) ClaimsRequest {
	covered := func(asked map[string]*ClaimRequest) map[string]*ClaimRequest {
		asked = maps.Clone(asked)
		maps.DeleteFunc(asked, func(name string, _ *ClaimRequest) bool { return !consent.Covers(granted, name) })
		return asked
	}
	return ClaimsRequest{Userinfo: covered(c.Userinfo), IDToken: covered(c.IDToken)}
}

// About are the claims about a person that scopes and single requests ask for. One without a value
// is left out (§5.3.2).
func About(user accounts.User, scope []string, requested map[string]*ClaimRequest) (map[string]any, error) {
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
func allClaims(user accounts.User) (map[string]any, error) {
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

// ReadClaimsRequest reads the parameter, or what a grant keeps of it. Empty: nothing is asked for.
func ReadClaimsRequest(text string) (request ClaimsRequest, err error) {
	if text != "" {
		err = jose.UnmarshalExact([]byte(text), &request)
	}
	return request, err
}
