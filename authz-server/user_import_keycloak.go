package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
)

// keycloakUser is what of a user in a realm's export means something here (UserRepresentation).
type keycloakUser struct {
	Username             string               `json:"username"`
	Email                string               `json:"email"`
	EmailVerified        bool                 `json:"emailVerified"`
	Enabled              *bool                `json:"enabled"`
	FirstName            string               `json:"firstName"`
	LastName             string               `json:"lastName"`
	Attributes           map[string][]string  `json:"attributes"`
	Credentials          []keycloakCredential `json:"credentials"`
	RealmRoles           []string             `json:"realmRoles"`
	ClientRoles          map[string][]string  `json:"clientRoles"`
	Groups               []string             `json:"groups"`
	FederatedIdentities  []json.RawMessage    `json:"federatedIdentities"`
	ServiceAccountClient string               `json:"serviceAccountClientId"`
}

// keycloakCredential is a password, or a second step. The data are JSON in strings.
type keycloakCredential struct {
	Type           string `json:"type"`
	SecretData     string `json:"secretData"`
	CredentialData string `json:"credentialData"`
}

// leftOut are what of an account is not imported, in the words of the report.
var leftOut = []string{"roles", "groups", "log-ins by other providers", "other attributes", "second steps"}

// keycloakReader reads a realm's export: an object with a member "users", or their array.
func keycloakReader(dropSecondSteps bool) importer {
	return func(in io.Reader, take func(importedLine) error) error {
		within := &bounded{in: in}
		decoder := json.NewDecoder(within)
		if err := findUsers(decoder, within); err != nil {
			return err
		}
		n := 1
		for ; within.more(decoder); n++ {
			line := importedLine{at: fmt.Sprintf("user %d", n)}
			var text json.RawMessage
			if err := decoder.Decode(&text); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return endsEarly(n)
			} else if err != nil {
				return fmt.Errorf("%s: %w", line.at, err)
			}
			var user keycloakUser
			if len(text) > maxImported {
				line.err = fmt.Errorf("it is longer than %d KiB", maxImported>>10)
			} else if line.err = json.Unmarshal(text, &user); line.err == nil {
				if user.Username != "" {
					line.at += fmt.Sprintf(" (%q)", user.Username)
				}
				if user.ServiceAccountClient != "" {
					continue // a client's own account
				}
				line.user, line.left, line.err = user.read(dropSecondSteps)
			}
			if err := take(line); err != nil {
				return err
			}
		}
		if end, err := decoder.Token(); err != nil || end != json.Delim(']') {
			return endsEarly(n)
		}
		return nil
	}
}

func endsEarly(n int) error {
	return fmt.Errorf("the file ends before user %d, or within: it is not the whole of an export", n)
}

// more tells whether there is another element, and lets it be read.
func (b *bounded) more(decoder *json.Decoder) bool {
	b.begin()
	return decoder.More()
}

// largestMember is how long what is not about users may be in an export, in bytes.
const largestMember = 64 << 20

// findUsers reads on to the first user.
func findUsers(decoder *json.Decoder, within *bounded) error {
	within.begin()
	none := errors.New(`this is no export of a realm: there is no array "users"`)
	first, err := decoder.Token()
	if err != nil {
		return err
	}
	if first == json.Delim('[') {
		return nil
	}
	if first != json.Delim('{') {
		return none
	}
	for within.more(decoder) {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		if name != "users" {
			within.left = largestMember
			var skipped json.RawMessage
			if err := decoder.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if begins, err := decoder.Token(); err != nil || begins != json.Delim('[') {
			return errors.Join(err, none)
		}
		return nil
	}
	return none
}

// read returns the account, and what of it is left out.
func (k keycloakUser) read(dropSecondSteps bool) (u importedUser, left []string, err error) {
	u = importedUser{Email: k.Email, Name: k.name(), EmailVerified: k.EmailVerified, Disabled: k.Enabled != nil && !*k.Enabled}
	if u.Email == "" && strings.Contains(k.Username, "@") {
		u.Email, u.EmailVerified = k.Username, false
	}
	leave := func(what string, is bool) {
		if is && !slices.Contains(left, what) {
			left = append(left, what)
		}
	}
	for _, one := range k.Credentials {
		switch {
		case one.Type == "password" && u.PasswordHash != "":
			return u, left, errors.New("it has more than one password")
		case one.Type == "password":
			if u.PasswordHash, err = one.hash(); err != nil {
				return u, left, fmt.Errorf("password: %w", err)
			}
		case one.Type == "password-history":
		case !dropSecondSteps:
			return u, left, fmt.Errorf("it has a second step or passkey (%s), which cannot be brought over; --drop-second-steps takes the account with its password alone", one.Type)
		default:
			leave("second steps", true)
		}
	}
	leave("roles", len(k.ClientRoles) > 0 || slices.ContainsFunc(k.RealmRoles, func(r string) bool {
		return r != "offline_access" && r != "uma_authorization" && !strings.HasPrefix(r, "default-roles-")
	}))
	leave("groups", len(k.Groups) > 0)
	leave("log-ins by other providers", len(k.FederatedIdentities) > 0)
	claims := map[string]string{"given_name": k.FirstName, "family_name": k.LastName}
	texts, _ := claimColumns()
	for name, values := range k.Attributes {
		claim := keycloakClaims[name]
		if claim == "" {
			claim = name
		}
		if len(values) != 1 || !slices.Contains(texts, claim) {
			leave("other attributes", true)
			continue
		}
		claims[claim] = values[0]
	}
	for name, value := range claims {
		if value == "" {
			delete(claims, name)
		}
	}
	if len(claims) > 0 {
		u.Claims, err = json.Marshal(claims)
	}
	return u, left, err
}

// keycloakClaims are the claims that Keycloak's own mappers make of attributes with other names.
var keycloakClaims = map[string]string{"phoneNumber": "phone_number", "middleName": "middle_name"}

// name is how the person is called. In Korean the family name comes first, without a space.
func (k keycloakUser) name() string {
	hangul := func(s string) bool {
		return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Hangul, r) })
	}
	switch {
	case hangul(k.FirstName) && hangul(k.LastName):
		return k.LastName + k.FirstName
	case k.FirstName == "" && k.LastName == "":
		return k.Username
	}
	return strings.TrimSpace(k.FirstName + " " + k.LastName)
}

// hash is the credential as a password's hash.
func (c keycloakCredential) hash() (string, error) {
	var secret struct{ Value, Salt []byte } // base64
	var data struct {
		HashIterations       int
		Algorithm            string
		AdditionalParameters map[string][]string
	}
	// Errors of the decoder may repeat what is in it.
	if json.Unmarshal([]byte(c.SecretData), &secret) != nil || json.Unmarshal([]byte(c.CredentialData), &data) != nil {
		return "", errors.New("secretData and credentialData are not as Keycloak writes them")
	}
	switch data.Algorithm {
	case "pbkdf2":
		return passwords.ImportPBKDF2("sha1", data.HashIterations, secret.Salt, secret.Value)
	case "pbkdf2-sha256", "pbkdf2-sha512":
		return passwords.ImportPBKDF2(strings.TrimPrefix(data.Algorithm, "pbkdf2-"), data.HashIterations, secret.Salt, secret.Value)
	case "argon2":
		more := func(name string) string {
			if values := data.AdditionalParameters[name]; len(values) == 1 {
				return values[0]
			}
			return ""
		}
		memory, err := strconv.ParseUint(more("memory"), 10, 32)
		threads, failed := strconv.ParseUint(more("parallelism"), 10, 8)
		if err != nil || failed != nil || more("type") != "id" || more("version") != "1.3" || data.HashIterations < 0 || data.HashIterations > 1<<16 {
			return "", errors.New("of argon2, only argon2id in its version 1.3 is known")
		}
		return passwords.ImportArgon2id(uint32(memory), uint32(data.HashIterations), uint8(threads), secret.Salt, secret.Value)
	}
	return "", fmt.Errorf("the algorithm %q is not known; there are pbkdf2, pbkdf2-sha256, pbkdf2-sha512 and argon2", data.Algorithm)
}
