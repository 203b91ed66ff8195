package upstream

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// Settings are what an operator decides about an upstream, beside its name and its secret.
type Settings struct {
	Preset   string `json:"preset,omitempty"` // whose answers it gives; empty: OpenID Connect
	Title    string `json:"title"`            // as people call it
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"` // separated by spaces

	// Issuer is its issuer identifier. Where there is an ID token, all else is read from its
	// metadata (OpenID Connect Discovery §4).
	Issuer string `json:"issuer"`

	// The endpoints of an upstream that has no metadata.
	Authorization string `json:"authorization_endpoint,omitempty"`
	Token         string `json:"token_endpoint,omitempty"`
	UserInfo      string `json:"userinfo_endpoint,omitempty"`
	Emails        string `json:"emails_endpoint,omitempty"` // GitHub's list of addresses

	AuthMethod   string `json:"auth_method,omitempty"`   // client_secret_basic, client_secret_post or none; empty: what its metadata offers
	ResponseMode string `json:"response_mode,omitempty"` // form_post; empty: query

	// Addresses says when an e-mail address from there counts as verified.
	Addresses AddressRule `json:"addresses"`
	// AddressDomains are those whose addresses can count as verified; empty: all.
	AddressDomains []string `json:"address_domains,omitempty"`

	NoSignup  bool              `json:"no_signup,omitempty"`  // nobody makes an account by it; people link it to theirs
	Claims    map[string]string `json:"claims,omitempty"`     // where a claim of a person is, if not where the preset has it: a path with dots
	StrongACR []string          `json:"strong_acr,omitempty"` // values of its acr, or its amr, that stand for the second step

	// Tenants are the ids of those of Microsoft's tenants whose people can log in, where the issuer
	// stands for several; empty: all.
	Tenants []string `json:"tenants,omitempty"`
	// Logout leads people who log out here on to log out there, too (OpenID Connect RP-Initiated
	// Logout).
	Logout bool `json:"logout,omitempty"`

	Apple *AppleKey `json:"apple,omitempty"`
}

// AppleKey says which key signs the client secret that Apple takes; the key itself is the secret.
type AppleKey struct {
	TeamID string `json:"team_id"`
	KeyID  string `json:"key_id"`
}

// AddressRule says when an e-mail address that an upstream tells counts as verified.
type AddressRule string

// The rules.
const (
	ByClaim        AddressRule = "claim"           // if it says so: email_verified, or what the preset has in its place
	Never          AddressRule = "never"           // the person proves it here
	InsecureAlways AddressRule = "insecure-always" // whatever it says
)

// What upstreams can be asked for.
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"

	modeFormPost = "form_post"
)

// claimNames are the claims of a person that are taken from an upstream.
var claimNames = []string{"sub", "email", "email_verified", "name", "given_name", "family_name", "nickname", "picture", "locale"}

// InputError says what is wrong with a setting of an upstream.
type InputError struct {
	Field   string // as JSON names it, such as "client_id"
	Problem string // goes on after the field's name: "must be …"
}

func (e *InputError) Error() string { return e.Field + " " + e.Problem }

func wrong(field, format string, args ...any) error {
	return &InputError{field, fmt.Sprintf(format, args...)}
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// CheckName says what is wrong with the name of an upstream.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return wrong("name", "must be at most 32 letters a to z, digits and hyphens, and begin with a letter: it is a part of addresses")
	}
	return nil
}

// Check completes s by its preset, and says what is wrong with it by an [*InputError]. addresses judges those that the server fetches.
func (s *Settings) Check(addresses func(address string) error) error {
	if err := s.complete(); err != nil {
		return err
	}
	switch {
	case s.Title == "" || len(s.Title) > 60 || strings.ContainsFunc(s.Title, func(r rune) bool { return !unicode.IsPrint(r) }):
		return wrong("title", "must be what people call it, in at most 60 bytes")
	case s.ClientID == "" || len(s.ClientID) > 255:
		return wrong("client_id", "must be what the upstream calls this server")
	case s.AuthMethod != "" && !slices.Contains([]string{authBasic, authPost, authNone}, s.AuthMethod):
		return wrong("auth_method", "must be %s, %s or %s", authBasic, authPost, authNone)
	case s.ResponseMode != "" && s.ResponseMode != modeFormPost:
		return wrong("response_mode", "must be %s, or left out", modeFormPost)
	case !slices.Contains([]AddressRule{ByClaim, Never, InsecureAlways}, s.Addresses):
		return wrong("addresses", "must be %s, %s or %s", ByClaim, Never, InsecureAlways)
	case s.Logout && !s.OpenID():
		return wrong("logout", "must be left out: the upstream gives no ID tokens, and has no log-out that it tells of")
	case (s.Preset == presetApple) != (s.Apple != nil), s.Apple != nil && (s.Apple.TeamID == "" || s.Apple.KeyID == ""):
		return wrong("apple", "must have team_id and key_id with the preset apple, and belongs to no other")
	}
	if err := s.checkAddresses(addresses); err != nil {
		return err
	}
	if err := s.checkTenants(); err != nil {
		return err
	}
	if len(s.Text()) > maxSettings {
		return wrong("settings", "must have at most %d bytes of JSON", maxSettings)
	}
	for i, text := range s.AddressDomains {
		domain, err := idna.Lookup.ToASCII(strings.ToLower(strings.TrimSpace(text)))
		if err != nil || !strings.Contains(domain, ".") {
			return wrong("address_domains", "must have domains such as example.com, and %q is none", text)
		}
		s.AddressDomains[i] = domain
	}
	for claim, path := range s.Claims {
		if !slices.Contains(claimNames, claim) || path == "" || len(path) > 100 {
			return wrong("claims", "must name a path for each claim, of at most 100 bytes: %s is none, or none of %s", claim, strings.Join(claimNames, ", "))
		}
		if s.OpenID() && claim == "sub" {
			return wrong("claims", "must not have sub: the subject is that of the ID token")
		}
	}
	return nil
}

// maxSettings is how long the settings of an upstream can be, in bytes of JSON: the page that logs
// people in reads all of them.
const maxSettings = 16 << 10

// SecretTo is whom the secret is told: the token endpoint, or the issuer whose metadata names it.
func (s *Settings) SecretTo() string {
	if s.OpenID() {
		return s.Issuer
	}
	return s.Token
}

// CheckSecret says what is wrong with a secret for these settings.
func (s *Settings) CheckSecret(secret string) error {
	if s.Preset != presetApple {
		return nil
	}
	if _, err := appleKey(secret); err != nil {
		return wrong("client_secret", "%v", err)
	}
	return nil
}

// checkAddresses checks what is called, and where people are sent.
func (s *Settings) checkAddresses(check func(address string) error) error {
	issuer, err := url.Parse(s.Issuer)
	if err != nil || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" || issuer.User != nil {
		return wrong("issuer", "must be the upstream's issuer identifier, to the letter: an https address without query or fragment")
	}
	type named struct{ field, value string }
	var all []named
	if s.OpenID() {
		all = []named{{"issuer", s.Issuer}}
	} else {
		all = []named{{"authorization_endpoint", s.Authorization}, {"token_endpoint", s.Token}, {"userinfo_endpoint", s.UserInfo}}
	}
	if s.Emails != "" {
		all = append(all, named{"emails_endpoint", s.Emails})
	}
	for _, one := range all {
		if one.value == "" {
			return wrong(one.field, "must be set")
		}
		if check == nil {
			continue
		}
		if err := check(one.value); err != nil {
			return wrong(one.field, "cannot be called: %v", err)
		}
	}
	return nil
}

// OpenID tells whether the upstream gives ID tokens.
func (s *Settings) OpenID() bool { return presets[s.Preset].read == nil }

// complete fills in what the preset has and nobody set.
func (s *Settings) complete() error {
	preset, ok := presets[s.Preset]
	if !ok {
		return wrong("preset", "must be one of %s", strings.Join(Presets(), ", "))
	}
	for _, one := range []struct {
		have *string
		of   string
	}{
		{&s.Title, preset.Title}, {&s.Scope, preset.Scope}, {&s.Issuer, preset.Issuer}, {&s.Authorization, preset.Authorization},
		{&s.Token, preset.Token}, {&s.UserInfo, preset.UserInfo}, {&s.Emails, preset.Emails}, {&s.AuthMethod, preset.AuthMethod},
		{&s.ResponseMode, preset.ResponseMode},
	} {
		if *one.have == "" {
			*one.have = one.of
		}
	}
	if s.Addresses == "" {
		s.Addresses = preset.Addresses
	}
	return nil
}

// Presets are the names that Settings.Preset can have, besides none.
func Presets() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(presets)) {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// SettingNames are the names of all settings, as JSON has them.
func SettingNames() (names []string) {
	for field := range reflect.TypeFor[Settings]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Read returns the settings of a stored upstream.
func Read(u upstreams.Upstream) (s Settings, err error) {
	if err := json.Unmarshal([]byte(u.Settings), &s); err != nil {
		return s, fmt.Errorf("the settings of the upstream %s: %w", u.Name, err)
	}
	return s, s.complete()
}

// Text is the settings as they are stored.
func (s *Settings) Text() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // texts always marshal
	}
	return string(text)
}

// Store writes s into u, as it is stored.
func (s *Settings) Store(u *upstreams.Upstream) {
	u.Settings, u.Issuer, u.Strong = s.Text(), s.Issuer, len(s.StrongACR) > 0
	if s.severalTenants() {
		u.Issuer = ""
	}
}

// proves tells whether the address of a person counts as verified.
func (s *Settings) proves(p Person) bool {
	if p.Email == "" || s.Addresses != InsecureAlways && (s.Addresses != ByClaim || !p.EmailVerified) {
		return false
	}
	if len(s.AddressDomains) == 0 {
		return true
	}
	key := accounts.EmailKey(p.Email)
	return slices.Contains(s.AddressDomains, key[strings.LastIndexByte(key, '@')+1:])
}
