// Package tokeninfo is what a token can be shown for: claims about its person, what it is good for,
// and its end. It has the endpoints userinfo, introspection and revocation, and publishes the status
// lists.
package tokeninfo

import (
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Endpoints answer about tokens. They are safe for concurrent use. All fields are required.
type Endpoints struct {
	*endpoint.Common
	Protocol *protocol.Protocol
	Tokens   *tokens.Issuer
	Status   *status.Lists
	Clients  *directory.Clients
	Store    *store.Store
	Now      func() time.Time
}

// authenticate reads the form of a request, and finds the client that it comes from.
func (e *Endpoints) authenticate(r *http.Request) (*client.Client, error) {
	if err := oauth.ReadPost(r); err != nil {
		return nil, err
	}
	return e.Protocol.Authenticate(r)
}
