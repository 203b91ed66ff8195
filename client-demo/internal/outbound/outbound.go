// Package outbound makes the HTTP clients that call the issuer and the services. Each is bounded in
// time, in calls at once and in the size of answers, so that a slow or hostile one can hold up
// little and fill no memory. None follows a redirect, which would carry a token or a secret to
// another address.
package outbound

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

// Limits are a client's bounds. All of them are needed.
type Limits struct {
	Timeout time.Duration // of a call, its answer included
	AtOnce  int           // calls
	Answer  int64         // bytes

	To    string // who is called, for Calls
	Calls httpd.Calls
}

// wait is how long a call waits for another to end, when there are too many.
const wait = time.Second

// What keeps a call from its answer, beside the network. Both come wrapped.
var (
	ErrCrowded  = errors.New("too many wait for its answers")
	ErrTooLarge = errors.New("its answer is too large")
)

// NewClient makes a client. It returns redirects as they are.
func NewClient(limits Limits) *http.Client {
	next := http.DefaultTransport.(*http.Transport).Clone()
	next.MaxIdleConnsPerHost = 16
	next.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Timeout:       limits.Timeout,
		Transport:     &transport{limits.Calls.To(limits.To, next), make(chan struct{}, limits.AtOnce), limits.Answer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type transport struct {
	next   http.RoundTripper
	places chan struct{} // one for each call under way
	most   int64         // bytes of an answer
}

// RoundTrip implements http.RoundTripper. The call keeps its place until the answer's body is
// closed.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case t.places <- struct{}{}:
	case <-timeout.C:
		return nil, ErrCrowded
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	leave := sync.OnceFunc(func() { <-t.places })
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		leave()
		return nil, err
	}
	resp.Body = &body{resp.Body, t.most, leave}
	return resp, nil
}

// CloseIdleConnections is looked for by http.Client.
func (t *transport) CloseIdleConnections() { (&http.Client{Transport: t.next}).CloseIdleConnections() }

// body is an answer's body, which ends with ErrTooLarge when it is.
type body struct {
	io.ReadCloser
	left  int64
	leave func()
}

func (b *body) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

func (b *body) Close() error {
	b.leave()
	return b.ReadCloser.Close()
}
