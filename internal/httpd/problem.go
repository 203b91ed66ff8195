package httpd

import (
	"encoding/json"
	"net/http"
)

// Problem is an error as RFC 9457 writes it.
type Problem struct {
	Type      string         `json:"type,omitempty"` // empty: about:blank
	Title     string         `json:"title"`          // empty: the status's standard text
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	RequestID string         `json:"request_id,omitempty"` // filled in by WriteProblem
	Errors    []ProblemField `json:"errors,omitempty"`     // what was wrong, field by field
}

// ProblemField names one wrong field. It never repeats the value, which may be a secret.
type ProblemField struct {
	Location string `json:"location"` // such as "body.title"
	Message  string `json:"message"`
}

// WriteProblem answers with p. An error that is not the caller's fault should carry no detail: the
// log has it under the request id.
func WriteProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	p.RequestID = RequestID(r.Context())
	NoteProblem(w, p)
	if p.Status == http.StatusServiceUnavailable {
		SetRetryAfter(w.Header())
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) //nolint:errcheck // the client is gone
}

// NoteProblem notes a problem that is written by other means than [WriteProblem]: see
// [NoteRefusal].
func NoteProblem(w http.ResponseWriter, p Problem) { NoteRefusal(w, statusCode(p.Status), p.summary()) }

// SetRetryAfter tells a client to come back in two seconds (RFC 9110 §10.2.3), unless header says
// another time already: most faults of a database are over by then.
func SetRetryAfter(header http.Header) {
	if header.Get("Retry-After") == "" {
		header.Set("Retry-After", "2")
	}
}
