package passwords

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// stored is a password's hash, as it was read.
type stored struct {
	bcrypt string  // the whole of it; empty: it is another
	pbkdf2 derived // of no iterations: it is argon2id

	with      parameters
	salt, key []byte
}

// What a hash may ask for, so that an imported one cannot take all memory or time of the machine.
// The worst of them takes about a second of a processor.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 10        // passes
	maxWork    = 1 << 20   // KiB, over all passes
	maxThreads = 16

	heavyMemory = 64 << 10 // KiB; of hashes that take more, one is checked at a time

	minBcryptCost = 4
	maxBcryptCost = 14
)

// longestHash is more than any hash within these bounds has, in bytes.
const longestHash = 256

// Importable tells why an account cannot have a hash of another system as it is: it must be bcrypt,
// argon2id or PBKDF2, with parameters that do not take too much work. nil: it can. [Import] knows
// more forms of PBKDF2.
func Importable(hash string) error {
	_, err := parse(hash)
	return err
}

// parse reads a hash. It does nothing that depends on the work that the hash asks for.
func parse(hash string) (stored, error) {
	switch {
	case len(hash) > longestHash:
		return stored{}, errHash
	case strings.HasPrefix(hash, "$2"):
		return parseBcrypt(hash)
	case strings.HasPrefix(hash, "$pbkdf2-"):
		d, err := parsePBKDF2(hash)
		return stored{pbkdf2: d}, err
	}
	with, salt, key, err := decodeHash(hash)
	return stored{with: with, salt: salt, key: key}, err
}

// fits tells whether the password belongs to the hash. Ours are of normalized passwords; another
// system hashed what was typed.
func (s stored) fits(password string) bool {
	if s.bcrypt != "" {
		return bcrypt.CompareHashAndPassword([]byte(s.bcrypt), []byte(password)) == nil
	}
	if s.pbkdf2.iterations > 0 {
		return s.pbkdf2.fits(password)
	}
	got := argon2.IDKey(normal(password), s.salt, s.with.time, s.with.memory, s.with.threads, uint32(len(s.key))) //nolint:gosec // G115: decodeHash bounds it
	return subtle.ConstantTimeCompare(got, s.key) == 1
}

// outdated tells whether the password should be hashed anew.
func (s stored) outdated() bool {
	return s.bcrypt != "" || s.pbkdf2.iterations > 0 || s.with != present || len(s.salt) != saltLength || len(s.key) != keyLength
}

func encodeHash(with parameters, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, with.memory, with.time, with.threads,
		b64(salt), b64(key))
}

var (
	errHash = errors.New("the password hash is neither bcrypt ($2a$, $2b$, $2y$) nor argon2id ($argon2id$) nor PBKDF2 with SHA-1, SHA-256 or SHA-512 ($pbkdf2-sha256$, pbkdf2_sha256$)")
	errWork = fmt.Errorf("the password hash asks for too much work, or for too little: bcrypt may have a cost from %d to %d, "+
		"argon2id %d MiB (in all passes together %d) and %d passes, PBKDF2 %d to %d iterations over all blocks of its key; both have 8 to 64 bytes of salt and 16 to 64 of key",
		minBcryptCost, maxBcryptCost, maxMemory>>10, maxWork>>10, maxTime, minIterations, maxIterations)
)

// parseBcrypt accepts the three names of the one correct algorithm, and not $2x$ of the faulty one.
func parseBcrypt(s string) (stored, error) {
	const (
		length   = 60 // $2b$10$, 22 characters of salt, 31 of hash
		alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	)
	if len(s) != length || !strings.Contains("aby", s[2:3]) || s[3] != '$' || s[6] != '$' ||
		strings.Trim(s[4:6], "0123456789") != "" || strings.Trim(s[7:], alphabet) != "" {
		return stored{}, errHash
	}
	if cost := int(s[4]-'0')*10 + int(s[5]-'0'); cost < minBcryptCost || cost > maxBcryptCost {
		return stored{}, errWork
	}
	return stored{bcrypt: s}, nil
}

// decodeHash is the inverse of encodeHash. It accepts parameters that were or may become present's,
// and those of other systems within bounds.
func decodeHash(s string) (with parameters, salt, key []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return with, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &with.memory, &with.time, &with.threads); err != nil {
		return with, nil, nil, errHash
	}
	b64 := base64.RawStdEncoding.Strict()
	if salt, err = b64.DecodeString(parts[4]); err != nil {
		return with, nil, nil, errHash
	}
	if key, err = b64.DecodeString(parts[5]); err != nil || encodeHash(with, salt, key) != s {
		return with, nil, nil, errHash
	}
	if with.memory < 8 || with.memory > maxMemory || with.time < 1 || with.time > maxTime ||
		with.memory*with.time > maxWork || with.threads < 1 || with.threads > maxThreads ||
		len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 {
		return with, nil, nil, errWork
	}
	return with, salt, key, nil
}
