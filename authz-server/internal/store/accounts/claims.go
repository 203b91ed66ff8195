package accounts

import (
	"context"
	"encoding/json"

	"github.com/maru-auth/maru/authz-server/internal/store/internal/row"
	"github.com/maru-auth/maru/internal/sqldb"
)

// Claims are what people say of themselves beyond name, e-mail and locale (OIDC Core §5.1). An
// empty field was not given.
type Claims struct {
	GivenName         string  `json:"given_name,omitempty"`
	FamilyName        string  `json:"family_name,omitempty"`
	MiddleName        string  `json:"middle_name,omitempty"`
	Nickname          string  `json:"nickname,omitempty"`
	PreferredUsername string  `json:"preferred_username,omitempty"`
	Profile           string  `json:"profile,omitempty"` // URLs
	Picture           string  `json:"picture,omitempty"`
	Website           string  `json:"website,omitempty"`
	Gender            string  `json:"gender,omitempty"`
	Birthdate         string  `json:"birthdate,omitempty"` // YYYY-MM-DD, 0000-MM-DD or YYYY
	Zoneinfo          string  `json:"zoneinfo,omitempty"`  // IANA time zone
	PhoneNumber       string  `json:"phone_number,omitempty"`
	PhoneVerified     bool    `json:"phone_number_verified,omitempty"`
	Address           Address `json:"address,omitzero"`
}

// Address is a postal address (OIDC Core §5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// Map returns the claims by name, without empty ones. phone_number_verified is there only beside a
// phone_number.
func (c Claims) Map() (map[string]any, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	delete(all, "phone_number_verified")
	if c.PhoneNumber != "" {
		all["phone_number_verified"] = c.PhoneVerified
	}
	return all, nil
}

// SetClaims changes what a person says of themselves. ErrNotFound: there is no such account.
func (s *Users) SetClaims(ctx context.Context, id string, claims Claims) error {
	text, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	return row.Changed(s.db.Exec(ctx, `UPDATE users SET claims = $1, updated_at = $2, indexed_at = 0
		WHERE id = $3`,
		string(text), sqldb.Micros(s.now()), id))
}
