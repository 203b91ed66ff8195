package guard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParseForm(f *testing.F) {
	f.Add("email=a%40b&password=x", "application/x-www-form-urlencoded; charset=utf-8")
	f.Add("a=%ff", "application/x-www-form-urlencoded")
	f.Add("a=%00&;", "application/x-www-form-urlencoded")
	f.Add("--x\r\n\r\n--x--", "multipart/form-data; boundary=x")
	f.Fuzz(func(t *testing.T, body, kind string) {
		r := httptest.NewRequest(http.MethodPost, "/login?q=1", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		if parseForm(r) != nil {
			return
		}
		for name, values := range r.PostForm {
			for _, s := range append(values, name) {
				if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
					t.Errorf("%q passed", s)
				}
			}
		}
	})
}
