package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// showDevice asks for the code that a device shows (RFC 8628 §3.3). With verification_uri_complete it is filled in, and the
// person still has to send it: a link alone takes nobody to the decision.
func (s *Server) showDevice(w http.ResponseWriter, r *http.Request) {
	leave, err := s.login.Turn(r)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	defer leave()
	current, err := s.login.Session(r)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	code := readUserCode(r.URL.Query().Get("user_code"))
	if current == nil {
		// The log-in leads back to the authorization endpoint, and that one here: see authorize.
		handle, err := s.login.Begin(w, r, store.Interaction{Form: url.Values{"user_code": {code}}}, append(pendingInteraction.ofAddress(r), pendingInteraction.shared("device", pendingOfDevices))...)
		if err != nil {
			s.errorPage(w, r, err)
			return
		}
		noStore(w)
		http.Redirect(w, r, s.at.Path("/login?"+url.Values{"interaction": {handle}}.Encode()), http.StatusSeeOther)
		return
	}
	s.pages.Render(w, r, http.StatusOK, pages.UserCodePage{UserCode: showUserCode(code), Email: current.User.Email})
}

// postDevice takes the code, shows what it is about, and takes the decision. Every post names the code, and counts as a guess
// when it is wrong.
func (s *Server) postDevice(w http.ResponseWriter, r *http.Request) {
	current, err := s.login.Session(r)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	typed := r.PostForm.Get("user_code")
	if current == nil { // it ended meanwhile
		noStore(w)
		http.Redirect(w, r, s.at.Path(deviceLink(typed)), http.StatusSeeOther) //nolint:gosec // G710: a path of ours
		return
	}
	d, c, ok := s.findDevice(w, r, current, typed)
	if !ok {
		return
	}
	page, err := s.devicePage(r, &d, current)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	if r.PostForm.Get("decision") == "" {
		s.pages.Render(w, r, http.StatusOK, page)
		return
	}
	answer, err := consent.Read(r.PostForm, current.ID, d.Scope)
	if err != nil {
		if status := page.Refuse(err); status != 0 {
			s.pages.Render(w, r, status, page)
			return
		}
		s.errorPage(w, r, refuse(fosite.ErrInvalidRequest, err.Error()))
		return
	}
	if answer.Allowed {
		err = s.allowDevice(r.Context(), &d, c, current, answer)
	} else {
		err = s.store.DenyDevice(r.Context(), d.Hash)
	}
	if errors.Is(err, errSessionEnded) {
		noStore(w)
		http.Redirect(w, r, s.at.Path(deviceLink(typed)), http.StatusSeeOther) //nolint:gosec // G710: a path of ours
		return
	}
	if errors.Is(err, store.ErrNotFound) { // decided, or expired, this very moment
		s.wrongUserCode(w, r, current, typed)
		return
	}
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	s.pages.Render(w, r, http.StatusOK, pages.DeviceDonePage{App: page.App, Allowed: answer.Allowed})
}

// findDevice finds the request that waits for a person to decide. When it cannot be had, it answers and returns false.
func (s *Server) findDevice(w http.ResponseWriter, r *http.Request, current *login.Session, typed string) (d store.DeviceCode, c *client.Client, ok bool) {
	code := readUserCode(typed)
	if code == "" {
		s.wrongUserCode(w, r, current, typed)
		return d, nil, false
	}
	end, wait, ok, err := s.login.Guess(r, current.ID)
	if err != nil {
		s.errorPage(w, r, err)
		return d, nil, false
	}
	if !ok {
		page := pages.UserCodePage{UserCode: showUserCode(code), Email: current.User.Email}
		page.Problems, page.Wait = map[string]messages.Problem{"": messages.TooManyTries}, wait
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		s.log.WarnContext(r.Context(), "guesses of user codes slowed down", "request", httpd.RequestID(r.Context()), "session", current.ID)
		s.pages.Render(w, r, http.StatusTooManyRequests, page)
		return d, nil, false
	}
	d, err = s.store.PendingDeviceCode(r.Context(), code)
	if errors.Is(err, store.ErrNotFound) && s.allowedBefore(w, r, current, code) {
		end(true)
		return d, nil, false
	}
	end(!errors.Is(err, store.ErrNotFound))
	if errors.Is(err, store.ErrNotFound) {
		s.wrongUserCode(w, r, current, typed)
		return d, nil, false
	}
	if err == nil {
		var found client.Client
		found, _, err = s.clients.Client(r.Context(), d.ClientID)
		c = &found
	}
	if err == nil { // what the client could ask for then, it may have lost since
		before := len(d.Scope)
		if d.Scope = intersect(d.Scope, c.Scopes()); !c.HasGrantType(client.DeviceCode) || before > 0 && len(d.Scope) == 0 {
			err = store.ErrNotFound
		}
	}
	if errors.Is(err, store.ErrNotFound) { // the client was deleted meanwhile, or may do nothing any more
		s.wrongUserCode(w, r, current, typed)
		return d, nil, false
	}
	if err != nil {
		s.errorPage(w, r, err)
		return d, nil, false
	}
	return d, c, true
}

// allowedBefore answers the second click on the button that allows a device as the first one.
func (s *Server) allowedBefore(w http.ResponseWriter, r *http.Request, current *login.Session, code string) bool {
	if r.PostForm.Get("decision") != consent.Allow || r.PostForm.Get("session") != current.ID {
		return false
	}
	d, err := s.store.AllowedDeviceCode(r.Context(), code, current.UserID)
	if err != nil {
		return false
	}
	page, err := s.devicePage(r, &d, current)
	if err != nil {
		return false
	}
	s.pages.Render(w, r, http.StatusOK, pages.DeviceDonePage{App: page.App, Allowed: true})
	return true
}

// wrongUserCode says the same of a code that is unknown, expired or decided on.
func (s *Server) wrongUserCode(w http.ResponseWriter, r *http.Request, current *login.Session, typed string) {
	if code := showUserCode(readUserCode(typed)); code != "" {
		typed = code
	}
	page := pages.UserCodePage{UserCode: typed, Email: current.User.Email}
	page.Problems = map[string]messages.Problem{"user_code": messages.DeviceCodeWrong}
	s.pages.Render(w, r, http.StatusUnprocessableEntity, page)
}

// devicePage is what a person must know to decide. A trusted client's request is shown as well: what is to be found out is not
// whether the app is good, but whether the device is theirs (RFC 8628 §5.4).
func (s *Server) devicePage(r *http.Request, d *store.DeviceCode, current *login.Session) (pages.DevicePage, error) {
	app, err := s.login.App(r, d.ClientID, "")
	page := pages.DevicePage{
		Question: pages.Question{App: app, Session: current.ID, Email: current.User.Email, Choices: consent.Choices(d.Scope, nil)},
		UserCode: showUserCode(d.UserCode),
		Address:  d.Address,
		Asked:    s.now().Sub(d.CreatedAt),
	}
	page.Browser, page.System = login.Device(d.UserAgent)
	return page, err
}

// allowDevice makes the grant that the device then redeems.
func (s *Server) allowDevice(ctx context.Context, d *store.DeviceCode, c *client.Client, by *login.Session, answer consent.Answer) error {
	now := s.now()
	g, err := s.newGrant(&authorization{Client: *c, Scope: answer.Granted, Declined: answer.Declined}, by, now)
	if err != nil {
		return err
	}
	if narrowed := intersect(g.Audience, d.Audience); len(narrowed) > 0 {
		g.Audience = narrowed
	} else { // the person agreed to no scope of the resources asked for: what remains is about them
		g.Audience = []string{s.issuer}
	}
	if !c.HasGrantType("refresh_token") { // the device has until then to ask
		g.ExpiresAt = d.ExpiresAt.Add(s.lifetimes.AccessToken)
	}
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		// As when an authorization request is answered: the session is held until the grant is there.
		if err := s.store.ContinueSession(ctx, by.ID); errors.Is(err, store.ErrNotFound) {
			return errSessionEnded
		} else if err != nil {
			return err
		}
		if err := s.store.CreateGrant(ctx, g, c); errors.Is(err, store.ErrStale) {
			return errClientChanged
		} else if err != nil {
			return err
		}
		if err := s.store.NoteSessionClient(ctx, g.SessionID, g.ClientID); err != nil {
			return err
		}
		if !c.Trusted {
			if err := s.store.GrantConsent(ctx, g.UserID, g.ClientID, answer.Granted); err != nil {
				return err
			}
		}
		return s.store.AllowDevice(ctx, d.Hash, g.ID)
	})
	if err == nil {
		s.log.InfoContext(ctx, "a device was allowed", "request", httpd.RequestID(ctx), "client", c.ID, "grant", g.ID, "from", d.Address)
	}
	return err
}
