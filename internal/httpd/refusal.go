package httpd

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
)

// refusal is what the log says of a request beside its outcome, so that whoever is told a request id finds the reason there.
type refusal struct {
	client, code, detail string
}

// How much of each is kept, in bytes: a client id, and what a description repeats, can be a stranger's.
const (
	maxNotedClient = 256
	maxNotedCode   = 64
	maxNotedDetail = 512
)

// query is that of an address in a text. It can hold a code or a state.
var query = regexp.MustCompile(`([a-zA-Z0-9+.-]+:/[^\s?]*)\?\S*`)

// NoteClient notes which client a request is from, or says that it is from, for its line in the log. The first note stays.
// It does nothing outside of [Server.Run].
func NoteClient(w http.ResponseWriter, id string) {
	if rec := recorderOf(w); rec != nil && rec.refusal.client == "" {
		rec.refusal.client = cut(id, maxNotedClient)
	}
}

// NoteRefusal notes why a request is refused, for its line in the log: an error code, and what the caller is told, which
// must hold no secret; of addresses in it the queries are cut. The first note stays: who knows best notes first. It does nothing outside of [Server.Run].
func NoteRefusal(w http.ResponseWriter, code, detail string) {
	if rec := recorderOf(w); rec != nil && rec.refusal.code == "" {
		rec.refusal.code, rec.refusal.detail = cut(code, maxNotedCode), cut(query.ReplaceAllString(detail, "$1?..."), maxNotedDetail)
	}
}

// attrs are the refusal in the log; none, if nothing was refused.
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

// recorderOf is the writer of Run below others, or nil.
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

// statusCode is a status in words, as an error code is written: "not_found".
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
