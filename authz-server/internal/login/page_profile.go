package login

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// GET /account/profile
func (s *Service) showProfile(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	page, err := profilePage(session.User)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Done = done(r)
	s.cfg.Pages.Render(w, r, http.StatusOK, page)
}

func profilePage(user store.User) (pages.ProfilePage, error) {
	version, err := profileVersion(user)
	return pages.ProfilePage{Version: version, Values: profileOf(user), PhoneVerified: user.Claims.PhoneVerified}, err
}

// profileVersion tells two states of a profile apart.
func profileVersion(user store.User) (string, error) {
	text, err := json.Marshal(profileOf(user))
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:12]), err
}

// errChangedMeanwhile says that a profile is not what the person was shown.
var errChangedMeanwhile = errors.New("the profile was changed meanwhile")

// POST /account/profile: changes what the person tells of themselves, if it still is what they were shown.
func (s *Service) postProfile(w http.ResponseWriter, r *http.Request) {
	session, ok := s.owner(w, r)
	if !ok {
		return
	}
	typed := make(map[string]string)
	for _, field := range profileFields {
		if r.PostForm.Has(field.name) {
			typed[field.name] = r.PostForm.Get(field.name)
		}
	}
	region := regionOfLanguage(s.cfg.Pages.Language(r))
	var problems map[string]messages.Problem
	var current store.User
	err := s.cfg.Store.EditUser(r.Context(), session.UserID, func(u *store.User) error {
		current = *u
		if problems = setProfile(u, typed, s.cfg.Now(), region); len(problems) > 0 {
			return errRefused
		}
		version, err := profileVersion(current)
		if err == nil && version != r.PostForm.Get("version") {
			err = errChangedMeanwhile
		}
		return err
	})
	status := http.StatusUnprocessableEntity
	switch {
	case err == nil:
		s.see(w, r, "/account/profile?done="+string(messages.ProfileSaved))
		return
	case errors.Is(err, errChangedMeanwhile):
		status, problems = http.StatusConflict, map[string]messages.Problem{"": messages.ProfileChanged}
	case !errors.Is(err, errRefused):
		s.fail(w, r, err)
		return
	}
	page, err := profilePage(current)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Problems = problems
	if status == http.StatusConflict {
		page.Stored = make(map[string]string)
		wanted := current
		setProfile(&wanted, typed, s.cfg.Now(), region)
		for name, value := range profileOf(wanted) {
			if stored := page.Values[name]; stored != value {
				page.Stored[name] = stored
			}
		}
	} else {
		page.Version = r.PostForm.Get("version") // what they were shown first: nothing newer was shown
	}
	for name, value := range typed {
		page.Values[name] = value
	}
	s.cfg.Pages.Render(w, r, status, page)
}

// errRefused says that something is wrong with a person's input.
var errRefused = errors.New("the input is refused")
