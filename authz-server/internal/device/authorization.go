// Package device lets devices without a browser ask for a grant, and people decide on it at the
// page /device (RFC 8628). The device's polling is the business of package tokenendpoint.
package device

import (
	"errors"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// How a device waits for its person (RFC 8628 §3.2).
const (
	codeLifetime = 10 * time.Minute
	pollInterval = 5 * time.Second
)

// codes are device codes that wait for their person.
var codes = endpoint.Pending{Kind: "device", Window: codeLifetime}

// Endpoint is /oauth2/device_authorization and the page /device. It is safe for concurrent use. All
// fields are required.
type Endpoint struct {
	*endpoint.Common
	Door      *endpoint.Door
	Tokens    *tokens.Issuer
	Clients   *directory.Clients
	Store     *store.Store
	Resources oauth.Resources
	Now       func() time.Time
}

// Authorize is /oauth2/device_authorization: it gives a device the two codes of RFC 8628 §3.2, one
// to poll with, and one for its person. A DPoP proof with the request binds the first to the key,
// as RFC 9449 §10.1 does for a pushed request.
func (e *Endpoint) Authorize(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	code, of, err := e.authorize(r)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusOK, map[string]any{
		"device_code":               code,
		"user_code":                 showUserCode(of.UserCode),
		"verification_uri":          e.Issuer.URL(Link("")),
		"verification_uri_complete": e.Issuer.URL(Link(of.UserCode)),
		"expires_in":                int64(codeLifetime / time.Second),
		"interval":                  int64(pollInterval / time.Second),
	})
}

func (e *Endpoint) authorize(r *http.Request) (code string, d grants.DeviceCode, err error) {
	caller, leave, err := e.Door.Admit(r)
	if err != nil {
		return "", d, err
	}
	defer leave()
	if !caller.HasGrantType(client.DeviceCode) {
		return "", d, oauth.UnauthorizedClient.Because("the client is not registered for the grant " + client.DeviceCode)
	}
	if err := e.Door.Count(r, codes, caller); err != nil {
		return "", d, err
	}
	d = grants.DeviceCode{ClientID: caller.ID, Interval: pollInterval, ExpiresAt: e.Now().Add(codeLifetime)}
	d.Address, d.UserAgent = sender.Of(r)
	if d.Scope, err = oauth.ReadScope(caller, r.PostForm.Get("scope")); err != nil {
		return "", d, err
	}
	if d.Audience, err = e.Resources.Narrow(d.Scope, r.PostForm["resource"]); err != nil {
		return "", d, err
	}
	proof, err := e.Auth.ReadProof(r)
	if err != nil {
		return "", d, err
	}
	if err := e.Auth.SpendProof(r.Context(), caller, proof); err != nil {
		return "", d, err
	}
	if proof != nil {
		d.KeyThumbprint = proof.Thumbprint
	}
	code = opaque.New()
	d.Hash = opaque.Hash(code)
	for range 5 { // of 25 billion codes, few are taken; five in a row are a failure
		d.UserCode = newUserCode()
		if err = e.Store.Devices.CreateDeviceCode(r.Context(), d); !errors.Is(err, store.ErrExists) {
			break
		}
	}
	return code, d, err
}
