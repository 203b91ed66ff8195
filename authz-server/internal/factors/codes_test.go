package factors

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func testVault(t *testing.T, key byte) *Vault {
	t.Helper()
	v, err := NewVault(bytes.Repeat([]byte{key}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The secret and times of RFC 6238, appendix B, cut to six digits.
func TestCodesAreThoseOfRFC6238(t *testing.T) {
	t.Parallel()
	secret := []byte("12345678901234567890")
	for at, code := range map[int64]string{1111111109: "081804", 1234567890: "005924", 20000000000: "353130"} {
		for _, late := range []time.Duration{-period, 0, period} {
			step, ok := matches(secret, code, time.Unix(at, 0).Add(late))
			if !ok || step != at/30 {
				t.Errorf("%d, %s late: step %d, %v", at, late, step, ok)
			}
		}
		for _, late := range []time.Duration{-2 * period, 2 * period} {
			if step, ok := matches(secret, code, time.Unix(at, 0).Add(late)); ok {
				t.Errorf("%d, %s late: the code of step %d is taken", at, late, step)
			}
		}
	}
}

func TestCodesCanBeTypedInManyWays(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "123-456": "123456", "１２３４５６": "123456", "123\u00a0456": "123456", "123–456": "123456",
		"12345": "", "1234567": "", "12345a": "", "": "", "١٢٣٤٥٦": "",
	} {
		if got := readOTP(typed); got != want {
			t.Errorf("%q is %q, not %q", typed, got, want)
		}
	}
	for typed, want := range map[string]string{
		"ABCDE-F0123": "ABCDEF0123", "abcdef0123": "ABCDEF0123", " abcde fol23 ": "ABCDEF0123", "ａｂｃｄｅｆ０１２３": "ABCDEF0123",
		"ABCDE-FO12": "", "ABCDE-F01234": "", "ABCDE-F012U": "", "": "", strings.Repeat("A", 1000): "",
	} {
		if got := readRecovery(typed); got != want {
			t.Errorf("%q is %q, not %q", typed, got, want)
		}
	}
}

func TestRecoveryCodesDifferAndBelongToOnePerson(t *testing.T) {
	t.Parallel()
	v := testVault(t, 1)
	codes, hashes := v.newCodes("mina")
	seen := make(map[string]bool)
	for i, code := range codes {
		seen[code] = true
		if readRecovery(strings.ToLower(showCode(code))) != code {
			t.Errorf("%s is read as %s", showCode(code), readRecovery(showCode(code)))
		}
		if !bytes.Equal(hashes[i], v.hashCode("mina", code)) || bytes.Equal(hashes[i], v.hashCode("hana", code)) ||
			bytes.Equal(hashes[i], testVault(t, 2).hashCode("mina", code)) {
			t.Error("the hash of a code depends on less than the person, the code and the server's key")
		}
	}
	if len(seen) != 10 || len(hashes) != 10 {
		t.Errorf("%d different codes", len(seen))
	}
}

func TestASealedSecretIsOfOnePersonAndOneKey(t *testing.T) {
	t.Parallel()
	v := testVault(t, 1)
	secret, sealed, err := v.newSecret("mina")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.openSecret("mina", sealed); err != nil || !bytes.Equal(got, secret) || len(secret) != 20 {
		t.Errorf("%x %v", got, err)
	}
	if _, err := v.openSecret("hana", sealed); err == nil {
		t.Error("another person's row opens it")
	}
	if _, err := testVault(t, 2).openSecret("mina", sealed); err == nil {
		t.Error("another key opens it")
	} else if strings.Contains(err.Error(), encoding.EncodeToString(secret)) || strings.Contains(err.Error(), hex.EncodeToString(secret)) {
		t.Error("the error has the secret")
	}
	if bytes.Contains(sealed, secret) {
		t.Error("the secret is stored as such")
	}
	if _, err := NewVault(make([]byte, 16)); err == nil {
		t.Error("a short key was taken")
	}
}
