package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// ErrWrongKEK means that a secret was encrypted with another key-encryption key, or was changed
// since.
var ErrWrongKEK = errors.New("does not decrypt with this key-encryption key")

// KEK is the key-encryption key: under it the database keeps signing keys and server secrets. It is
// safe for concurrent use.
type KEK struct {
	current []byte
	old     [][]byte
}

// NewKEK takes a key of 32 bytes, and older ones under which something may still be encrypted; only
// the first encrypts.
func NewKEK(key []byte, old ...[]byte) (*KEK, error) {
	for _, k := range append([][]byte{key}, old...) {
		if len(k) != 32 {
			return nil, errors.New("a key-encryption key must have 32 bytes")
		}
	}
	return &KEK{current: key, old: old}, nil
}

// envelopeVersion is the first byte of an envelope: AES-256-GCM under a key derived by HKDF-SHA256,
// a random nonce of 12 bytes before the ciphertext.
const envelopeVersion = 1

// Seal encrypts plain. purpose separates the keys of different uses, and every other part of the
// context must be the same at [KEK.Open]: a row's envelope does not decrypt in another row.
func (k *KEK) Seal(purpose string, plain []byte, context ...string) ([]byte, error) {
	aead, err := derive(k.current, purpose)
	if err != nil {
		return nil, err
	}
	envelope := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	envelope[0] = envelopeVersion
	rand.Read(envelope[1:])
	//nolint:gosec // G407: the nonce is random, one line above
	return aead.Seal(envelope, envelope[1:], plain, additional(context)), nil
}

// Open decrypts what [KEK.Seal] made. stale says that an old key was needed. The error is
// ErrWrongKEK.
func (k *KEK) Open(purpose string, envelope []byte, context ...string) (plain []byte, stale bool, err error) {
	for i, key := range append([][]byte{k.current}, k.old...) {
		aead, err := derive(key, purpose)
		if err != nil {
			return nil, false, err
		}
		if len(envelope) < 1+aead.NonceSize() || envelope[0] != envelopeVersion {
			break
		}
		nonce, sealed := envelope[1:1+aead.NonceSize()], envelope[1+aead.NonceSize():]
		if plain, err := aead.Open(nil, nonce, sealed, additional(context)); err == nil {
			return plain, i > 0, nil
		}
	}
	return nil, false, ErrWrongKEK
}

func derive(key []byte, purpose string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "maru "+purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// additional writes each part with its length before it, so that no two lists of parts look alike.
func additional(context []string) []byte {
	data := []byte{envelopeVersion}
	for _, part := range context {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part))) //nolint:gosec // G115: a part is short
		data = append(data, part...)
	}
	return data
}
