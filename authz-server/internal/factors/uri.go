package factors

import (
	"image/color"
	"net/url"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// keyURI is what an authenticator app reads from a QR code: the secret, and under which name to
// keep it. Its parameters are those of the "Key URI Format" that all apps follow. Some apps show a
// plus sign where a query means a space.
func keyURI(product, account string, secret []byte) string {
	query := url.Values{"secret": {encoding.EncodeToString(secret)}, "issuer": {product}, "algorithm": {"SHA1"},
		"digits": {strconv.Itoa(digits)}, "period": {strconv.Itoa(int(period.Seconds()))}}
	return "otpauth://totp/" + url.PathEscape(product+":"+account) + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}

// quiet is the margin that a QR code needs, in modules (ISO/IEC 18004 §9.1).
const quiet = 4

// drawQR returns text as a QR code: the path of its dark modules in a square of size by size units,
// for an SVG. No image is fetched: the pages' policy allows none but files of this server, and the
// secret is in no file.
func drawQR(text string) (size int, path string, err error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return 0, "", err
	}
	modules := code.Bounds().Dx()
	var b strings.Builder
	for y := range modules {
		for x := 0; x < modules; x++ {
			from := x
			for x < modules && code.At(x, y) == color.Black {
				x++
			}
			if wide := strconv.Itoa(x - from); x > from {
				b.WriteString("M" + strconv.Itoa(from+quiet) + " " + strconv.Itoa(y+quiet) + "h" + wide + "v1h-" + wide + "z")
			}
		}
	}
	return modules + 2*quiet, b.String(), nil
}

// groups writes text in groups of four, as people read a long one aloud or type it.
func groups(text string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(c)
	}
	return b.String()
}
