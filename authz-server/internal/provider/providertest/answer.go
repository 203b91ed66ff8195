package providertest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Answer is what came back. Redirects are not followed: Location is where one leads, or nil.
type Answer struct {
	Status   int
	Header   http.Header
	Body     string
	Location *url.URL
}

// Parameter returns a parameter of an authorization answer: out of the redirect's fragment or
// query, or of the form that posts itself.
func (a Answer) Parameter(name string) string {
	if a.Location == nil {
		return HiddenFields(a.Body).Get(name)
	}
	if in, err := url.ParseQuery(a.Location.EscapedFragment()); err == nil && len(in) > 0 {
		return in.Get(name)
	}
	return a.Location.Query().Get(name)
}

// JSON returns the body, which must be an object.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(a.Body), &object); err != nil {
		t.Fatalf("status %d, no JSON object: %s", a.Status, a.Body)
	}
	return object
}

// WantError fails the test unless the answer is this error of an endpoint for programs, which
// nothing caches.
func (a Answer) WantError(t testing.TB, status int, code string) {
	t.Helper()
	if a.Status != status || a.JSON(t)["error"] != code {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("an error can be cached: %v", a.Header)
	}
}

// Request makes a request to the server, with a form (nil: none) and pairs of header names and
// values.
func (f *Fixture) Request(method, path string, form url.Values, header ...string) *http.Request {
	f.T.Helper()
	if !strings.HasPrefix(path, "http") {
		path = f.Issuer + path
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(f.T.Context()), method, path, body)
	f.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// Do sends a request without cookies.
func (f *Fixture) Do(r *http.Request) Answer {
	f.T.Helper()
	return f.DoWith(f.Server.Client(), r)
}

// DoWith sends a request by an HTTP client.
func (f *Fixture) DoWith(c *http.Client, r *http.Request) Answer {
	f.T.Helper()
	resp, err := c.Do(r)
	f.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	f.must(err)
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if resp.Header.Get("Location") != "" {
		a.Location, err = resp.Location()
		f.must(err)
	}
	return a
}

// PostForm posts a form, with pairs of header names and values.
func (f *Fixture) PostForm(path string, form url.Values, header ...string) Answer {
	f.T.Helper()
	return f.Do(f.Request("POST", path, form, header...))
}

// PostAs posts a form as a client that authenticates with [Secret], by Basic.
func (f *Fixture) PostAs(id, path string, form url.Values, header ...string) Answer {
	f.T.Helper()
	r := f.Request("POST", path, form, header...)
	r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(Secret))
	return f.Do(r)
}
