// Package backend calls the user and board services as any client would: JSON over HTTP with a
// bearer token (RFC 6750), errors as problem documents (RFC 9457), changes guarded by ETag and
// If-Match (RFC 9110 §13).
//
// Each service is called within the bounds of package outbound. Answers that everybody may read are
// kept for a while.
package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/client-demo/internal/outbound"
	"github.com/maru-auth/maru/internal/httpd"
)

// ErrDown says that a service gave no usable answer: it is away, too slow or overloaded.
var ErrDown = errors.New("the service does not answer")

// DownError is an ErrDown that names the service.
type DownError struct {
	Service string // "user" or "board"
	Reason  error
}

func (e *DownError) Error() string {
	return fmt.Sprintf("the %s service does not answer: %v", e.Service, e.Reason)
}

// Is makes every DownError an ErrDown.
func (e *DownError) Is(target error) bool { return target == ErrDown }
func (e *DownError) Unwrap() error        { return e.Reason }

// Error is a refusal by a service.
type Error struct {
	Status int
	Title  string
	Detail string
	Fields map[string]string // what was wrong with which field of the body
	Code   string            // of a challenge (RFC 6750 §3.1), such as invalid_token; mostly empty
	StepUp *StepUp           // the log-in that would help; nil: none
}

func (e *Error) Error() string {
	return fmt.Sprintf("the service answered %d %s: %s", e.Status, e.Title, e.Detail)
}

// Is lets errors.Is compare refusals by status: errors.Is(err, &Error{Status: 412}).
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Status == e.Status
}

// TokenFunc returns the access token to call with; refused is empty, or the token that the service
// has just refused. A nil TokenFunc calls without a token, for what everybody may read.
type TokenFunc func(ctx context.Context, refused string) (string, error)

// limits bound the calls to one service. A page of 100 comments of full length fits into an answer.
var limits = outbound.Limits{Timeout: 5 * time.Second, AtOnce: 64, Answer: 2 << 20}

// service is one REST interface. It is safe for concurrent use.
type service struct {
	name   string
	base   string
	http   *http.Client
	public *publicAnswers

	strangers *httpd.Allowance // by network
}

func newService(name, base string, calls httpd.Calls, now func() time.Time) service {
	bounds := limits
	bounds.To, bounds.Calls = name, calls
	return service{name, base, outbound.NewClient(bounds), newPublicAnswers(now), httpd.NewAllowance(strangersAtOnce*strangersEvery, maxStrangers, now)}
}

// Close closes idle connections.
func (s service) Close() { s.http.CloseIdleConnections() }

// path has the segments of a path below the service's version.
type path []string

// call is one request; in and out, when not nil, are JSON.
type call struct {
	method  string
	path    path
	query   url.Values
	ifMatch string
	key     string // Idempotency-Key
	in, out any
}

// do makes the call and returns the answer's ETag. If the token is refused, it tries once more with
// another.
func (s service) do(ctx context.Context, token TokenFunc, c call) (etag string, err error) {
	address, err := s.address(c)
	if err != nil {
		return "", err
	}
	if token == nil {
		return s.once(ctx, "", address, c)
	}
	access, err := token(ctx, "")
	if err != nil {
		return "", err
	}
	etag, err = s.once(ctx, access, address, c)
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || refused.StepUp != nil {
		return etag, err // no other token of the same log-in would help
	}
	again, tokenErr := token(ctx, access)
	if tokenErr != nil {
		return "", tokenErr
	}
	if again == access {
		return "", err
	}
	return s.once(ctx, again, address, c)
}

// once makes the call with an access token, or without one if access is empty.
func (s service) once(ctx context.Context, access, address string, c call) (etag string, err error) {
	if access == "" {
		if kept, ok := s.public.get(address); ok {
			return kept.etag, s.read(kept.text, c)
		}
		if !s.admits(httpd.ClientAddr(ctx)) {
			return "", &Error{Status: http.StatusTooManyRequests, Title: http.StatusText(http.StatusTooManyRequests)}
		}
	}
	req, err := c.request(ctx, access, address)
	if err != nil {
		return "", err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", &DownError{s.name, fmt.Errorf("%s: %w", c, unaddressed(err))}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", &DownError{s.name, fmt.Errorf("its answer to %s: %w", c, err)}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		err := s.refusal(resp.StatusCode, text)
		if refused := (*Error)(nil); errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			found := challenge(resp.Header)
			refused.Code, refused.StepUp = found["error"], stepUp(found)
		}
		return "", err
	}
	if err := s.read(text, c); err != nil {
		return "", err
	}
	if access == "" && strings.HasPrefix(resp.Header.Get("Cache-Control"), "public") {
		s.public.keep(address, publicAnswer{text: text, etag: resp.Header.Get("ETag")})
	}
	return resp.Header.Get("ETag"), nil
}

// admits tells whether the network of addr may make one more call without a token, and counts it.
func (s service) admits(addr netip.Addr) bool {
	_, ok := s.strangers.Spend(httpd.Networks(addr)[0], strangersEvery)
	return ok
}

// unaddressed is why a call failed, without its address: what people search for is in its query, and
// has no place in a log.
func unaddressed(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// address is where the call goes.
func (s service) address(c call) (string, error) {
	address := s.base + "/v1"
	for _, segment := range c.path {
		// Dots would lead elsewhere, and the service would not find the rest.
		if segment == "" || segment == "." || segment == ".." || len(segment) > 256 {
			return "", &Error{Status: http.StatusNotFound, Title: http.StatusText(http.StatusNotFound)}
		}
		address += "/" + url.PathEscape(segment)
	}
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	return address, nil
}

// String names the call in errors.
func (c call) String() string { return c.method + " /" + strings.Join(c.path, "/") }

func (c call) request(ctx context.Context, access, address string) (*http.Request, error) {
	var body io.Reader
	if c.in != nil {
		text, err := json.Marshal(c.in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	if c.ifMatch != "" {
		req.Header.Set("If-Match", c.ifMatch)
	}
	if c.key != "" {
		req.Header.Set("Idempotency-Key", c.key)
	}
	return req, nil
}

func (s service) read(text []byte, c call) error {
	if c.out == nil {
		return nil
	}
	if err := json.Unmarshal(text, c.out); err != nil {
		return &DownError{s.name, fmt.Errorf("its answer to %s cannot be read: %w", c, err)}
	}
	return nil
}

// refusal makes an error of a problem document (RFC 9457), or of what a gateway in between wrote.
func (s service) refusal(status int, text []byte) error {
	if status >= http.StatusInternalServerError || status < 400 {
		return &DownError{s.name, fmt.Errorf("it answered %d", status)}
	}
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	refused := &Error{Status: status, Title: http.StatusText(status)}
	if json.Unmarshal(text, &problem) != nil {
		return refused
	}
	refused.Title, refused.Detail = problem.Title, problem.Detail
	for _, e := range problem.Errors {
		field, ok := strings.CutPrefix(e.Location, "body.")
		if !ok {
			continue
		}
		if refused.Fields == nil {
			refused.Fields = map[string]string{}
		}
		field, _, _ = strings.Cut(field, "[")
		refused.Fields[field] = e.Message
	}
	return refused
}
