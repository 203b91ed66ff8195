package flow

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the length of Config.CookieKey in bytes.
const KeySize = chacha20poly1305.KeySize

// maxSealed bounds a sealed cookie in bytes: browsers keep no larger ones.
const maxSealed = 4000

var errSeal = errors.New("this was not sealed here")

// sealer encrypts and authenticates what browsers keep for the app, by XChaCha20-Poly1305. Its
// nonce is long enough to be random, even where many replicas share a key.
type sealer struct{ aead cipher.AEAD }

// newSealer takes a key of KeySize bytes, or makes one if key is empty.
func newSealer(key []byte) (sealer, error) {
	if len(key) == 0 {
		key = make([]byte, KeySize)
		rand.Read(key) // never fails (crypto/rand)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return sealer{}, fmt.Errorf("the cookie key has %d bytes, and must have %d", len(key), KeySize)
	}
	return sealer{aead}, nil
}

// seal returns value as text that only open can read, and only for the same purpose.
func (s sealer) seal(purpose string, value any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // addresses have many &, which would be six times as long
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	plain := text.Bytes()
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	rand.Read(nonce) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(purpose))), nil
}

// open reads into value what seal wrote. Error: errSeal.
func (s sealer) open(purpose, text string, value any) error {
	if len(text) > maxSealed {
		return errSeal
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(sealed) < s.aead.NonceSize() {
		return errSeal
	}
	nonce, sealed := sealed[:s.aead.NonceSize()], sealed[s.aead.NonceSize():]
	plain, err := s.aead.Open(nil, nonce, sealed, []byte(purpose))
	if err != nil || json.Unmarshal(plain, value) != nil {
		return errSeal
	}
	return nil
}
