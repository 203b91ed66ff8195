// Package fetch gets an issuer's documents over HTTP: its metadata, key set and
// status lists. The rules are the same for all: redirects stay within the
// origin, no body is read without end, and every request ends.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxRedirects bounds the redirects followed, all within one origin.
const maxRedirects = 3

// CheckURL parses a URL that can be fetched.
func CheckURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, errors.New("not an http or https URL")
	case u.User != nil:
		return nil, errors.New("has user information")
	}
	return u, nil
}

// IsLoopback says whether a host is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Client returns the client to use, and whether it was made here. A given one
// without CheckRedirect is held to the rule for redirects.
func Client(given *http.Client) (client *http.Client, own bool) {
	if given != nil {
		copied := *given
		if copied.CheckRedirect == nil {
			copied.CheckRedirect = withinOrigin
		}
		return &copied, false
	}
	return &http.Client{
		CheckRedirect: withinOrigin,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
	}, true
}

// withinOrigin follows redirects only where the first request went: another
// host, or plain http, must not speak for the issuer.
func withinOrigin(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return errors.New("redirect to another origin")
	}
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	return nil
}

// A Request says what to get.
type Request struct {
	URL    string
	Accept string
	ETag   string // of what is held; empty: nothing is
	Max    int64  // bytes of the body
}

// A StatusError is an answer with another status than 200.
type StatusError struct {
	url    string
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s answers with status %d", e.url, e.Status)
}

// Get returns the answer's header and body. The body is nil if the document
// still has the ETag. The caller bounds the time by ctx.
func (r Request) Get(ctx context.Context, client *http.Client) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", r.Accept)
	if r.ETag != "" {
		req.Header.Set("If-None-Match", r.ETag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && r.ETag != "":
		return resp.Header, nil, nil
	case resp.StatusCode != http.StatusOK:
		return nil, nil, &StatusError{r.URL, resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, r.Max+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(body)) > r.Max {
		return nil, nil, fmt.Errorf("%s answers with more than %d bytes", r.URL, r.Max)
	}
	return resp.Header, body, nil
}
