package flow

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	callTimeout = 10 * time.Second // one request to the issuer
	maxAnswer   = 256 << 10        // bytes
	maxCalls    = 64               // to the issuer at once
	placeWait   = time.Second      // for one of them to end
)

// newHTTPClient makes the client that asks the issuer.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{
		Timeout:   callTimeout,
		Transport: &boundedTransport{next: transport, places: make(chan struct{}, maxCalls)},
		// A redirect would carry code and secret to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// boundedTransport cuts every answer at maxAnswer bytes: what parses it then fails, and nothing fills the memory. And it has
// places for maxCalls requests, so that they do not pile up while the issuer is slow.
type boundedTransport struct {
	next   *http.Transport
	places chan struct{}
}

var errCrowded = errors.New("too many wait for the issuer's answers")

func (t *boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	timeout := time.NewTimer(placeWait)
	defer timeout.Stop()
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	case <-timeout.C:
		return nil, errCrowded
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		resp.Body = boundedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// CloseIdleConnections is looked for by http.Client.
func (t *boundedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

type boundedBody struct {
	io.Reader
	io.Closer
}

// maxText bounds, in bytes, what a log has of another program's error: some repeat a whole answer.
const maxText = 300

// briefError is an error whose text is cut.
type briefError struct{ error }

func briefly(err error) error { return briefError{err} }

func (e briefError) Error() string {
	text := e.error.Error()
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

func (e briefError) Unwrap() error { return e.error }
