package provider

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/store"
)

// pushedLifetime is how long a pushed request waits to be used (RFC 9126 §2.2). Once a person is at its pages, the interaction's lifetime counts.
const pushedLifetime = time.Minute

// maxPush is the largest body of a push, in bytes: a request object or other parameters, and what authenticates the client.
// What is stored for a public client anybody can send.
const maxPush = maxForm + maxAssertion

// pushAuthorization takes an authorization request from the client itself, before any browser is involved (RFC 9126). It is
// checked here as the authorization endpoint would check it, so that the client learns of its mistakes at once.
func (s *Server) pushAuthorization(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	if err := parseForm(r); err != nil {
		s.writeError(w, r, err)
		return
	}
	leave, err := s.turn(r, true)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	defer leave()
	caller, err := s.authenticate(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if err := s.countPending(r, pendingPush, caller); err != nil {
		s.writeError(w, r, err)
		return
	}
	form := r.PostForm
	if form.Has("request_uri") { // RFC 9126 §2.1
		s.writeError(w, r, refuse(fosite.ErrInvalidRequest, "request_uri cannot be pushed; send the parameters themselves, or the parameter request"))
		return
	}
	form.Set("client_id", caller.ID)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		form.Del(name) // what authenticated the client is no part of its request, and must not be stored
	}
	proof, err := s.readProof(r, "")
	if err == nil {
		err = s.spendProof(r.Context(), caller, proof)
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if form.Has("request") {
		if form, err = s.openRequestObject(r.Context(), caller, form.Get("request"), form); err != nil {
			s.writeError(w, r, err)
			return
		}
	} else if caller.RequireSignedRequestObject {
		s.writeError(w, r, refuse(fosite.ErrInvalidRequest, "this client must sign its authorization requests: send them as the parameter request"))
		return
	}
	a, err := s.readAuthorization(r.Context(), form, true)
	if err == nil && proof != nil { // RFC 9449 §10.1
		if a.KeyThumbprint != "" && a.KeyThumbprint != proof.thumbprint {
			err = refuse(errInvalidDPoPProof, "dpop_jkt names another key than the DPoP proof")
		}
		a.Form.Set("dpop_jkt", proof.thumbprint)
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	uri := pushedPrefix + rand.Text()
	err = s.store.CreatePushedRequest(r.Context(), uri, store.PushedRequest{ClientID: caller.ID, Form: a.Form, ExpiresAt: s.now().Add(pushedLifetime)})
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(pushedLifetime / time.Second)})
}
