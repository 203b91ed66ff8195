// Package discovery finds an issuer's endpoints (OpenID Connect Discovery 1.0 §4), for services
// that call them with a token or a secret. Package jwks finds the issuer's keys by itself.
package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/jwks/jose"
)

// maxDocument is the longest document that is read, in bytes.
const maxDocument = 64 << 10

// Endpoint returns the endpoint that the issuer's document has under name, such as
// "token_endpoint". It fetches the document anew each time. client bounds how long that takes, and
// which redirects it follows.
func Endpoint(ctx context.Context, client *http.Client, issuer, name string) (string, error) {
	document, err := fetch(ctx, client, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	endpoint, err := find(document, issuer, name)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	return endpoint, nil
}

func fetch(ctx context.Context, client *http.Client, at string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered with status %d", answer.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, errors.New("the issuer's answer is not application/json")
	}
	document, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err == nil && len(document) > maxDocument {
		err = errors.New("the issuer's answer is too long")
	}
	return document, err
}

// find reads an endpoint out of a document. The document must be the issuer's own (§4.3). What is
// sent to the endpoint is secret, so it may be on http only if the issuer is.
func find(document []byte, issuer, name string) (string, error) {
	var members map[string]json.RawMessage
	if err := jose.UnmarshalExact(document, &members); err != nil {
		return "", fmt.Errorf("the document cannot be read: %w", err)
	}
	var owner, endpoint string
	if json.Unmarshal(members["issuer"], &owner) != nil || owner != issuer {
		return "", errors.New("the document is another issuer's")
	}
	if json.Unmarshal(members[name], &endpoint) != nil {
		return "", errors.New("the document has no " + name)
	}
	u, err := url.Parse(endpoint)
	usable := err == nil && u.Host != "" && u.User == nil && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && !strings.HasPrefix(issuer, "https:"))
	if !usable {
		return "", fmt.Errorf("%s is not a URL that a secret can be sent to", name)
	}
	return endpoint, nil
}
