package authorize

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// pushedLifetime is how long a pushed request waits to be used (RFC 9126 §2.2). Once a person is at
// its pages, the interaction's lifetime counts.
const pushedLifetime = time.Minute

// MaxPush is the largest body of a push, in bytes: a request object or other parameters, and what
// authenticates the client. Anybody can push for a public client.
const MaxPush = endpoint.MaxForm + clientauth.MaxAssertion

// pushes are pushed requests that wait for their browser.
var pushes = endpoint.Pending{Kind: "push", Window: pushedLifetime}

// Push is /oauth2/par: it takes an authorization request from the client itself, before any browser
// is involved (RFC 9126). It checks the request as the authorization endpoint would, so that the
// client learns of its mistakes at once.
func (e *Endpoint) Push(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	uri, err := e.push(r)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(pushedLifetime / time.Second)})
}

func (e *Endpoint) push(r *http.Request) (uri string, err error) {
	caller, leave, err := e.Door.Admit(r)
	if err != nil {
		return "", err
	}
	defer leave()
	if err := e.Door.Count(r, pushes, caller); err != nil {
		return "", err
	}
	form := r.PostForm
	if form.Has("request_uri") { // RFC 9126 §2.1
		return "", oauth.InvalidRequest.Because("request_uri cannot be pushed; send the parameters themselves, or the parameter request")
	}
	form.Set("client_id", caller.ID)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name) // credentials are not part of the request, and must not be stored
	}
	proof, err := e.Auth.ReadProof(r)
	if err != nil {
		return "", err
	}
	if err := e.Auth.SpendProof(r.Context(), caller, proof); err != nil {
		return "", err
	}
	pushed, err := e.readPushed(r, caller, form)
	if err != nil {
		return "", err
	}
	if proof != nil { // RFC 9449 §10.1
		if pushed.KeyThumbprint != "" && pushed.KeyThumbprint != proof.Thumbprint {
			return "", oauth.InvalidDPoPProof.Because("dpop_jkt names another key than the DPoP proof")
		}
		pushed.Form.Set("dpop_jkt", proof.Thumbprint)
	}
	uri = oauth.PushedPrefix + rand.Text()
	return uri, e.Store.Pushed.CreatePushedRequest(r.Context(), uri, requests.PushedRequest{
		ClientID: caller.ID, Form: pushed.Form, ExpiresAt: e.Now().Add(pushedLifetime),
	})
}

// readPushed reads a request from its parameters, or from the request object among them.
func (e *Endpoint) readPushed(r *http.Request, caller *client.Client, form url.Values) (*request, error) {
	if form.Has("request") {
		var err error
		if form, err = e.openRequestObject(r.Context(), caller, form.Get("request"), form); err != nil {
			return nil, err
		}
	} else if caller.RequireSignedRequestObject {
		return nil, oauth.InvalidRequest.Because("this client must sign its authorization requests: send them as the parameter request")
	}
	return e.readRequest(r.Context(), form, true)
}
