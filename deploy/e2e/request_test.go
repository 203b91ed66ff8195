package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answer is a response, read.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.Status, a.Body[:min(len(a.Body), 500)])
}

// decode reads a JSON answer of that status into v.
func (a answer) decode(t *testing.T, status int, v any) {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a)
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
}

// plain is a client that follows no redirects and keeps no cookies.
var plain = &http.Client{Timeout: 30 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// try makes a request; body is sent as JSON unless it is a form or nil.
func try(method, address, token string, body any, headers ...string) (answer, error) {
	return tryBy(plain, method, address, token, body, headers...)
}

func tryBy(client *http.Client, method, address, token string, body any, headers ...string) (answer, error) {
	var content io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case url.Values:
		content, contentType = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequest(method, address, content)
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

func call(t *testing.T, method, address, token string, body any, headers ...string) answer {
	t.Helper()
	a, err := try(method, address, token, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tokenRequest asks the token endpoint for a grant, and returns the answer whatever it is.
func tokenRequest(r *running, via http.RoundTripper, form url.Values) (answer, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: via}
	resp, err := client.PostForm(r.Issuer+"/oauth2/token", form)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, text}, err
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {"sample-app"}, "refresh_token": {token}}
}

// service gets a token for the client sample-service itself.
func service(t *testing.T, r *running, scope string) string {
	t.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "client_id": {"sample-service"},
		"client_secret": {"sample-secret-for-development-only"}}
	req, err := http.NewRequest(http.MethodPost, r.Issuer+"/oauth2/token",
		strings.NewReader(url.Values{"grant_type": form["grant_type"], "scope": form["scope"]}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(form.Get("client_id"), form.Get("client_secret"))
	resp, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer{resp.StatusCode, resp.Header, text}.decode(t, http.StatusOK, &token)
	return token.AccessToken
}
