package httpd

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// IsText tells whether s can be stored and shown as text: UTF-8 without U+0000, which PostgreSQL
// refuses.
func IsText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// storedHeaders are the headers whose values services keep.
var storedHeaders = []string{"User-Agent", "Idempotency-Key"}

// NotText names the first part of a request that is not text ([IsText]), in words for the caller:
// its path, its query, or a header that services keep. Empty: all of them are text. The handler
// checks the body: see [FormIsText].
func NotText(r *http.Request) string {
	if !IsText(r.URL.Path) {
		return "the path"
	}
	if query, _ := url.ParseQuery(r.URL.RawQuery); !FormIsText(query) { // what cannot be parsed is not a parameter
		return "the query"
	}
	for _, name := range storedHeaders {
		for _, value := range r.Header.Values(name) {
			if !IsText(value) {
				return "the header " + name
			}
		}
	}
	return ""
}

// FormIsText tells whether all names and values of a form are text ([IsText]).
func FormIsText(form url.Values) bool {
	for name, values := range form {
		for _, value := range values {
			if !IsText(value) {
				return false
			}
		}
		if !IsText(name) {
			return false
		}
	}
	return true
}
