// Package passkeytest is an authenticator in software for tests, which can also lie: about the
// origin, the relying party, the person and the counter.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Algorithms of COSE (RFC 9053, RFC 8812).
const (
	ES256 = -7
	EdDSA = -8
	ES384 = -35
	RS256 = -257
)

// Flags of authenticator data (WebAuthn §6.1).
const (
	UserPresent    = 1 << 0
	UserVerified   = 1 << 2
	BackupEligible = 1 << 3
	BackedUp       = 1 << 4
	attested       = 1 << 6
)

// Authenticator has one passkey. Its fields can be changed between the calls.
type Authenticator struct {
	Origin     string
	RP         string // whose hash the authenticator data has
	Flags      byte
	Counts     bool   // it has a counter
	Count      uint32 // of the last answer
	Type       string // of the client data; empty: the right one
	Cross      bool   // the page was in a frame of another origin
	Credential []byte // id
	Handle     []byte // of the person, known after Register
	Algorithm  int
	AAGUID     [16]byte

	key crypto.Signer
}

// New makes an authenticator of a device, without a counter, that verifies its person.
func New(origin, rp string, algorithm int) (*Authenticator, error) {
	a := &Authenticator{Origin: origin, RP: rp, Flags: UserPresent | UserVerified, Algorithm: algorithm, Credential: make([]byte, 32)}
	rand.Read(a.Credential)
	var err error
	switch algorithm {
	case ES256:
		a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		a.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case EdDSA:
		_, a.key, err = ed25519.GenerateKey(rand.Reader)
	case RS256:
		a.key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("no algorithm %d", algorithm)
	}
	return a, err
}

// Copy is what a thief has who got hold of the key.
func (a *Authenticator) Copy() *Authenticator {
	other := *a
	return &other
}

type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

// Register answers the options of a registration, in the form of RegistrationResponseJSON.
func (a *Authenticator) Register(raw []byte) ([]byte, error) {
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	var err error
	if a.Handle, err = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID); err != nil {
		return nil, err
	}
	key, err := a.coseKey()
	if err != nil {
		return nil, err
	}
	data := a.data(a.Flags | attested)
	data = append(data, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.Credential)))
	data = append(append(data, a.Credential...), key...)

	// {"fmt": "none", "attStmt": {}, "authData": data}
	object := append([]byte{0xa3}, text("fmt")...)
	object = append(append(object, text("none")...), text("attStmt")...)
	object = append(append(append(object, 0xa0), text("authData")...), bytes(data)...)
	return a.answer(map[string]any{
		"clientDataJSON": a.clientData("webauthn.create", o.PublicKey.Challenge), "attestationObject": encode(object),
		"transports": []string{"internal"},
	})
}

// Assert answers the options of a log-in, in the form of AuthenticationResponseJSON.
func (a *Authenticator) Assert(raw []byte) ([]byte, error) {
	var o options
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	if a.Counts {
		a.Count++
	}
	data, client := a.data(a.Flags), a.clientData("webauthn.get", o.PublicKey.Challenge)
	rawClient, err := base64.RawURLEncoding.DecodeString(client)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(rawClient)
	signature, err := a.sign(append(data[:len(data):len(data)], hash[:]...))
	if err != nil {
		return nil, err
	}
	return a.answer(map[string]any{
		"clientDataJSON": client, "authenticatorData": encode(data), "signature": encode(signature), "userHandle": encode(a.Handle),
	})
}

func (a *Authenticator) answer(response map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": encode(a.Credential), "rawId": encode(a.Credential), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}

func (a *Authenticator) clientData(kind, challenge string) string {
	if a.Type != "" {
		kind = a.Type
	}
	raw, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": a.Cross})
	if err != nil {
		return ""
	}
	return encode(raw)
}

// data is authenticator data without a credential (WebAuthn §6.1).
func (a *Authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.RP))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Count)
}

func (a *Authenticator) sign(message []byte) ([]byte, error) {
	switch a.Algorithm {
	case EdDSA:
		return a.key.Sign(rand.Reader, message, crypto.Hash(0))
	case ES384:
		hash := crypto.SHA384.New()
		hash.Write(message)
		return a.key.Sign(rand.Reader, hash.Sum(nil), crypto.SHA384)
	}
	hash := sha256.Sum256(message)
	return a.key.Sign(rand.Reader, hash[:], crypto.SHA256)
}

// coseKey is the public key as a COSE_Key (RFC 9053 §7).
func (a *Authenticator) coseKey() ([]byte, error) {
	switch public := a.key.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			return nil, err
		}
		half := (len(point) - 1) / 2
		curve := byte(1) // P-256
		if a.Algorithm == ES384 {
			curve = 2
		}
		key := append([]byte{0xa5, 0x01, 0x02, 0x03}, negative(a.Algorithm)...)
		key = append(append(key, 0x20, curve, 0x21), bytes(point[1:1+half])...)
		return append(append(key, 0x22), bytes(point[1+half:])...), nil
	case ed25519.PublicKey:
		key := append([]byte{0xa4, 0x01, 0x01, 0x03}, negative(a.Algorithm)...)
		return append(append(key, 0x20, 0x06, 0x21), bytes(public)...), nil
	case *rsa.PublicKey:
		key := append([]byte{0xa4, 0x01, 0x03, 0x03}, negative(a.Algorithm)...)
		key = append(append(key, 0x20), bytes(public.N.Bytes())...)
		return append(append(key, 0x21), bytes([]byte{0x01, 0x00, 0x01})...), nil
	}
	return nil, errors.New("a key of an unknown kind")
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// What CBOR (RFC 8949 §3) is made of here.

func negative(n int) []byte { return head(1, -1-n) }
func text(s string) []byte  { return append(head(3, len(s)), s...) }
func bytes(b []byte) []byte { return append(head(2, len(b)), b...) }

func head(kind byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{kind<<5 | byte(n)}
	case n < 1<<8:
		return []byte{kind<<5 | 24, byte(n)}
	}
	return binary.BigEndian.AppendUint16([]byte{kind<<5 | 25}, uint16(n))
}
