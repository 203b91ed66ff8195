package clientauth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// Nonce is a new DPoP nonce (RFC 9449 §8): the minute it was made in, and a MAC, so that every replica knows it without a memory.
func (a *Authenticator) Nonce() string {
	minute := binary.BigEndian.AppendUint64(nil, uint64(a.Now().Unix()/60)) //nolint:gosec // G115: after 1970
	return base64.RawURLEncoding.EncodeToString(append(minute, a.nonceMAC(minute)...))
}

// nonceMade is when a nonce was made; false: it is none of ours.
func (a *Authenticator) nonceMade(nonce string) (time.Time, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], a.nonceMAC(raw[:8])) {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[:8]))*60, 0), true //nolint:gosec // G115: we made it, says the MAC
}

func (a *Authenticator) nonceMAC(minute []byte) []byte {
	mac := hmac.New(sha256.New, a.nonceKey)
	mac.Write(minute)
	return mac.Sum(nil)
}

// newNonceKey derives the key of the nonces, the same in every replica, from the server's salt.
func newNonceKey(salt []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, salt, nil, "maru dpop nonce", sha256.Size)
}
