package factors

import (
	"image/color"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

func TestTheKeyURINamesProductAndAccount(t *testing.T) {
	t.Parallel()
	for _, product := range []string{"Maru", "마루", "Acme & Sons"} {
		text := keyURI(product, "mina+a@example.org", []byte("12345678901234567890"))
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/"+product+":mina+a@example.org" {
			t.Errorf("%s: %v", text, err)
		}
		q := u.Query()
		if q.Get("issuer") != product || q.Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || q.Get("digits") != "6" ||
			q.Get("period") != "30" || q.Get("algorithm") != "SHA1" || strings.Contains(u.RawQuery, "+") {
			t.Error(text)
		}
	}
}

// What the path draws is the matrix of the QR code, with its quiet zone around it.
func TestTheDrawingIsTheQRCode(t *testing.T) {
	t.Parallel()
	const text = "otpauth://totp/Maru:mina@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Maru"
	size, path, err := drawQR(text)
	if err != nil {
		t.Fatal(err)
	}
	dark := make(map[[2]int]bool)
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(path, -1) {
		var n [4]int
		for i := range n {
			if n[i], err = strconv.Atoi(run[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		for x := range n[2] {
			dark[[2]int{n[0] + x, n[1]}] = true
		}
	}
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if size != code.Bounds().Dx()+8 {
		t.Errorf("size %d", size)
	}
	for y := range size {
		for x := range size {
			inside := x >= 4 && y >= 4 && x < size-4 && y < size-4
			if want := inside && code.At(x-4, y-4) == color.Black; dark[[2]int{x, y}] != want {
				t.Fatalf("(%d, %d): dark %v, want %v", x, y, dark[[2]int{x, y}], want)
			}
		}
	}
	if _, _, err := drawQR(strings.Repeat("x", 10000)); err == nil {
		t.Error("no error for what no QR code can hold")
	}
}

func TestASecretIsShownInGroups(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"GEZDGNBVGY": "GEZD GNBV GY", "GEZD": "GEZD", "": ""} {
		if got := groups(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
