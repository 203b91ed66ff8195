package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/clientauth"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/people"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/httpd"
)

// Common is what all endpoints have: who they are, who calls, and how they say that they cannot do
// what is asked. All fields are required but the last. It is safe for concurrent use.
type Common struct {
	Issuer issuer.URL
	Auth   *clientauth.Authenticator
	People *people.People
	Pages  *pages.Pages
	Log    *slog.Logger

	// InsecureLegacyResponseTypes offers the implicit and hybrid response types, whose tokens
	// travel in addresses; RFC 9700 §2.1.2 advises against them. With it, clients that registered
	// themselves count as vouched for.
	InsecureLegacyResponseTypes bool
}

// Vouched tells whether somebody vouched for a client.
func (c *Common) Vouched(of *client.Client) bool { return of.Vouched(c.InsecureLegacyResponseTypes) }

// Refusal is err as an error of the protocol. Any other error is the server's fault: it is logged
// whole, and answered without detail.
func (c *Common) Refusal(ctx context.Context, err error) *oauth.Error {
	if errors.Is(err, store.ErrUnavailable) {
		c.Log.ErrorContext(ctx, "request failed", "request", httpd.RequestID(ctx), "error", err)
		return oauth.TemporarilyUnavailable.Because("the server cannot answer at the moment; try again in a few seconds")
	}
	var known *oauth.Error
	if errors.As(err, &known) && (known.Status < http.StatusInternalServerError || known.Status == http.StatusServiceUnavailable) {
		return known
	}
	if !errors.Is(err, context.Canceled) {
		c.Log.ErrorContext(ctx, "request failed", "request", httpd.RequestID(ctx), "error", err)
	}
	return oauth.ServerError.Because("the server failed; try again later, and tell its operator the request id " + httpd.RequestID(ctx))
}

// SlowDown turns a quota that is used up, and work that too many others wait for, into a refusal,
// and sets when to try again (RFC 9110 §10.2.3). Every other err stays what it is.
func (c *Common) SlowDown(w http.ResponseWriter, r *http.Request, err error) error {
	kind := oauth.TemporarilyUnavailable
	wait, text := 5*time.Second, "too many requests are being served; try again in some seconds"
	var full *limits.QuotaError
	switch {
	case errors.As(err, &full) && full.Quota.Shared: // it empties as others finish
		wait, text = min(full.Wait, time.Minute), "too many requests are waiting already; try again later"
	case errors.As(err, &full):
		wait, text = full.Wait, "too many requests came from the same address; try again later"
		kind.Status = http.StatusTooManyRequests
	case !throttle.IsBusy(err):
		return err
	}
	if full != nil {
		c.People.SlowedBy(full.Quota.Subject)
		c.Log.WarnContext(r.Context(), "slowed down", "request", httpd.RequestID(r.Context()), "quota", full.Quota.Subject)
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	return kind.Because(text)
}

// Error answers a program's request with an error (RFC 6749 §5.2).
func (c *Common) Error(w http.ResponseWriter, r *http.Request, err error) {
	err = c.SlowDown(w, r, err)
	e := c.Refusal(r.Context(), err)
	if e.Status == http.StatusUnauthorized && oauth.UsesBasic(r) { // RFC 6749 §5.2: name the scheme that was used; browsers would ask people for a password
		w.Header().Set("WWW-Authenticate", `Basic realm="`+c.Issuer.String()+`", charset="UTF-8"`)
	}
	if e.Status == http.StatusServiceUnavailable {
		httpd.SetRetryAfter(w.Header())
	}
	c.OfferNonce(w, e)
	c.NoteClient(w, r)
	WriteRefusal(w, e.Status, e.Code, e.Text())
}

// OfferNonce gives the nonce that e asks for (RFC 9449 §8); other errors ask for none.
func (c *Common) OfferNonce(w http.ResponseWriter, e *oauth.Error) {
	if e.Kind == oauth.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", c.Auth.Nonce())
	}
}

// NoteClient notes for the log which client a refused request says that it is from, unless that is
// known already.
func (c *Common) NoteClient(w http.ResponseWriter, r *http.Request) {
	httpd.NoteClient(w, c.Auth.Claimed(r))
}

// ErrorPage shows a person, and the developer behind them, why nothing can be done.
func (c *Common) ErrorPage(w http.ResponseWriter, r *http.Request, err error) {
	err = c.SlowDown(w, r, err)
	e := c.Refusal(r.Context(), err)
	status := e.Status
	if status == http.StatusUnauthorized { // a page has nothing to authenticate with
		status = http.StatusBadRequest
	}
	c.NoteClient(w, r)
	failure := pages.ErrorPage{Code: e.Code, Detail: e.Text(), ServerFault: status >= http.StatusInternalServerError}
	if id := r.Form.Get("client_id"); id != "" && !failure.ServerFault {
		if app, err := c.People.App(r, id, ""); err == nil && !app.Unchecked {
			failure.App = &app
		}
	}
	c.Pages.Render(w, r, status, failure)
}

// Refuses tells whether err refuses a request, or puts it off, so that many of them are no good sign:
// it is neither the server's fault nor a step on the way to tokens.
func Refuses(err error) bool {
	var refused *oauth.Error
	if errors.As(err, &refused) {
		return refused.Status < http.StatusInternalServerError && refused.Code != oauth.AuthorizationPending.Code && refused.Code != oauth.UseDPoPNonce.Code
	}
	var full *limits.QuotaError
	return errors.As(err, &full) || throttle.IsBusy(err)
}
