// Package authorize is the authorization endpoint, with the endpoint for pushed requests: what is
// asked, what is still missing, and the answer.
package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/device"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/protocol"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Endpoint is /oauth2/authorize (RFC 6749 §3.1, OIDC Core §3.1.2). It is safe for concurrent use.
// All fields are required.
type Endpoint struct {
	*endpoint.BrowserForms
	Door      *endpoint.Door
	Protocol  *protocol.Protocol
	Tokens    *tokens.Issuer
	Clients   *directory.Clients
	Fetch     *fetch.Client // gets request objects that clients publish
	Resources oauth.Resources
	Now       func() time.Time
}

// A visit is one request of a browser.
type visit struct {
	*Endpoint
	w http.ResponseWriter
	r *http.Request

	waiting *waiting // the interaction that the request comes back from; nil: it is new
	request *request // nil: it could not be read, or is not known to be from its client

	current      *session.Session // who is logged in; nil: nobody
	currentKnown bool             // current was looked up
}

// waiting is an interaction that a person comes back from, with the handle that they bring.
type waiting struct {
	requests.Interaction
	handle string
}

// ServeHTTP answers, or sends the person to a page first. From each page they come back here, and
// only this package decides what is still missing.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	v := &visit{Endpoint: e, w: w, r: r}
	if err := v.serve(); err != nil {
		e.ErrorPage(w, r, err)
	}
}

// serve returns an error that is for a page of this server.
func (v *visit) serve() error {
	if err := v.Read(v.r); err != nil {
		return err
	}
	leave, err := v.Door.Turn(v.r, false)
	if err != nil {
		return err
	}
	defer leave()
	if answered, err := v.ComeWithCookies(v.w, v.r, readParameters); answered || err != nil {
		return err
	}
	form := v.r.Form
	if handle := form.Get("interaction"); handle != "" && v.r.Method == http.MethodGet {
		in, err := v.People.Interaction(v.r, handle)
		if errors.Is(err, store.ErrNotFound) {
			v.People.LeadOn(v.w, v.r, handle)
			return nil
		}
		if err != nil {
			return err
		}
		if in.ClientID == "" { // the page for devices sent the person to log in
			return v.backToDevice(handle, in)
		}
		v.waiting, form = &waiting{in, handle}, in.Form
	}
	if v.request, err = v.readRequest(v.r.Context(), form, v.waiting != nil); err != nil {
		return v.refuse(err)
	}
	next, err := v.decide()
	if err != nil {
		return v.refuse(err)
	}
	if next.page != "" {
		return v.wait(next.page)
	}
	return v.answer(next)
}

// backToDevice leads back to the page for devices somebody whom it sent to log in, unless they have
// to agree to something first.
func (v *visit) backToDevice(handle string, in requests.Interaction) error {
	current, err := v.session()
	owes := false
	if err == nil && current != nil {
		owes, err = v.People.Policy.OwesAgreement(v.r.Context(), current.UserID)
	}
	switch {
	case err != nil:
		return err
	case owes:
		v.redirect("/agree?" + url.Values{"interaction": {handle}}.Encode())
	default:
		v.redirect(device.Link(in.Form.Get("user_code")))
	}
	return nil
}

// redirect sends the browser to a path of this server.
func (v *visit) redirect(path string) {
	http.Redirect(v.w, v.r, v.Issuer.Path(path), http.StatusSeeOther)
}

// session is who is logged in; nil: nobody.
func (v *visit) session() (*session.Session, error) {
	if v.currentKnown {
		return v.current, nil
	}
	var err error
	v.current, err = v.People.Session(v.r)
	v.currentKnown = err == nil
	return v.current, err
}

// wait sends the person to a page, keeping the request until they come back.
func (v *visit) wait(page string) error {
	var handle string
	if v.waiting != nil {
		handle = v.waiting.handle
	} else {
		c := &v.request.Client
		var err error
		quotas := append(endpoint.Interactions.OfAddress(v.r), endpoint.Interactions.OfClient(v.r, c)...)
		handle, err = v.People.Begin(v.w, v.r, requests.Interaction{ClientID: c.ID, Form: v.request.Form,
			ACR: v.request.Proof.ACR, EssentialACR: v.request.Proof.Essential, Fresh: v.request.wantsFresh(), MaxAge: v.request.maxAge()}, quotas...)
		var full *limits.QuotaError
		if errors.As(err, &full) { // the client would only send the person here again
			return err
		}
		if err != nil {
			return v.refuse(err)
		}
	}
	v.redirect(page + "?" + url.Values{"interaction": {handle}}.Encode())
	return nil
}
