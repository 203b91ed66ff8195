package upstream

import (
	"regexp"
	"slices"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// Microsoft has one issuer for each tenant, https://login.microsoftonline.com/TENANT/v2.0, and an
// address in which common or organizations stands in a tenant's place, for the people of all. What is
// at that address names an issuer that is none: with {tenantid} in it, for which each ID token has its
// claim tid ("Secure applications and APIs by validating claims").
const (
	presetMicrosoft = "microsoft"
	tenantPlace     = "{tenantid}"
)

var severalTenants = []string{"common", "organizations"}

// tenantID is what Microsoft calls a tenant in tokens.
var tenantID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkTenants checks what is said of tenants.
func (s *Settings) checkTenants() error {
	_, tenant, _, ok := s.tenant()
	several := s.severalTenants()
	switch {
	case s.Preset == presetMicrosoft && (!ok || !several && !tenantID.MatchString(tenant)):
		return wrong("issuer", "must end in /TENANT/v2.0, where TENANT is the id of a tenant, as 8 and 4 and 4 and 4 and 12 "+
			"hexadecimal digits in lower case, or %s", strings.Join(severalTenants, " or "))
	case len(s.Tenants) > 0 && !several:
		return wrong("tenants", "must be left out: the issuer does not stand for several")
	}
	for i, one := range s.Tenants {
		if s.Tenants[i] = strings.ToLower(one); !tenantID.MatchString(s.Tenants[i]) {
			return wrong("tenants", "must be ids of tenants, and %q is none", one)
		}
	}
	return nil
}

// tenant cuts the issuer around its tenant.
func (s *Settings) tenant() (before, tenant, after string, ok bool) {
	const end = "/v2.0"
	before, ok = strings.CutSuffix(s.Issuer, end)
	slash := strings.LastIndexByte(before, '/')
	if s.Preset != presetMicrosoft || !ok || slash < 0 {
		return "", "", "", false
	}
	return before[:slash+1], before[slash+1:], end, true
}

// severalTenants tells whether the issuer stands for those of several tenants.
func (s *Settings) severalTenants() bool {
	_, tenant, _, ok := s.tenant()
	return ok && slices.Contains(severalTenants, tenant)
}

// issuerOf is the issuer of a tenant. false: nobody of it can log in.
func (s *Settings) issuerOf(tenant string) (string, bool) {
	before, _, after, _ := s.tenant()
	if !tenantID.MatchString(tenant) || len(s.Tenants) > 0 && !slices.Contains(s.Tenants, tenant) {
		return "", false
	}
	return before + tenant + after, true
}

// metadataIssuer is the issuer that the metadata must name, to the letter: another could speak for
// this one (OpenID Connect Discovery §4.3).
func (s *Settings) metadataIssuer() string {
	if before, _, after, _ := s.tenant(); s.severalTenants() {
		return before + tenantPlace + after
	}
	return s.Issuer
}

// isIssuer tells whether an answer can be one of the upstream that names an issuer (RFC 9207).
func (s *Settings) isIssuer(named string) bool {
	if !s.severalTenants() {
		return named == s.Issuer
	}
	before, _, after, _ := s.tenant()
	tenant, begins := strings.CutPrefix(named, before)
	tenant, ends := strings.CutSuffix(tenant, after)
	return begins && ends && tenantID.MatchString(tenant)
}

// tokenIssuer is the issuer that an ID token with these claims must name. false: none will do.
func (s *Settings) tokenIssuer(claims answer) (string, bool) {
	if !s.severalTenants() {
		return s.Issuer, true
	}
	return s.issuerOf(claims.text("tid"))
}

// keyIsOf tells whether the key with this id may sign for an issuer: of several tenants, one may have
// keys of its own, which the set says.
func (s *Settings) keyIsOf(set []byte, id, issuer string) bool {
	if !s.severalTenants() {
		return true
	}
	var keys struct {
		Keys []struct {
			ID     string `json:"kid"`
			Issuer string `json:"issuer"`
		} `json:"keys"`
	}
	if err := jose.UnmarshalExact(set, &keys); err != nil || id == "" {
		return false
	}
	found := false
	for _, key := range keys.Keys {
		if key.ID != id {
			continue
		}
		if key.Issuer != "" && key.Issuer != s.metadataIssuer() && key.Issuer != issuer {
			return false
		}
		found = true
	}
	return found
}
