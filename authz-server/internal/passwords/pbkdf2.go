package passwords

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // G505: in HMAC it is not broken; old accounts have it
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Bounds of PBKDF2 hashes of other systems. The worst of them takes about a second of a processor.
const (
	minIterations = 1000
	maxIterations = 2_000_000 // over all blocks of the key
)

// prf is a hash function that PBKDF2 uses in HMAC.
type prf struct {
	name string // in a PHC string, after "pbkdf2-"
	new  func() hash.Hash
	size int // bytes
}

var prfs = []prf{{"sha1", sha1.New, sha1.Size}, {"sha256", sha256.New, sha256.Size}, {"sha512", sha512.New, sha512.Size}}

func prfOf(name string) (prf, bool) {
	for _, one := range prfs {
		if one.name == name {
			return one, true
		}
	}
	return prf{}, false
}

// derived is a hash by PBKDF2 (RFC 8018 §5.2).
type derived struct {
	by         prf
	iterations int
	salt, key  []byte
}

// String is a PHC string, as it is stored: $pbkdf2-sha256$i=27500$salt$key.
func (d derived) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$pbkdf2-%s$i=%d$%s$%s", d.by.name, d.iterations, b64(d.salt), b64(d.key))
}

// fits tells whether the password, as it was typed, belongs to the hash.
func (d derived) fits(password string) bool {
	got, err := pbkdf2.Key(d.by.new, password, d.salt, d.iterations, len(d.key))
	return err == nil && subtle.ConstantTimeCompare(got, d.key) == 1
}

func (d derived) check() error {
	if len(d.salt) < 8 || len(d.salt) > 64 || len(d.key) < 16 || len(d.key) > 64 || d.iterations < minIterations {
		return errWork
	}
	if blocks := (len(d.key) + d.by.size - 1) / d.by.size; d.iterations > maxIterations/blocks {
		return errWork
	}
	return nil
}

// parsePBKDF2 reads what [derived.String] writes.
func parsePBKDF2(s string) (d derived, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 5 || parts[0] != "" {
		return d, errHash
	}
	name, named := strings.CutPrefix(parts[1], "pbkdf2-")
	by, known := prfOf(name)
	if d.by = by; !named || !known {
		return d, errHash
	}
	count, ok := strings.CutPrefix(parts[2], "i=")
	if d.iterations, err = strconv.Atoi(count); err != nil || !ok {
		return d, errHash
	}
	b64 := base64.RawStdEncoding.Strict()
	if d.salt, err = b64.DecodeString(parts[3]); err != nil {
		return d, errHash
	}
	if d.key, err = b64.DecodeString(parts[4]); err != nil || d.String() != s {
		return d, errHash
	}
	return d, d.check()
}

// Import returns the form in which an account can have a hash of another system, or why it cannot.
// Besides what [Importable] takes it knows passlib's $pbkdf2-sha256$29000$salt$key, whose base64 has
// a dot for the plus, and Django's pbkdf2_sha256$1000000$salt$key, whose salt is text.
func Import(hash string) (string, error) {
	if len(hash) > longestHash {
		return "", errHash
	}
	switch parts := strings.Split(hash, "$"); {
	case strings.HasPrefix(hash, "pbkdf2_") && len(parts) == 4:
		by, ok := prfOf(strings.TrimPrefix(parts[0], "pbkdf2_"))
		key, err := base64.StdEncoding.Strict().DecodeString(parts[3])
		if err != nil || !ok {
			return "", errHash
		}
		return ofParts(by, parts[1], []byte(parts[2]), key)
	case strings.HasPrefix(hash, "$pbkdf2-") && len(parts) == 5 && !strings.HasPrefix(parts[2], "i="):
		by, ok := prfOf(strings.TrimPrefix(parts[1], "pbkdf2-"))
		b64 := func(text string) ([]byte, error) {
			return base64.RawStdEncoding.DecodeString(strings.ReplaceAll(text, ".", "+"))
		}
		salt, err := b64(parts[3])
		key, failed := b64(parts[4])
		if err != nil || failed != nil || !ok {
			return "", errHash
		}
		return ofParts(by, parts[2], salt, key)
	}
	return hash, Importable(hash)
}

func ofParts(by prf, iterations string, salt, key []byte) (string, error) {
	n, err := strconv.Atoi(iterations)
	if err != nil || strconv.Itoa(n) != iterations {
		return "", errHash
	}
	d := derived{by, n, salt, key}
	return d.String(), d.check()
}

// ImportPBKDF2 is [Import] for a hash that comes in parts. hash names the hash function: sha1,
// sha256 or sha512.
func ImportPBKDF2(hash string, iterations int, salt, key []byte) (string, error) {
	by, ok := prfOf(hash)
	if !ok {
		return "", errors.New("PBKDF2 is known with sha1, sha256 and sha512")
	}
	d := derived{by, iterations, salt, key}
	return d.String(), d.check()
}

// ImportArgon2id is [Import] for a hash that comes in parts. memory is in KiB.
func ImportArgon2id(memory, time uint32, threads uint8, salt, key []byte) (string, error) {
	hash := encodeHash(parameters{memory, time, threads}, salt, key)
	return hash, Importable(hash)
}
