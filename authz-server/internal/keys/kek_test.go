package keys

import (
	"bytes"
	"errors"
	"testing"
)

func TestEnvelopeOpensOnlyWithItsKeyPurposeAndContext(t *testing.T) {
	t.Parallel()
	kek := testKEK(t, 1)
	plain := []byte("a private key")
	envelope, err := kek.Seal("signing key", plain, "RS256", "kid")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := kek.Seal("signing key", plain, "RS256", "kid"); bytes.Equal(again, envelope) || err != nil {
		t.Error("two envelopes are alike")
	}
	if bytes.Contains(envelope, plain) {
		t.Error("the plain text shows")
	}
	for name, open := range map[string]func() ([]byte, bool, error){
		"same":  func() ([]byte, bool, error) { return kek.Open("signing key", envelope, "RS256", "kid") },
		"stale": func() ([]byte, bool, error) { return testKEK(t, 2, 3, 1).Open("signing key", envelope, "RS256", "kid") },
	} {
		if got, stale, err := open(); !bytes.Equal(got, plain) || stale != (name == "stale") || err != nil {
			t.Errorf("%s: %q, %t, %v", name, got, stale, err)
		}
	}
	for name, open := range map[string]func() ([]byte, bool, error){
		"another key":     func() ([]byte, bool, error) { return testKEK(t, 2, 3).Open("signing key", envelope, "RS256", "kid") },
		"another purpose": func() ([]byte, bool, error) { return kek.Open("totp", envelope, "RS256", "kid") },
		"another kid":     func() ([]byte, bool, error) { return kek.Open("signing key", envelope, "RS256", "dik") },
		"another alg":     func() ([]byte, bool, error) { return kek.Open("signing key", envelope, "PS256", "kid") },
		"parts moved":     func() ([]byte, bool, error) { return kek.Open("signing key", envelope, "RS256k", "id") },
		"a part less":     func() ([]byte, bool, error) { return kek.Open("signing key", envelope, "RS256kid") },
		"nothing":         func() ([]byte, bool, error) { return kek.Open("signing key", nil, "RS256", "kid") },
		"version alone":   func() ([]byte, bool, error) { return kek.Open("signing key", envelope[:1], "RS256", "kid") },
		"shortened": func() ([]byte, bool, error) {
			return kek.Open("signing key", envelope[:len(envelope)-1], "RS256", "kid")
		},
		"nonce and no tag": func() ([]byte, bool, error) { return kek.Open("signing key", envelope[:13], "RS256", "kid") },
	} {
		if got, _, err := open(); !errors.Is(err, ErrWrongKEK) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for i := range envelope {
		changed := bytes.Clone(envelope)
		changed[i] ^= 1
		if _, _, err := kek.Open("signing key", changed, "RS256", "kid"); !errors.Is(err, ErrWrongKEK) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	if _, err := NewKEK(make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes is taken")
	}
	if _, err := NewKEK(make([]byte, 32), make([]byte, 33)); err == nil {
		t.Error("an old key of 33 bytes is taken")
	}
}

func FuzzEnvelopeOpen(f *testing.F) {
	kek := testKEK(f, 1)
	envelope, err := kek.Seal("signing key", []byte("a private key"), "RS256", "kid")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(envelope)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		plain, _, err := kek.Open("signing key", data, "RS256", "kid")
		// Each process of a fuzzing run makes its own envelope of the same text.
		if err == nil && string(plain) != "a private key" || err != nil &&
			(plain != nil || bytes.Equal(data, envelope) || !errors.Is(err, ErrWrongKEK)) {
			t.Fatalf("%x: %q, %v", data, plain, err)
		}
	})
}
