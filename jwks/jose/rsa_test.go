package jose

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"slices"
	"testing"
)

func TestAnotherVerifiesRSA(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("message")
	sum256, sum512 := sha256.Sum256(message), sha512.Sum512(message)
	pkcs, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum256[:])
	if err != nil {
		t.Fatal(err)
	}
	pss, err := rsa.SignPSS(rand.Reader, private, crypto.SHA512, sum512[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	set, err := ParseKeySet([]byte(`{"keys":[{"kid":"a","kty":"RSA","e":"AQAB","n":"` + encode(private.N.Bytes()) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var made, asked []string
	answer := true
	other := func(public *rsa.PublicKey, hash crypto.Hash, pss bool) func(digest, signature []byte) bool {
		name := hash.String()
		if pss {
			name += " PSS"
		}
		made = append(made, name)
		if !public.Equal(private.Public()) || hash == crypto.SHA384 {
			return nil
		}
		return func(digest, signature []byte) bool {
			asked = append(asked, name)
			return answer && len(digest) == hash.Size() && len(signature) == 256
		}
	}
	keys, err := set.VerifyingBy(other).Keys(t.Context(), "a")
	if err != nil || !keys[0].Equal(set.keys[0]) {
		t.Fatal(keys, err)
	}
	key := keys[0]
	for range 2 {
		if !key.Verifies("RS256", message, pkcs) || !key.Verifies("PS512", message, pss) {
			t.Error("a good signature is refused")
		}
	}
	if key.Verifies("RS384", message, pkcs) { // the other leaves it to crypto/rsa
		t.Error("a signature with another hash is taken")
	}
	answer = false
	head, body := encode([]byte(`{"alg":"RS256"}`)), encode([]byte(`{}`))
	digest := sha256.Sum256([]byte(head + "." + body))
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	text := head + "." + body + "." + encode(signature)
	var r Reader
	r.Read(text, nil)
	for _, parse := range []func() (*JWT, error){func() (*JWT, error) { return Parse(text) }, r.Parse} {
		jwt, err := parse()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := jwt.VerifiedBy(key); ok {
			t.Error("the other's refusal does not count")
		}
		if _, ok := jwt.VerifiedBy(key.VerifyingBy(nil)); !ok {
			t.Error("crypto/rsa is not asked again")
		}
	}
	if want := []string{"SHA-256", "SHA-512 PSS", "SHA-384"}; !slices.Equal(made, want) {
		t.Errorf("functions are made for %v, want %v", made, want)
	}
	if want := []string{"SHA-256", "SHA-512 PSS", "SHA-256", "SHA-512 PSS", "SHA-256", "SHA-256"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

func TestOtherKeysAreNotGivenToAnRSAVerifier(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey("Ed25519", public)
	if err != nil {
		t.Fatal(err)
	}
	key = key.VerifyingBy(func(*rsa.PublicKey, crypto.Hash, bool) func(digest, signature []byte) bool {
		t.Error("asked for a key that is not RSA")
		return nil
	})
	if !key.Verifies("Ed25519", []byte("m"), ed25519.Sign(private, []byte("m"))) || (Key{}).VerifyingBy(nil).Verifies("RS256", nil, nil) {
		t.Error("a wrong answer")
	}
}
