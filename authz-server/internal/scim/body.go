package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/scim/language"
)

// mediaType is that of SCIM's messages (RFC 7644 §8.1).
const mediaType = "application/scim+json"

// MaxGroup is how large the body of a request about groups can be, in bytes: some 10,000 members.
const MaxGroup = 1 << 20

// maxUser is how large other bodies can be.
const maxUser = 64 << 10

// readBody reads a message: a JSON object whose names are unique, whatever their case.
func readBody(w http.ResponseWriter, r *http.Request, most int64) (map[string]any, error) {
	if sent := r.Header.Get("Content-Type"); sent != "" {
		if media, _, err := mime.ParseMediaType(sent); err != nil || media != mediaType && media != "application/json" {
			return nil, &problem{
				Status: http.StatusUnsupportedMediaType,
				Detail: "The body must be application/scim+json or application/json.",
			}
		}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			return nil, &problem{
				Status: http.StatusRequestEntityTooLarge,
				Detail: fmt.Sprintf("The body is larger than %d bytes.", most),
			}
		}
		return nil, bad(language.InvalidSyntax, "The body did not arrive.")
	}
	return language.Decode(text)
}

// readResource reads the whole of a resource, without what is read-only.
func readResource(k *language.Kind, w http.ResponseWriter, r *http.Request, most int64) (map[string]any, error) {
	body, err := readBody(w, r, most)
	if err != nil {
		return nil, err
	}
	return k.Replaced(body)
}

// write answers with a message.
func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.Encode(body) //nolint:errcheck // the client is gone
}
