// Package opaque makes random texts that mean nothing by themselves, such as codes, cookies,
// handles and client secrets, and the hashes under which the database keeps them.
package opaque

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// New returns 256 random bits as 43 characters that are safe in cookies and URLs.
func New() string {
	bits := make([]byte, 32)
	rand.Read(bits)
	return base64.RawURLEncoding.EncodeToString(bits)
}

// Hash returns the SHA-256 hash of a text that [New] made. No slower hash is needed: nobody can
// guess 256 random bits.
func Hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
