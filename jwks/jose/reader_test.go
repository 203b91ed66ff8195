package jose

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// decodeBase64 takes what the strict decoder of encoding/base64 takes, but for line breaks.
func FuzzBase64(f *testing.F) {
	for _, text := range []string{
		"", "A", "AA", "AB", "AAA", "AAB", "AAAA", "AAAAA", "AAAAAA", "-_-_", "AAAA====", "AA==", "AA=", "AA\n", "AAAA\r\n", "A+/A", "AAAA AAAA",
		"AAAAAAAA", "AAAAAAAAAAA", "AAAAAA\x00A", "AAAAAAAé", strings.Repeat("abcdefg", 30), strings.Repeat("A", 15) + "=", "=AAAAAAAAAAA",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, wantErr := base64.RawURLEncoding.Strict().DecodeString(text)
		if strings.ContainsAny(text, "\r\n") {
			wantErr = errBase64
		}
		got, err := decodeBase64(text)
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) || err != nil && got != nil {
			t.Errorf("%q: %x, %v, want %x, %v", text, got, err, want, wantErr)
		}
		kept := []byte("kept")
		if appended, err := appendBase64(kept[:4:4], text); err == nil && string(appended) != "kept"+string(want) {
			t.Errorf("%q: appended %x", text, appended)
		}
	})
}

func TestEveryByteIsJudgedAtEveryPlaceOfBase64(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 17; size++ {
		for place := range size {
			for c := range 256 {
				text := []byte(strings.Repeat("A", size))
				text[place] = byte(c)
				want, wantErr := base64.RawURLEncoding.Strict().DecodeString(string(text))
				got, err := decodeBase64(string(text))
				if c == '\n' || c == '\r' {
					wantErr = errBase64
				}
				if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
					t.Fatalf("%q: %x, %v, want %x, %v", text, got, err, want, wantErr)
				}
			}
		}
	}
}

// A Reader finds in a JWT what Parse finds, whatever it read before.
func FuzzReader(f *testing.F) {
	encode := base64.RawURLEncoding.EncodeToString
	good := encode([]byte(`{"alg":"RS256","kid":"k","typ":"AT+jwt"}`)) + "." + encode([]byte(`{"sub":"u"}`)) + "." + encode([]byte("signature"))
	bound := encode([]byte(`{"alg":"ES256","jwk":{"kty":"EC"}}`)) + ".e30.AAAA"
	for _, pair := range [][2]string{
		{good, bound}, {good, good}, {good, "." + good}, {good + ".", good}, {"..", good}, {"", ""}, {"a", "."}, {good[:60], good}, {bound, bound + "="},
		{"e30.e30.", good}, {strings.Replace(good, ".", "..", 1), good},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, before, text string) {
		var r Reader
		for _, one := range []string{before, text, text} {
			name := r.Read(one, []byte("salt"))
			if name != sha256.Sum256([]byte(one+"salt")) {
				t.Errorf("%q: wrong name", one)
			}
			got, err := r.Parse()
			want, wantErr := Parse(one)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%q: %v, want %v", one, err, wantErr)
			}
			if err != nil {
				continue
			}
			if got.digest == nil || *got.digest != sha256.Sum256([]byte(want.message)) {
				t.Errorf("%q: wrong digest", one)
			}
			same := *got
			same.digest = nil
			same.payload, same.signature = append([]byte{}, same.payload...), append([]byte{}, same.signature...)
			if !reflect.DeepEqual(&same, want) {
				t.Errorf("%q: %+v, want %+v", one, same, want)
			}
		}
	})
}

func TestAReaderKeepsNoLargeBuffer(t *testing.T) {
	t.Parallel()
	var r Reader
	r.Read(strings.Repeat("a", maxKept+1), nil)
	if r.Reset(); cap(r.bytes) > maxKept || r.text != "" {
		t.Errorf("%d bytes kept", cap(r.bytes))
	}
	r.Read("small", nil)
	if r.Reset(); cap(r.bytes) == 0 {
		t.Error("a small buffer was not kept")
	}
}
