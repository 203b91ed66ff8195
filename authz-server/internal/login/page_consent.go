package login

import (
	"errors"
	"net/http"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// GET /consent: asks whether the application may have what it asks for.
func (s *Service) showConsent(w http.ResponseWriter, r *http.Request) {
	st, session, r, ok := s.consentStep(w, r)
	if !ok {
		return
	}
	before, err := s.cfg.Store.Consent(r.Context(), session.UserID, st.interaction.ClientID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.fail(w, r, err)
		return
	}
	page := consentPage(st, session, nil)
	for i := range page.Scopes { // what they left out before stays so, unless they tick it
		page.Scopes[i].Off = !page.Scopes[i].Required && slices.Contains(before.Declined, page.Scopes[i].Name)
	}
	s.cfg.Pages.Render(w, r, http.StatusOK, "consent", page)
}

// POST /consent: the decision counts for the browser, the session and the request that were asked.
func (s *Service) postConsent(w http.ResponseWriter, r *http.Request) {
	st, session, r, ok := s.consentStep(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("session") != session.ID {
		// Somebody else logged in, in another tab, after the page was shown. What they saw is not what this person would allow.
		page := consentPage(st, session, nil)
		page.Problems = map[string]pages.Problem{"": pages.ConsentOfSomeOther}
		s.cfg.Pages.Render(w, r, http.StatusConflict, "consent", page)
		return
	}
	decision := r.PostForm.Get("decision")
	var allowed []string
	switch decision {
	case store.ConsentDeny:
	case store.ConsentAllow:
		ticked := r.PostForm["scope"]
		requested := consent.Asked(st.interaction.Form)
		for _, scope := range requested {
			if required(scope) || slices.Contains(ticked, scope) {
				allowed = append(allowed, scope)
			}
		}
		if len(allowed) == 0 && len(requested) > 0 {
			page := consentPage(st, session, []string{})
			page.Problems = map[string]pages.Problem{"": pages.NothingChosen}
			s.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, "consent", page)
			return
		}
	default:
		s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter decision must be allow or deny.")
		return
	}
	browser, _ := s.cookie(r, browserCookie)
	err := s.cfg.Store.DecideInteraction(r.Context(), st.handle, browser, session.ID, decision, allowed)
	if err != nil && !errors.Is(err, store.ErrNotFound) { // spent meanwhile: /oauth2/authorize will say so
		s.fail(w, r, err)
		return
	}
	s.onward(w, r, st.handle)
}

// consentStep finds out who is asked about what. When there is nothing to ask, it answers and returns false.
func (s *Service) consentStep(w http.ResponseWriter, r *http.Request) (st step, session *Session, with *http.Request, ok bool) {
	st, r, ok = s.step(w, r)
	if !ok {
		return step{}, nil, r, false
	}
	if st.app == nil {
		s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter interaction is missing, or no application's.")
		return step{}, nil, r, false
	}
	session, err := s.Session(r)
	if err != nil {
		s.fail(w, r, err)
		return step{}, nil, r, false
	}
	if session == nil { // it ended meanwhile: whoever decides what is missing will find out
		s.onward(w, r, st.handle)
		return step{}, nil, r, false
	}
	return st, session, r, true
}

// required tells whether a request that has the scope makes no sense without it.
func required(scope string) bool { return scope == "openid" }

// consentPage shows everything ticked, or what was ticked before.
func consentPage(st step, session *Session, ticked []string) pages.Consent {
	page := pages.Consent{Interaction: st.handle, Session: session.ID, App: *st.app, Email: session.User.Email}
	for _, scope := range consent.Asked(st.interaction.Form) {
		page.Scopes = append(page.Scopes, pages.Scope{Name: scope, Required: required(scope), Off: ticked != nil && !slices.Contains(ticked, scope)})
	}
	return page
}
