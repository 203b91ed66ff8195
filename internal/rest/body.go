package rest

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

const mergePatch = "application/merge-patch+json"

// checkMediaType is the middleware that refuses a body of a type that the operation does not take.
func checkMediaType(ctx huma.Context, next func(huma.Context)) {
	body, sent := ctx.Operation().RequestBody, ctx.Header("Content-Type")
	if body == nil || sent == "" {
		next(ctx)
		return
	}
	mediaType, _, err := mime.ParseMediaType(sent)
	if err == nil && body.Content[mediaType] != nil {
		next(ctx)
		return
	}
	r, w := humamux.Unwrap(ctx)
	if r.Method == http.MethodPatch {
		w.Header().Set("Accept-Patch", mergePatch+", application/json") // RFC 5789 §2.2
	}
	httpd.WriteProblem(w, r, httpd.Problem{Status: http.StatusUnsupportedMediaType, Detail: "The body must be application/json."})
}

// unmarshal is json.Unmarshal for request bodies. It refuses what is not UTF-8, which json would
// silently alter (RFC 8259 §8.1), and names that occur twice, and normalizes the texts in the
// generic form, in which huma counts characters.
func unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errUTF8
	}
	if err := jose.CheckExact(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	if generic, ok := v.(*any); ok {
		if object, ok := (*generic).(map[string]any); ok {
			for name, value := range object {
				if text, ok := value.(string); ok {
					object[name] = normalize(text)
				}
			}
		}
	}
	return nil
}

// unmarshalText is unmarshal for an interface with [Resource.RefuseNUL].
func unmarshalText(data []byte, v any) error {
	err := unmarshal(data, v)
	if generic, ok := v.(*any); ok && err == nil && hasNUL(*generic) {
		err = errors.New("a text has U+0000")
	}
	return err
}

// hasNUL tells whether a text in a value has U+0000, or a name.
func hasNUL(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(value, "\x00")
	case []any:
		return slices.ContainsFunc(value, hasNUL)
	case map[string]any:
		for name, one := range value {
			if strings.Contains(name, "\x00") || hasNUL(one) {
				return true
			}
		}
	}
	return false
}
