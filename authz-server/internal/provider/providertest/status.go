package providertest

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"time"
)

// Place is where the status of a token is.
func (f *Fixture) Place(token string) (uri string, index int) {
	f.T.Helper()
	_, claims := Decode(f.T, token)
	status, _ := claims["status"].(map[string]any)
	list, _ := status["status_list"].(map[string]any)
	uri, _ = list["uri"].(string)
	number, ok := list["idx"].(float64)
	if !ok || !strings.HasPrefix(uri, f.Issuer+"/oauth2/status/") {
		f.T.Fatalf("the claim status: %v", claims["status"])
	}
	return uri, int(number)
}

// Invalid tells what the published list says of a token, a second later.
func (f *Fixture) Invalid(token string) bool {
	f.T.Helper()
	f.Clock.Advance(time.Second)
	uri, index := f.Place(token)
	a := f.Do(f.Request("GET", strings.TrimPrefix(uri, f.Issuer), nil))
	if a.Status != http.StatusOK {
		f.T.Fatalf("%d %s", a.Status, a.Body)
	}
	_, claims := Decode(f.T, a.Body)
	packed, err := base64.RawURLEncoding.DecodeString(claims["status_list"].(map[string]any)["lst"].(string))
	if err != nil {
		f.T.Fatal(err)
	}
	unpacked, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		f.T.Fatal(err)
	}
	bits, err := io.ReadAll(unpacked)
	if err != nil {
		f.T.Fatal(err)
	}
	return bits[index/8]>>(index%8)&1 == 1
}
