// Package registration lets clients register themselves (RFC 7591, OpenID Connect Dynamic Client
// Registration 1.0), and look after their registration (RFC 7592).
package registration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/registry"
	"github.com/maru-auth/maru/internal/httpd"
)

// Mode says who may register clients at /oauth2/register.
type Mode string

const (
	Closed Mode = "closed" // nobody but the operator: the endpoint is not there; so does the zero value
	Token  Mode = "token"  // who has an initial access token from the operator (RFC 7591 §3)
	Open   Mode = "open"   // everybody
)

// Offered tells whether there is an endpoint.
func (m Mode) Offered() bool { return m == Token || m == Open }

// Endpoint is /oauth2/register, and /oauth2/register/{client_id}. It is safe for concurrent use.
// All fields are required.
type Endpoint struct {
	*endpoint.Common
	Clients *directory.Clients
	Store   *store.Store
	Mode    Mode
}

// Limits of registration.
const (
	maxRegistration     = client.MaxMetadata // bytes of a request
	registrationsPer    = time.Hour
	registrationsAtMost = 300  // tries from one address; IPv6: of a /64, and ten times as many of a /48
	StrangersPerHour    = 1000 // of clients that nobody vouches for, from all addresses together; from one: strangersOfAddress
)

// Register makes a client of what its developer says about it (RFC 7591 §3.1, OpenID Connect
// Registration 1.0 §3.1).
func (e *Endpoint) Register(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	ctx := r.Context()
	registration := registry.Registration{}
	if e.Mode == Token || bearer(r) != "" {
		registration.InitialToken = opaque.Hash(bearer(r))
		if err := e.Store.Clients.CheckInitialToken(ctx, registration.InitialToken); err != nil {
			e.refuseRegistration(w, r, "an initial access token", err)
			return
		}
	}
	leave, err := e.People.Turn(r)
	if err == nil {
		err = e.Store.Quotas.TakeQuotas(ctx, limits.QuotasOf(sender.Networks(r), "register", registrationsAtMost, registrationsPer)...)
		leave() // the body has not been read yet
	}
	if err != nil {
		e.Error(w, r, err)
		return
	}
	c, _, err := readMetadata(w, r)
	if err == nil {
		c.ID, c.Unvouched = client.NewID(), registration.InitialToken == nil
		err = e.checkRegistration(ctx, &c, e.Clients.Policy())
	}
	if err == nil && c.Unvouched {
		err = e.countStranger(r)
	}
	if err != nil {
		e.writeRegistrationError(w, r, err)
		return
	}
	answer := registrationAnswer{RegistrationToken: rand.Text() + rand.Text(), RegistrationURI: e.registrationURI(c.ID)}
	registration.Token = opaque.Hash(answer.RegistrationToken)
	if c.HasSecret() {
		answer.Secret = opaque.New()
		registration.Secret = opaque.Hash(answer.Secret)
	}
	if err := e.Store.Clients.RegisterClient(ctx, c, registration); err != nil {
		e.refuseRegistration(w, r, "an initial access token", err)
		return
	}
	e.Log.InfoContext(ctx, "client registered", "request", httpd.RequestID(ctx), "client_id", c.ID, "name", c.Name)
	e.writeRegistration(w, r, http.StatusCreated, c.ID, answer)
}

// Manage lets a client look at, change and remove its own registration (RFC 7592 §2). The
// registration access token stays the same for as long as the client exists.
func (e *Endpoint) Manage(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	ctx, id, token := r.Context(), mux.Vars(r)["client_id"], bearer(r)
	if err := e.Store.Clients.CheckRegistrationToken(ctx, id, token); err != nil {
		e.refuseRegistration(w, r, "the registration access token of this client", err)
		return
	}
	answer := registrationAnswer{RegistrationToken: token, RegistrationURI: e.registrationURI(id)}
	switch r.Method {
	case http.MethodDelete:
		if _, err := e.Store.DeleteClient(ctx, id); err != nil {
			e.refuseRegistration(w, r, "the registration access token of this client", err)
			return
		}
		e.Log.InfoContext(ctx, "client removed itself", "request", httpd.RequestID(ctx), "client_id", id)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPut:
		var err error
		if answer.Secret, err = e.changeRegistration(w, r, id); err != nil {
			e.writeRegistrationError(w, r, err)
			return
		}
	}
	e.writeRegistration(w, r, http.StatusOK, id, answer)
}

// changeRegistration replaces the metadata of a client by what the request says (RFC 7592 §2.2),
// and returns the secret if it got one that it did not have. What an operator gave it beyond what
// it could give itself does not survive, but for scopes and grants.
func (e *Endpoint) changeRegistration(w http.ResponseWriter, r *http.Request, id string) (secret string, err error) {
	ctx := r.Context()
	c, rest, err := readMetadata(w, r)
	if err != nil {
		return "", err
	}
	if c.ID != id {
		return "", &client.Error{Code: client.InvalidMetadata, Field: "client_id", Description: "must be there, and be the client's own"}
	}
	before, hashes, err := e.Store.Clients.ClientWithSecrets(ctx, id)
	if err != nil {
		return "", err
	}
	if given, there := rest["client_secret"]; there {
		var text string
		if json.Unmarshal(given, &text) != nil || !slices.ContainsFunc(hashes, func(hash []byte) bool { return bytes.Equal(hash, opaque.Hash(text)) }) {
			return "", &client.Error{Code: client.InvalidMetadata, Field: "client_secret", Description: "must be the one that the client has, or be left out"}
		}
	}
	c.Unvouched = before.Unvouched
	c.UpdatedAt = before.UpdatedAt // what an operator takes from it at the same time stays taken
	policy := e.Clients.Policy()
	policy.Scopes = append(slices.Clone(policy.Scopes), before.Scopes()...)
	if policy.GrantTypes != nil {
		policy.GrantTypes = append(slices.Clone(policy.GrantTypes), before.GrantTypes...)
	}
	if err := e.checkRegistration(ctx, &c, policy); err != nil {
		return "", err
	}
	err = e.Store.Tx(ctx, func(ctx context.Context) error {
		if err := e.Store.Clients.UpdateClient(ctx, c); err != nil {
			return err
		}
		switch {
		case !c.HasSecret():
			return e.Store.Clients.ReplaceClientSecrets(ctx, id, nil)
		case !before.HasSecret():
			secret = opaque.New()
			return e.Store.Clients.ReplaceClientSecrets(ctx, id, opaque.Hash(secret))
		}
		return nil
	})
	return secret, err
}

// checkRegistration is the check of metadata that no operator vouched for.
func (e *Endpoint) checkRegistration(ctx context.Context, c *client.Client, policy client.Policy) error {
	c.DropPrivileges()
	c.RequirePKCE = e.RequiresPKCE(c)
	c.KeepScopes(policy.Scopes)
	if err := c.Check(policy); err != nil {
		return err
	}
	return e.Clients.CheckSector(ctx, c)
}

// readMetadata reads the body. Members that it does not know are no error (RFC 7591 §2).
func readMetadata(w http.ResponseWriter, r *http.Request) (client.Client, map[string]json.RawMessage, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return client.Client{}, nil, &client.Error{Code: client.InvalidMetadata, Description: "must be sent as application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistration))
	if err != nil {
		return client.Client{}, nil, &client.Error{Code: client.InvalidMetadata, Description: "must be at most " + strconv.Itoa(maxRegistration>>10) + " KiB long"}
	}
	return client.Decode(body)
}

// bearer is the token of the Authorization header (RFC 6750 §2.1), or empty.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// registrationAnswer is what an answer says beside the metadata (RFC 7591 §3.2.1, RFC 7592 §3).
// Secrets are kept as hashes, so an old one is not said again.
type registrationAnswer struct {
	IssuedAt          int64  `json:"client_id_issued_at"`
	Secret            string `json:"client_secret,omitempty"`
	SecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
	RegistrationToken string `json:"registration_access_token"`
	RegistrationURI   string `json:"registration_client_uri"`
}

func (e *Endpoint) registrationURI(id string) string { return e.Issuer.URL("/oauth2/register/" + id) }

func (e *Endpoint) writeRegistration(w http.ResponseWriter, r *http.Request, status int, id string, answer registrationAnswer) {
	c, err := e.Store.Clients.Client(r.Context(), id)
	if err != nil {
		e.refuseRegistration(w, r, "the registration access token of this client", err)
		return
	}
	answer.IssuedAt = c.CreatedAt.Unix()
	if c.HasSecret() {
		answer.SecretExpiresAt = new(int64)
	}
	document, err := c.JSONWith(answer)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, status, document)
}

// refuseRegistration answers who did not show what they must (RFC 6750 §3, RFC 7592 §2.1: a client
// that is gone is no exception).
func (e *Endpoint) refuseRegistration(w http.ResponseWriter, r *http.Request, needed string, err error) {
	if !errors.Is(err, store.ErrNotFound) {
		e.Error(w, r, err)
		return
	}
	challenge, text := `Bearer realm="`+e.Issuer.String()+`"`, "send "+needed+` as "Authorization: Bearer TOKEN"`
	if bearer(r) != "" {
		challenge, text = challenge+`, error="invalid_token"`, "the token is unknown, used up or expired, or not one for this; send "+needed
	}
	w.Header().Set("WWW-Authenticate", challenge)
	endpoint.WriteRefusal(w, http.StatusUnauthorized, "invalid_token", oauth.InvalidRequest.Because(text).Text())
}

// writeRegistrationError answers a request whose metadata is wrong (RFC 7591 §3.2.2).
func (e *Endpoint) writeRegistrationError(w http.ResponseWriter, r *http.Request, err error) {
	var wrong *client.Error
	switch {
	case errors.As(err, &wrong):
		err = oauth.Kind{Code: wrong.Code, Status: http.StatusBadRequest}.Because(wrong.Error())
	case errors.Is(err, store.ErrStale):
		err = oauth.Kind{Code: client.InvalidMetadata, Status: http.StatusConflict}.Because("the client was changed at the same time; read it, and send the change again")
	case errors.Is(err, store.ErrNotFound): // it was removed meanwhile
		e.refuseRegistration(w, r, "the registration access token of this client", err)
		return
	}
	e.Error(w, r, err)
}

// countStranger counts a client that is about to be stored and that nobody vouches for.
func (e *Endpoint) countStranger(r *http.Request) error {
	p := endpoint.Pending{Kind: "register", Window: registrationsPer}
	return e.Store.Quotas.TakeQuotas(r.Context(), append(p.OfStranger(r), p.Shared("strangers", StrangersPerHour))...)
}
