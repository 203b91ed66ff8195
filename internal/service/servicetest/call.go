package servicetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   string

	t    testing.TB
	call string // method and path
}

// Call makes a request with a token and a JSON body; both may be empty. Header has names and values
// in turn.
func (s *Service) Call(method, path, token, body string, header ...string) Response {
	s.t.Helper()
	return s.CallWith(method, path, body, func(h http.Header) {
		if body != "" {
			h.Set("Content-Type", "application/json")
		}
		if token != "" {
			h.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
	})
}

// CallWith makes a request with the headers that set sets.
func (s *Service) CallWith(method, path, body string, set func(http.Header)) Response {
	s.t.Helper()
	response := Response{t: s.t, call: fmt.Sprintf("%s %.200s", method, path)}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return response
	}
	set(r.Header)
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Error(err)
		return response
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Errorf("%s: %v", response.call, err)
	}
	response.Status, response.Header, response.Body = answer.StatusCode, answer.Header, string(read)
	return response
}

func (r Response) String() string {
	return fmt.Sprintf("%s: status %d, body %.1000s", r.call, r.Status, r.Body)
}

// ETag is the entity tag of what was read.
func (r Response) ETag() string { return r.Header.Get("ETag") }

// Member returns a member of the JSON object in the body, and nil if there is no such member.
func (r Response) Member(name string) any {
	var object map[string]any
	if json.Unmarshal([]byte(r.Body), &object) != nil {
		return nil
	}
	return object[name]
}

// Text returns a member that is a text, and the empty text if there is no such member.
func (r Response) Text(name string) string {
	text, _ := r.Member(name).(string)
	return text
}

// Items returns one member of each item of a list.
func (r Response) Items(member string) []any {
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(r.Body), &list); err != nil {
		r.t.Errorf("%v is no list: %v", r, err)
	}
	values := []any{}
	for _, item := range list.Items {
		values = append(values, item[member])
	}
	return values
}

// Want checks the status, and that an error is a whole problem document, which names its request.
func (r Response) Want(status int) Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Errorf("%v, want status %d", r, status)
	}
	if r.Status < 400 {
		return r
	}
	id := r.Header.Get("X-Request-Id")
	if r.Header.Get("Content-Type") != "application/problem+json" || r.Header.Get("Cache-Control") != "no-store" ||
		r.Member("status") != float64(r.Status) || r.Text("title") != http.StatusText(r.Status) || id == "" || r.Text("request_id") != id {
		r.t.Errorf("%v is no whole problem document: %v", r, r.Header)
	}
	return r
}

// About checks that a problem is about a place in the request, such as "body.title".
func (r Response) About(location string) {
	r.t.Helper()
	var problem struct {
		Errors []struct{ Location, Message string }
	}
	if err := json.Unmarshal([]byte(r.Body), &problem); err != nil {
		r.t.Errorf("%v: %v", r, err)
	}
	if len(problem.Errors) == 0 || problem.Errors[0].Location != location || problem.Errors[0].Message == "" {
		r.t.Errorf("%v does not name %s", r, location)
	}
}
