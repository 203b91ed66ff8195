// Package endpoint holds what every endpoint of the protocol needs of the server around it:
// answers, also on a page, a turn for each sender, bounds on what waits here, and forms that other
// sites' pages post.
package endpoint

import (
	"encoding/json"
	"net/http"

	"github.com/maru-auth/maru/internal/httpd"
)

// WriteJSON answers with JSON that no cache may keep.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client is gone
}

// WriteRefusal answers a program with an error (RFC 6749 §5.2), and notes it for the log.
func WriteRefusal(w http.ResponseWriter, status int, code, description string) {
	httpd.NoteRefusal(w, code, description)
	WriteJSON(w, status, map[string]string{"error": code, "error_description": description})
}

// NoStore keeps an answer out of caches, and its address out of Referer headers.
func NoStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// Bounded reads no more of a body than an endpoint can need: most bytes.
func Bounded(most int64, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, most)
		next(w, r)
	})
}

// The largest bodies, in bytes.
const (
	MaxForm  = 16 << 10 // the parameters of an authorization request
	MaxToken = 32 << 10 // a token or two, and what authenticates the client
)
