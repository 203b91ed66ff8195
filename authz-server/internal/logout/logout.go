// Package logout ends login sessions at an application's request (OIDC RP-Initiated Logout), and
// tells the other applications: in the browser (Front-Channel Logout) and from server to server
// (Back-Channel Logout).
package logout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/endpoint"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// Endpoint is /oauth2/logout. It is safe for concurrent use. All fields are required.
type Endpoint struct {
	*endpoint.BrowserForms
	Tokens *tokens.Issuer
	Now    func() time.Time
}

// parameters are those of a request to log out.
var parameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// request is a request to log out that was read and checked (OIDC RP-Initiated Logout §2).
type request struct {
	hint     *tokens.IDClaims // nil: no id_token_hint, or one of a client that is gone
	client   *client.Client   // who asks; nil: unknown
	redirect string           // where to go afterwards; empty: nowhere
}

func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	endpoint.NoStore(w)
	err := e.Read(r)
	if err == nil {
		r = pages.WithLocales(r, r.Form.Get("ui_locales"), e.Now()) // the form of askToLogOut posts it on
		err = e.logOut(w, r)
	}
	if err != nil {
		refused := e.Refusal(r.Context(), err)
		e.NoteClient(w, r)
		e.Pages.Render(w, r, refused.Status, pages.CannotLogOutPage{Code: refused.Code, Detail: refused.Text()})
	}
}

// logOut ends the login session, if the parameters in r.Form are right. It does so at once when the
// client proves by an ID token of this person that it knows whom it logs out, and when this
// server's own form asks; anybody else could send a browser here, so the person is asked.
func (e *Endpoint) logOut(w http.ResponseWriter, r *http.Request) error {
	if answered, err := e.ComeWithCookies(w, r, parameters); answered || err != nil {
		return err
	}
	asked, err := e.readRequest(r.Context(), r.Form)
	if err != nil {
		return err
	}
	current, err := e.People.Session(r)
	if err != nil {
		return err
	}
	confirmed := r.Method == http.MethodPost && !e.People.Guard.FromOtherSite(r) && fromBrowser(r)
	if current != nil && !confirmed && !e.hinted(asked, current) {
		return e.askToLogOut(w, r, asked, current)
	}
	// Without a hint, anybody may have sent the person here, but the redirect URI is registered
	// exactly (OIDC RP-Initiated Logout §2, §3). A client that nobody vouched for redirects people,
	// and loads frames in their browser, only if they acted or it shows an ID token of theirs;
	// otherwise this would be an open redirector (RFC 9700 §4.11).
	trusted := asked.client == nil || e.Vouched(asked.client) || confirmed || current != nil
	farewell, err := e.People.Upstreams.Farewell(r.Context(), current)
	if err != nil {
		return err
	}
	frames, err := e.endSessions(w, r, asked, current, trusted)
	if err != nil {
		return err
	}
	page := pages.LoggedOutPage{Frames: frames, Next: asked.redirect}
	if farewell != nil {
		page.Upstream = farewell.Title
		// A form of the account's pages can lead to no other site: those who are going nowhere else
		// see the page, which leads on.
		if there := e.People.Upstreams.LeadOut(w, r, farewell, asked.redirect); there != "" {
			page.Next, page.There = there, pages.GoingThere
		}
	}
	if asked.redirect != "" && !trusted {
		app, err := e.People.App(r, asked.client.ID, asked.redirect)
		if err != nil {
			return err
		}
		page.App = &app
	} else if asked.redirect != "" && len(frames) == 0 {
		w.Header().Set("Location", page.Next)
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	e.Pages.Render(w, r, http.StatusOK, page)
	return nil
}

// hinted tells whether the hint is about the person who is logged in.
func (e *Endpoint) hinted(asked request, current *session.Session) bool {
	if asked.hint == nil || asked.client == nil {
		return false
	}
	return asked.hint.Subject == e.Tokens.Subject(asked.client, current.UserID)
}

// fromBrowser tells whether the request says where it comes from. Guard.FromOtherSite lets
// requests pass that do not, which is right for programs; but here the page must be proved to be
// this server's.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// readRequest checks the parameters. A redirect needs a client, by a hint or by its client_id, and
// a URI that it registered to the letter: if either is wrong, nobody is redirected.
func (e *Endpoint) readRequest(ctx context.Context, form url.Values) (request, error) {
	var asked request
	if err := oauth.OnlyOnce(form); err != nil {
		return asked, err
	}
	clientID, uri := form.Get("client_id"), form.Get("post_logout_redirect_uri")
	if token := form.Get("id_token_hint"); token != "" {
		hint, err := e.Tokens.Hint(ctx, token)
		switch {
		case errors.Is(err, tokens.ErrWithdrawn):
			// People must get out, though their app knows no better hint. This one says nothing,
			// because anybody can have made it.
			if clientID == "" {
				uri = ""
			}
		case errors.Is(err, tokens.ErrInvalid):
			return asked, oauth.InvalidRequest.Because("id_token_hint is not an ID token of this server")
		case err != nil:
			return asked, err
		case clientID != "" && clientID != hint.Audience:
			return asked, oauth.InvalidRequest.Because("id_token_hint was issued to another client than client_id")
		default:
			asked.hint, clientID = &hint, hint.Audience
		}
	}
	if clientID != "" {
		found, err := e.Store.Clients.Client(ctx, clientID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return asked, err
		}
		if err == nil {
			asked.client = &found
		} else {
			asked.hint = nil // what a client kept that is disabled or gone ends no session
		}
	}
	if uri == "" {
		return asked, nil
	}
	switch {
	case asked.hint == nil && clientID == "":
		return asked, oauth.InvalidRequest.Because("post_logout_redirect_uri needs an id_token_hint, or the client_id")
	case asked.client == nil || !asked.client.MatchPostLogoutURI(uri):
		return asked, oauth.InvalidRequest.Because("the post_logout_redirect_uri is not registered for this client; it must be the same to the letter as one that is. Received: " + oauth.Excerpt(uri))
	}
	asked.redirect = uri
	if state := form.Get("state"); state != "" {
		asked.redirect = client.WithQuery(uri, url.Values{"state": {state}})
	}
	return asked, nil
}

// endSessions ends the browser's session, and the one that the hint names if it is another: a
// client that posts across origins comes without the cookie. It returns the frames that clients
// want loaded; those of the session in the hint are loaded for trusted clients alone.
func (e *Endpoint) endSessions(w http.ResponseWriter, r *http.Request, asked request, current *session.Session, trusted bool) ([]string, error) {
	var frames []string
	if current != nil {
		var err error
		if frames, err = e.frames(r.Context(), current.ID); err != nil {
			return nil, err
		}
		if err := e.People.EndSession(w, r, current.ID); err != nil {
			return nil, err
		}
	}
	if asked.hint == nil || (current != nil && current.ID == asked.hint.SessionID) {
		return frames, nil
	}
	if trusted {
		more, err := e.frames(r.Context(), asked.hint.SessionID)
		if err != nil {
			return nil, err
		}
		frames = append(frames, more...)
	}
	return frames, e.People.EndHinted(r, asked.hint.SessionID)
}

// askToLogOut shows the page with the button. Its form posts the same parameters, so that they are
// checked anew.
func (e *Endpoint) askToLogOut(w http.ResponseWriter, r *http.Request, asked request, current *session.Session) error {
	hidden := url.Values{}
	for _, name := range parameters {
		if value := r.Form.Get(name); value != "" {
			hidden.Set(name, value)
		}
	}
	data := pages.LogoutPage{Action: e.Issuer.Path("/oauth2/logout"), Hidden: hidden, Email: current.User.Email}
	if asked.client != nil {
		app, err := e.People.App(r, asked.client.ID, asked.redirect)
		if err != nil {
			return err
		}
		data.App = &app
	}
	farewell, err := e.People.Upstreams.Farewell(r.Context(), current)
	if err != nil {
		return err
	}
	if farewell != nil && farewell.Leads {
		data.Upstream = farewell.Title
	}
	e.Pages.Render(w, r, http.StatusOK, data)
	return nil
}
