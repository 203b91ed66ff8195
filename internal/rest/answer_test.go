package rest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnAnswerIsSentWholeWithItsLengthOrNotAtAll(t *testing.T) {
	writes := func(status int, parts ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if status != 0 {
				w.WriteHeader(status)
			}
			for _, part := range parts {
				if _, err := io.WriteString(w, part); err != nil {
					t.Error(err)
				}
			}
		}
	}
	large := strings.Repeat("x", mostCollected)
	for name, c := range map[string]struct {
		serve  func(http.ResponseWriter)
		status int
		length string // the header
		body   string
	}{
		"in parts":           {writes(201, strings.Repeat("a", 3000), "b"), 201, "3001", strings.Repeat("a", 3000) + "b"},
		"without a status":   {writes(0, "a"), 200, "1", "a"},
		"empty":              {writes(200), 200, "0", ""},
		"no content":         {writes(204), 204, "", ""},
		"not modified":       {writes(304), 304, "", ""},
		"too large for that": {writes(200, "a", large, "b"), 200, "", "a" + large + "b"},
		"nothing":            {func(http.ResponseWriter) {}, 200, "", ""}, // what the recorder says of nothing
	} {
		w := httptest.NewRecorder()
		collect(w, c.serve)
		if w.Code != c.status || w.Header().Get("Content-Length") != c.length || w.Body.String() != c.body {
			t.Errorf("%s: status %d, length %q, %d bytes", name, w.Code, w.Header().Get("Content-Length"), w.Body.Len())
		}
	}

	w := httptest.NewRecorder()
	func() {
		defer func() { recover() }()
		collect(w, func(w http.ResponseWriter) {
			writes(200, "half of it")(w)
			panic("the other half")
		})
	}()
	if w.Body.Len() > 0 {
		t.Errorf("half an answer was sent: %s", w.Body)
	}
	collect(w, writes(500, "an error"))
	if w.Code != 500 || w.Body.String() != "an error" {
		t.Errorf("after a panic: %d %s", w.Code, w.Body)
	}
}
