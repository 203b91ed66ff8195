package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// maxForm is the largest set of parameters of an authorization request, in bytes.
const maxForm = 16 << 10

// authorize is the authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2). Whatever a person has to do first, they come
// back here, and here alone it is decided what is still missing.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	if err := s.readBrowserForm(r); err != nil {
		s.errorPage(w, r, err)
		return
	}
	leave, err := s.turn(r, false)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	defer leave()
	if answered, err := s.comeWithCookies(w, r); answered {
		return
	} else if err != nil {
		s.errorPage(w, r, err)
		return
	}
	form := r.Form
	var waiting *waitingRequest
	if handle := form.Get("interaction"); handle != "" && r.Method == http.MethodGet {
		in, err := s.login.Interaction(r, handle)
		if errors.Is(err, store.ErrNotFound) {
			s.login.LeadOn(w, r, handle)
			return
		}
		if err != nil {
			s.errorPage(w, r, err)
			return
		}
		if in.ClientID == "" { // no application's: the person comes back from the log-in that the page /device sent them to
			http.Redirect(w, r, s.at.Path(deviceLink(in.Form.Get("user_code"))), http.StatusSeeOther)
			return
		}
		waiting, form = &waitingRequest{in, handle}, in.Form
	}

	a, err := s.readAuthorization(r.Context(), form, waiting != nil)
	if a != nil {
		a.Waiting = waiting
	}
	if err != nil {
		s.refuseAuthorization(w, r, a, err)
		return
	}
	step, err := s.decide(r, a, waiting)
	if err != nil {
		s.refuseAuthorization(w, r, a, err)
		return
	}
	if step.page != "" {
		s.wait(w, r, a, waiting, step.page)
		return
	}

	parameters, err := s.answerOnce(r.Context(), a, waiting, step)
	switch {
	case errors.Is(err, errSessionEnded) && !a.prompts("none"):
		s.wait(w, r, a, waiting, "/login")
	case errors.Is(err, errConsentWithdrawn) && !a.prompts("none"):
		s.wait(w, r, a, waiting, "/consent")
	case errors.Is(err, errDecisionChanged): // which is still there: what follows is decided anew
		http.Redirect(w, r, s.at.Path("/oauth2/authorize?"+url.Values{"interaction": {waiting.handle}}.Encode()), http.StatusSeeOther)
	case errors.Is(err, store.ErrNotFound) && waiting != nil: // the person clicked twice
		s.login.LeadOn(w, r, waiting.handle)
	case errors.Is(err, store.ErrNotFound):
		s.errorPage(w, r, refuse(fosite.ErrInvalidRequest, "this log-in is completed already; go back to the app"))
	case err != nil:
		s.refuseAuthorization(w, r, a, err)
	default:
		s.respond(w, r, a, parameters)
	}
}

// answerOnce makes the answer that was decided: the parameters of the redirect. The answer and the end of what it answers
// are one transaction, and what the decision depends on is looked at again in it. The order matters twice. The session is
// held first, until the grant is there: whoever ends the session then finds the grant as well. And whoever removes the
// client or withdraws the consent takes the rows in the same order, so that nobody waits in a circle.
// store.ErrNotFound: the request was answered already.
func (s *Server) answerOnce(ctx context.Context, a *authorization, waiting *waitingRequest, decided step) (parameters url.Values, err error) {
	err = s.store.Tx(ctx, func(ctx context.Context) error {
		if err := s.store.ContinueSession(ctx, decided.login.ID); errors.Is(err, store.ErrNotFound) {
			return errSessionEnded
		} else if err != nil {
			return err
		}
		var err error
		if parameters, err = s.grant(ctx, a, decided); err != nil {
			return err
		}
		if err := s.spend(ctx, a, waiting); err != nil {
			return err
		}
		if err := s.settleConsent(ctx, a, decided); err != nil || waiting == nil {
			return err
		}
		return s.store.Uncount(ctx, waiting.Interaction)
	})
	return parameters, err
}

// settleConsent notes what the person just answered, or makes sure that what they allowed before still stands.
func (s *Server) settleConsent(ctx context.Context, a *authorization, decided step) error {
	switch {
	case decided.answered:
		return s.store.DecideConsent(ctx, decided.login.UserID, a.Client.ID, decided.granted, decided.declined)
	case a.Client.Trusted:
		return nil
	}
	err := s.store.HoldConsent(ctx, decided.login.UserID, a.Client.ID, decided.granted)
	if errors.Is(err, store.ErrStale) {
		return errConsentWithdrawn
	}
	return err
}

// What can have happened to a person's decision while it was acted on.
var (
	errConsentWithdrawn = refuse(fosite.ErrConsentRequired, "the person has just withdrawn their consent")
	errDecisionChanged  = errors.New("the person has just decided anew") // no refusal: nobody is told
)

// errSessionEnded says that the person logged out while their request was being answered.
var errSessionEnded = refuse(fosite.ErrLoginRequired, "the person has just logged out")

// spend ends the interaction and the pushed request that are being answered. store.ErrNotFound: another request was faster.
// errDecisionChanged: the person answered otherwise, or took the answer back, since it was read.
func (s *Server) spend(ctx context.Context, a *authorization, waiting *waitingRequest) error {
	if waiting != nil {
		last, err := s.store.SpendInteraction(ctx, waiting.handle)
		if err != nil {
			return err
		}
		if last.Consent != waiting.Consent || last.ConsentSID != waiting.ConsentSID || !slices.Equal(last.ConsentScope, waiting.ConsentScope) {
			return errDecisionChanged
		}
	}
	if uri := a.Form.Get("request_uri"); uri != "" {
		return s.store.SpendPushedRequest(ctx, uri)
	}
	return nil
}

// waitingRequest is an interaction that a person comes back from, with the handle that they bring.
type waitingRequest struct {
	store.Interaction
	handle string
}

// step is what comes next for an authorization request: a page, or the answer.
type step struct {
	page     string // "/login", "/signup" or "/consent"; empty: answer
	login    *login.Session
	answered bool     // the person was asked about this very request, and agreed
	granted  []string // words of package consent
	declined []string // those that the person just left out
}

// decide finds out what is missing until the request can be answered. waiting is the interaction that it comes back from, or nil.
func (s *Server) decide(r *http.Request, a *authorization, waiting *waitingRequest) (step, error) {
	current, err := s.login.Session(r)
	if err != nil {
		return step{}, err
	}
	a.Login, a.LoginKnown = current, true
	page, err := s.decideLogin(r.Context(), a, waiting, current)
	if err != nil || page != "" {
		return step{page: page}, err
	}
	return s.decideConsent(r.Context(), a, waiting, current)
}

// decideLogin finds out whether somebody has to log in, and where; "": nobody has to (OIDC Core §3.1.2.1, §3.1.2.3).
func (s *Server) decideLogin(ctx context.Context, a *authorization, waiting *waitingRequest, current *login.Session) (page string, err error) {
	// A log-in after the request began is fresh enough for every prompt and every max_age.
	fresh := current != nil && waiting != nil && !current.CreatedAt.Before(waiting.CreatedAt)
	again := a.prompts("login") || a.prompts("select_account") || a.prompts("create") || a.MaxAge == 0 ||
		(current != nil && a.MaxAge >= 0 && s.now().Sub(current.AuthTime) > a.MaxAge)
	switch {
	case current != nil && (fresh || !again):
	case a.prompts("none"):
		return "", refuse(fosite.ErrLoginRequired, "nobody is logged in, or not recently enough")
	case a.prompts("create"):
		return "/signup", nil
	default:
		return "/login", nil
	}
	if err := s.checkClaimsRequest(a, current); err != nil {
		return "", err
	}
	if a.IDTokenHint == "" {
		return "", nil
	}
	hinted, err := s.readIDTokenHint(ctx, a.IDTokenHint)
	if errors.Is(err, errNotOurs) {
		return "", refuse(fosite.ErrInvalidRequest, "id_token_hint is not an ID token of this server")
	}
	if err != nil || hinted.Subject == s.subject(&a.Client, current.UserID) {
		return "", err
	}
	if a.prompts("none") || fresh {
		return "", refuse(fosite.ErrLoginRequired, "another person than the one in id_token_hint is logged in")
	}
	return "/login", nil
}

// decideConsent finds out whether the person has to be asked, and what they grant.
func (s *Server) decideConsent(ctx context.Context, a *authorization, waiting *waitingRequest, current *login.Session) (step, error) {
	asked := consent.Asked(a.Form)
	if waiting != nil && waiting.ConsentSID == current.ID {
		switch waiting.Consent {
		case store.ConsentDeny:
			return step{}, refuse(fosite.ErrAccessDenied, "the person did not agree")
		case store.ConsentAllow:
			return step{login: current, answered: true, granted: intersect(asked, waiting.ConsentScope), declined: without(asked, waiting.ConsentScope)}, nil
		}
	}
	needed, granted := !a.Client.Trusted, asked
	if needed {
		given, err := s.store.Consent(ctx, current.UserID, a.Client.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return step{}, err
		}
		// What the person left out before is not asked again, for an app sends the same request at every log-in, unless the
		// app insists by prompt=consent. What they were never asked is.
		granted = intersect(asked, given.Scope)
		needed = errors.Is(err, store.ErrNotFound) || len(without(without(asked, given.Scope), given.Declined)) > 0 || len(granted) == 0 && len(asked) > 0
	}
	switch {
	case !needed && !a.prompts("consent"):
		return step{login: current, granted: granted}, nil
	case a.prompts("none"):
		return step{}, refuse(fosite.ErrConsentRequired, "the person has not agreed to this yet")
	}
	return step{page: "/consent"}, nil
}

// intersect returns the elements of a that are also in b, in a's order.
func intersect(a, b []string) []string {
	var both []string
	for _, x := range a {
		if slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	return both
}

// without returns the elements of a that are not in b, in a's order.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}

// wait sends the person to a page, keeping the request until they come back.
func (s *Server) wait(w http.ResponseWriter, r *http.Request, a *authorization, waiting *waitingRequest, page string) {
	var handle string
	if waiting != nil {
		handle = waiting.handle
	} else {
		var err error
		quotas := append(pendingInteraction.ofAddress(r), pendingInteraction.ofClient(r, &a.Client)...)
		handle, err = s.login.Begin(w, r, store.Interaction{ClientID: a.Client.ID, Form: a.Form}, quotas...)
		var full *store.QuotaError
		if errors.As(err, &full) { // not at the client's redirect URI: from there the person would be sent here again
			s.errorPage(w, r, err)
			return
		}
		if err != nil {
			s.refuseAuthorization(w, r, a, err)
			return
		}
	}
	http.Redirect(w, r, s.at.Path(page+"?"+url.Values{"interaction": {handle}}.Encode()), http.StatusSeeOther)
}

// grant makes the answer that was decided: the parameters of the redirect.
func (s *Server) grant(ctx context.Context, a *authorization, next step) (url.Values, error) {
	a.Declined = without(a.Scope, next.granted)
	a.Scope, a.Claims = intersect(a.Scope, next.granted), a.Claims.only(next.granted)
	ar := fosite.NewAuthorizeRequest()
	ar.Client = &oauthClient{Client: a.Client}
	ar.ResponseTypes = a.ResponseType
	resp, err := s.provider.NewAuthorizeResponse(ctx, ar, &session{authorization: a, login: next.login})
	if err != nil {
		return nil, err
	}
	return resp.GetParameters(), nil
}

// refuseAuthorization answers an authorization request with an error: at the client's redirect URI when it is known to be
// the client's and the person need not be asked (redirectsRefusal), and else on a page.
func (s *Server) refuseAuthorization(w http.ResponseWriter, r *http.Request, a *authorization, err error) {
	if a != nil {
		httpd.NoteClient(w, a.Client.ID)
	}
	var unsafe unsafeError
	if a == nil || errors.As(err, &unsafe) {
		s.errorPage(w, r, err)
		return
	}
	e := s.refusal(r.Context(), err)
	httpd.NoteRefusal(w, e.ErrorField, describe(e))
	if unasked, err := s.redirectsRefusal(r, a); err != nil {
		s.errorPage(w, r, err)
	} else if unasked {
		s.respond(w, r, a, refusalParameters(e))
	} else {
		s.refuseAfterAsking(w, r, a, e)
	}
}

// errorPage shows a person, and the developer behind them, why nothing can be done.
func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, err error) {
	err = s.slowDown(w, r, err)
	e := s.refusal(r.Context(), err)
	status := e.CodeField
	if status == http.StatusUnauthorized { // there is nothing to authenticate with on a page
		status = http.StatusBadRequest
	}
	s.noteClient(w, r)
	failure := pages.ErrorPage{Code: e.ErrorField, Detail: describe(e), ServerFault: status >= http.StatusInternalServerError}
	if id := r.Form.Get("client_id"); id != "" && !failure.ServerFault {
		if app, err := s.login.App(r, id, ""); err == nil && !app.Unchecked {
			failure.App = &app
		}
	}
	s.pages.Render(w, r, status, failure)
}

func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// readIDTokenHint verifies an ID token of ours but for its expiry (OIDC Core §3.1.2.1). errNotOurs: it is none.
func (s *Server) readIDTokenHint(ctx context.Context, token string) (idClaims, error) {
	var claims idClaims
	if err := s.verify(ctx, token, typeID, &claims); err != nil {
		return claims, err
	}
	if claims.Issuer != s.issuer || claims.SessionID == "" { // signed userinfo and signed answers have no sid
		return claims, errNotOurs
	}
	return claims, nil
}
