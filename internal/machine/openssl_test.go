package machine

import (
	"math"
	"testing"
)

func TestTheTimeOfASignatureIsReadFromWhatOpenSSLPrints(t *testing.T) {
	for text, want := range map[string]float64{
		"                  sign    verify    sign/s verify/s\nrsa  2048 bits 0.000435s 0.000013s   2298.0  76923.1\n":                                                   0.435,
		"                   sign    verify    encrypt   decrypt   sign/s verify/s  encr./s  decr./s\nrsa  2048 bits 435.5us  12.7us  13.5us 440.0us  2296.0  78740.2\n": 0.4355,
	} {
		if got, err := parseOpenSSL(text); err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("%v ms, %v, want %v", got, err, want)
		}
	}
	if _, err := parseOpenSSL("no such thing"); err == nil {
		t.Error("nothing is read as something")
	}
}
