package httpd

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
)

// refusal is what the log says of a refused request beside its outcome: given the request id, an
// operator finds the reason.
type refusal struct {
	client, code, detail string
}

// How much of each is kept, in bytes: anybody may have chosen the client id, and the text that a
// description repeats.
const (
	maxNotedClient = 256
	maxNotedCode   = 64
	maxNotedDetail = 512
)

// query matches the query of an address in a text: it can hold a code or a state.
var query = regexp.MustCompile(`([a-zA-Z0-9+.-]+:/[^\s?]*)\?\S*`)

// NoteClient notes which client a request comes from, or claims to come from, for its line in the
// log. The first note stays. It does nothing outside [Server.Run].
func NoteClient(w http.ResponseWriter, id string) {
	if rec := recorderOf(w); rec != nil && rec.refusal.client == "" {
		rec.refusal.client = cut(id, maxNotedClient)
	}
}

// NoteRefusal notes why a request is refused, for its line in the log: an error code, and what the
// caller is told, which must hold no secret; addresses in it lose their queries. The first note
// stays, because the code closest to the reason notes first. It does nothing outside [Server.Run].
func NoteRefusal(w http.ResponseWriter, code, detail string) {
	if rec := recorderOf(w); rec != nil && rec.refusal.code == "" {
		rec.refusal.code, rec.refusal.detail = cut(code, maxNotedCode), cut(query.ReplaceAllString(detail, "$1?..."), maxNotedDetail)
	}
}

// attrs are the refusal for the log; none if nothing was refused.
func (f refusal) attrs() []slog.Attr {
	if f.code == "" {
		return nil
	}
	attrs := []slog.Attr{slog.String("error", f.code), slog.String("description", f.detail)}
	if f.client != "" {
		attrs = append(attrs, slog.String("client", f.client))
	}
	return attrs
}

// recorderOf returns Run's own writer, which others may wrap, or nil.
func recorderOf(w http.ResponseWriter) *statusRecorder {
	for {
		switch v := w.(type) {
		case *statusRecorder:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// statusCode is a status in words, in the form of an error code: "not_found".
func statusCode(status int) string {
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}

// summary is a problem in one line.
func (p Problem) summary() string {
	parts := make([]string, 0, 1+len(p.Errors))
	if p.Detail != "" {
		parts = append(parts, p.Detail)
	}
	for _, field := range p.Errors {
		parts = append(parts, field.Location+": "+field.Message)
	}
	return strings.Join(parts, " ")
}
