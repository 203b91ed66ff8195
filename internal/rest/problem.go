package rest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"

	"github.com/maru-auth/maru/internal/httpd"
)

// Problem is an error in the form of RFC 9457 that all services share.
type Problem httpd.Problem

var (
	_ huma.StatusError       = (*Problem)(nil)
	_ huma.ContentTypeFilter = (*Problem)(nil)
	_ huma.SchemaTransformer = (*Problem)(nil)
)

// huma has these once for the whole process, which has one interface.
func init() {
	huma.NewError = newProblem
	huma.ValidateStrictCasing = true // "Title" is not "title"
	huma.DefaultArrayNullable = false
}

func (p *Problem) Error() string { return http.StatusText(p.Status) + ": " + p.Detail }

// GetStatus returns the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type, for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// TransformSchema adds the meaning of the members to the schema.
func (p *Problem) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Description = "An error (RFC 9457)."
	s.AdditionalProperties = true
	for name, description := range map[string]string{
		"type":       "URI of the kind of problem. Absent: the status says it all.",
		"title":      "The status in words.",
		"status":     "The HTTP status.",
		"detail":     "What to do about it, for developers. It may change: do not parse it.",
		"request_id": "Id of the request in the service's log.",
		"errors":     "What is wrong with the request, place by place.",
	} {
		s.Properties[name].Description = description
	}
	return s
}

// Invalid is the problem of a value that is not allowed. location is a place such as "body.title".
func Invalid(location string, err error) *Problem {
	return &Problem{Status: http.StatusUnprocessableEntity, Detail: "The request is not valid.",
		Errors: []httpd.ProblemField{{Location: location, Message: err.Error()}}}
}

// Changed is the problem of a change that came too late (RFC 9110 §15.5.13).
func Changed() *Problem {
	const detail = "It has changed since you read it. Read it again, and send its new ETag in If-Match."
	return &Problem{Status: http.StatusPreconditionFailed, Detail: detail}
}

// maxErrors is how many errors of a request a problem lists.
const maxErrors = 20

// newProblem makes a Problem of what huma finds wrong, without repeating the values as huma would.
func newProblem(status int, message string, errs ...error) huma.StatusError {
	p := &Problem{Status: status, Title: http.StatusText(status)}
	switch {
	case status >= http.StatusInternalServerError || status == 0: // 0: huma asks for the schema
		return p
	case status == http.StatusRequestEntityTooLarge:
		p.Detail = "The request body is too large."
		return p
	case status == http.StatusBadRequest: // huma has no other reason for 400
		p.Detail = "The body must be JSON in UTF-8."
		return p
	case status == http.StatusUnprocessableEntity:
		message = "The request is not valid."
	}
	p.Detail = message
	if len(errs) > maxErrors { // otherwise 64 KB of wrong tags would get 2 MB of answer
		p.Detail = fmt.Sprintf("%s The first %d of %d errors:", message, maxErrors, len(errs))
		errs = errs[:maxErrors]
	}
	for _, err := range errs {
		var detail huma.ErrorDetailer
		if errors.As(err, &detail) {
			d := detail.ErrorDetail()
			p.Errors = append(p.Errors, httpd.ProblemField{Location: d.Location, Message: d.Message})
		}
	}
	return p
}

// addRequestID completes a problem on its way out. It is a huma.Transformer.
func addRequestID(ctx huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		if p.Title == "" {
			p.Title = http.StatusText(p.Status)
		}
		p.RequestID = httpd.RequestID(ctx.Context())
		_, w := humamux.Unwrap(ctx)
		httpd.NoteProblem(w, httpd.Problem(*p))
		if p.Status == http.StatusServiceUnavailable {
			ctx.SetHeader("Retry-After", "2")
		}
		ctx.SetHeader("Cache-Control", "no-store")
	}
	return v, nil
}
