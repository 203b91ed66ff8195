package factors

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp/hotp"
	"golang.org/x/text/width"

	"github.com/maru-auth/maru/authz-server/internal/keys"
)

// KeySize is how long the key of [NewVault] must be, in bytes.
const KeySize = 32

// Vault turns secrets into what the database keeps of them, so that a copy of the database logs
// nobody in. It is safe for concurrent use.
type Vault struct {
	seal    *keys.KEK
	hashKey []byte
}

// NewVault takes a random key of [KeySize] bytes, which must stay the same. It is to be a secret of
// the server (see [keys.Secret]): the database keeps it encrypted under the key-encryption key, so
// a new key-encryption key needs no change to the rows of people.
func NewVault(key []byte) (*Vault, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key of the second step must have %d bytes", KeySize)
	}
	seal, err := keys.NewKEK(key)
	if err != nil {
		return nil, err
	}
	hashKey, err := hkdf.Key(sha256.New, key, nil, "maru recovery codes", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &Vault{seal, hashKey}, nil
}

// secretPurpose separates the encryption of TOTP secrets from other uses of the key.
const secretPurpose = "totp secret"

// secretSize is the length of a TOTP secret in bytes: that of the hash, as RFC 4226 §4 recommends.
const secretSize = 20

// newSecret makes a TOTP secret for a person, and its encrypted form, which decrypts as theirs
// alone, and, while the app is being set up, in the session that began it.
func (v *Vault) newSecret(userID string, session ...string) (secret, sealed []byte, err error) {
	secret = make([]byte, secretSize)
	rand.Read(secret)
	sealed, err = v.sealSecret(secret, userID, session...)
	return secret, sealed, err
}

func (v *Vault) sealSecret(secret []byte, userID string, session ...string) ([]byte, error) {
	return v.seal.Seal(secretPurpose, secret, append([]string{userID}, session...)...)
}

func (v *Vault) openSecret(userID string, sealed []byte, session ...string) ([]byte, error) {
	secret, _, err := v.seal.Open(secretPurpose, sealed, append([]string{userID}, session...)...)
	if err != nil {
		return nil, fmt.Errorf("the TOTP secret of %s: %w", userID, err)
	}
	return secret, nil
}

// hashCode is what the database keeps of a recovery code. A plain hash would not do: 50 random bits
// are more than anybody can guess here, but a thief of the database can try 2^50 hashes within
// days. With a key that the database has only in encrypted form, there is nothing to try.
func (v *Vault) hashCode(userID, code string) []byte {
	mac := hmac.New(sha256.New, v.hashKey)
	fmt.Fprintf(mac, "%d:%s%s", len(userID), userID, code)
	return mac.Sum(nil)
}

// Recovery codes are ten characters of Crockford's Base32, which has no I, L, O and U: 50 bits.
const (
	recoveryCodes   = 10 // that a person gets at once
	recoveryLength  = 10
	recoveryLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// newCodes makes recovery codes, and what the database keeps of them.
func (v *Vault) newCodes(userID string) (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		var bits [recoveryLength]byte
		rand.Read(bits[:])
		for i := range bits {
			bits[i] = recoveryLetters[bits[i]%byte(len(recoveryLetters))] // 32 divides 256: all are equally likely
		}
		codes = append(codes, string(bits[:]))
		hashes = append(hashes, v.hashCode(userID, string(bits[:])))
	}
	return codes, hashes
}

// showCode is a recovery code as people see it: XXXXX-XXXXX.
func showCode(code string) string {
	return code[:recoveryLength/2] + "-" + code[recoveryLength/2:]
}

// readRecovery is the recovery code that a person typed, in any case, with separators or without,
// and with the letters that Base32 leaves out in place of the digits that they look like. Empty: it
// cannot be one.
func readRecovery(typed string) string {
	code := strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(plain(typed)))
	if len(code) != recoveryLength || strings.Trim(code, recoveryLetters) != "" {
		return ""
	}
	return code
}

// readOTP is the code of an authenticator app that a person typed. Empty: it cannot be one.
func readOTP(typed string) string {
	code := plain(typed)
	if len(code) != digits || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

// IsCode tells whether what a person typed can be a code of an authenticator app.
func IsCode(typed string) bool { return readOTP(typed) != "" }

// IsRecoveryCode tells whether what a person typed can be a recovery code.
func IsRecoveryCode(typed string) bool { return readRecovery(typed) != "" }

// plain leaves out the spaces and dashes of what a person typed, and turns the full-width digits
// and letters of Korean input methods into ordinary ones.
func plain(typed string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.Is(unicode.Pd, c) {
			return -1
		}
		return c
	}, width.Narrow.String(typed))
}

// How all authenticator apps make codes (RFC 6238): six digits of HMAC-SHA-1 over the number of the
// half minute. Other values are in the standard and not in the apps.
const (
	digits = 6
	period = 30 * time.Second
)

// stepAt is the number of the time step that at is in.
func stepAt(at time.Time) int64 { return at.Unix() / int64(period/time.Second) }

// encoding is how authenticator apps take a secret.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// matches returns the time step whose code this is: the present one, the one before or the one
// after, because clocks differ and people type (RFC 6238 §5.2). If several have the same code, it
// is the latest. It takes the same time whichever it is.
func matches(secret []byte, code string, now time.Time) (step int64, ok bool) {
	present := stepAt(now)
	for candidate := present - 1; candidate <= present+1; candidate++ {
		want, err := hotp.GenerateCode(encoding.EncodeToString(secret), uint64(candidate)) //nolint:gosec // G115: no time before 1970
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok
}
