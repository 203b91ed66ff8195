package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// logoutRequest is a request to log out that was read and checked (OIDC RP-Initiated Logout §2).
type logoutRequest struct {
	hint     *idClaims      // nil: no id_token_hint
	client   *client.Client // who asks; nil: unknown
	redirect string         // where to go afterwards; empty: nowhere
}

// logout ends the login session. It does so at once when the client proves by an ID token of this person that it knows
// whom it logs out, and when our own form asks; anybody else could send a browser here, so the person is asked.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	err := s.readBrowserForm(r)
	if err != nil {
		s.cannotLogOut(w, r, err)
		return
	}
	if answered, err := s.comeWithCookies(w, r); answered {
		return
	} else if err != nil {
		s.cannotLogOut(w, r, err)
		return
	}
	r = pages.WithLocales(r, r.Form.Get("ui_locales"), s.now()) // our own form posts it on
	request, err := s.readLogout(r.Context(), r.Form)
	if err != nil {
		s.cannotLogOut(w, r, err)
		return
	}
	current, err := s.login.Session(r)
	if err != nil {
		s.cannotLogOut(w, r, err)
		return
	}
	confirmed := r.Method == http.MethodPost && s.crossOrigin.Check(r) == nil && fromBrowser(r)
	if current != nil && !confirmed && !s.hinted(request, current) {
		s.askToLogOut(w, r, request, current)
		return
	}
	// Without a hint, somebody else than the client may have sent the person, and to log out is all that
	// they ask for; where they go on to is known to the letter (OIDC RP-Initiated Logout §2, §3).
	// A client that nobody vouched for sends people on, and loads what it likes in their browser, when they acted or it shows
	// an ID token of theirs; with one of somebody else this would be an open redirector (RFC 9700 §4.11).
	trusted := request.client == nil || s.vouched(request.client) || confirmed || current != nil
	frames, err := s.endSessions(w, r, request, current, trusted)
	if err != nil {
		s.cannotLogOut(w, r, err)
		return
	}
	if request.redirect != "" && !trusted {
		app, err := s.login.App(r, request.client.ID, request.redirect)
		if err != nil {
			s.cannotLogOut(w, r, err)
			return
		}
		s.pages.Render(w, r, http.StatusOK, pages.LoggedOutPage{Frames: frames, Next: request.redirect, App: &app})
		return
	}
	if request.redirect != "" && len(frames) == 0 {
		w.Header().Set("Location", request.redirect)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	s.pages.Render(w, r, http.StatusOK, pages.LoggedOutPage{Frames: frames, Next: request.redirect})
}

// hinted tells whether the hint is about the person who is logged in.
func (s *Server) hinted(request logoutRequest, current *login.Session) bool {
	if request.hint == nil || request.client == nil {
		return false
	}
	return request.hint.Subject == s.subject(request.client, current.UserID)
}

// fromBrowser tells whether the request says where it comes from. CrossOriginProtection lets through what does not, which
// is right for programs; but here "our own page" must be proved.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// readLogout checks the parameters. A redirect needs a client, by a hint or by its client_id, and a URI that it registered to
// the letter: whatever is wrong with either, nobody is sent anywhere.
func (s *Server) readLogout(ctx context.Context, form url.Values) (logoutRequest, error) {
	var request logoutRequest
	if err := onlyOnce(form); err != nil {
		return request, err
	}
	clientID := form.Get("client_id")
	if token := form.Get("id_token_hint"); token != "" {
		hint, err := s.readIDTokenHint(ctx, token)
		if errors.Is(err, errNotOurs) {
			return request, refuse(fosite.ErrInvalidRequest, "id_token_hint is not an ID token of this server")
		}
		if err != nil {
			return request, err
		}
		if clientID != "" && clientID != hint.Audience {
			return request, refuse(fosite.ErrInvalidRequest, "id_token_hint was issued to another client than client_id")
		}
		request.hint, clientID = &hint, hint.Audience
	}
	if clientID != "" {
		found, err := s.store.Client(ctx, clientID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return request, err
		}
		if err == nil {
			request.client = &found
		}
	}
	uri := form.Get("post_logout_redirect_uri")
	if uri == "" {
		return request, nil
	}
	switch {
	case request.hint == nil && clientID == "":
		return request, refuse(fosite.ErrInvalidRequest, "post_logout_redirect_uri needs an id_token_hint, or the client_id")
	case request.client == nil || !request.client.MatchPostLogoutURI(uri):
		return request, refuse(fosite.ErrInvalidRequest, "the post_logout_redirect_uri is not registered for this client; it must be the same to the letter as one that is. Received: "+excerpt(uri))
	}
	request.redirect = uri
	if state := form.Get("state"); state != "" {
		request.redirect = withQuery(uri, url.Values{"state": {state}})
	}
	return request, nil
}

// endSessions ends the browser's session, and the one that the hint names if it is another: a client that posts across
// origins comes without the cookie. It returns the frames that clients want loaded; those of the session in the hint are
// loaded for trusted clients alone.
func (s *Server) endSessions(w http.ResponseWriter, r *http.Request, request logoutRequest, current *login.Session, trusted bool) ([]string, error) {
	var frames []string
	if current != nil {
		var err error
		if frames, err = s.logoutFrames(r.Context(), current.ID); err != nil {
			return nil, err
		}
		if err := s.login.EndSession(w, r, current.ID); err != nil {
			return nil, err
		}
	}
	if request.hint == nil || (current != nil && current.ID == request.hint.SessionID) {
		return frames, nil
	}
	if trusted {
		more, err := s.logoutFrames(r.Context(), request.hint.SessionID)
		if err != nil {
			return nil, err
		}
		frames = append(frames, more...)
	}
	err := s.store.EndSession(r.Context(), request.hint.SessionID)
	if errors.Is(err, store.ErrNotFound) { // ended already
		err = nil
	}
	return frames, err
}

// askToLogOut shows the page with the button. Its form posts the same parameters, so that they are checked anew.
func (s *Server) askToLogOut(w http.ResponseWriter, r *http.Request, request logoutRequest, current *login.Session) {
	hidden := url.Values{}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"} {
		if value := r.Form.Get(name); value != "" {
			hidden.Set(name, value)
		}
	}
	data := pages.LogoutPage{Action: s.at.Path("/oauth2/logout"), Hidden: hidden, Email: current.User.Email}
	if request.client != nil {
		app, err := s.login.App(r, request.client.ID, request.redirect)
		if err != nil {
			s.cannotLogOut(w, r, err)
			return
		}
		data.App = &app
	}
	s.pages.Render(w, r, http.StatusOK, data)
}

func (s *Server) cannotLogOut(w http.ResponseWriter, r *http.Request, err error) {
	e := s.refusal(r.Context(), err)
	s.noteClient(w, r)
	s.pages.Render(w, r, e.CodeField, pages.CannotLogOutPage{Code: e.ErrorField, Detail: describe(e)})
}
