// Package registration lets clients register themselves (RFC 7591, OpenID Connect Dynamic Client
// Registration 1.0), and manage their registration (RFC 7592). The rules are those of package
// directory; this package reads requests and writes answers.
package registration

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// Mode says who may register clients at /oauth2/register.
type Mode string

const (
	Closed Mode = "closed" // only the operator: there is no endpoint. The zero value means the same
	Token  Mode = "token"  // those with an initial access token from the operator (RFC 7591 §3)
	Open   Mode = "open"   // everybody
)

// Offered tells whether there is an endpoint.
func (m Mode) Offered() bool { return m == Token || m == Open }

// Endpoint is /oauth2/register, and /oauth2/register/{client_id}. It is safe for concurrent use.
// All fields are required.
type Endpoint struct {
	*endpoint.Common
	Clients *directory.Clients
	Mode    Mode
}

// What a request must show, as errors name it.
const (
	anInitialToken = "an initial access token"
	itsOwnToken    = "the registration access token of this client"
)

// Register registers a client (RFC 7591 §3.1, OpenID Connect Registration 1.0 §3.1).
func (e *Endpoint) Register(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	if err := e.admit(r); err != nil {
		e.refuse(w, r, anInitialToken, err)
		return
	}
	metadata, err := readMetadata(w, r)
	if err != nil {
		e.refuse(w, r, anInitialToken, err)
		return
	}
	made, err := e.Clients.Register(r.Context(), directory.Registration{
		Metadata: metadata, InitialToken: bearer(r), Networks: sender.Networks(r),
	})
	if err != nil {
		e.refuse(w, r, anInitialToken, err)
		return
	}
	e.Log.InfoContext(r.Context(), "client registered", "request", httpd.RequestID(r.Context()), "client", made.ID, "name", made.Name)
	e.answer(w, r, http.StatusCreated, made)
}

// admit decides whether r's sender may register a client, before its body is read.
func (e *Endpoint) admit(r *http.Request) error {
	token := bearer(r)
	if e.Mode == Token || token != "" {
		if err := e.Clients.CheckInitialToken(r.Context(), token); err != nil {
			return err
		}
	}
	leave, err := e.People.Turn(r)
	if err != nil {
		return err
	}
	defer leave()
	return e.Clients.CountTry(r.Context(), sender.Networks(r))
}

// Manage lets a client read, change and remove its own registration (RFC 7592 §2). The registration
// access token stays the same until an operator replaces it, or gives the client power over this
// server.
func (e *Endpoint) Manage(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	ctx, id, token := r.Context(), mux.Vars(r)["client_id"], bearer(r)
	var managed directory.Issued
	var err error
	if managed.Client, _, err = e.Clients.Managed(ctx, id, token); err != nil {
		e.refuse(w, r, itsOwnToken, err)
		return
	}
	switch r.Method {
	case http.MethodDelete:
		e.remove(w, r, id, token)
		return
	case http.MethodPut:
		managed, err = e.change(w, r, id, token)
	}
	if err != nil {
		e.refuse(w, r, itsOwnToken, err)
		return
	}
	managed.RegistrationToken = token
	e.answer(w, r, http.StatusOK, managed)
}

func (e *Endpoint) change(w http.ResponseWriter, r *http.Request, id, token string) (directory.Issued, error) {
	metadata, err := readMetadata(w, r)
	if err != nil {
		return directory.Issued{}, err
	}
	return e.Clients.Replace(r.Context(), id, token, metadata)
}

func (e *Endpoint) remove(w http.ResponseWriter, r *http.Request, id, token string) {
	if _, err := e.Clients.RemoveOwn(r.Context(), id, token); err != nil {
		e.refuse(w, r, itsOwnToken, err)
		return
	}
	e.Log.InfoContext(r.Context(), "client removed itself", "request", httpd.RequestID(r.Context()), "client", id)
	w.WriteHeader(http.StatusNoContent)
}

// readMetadata reads the body.
func readMetadata(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	wrong := func(description string) error {
		return &client.Error{Code: client.InvalidMetadata, Description: description}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, wrong("must be sent as application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, client.MaxMetadata))
	if err != nil {
		return nil, wrong("must be at most " + strconv.Itoa(client.MaxMetadata>>10) + " KiB long")
	}
	return body, nil
}

// bearer returns the token of the Authorization header (RFC 6750 §2.1); empty: there is none.
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

// answer writes a client's metadata with what the server adds to it (RFC 7591 §3.2.1, RFC 7592 §3).
func (e *Endpoint) answer(w http.ResponseWriter, r *http.Request, status int, c directory.Issued) {
	more := struct {
		IssuedAt          int64  `json:"client_id_issued_at"`
		Secret            string `json:"client_secret,omitempty"`            // only a new one: hashes are stored
		SecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // 0: never
		RegistrationToken string `json:"registration_access_token"`
		RegistrationURI   string `json:"registration_client_uri"`
	}{
		IssuedAt: c.CreatedAt.Unix(), Secret: c.Secret, RegistrationToken: c.RegistrationToken,
		RegistrationURI: e.Issuer.URL("/oauth2/register/" + c.ID),
	}
	if c.HasSecret() {
		more.SecretExpiresAt = new(int64)
	}
	document, err := c.JSONWith(more)
	if err != nil {
		e.Error(w, r, err)
		return
	}
	endpoint.WriteJSON(w, status, document)
}

// refuse answers with an error. needed is what the request must show.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, needed string, err error) {
	var wrong *client.Error
	switch {
	case errors.As(err, &wrong): // RFC 7591 §3.2.2
		err = oauth.Kind{Code: wrong.Code, Status: http.StatusBadRequest}.Because(wrong.Error())
	case errors.Is(err, store.ErrStale):
		err = oauth.Kind{Code: client.InvalidMetadata, Status: http.StatusConflict}.
			Because("the client was changed at the same time; read it, and send the change again")
	case errors.Is(err, store.ErrNotFound):
		e.challenge(w, r, needed)
		return
	}
	e.Error(w, r, err)
}

// challenge answers a request that does not show what is needed (RFC 6750 §3). A client that is
// gone makes no difference (RFC 7592 §2.1).
func (e *Endpoint) challenge(w http.ResponseWriter, r *http.Request, needed string) {
	challenge, text := `Bearer realm="`+e.Issuer.String()+`"`, "send "+needed+` as "Authorization: Bearer TOKEN"`
	if bearer(r) != "" {
		challenge += `, error="invalid_token"`
		text = "the token is unknown, used up or expired, or not one for this; send " + needed
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refused := oauth.InvalidToken.Because(text)
	endpoint.WriteRefusal(w, refused.Status, refused.Code, refused.Text())
}
