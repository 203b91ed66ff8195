package login

import (
	"errors"
	"net/http"

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
	// What they left out before stays so, unless they tick it.
	s.cfg.Pages.Render(w, r, http.StatusOK, consentPage(st, session, before.Declined))
}

// POST /consent: the decision counts for the browser, the session and the request that were asked.
func (s *Service) postConsent(w http.ResponseWriter, r *http.Request) {
	st, session, r, ok := s.consentStep(w, r)
	if !ok {
		return
	}
	answer, err := consent.Read(r.PostForm, session.ID, consent.Asked(st.interaction.Form))
	if err != nil {
		page := consentPage(st, session, nil)
		if status := page.Refuse(err); status != 0 {
			s.cfg.Pages.Render(w, r, status, page)
			return
		}
		s.cfg.Pages.Error(w, r, http.StatusBadRequest, "invalid_request", "The parameter decision must be allow or deny.")
		return
	}
	browser, _ := s.cookie(r, browserCookie)
	err = s.cfg.Store.DecideInteraction(r.Context(), st.handle, browser, session.ID, answer.Decision(), answer.Granted)
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

// consentPage asks for everything, ticked but for what is in unticked.
func consentPage(st step, session *Session, unticked []string) pages.ConsentPage {
	return pages.ConsentPage{Interaction: st.handle, Question: pages.Question{
		App: *st.app, Session: session.ID, Email: session.User.Email, Choices: consent.Choices(consent.Asked(st.interaction.Form), unticked),
	}}
}
