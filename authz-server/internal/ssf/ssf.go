// Package ssf is the management interface of a transmitter of the OpenID Shared Signals Framework
// 1.0: receivers make a stream, say what they want to be told, and poll it if they take no pushes.
// Package delivery, below it, tells them.
//
//	/.well-known/ssf-configuration               metadata.go  SSF §7
//	/.well-known/oauth-protected-resource/ssf    metadata.go  RFC 9728
//	/ssf/stream                                  stream.go    SSF §8.1.1
//	/ssf/status                                  status.go    SSF §8.1.2
//	/ssf/subjects:add, /ssf/subjects:remove      subjects.go  SSF §8.1.3
//	/ssf/verify                                  status.go    SSF §8.1.4
//	/ssf/poll/{stream_id}                        poll.go      RFC 8936
//
// A receiver is a client that an operator registered for the scopes ssf.read or ssf.manage, which no
// client can give itself. It has one stream, and sees no other.
package ssf

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/jwks/jose"
)

// Config is what [New] needs. All fields are required.
type Config struct {
	*endpoint.Common
	Tokens      *tokens.Issuer
	Store       *store.Store
	Transmitter *delivery.Transmitter
	Now         func() time.Time
	Closing     context.Context //nolint:containedctx // it ends when the server does: polls then wait no longer
}

// Endpoints answer receivers. They are safe for concurrent use.
type Endpoints struct {
	Config
	rules Rules

	mu    sync.Mutex
	polls map[string]chan struct{} // by stream: closed when another poll takes the place of the one that waits
}

// New makes the endpoints.
func New(cfg Config) *Endpoints {
	return &Endpoints{
		Config: cfg, polls: map[string]chan struct{}{},
		rules: Rules{Issuer: cfg.Issuer, KEK: cfg.Transmitter.KEK, Fetch: cfg.Transmitter.Fetch},
	}
}

// maxBody is the largest request, in bytes: acknowledgments of about a thousand events.
const maxBody = 32 << 10

// Routes mounts the endpoints, by their paths below the issuer.
func (e *Endpoints) Routes(r *mux.Router) {
	on := func(path string, handler http.HandlerFunc, methods ...string) {
		r.Handle(path, endpoint.Bounded(maxBody, handler)).Methods(methods...)
	}
	on("/.well-known/ssf-configuration", e.configuration, "GET", "HEAD")
	on("/.well-known/oauth-protected-resource"+Path, e.resource, "GET", "HEAD")
	on(streamPath, e.createStream, "POST")
	on(streamPath, e.readStream, "GET")
	on(streamPath, e.updateStream, "PATCH")
	on(streamPath, e.replaceStream, "PUT")
	on(streamPath, e.deleteStream, "DELETE")
	on(statusPath, e.readStatus, "GET")
	on(statusPath, e.updateStatus, "POST")
	on(addPath, e.addSubject, "POST")
	on(removePath, e.removeSubject, "POST")
	on(verifyPath, e.verify, "POST")
	on(pollPath+"{stream_id}", e.poll, "POST")
}

// read reads a request's body: a JSON object, its names exact and unique. Members that are unknown
// are ignored.
func read(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return oauth.Kind{Code: "invalid_request", Status: http.StatusRequestEntityTooLarge}.Because("the request's body is too large")
	}
	if err != nil {
		return oauth.InvalidRequest.Because("the request's body cannot be read")
	}
	err = jose.UnmarshalExact(body, into)
	if err == nil && !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		err = errors.New("it is none")
	}
	if err != nil {
		return oauth.InvalidRequest.Because("the request's body must be a JSON object with the members of the specification: " + err.Error())
	}
	if bytes.Contains(body, []byte(`\u0000`)) { // which PostgreSQL does not take, and nothing here has
		return oauth.InvalidRequest.Because("the request's body must have no U+0000")
	}
	return nil
}

// noStream refuses a request about a stream that the receiver does not have.
func noStream() error {
	return oauth.Kind{Code: "not_found", Status: http.StatusNotFound}.Because("you have no stream with that stream_id")
}
