package clientauth

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestAnAssertionNamesItsClientBeforeItIsVerified(t *testing.T) {
	t.Parallel()
	compact := func(claims string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"ES256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
	}
	good := compact(`{"iss":"x","sub":"app"}`)
	if id, err := assertedClient(good); id != "app" || err != nil {
		t.Errorf("%q, %v", id, err)
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"two parts":       good[:strings.LastIndexByte(good, '.')],
		"padding":         good + "=",
		"a line break":    good + "\n",
		"an array":        compact(`["app"]`),
		"sub twice":       compact(`{"sub":"app","sub":"other"}`),
		"sub a number":    compact(`{"sub":1}`),
		"too long":        compact(`{"sub":"app","x":"` + strings.Repeat("x", MaxAssertion) + `"}`),
		"crit":            base64.RawURLEncoding.EncodeToString([]byte(`{"crit":["b64"]}`)) + good[strings.IndexByte(good, '.'):],
		"unsigned header": good[strings.IndexByte(good, '.'):],
	} {
		if id, err := assertedClient(text); err == nil {
			t.Errorf("%s: %q", name, id)
		}
	}
	if id, err := assertedClient(compact(`{"SUB":"app"}`)); id != "" || err != nil {
		t.Errorf("SUB: %q, %v", id, err)
	}
}
