package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// GET /account/profile
func (a *Account) showProfile(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	page, err := profilePage(current.User)
	if err != nil {
		a.Guard.Fail(w, r, err)
		return
	}
	page.Done = done(r)
	a.Pages.Render(w, r, http.StatusOK, page)
}

func profilePage(user accounts.User) (pages.ProfilePage, error) {
	version, err := profileVersion(user)
	return pages.ProfilePage{Version: version, Values: profile.Of(user), PhoneVerified: user.Claims.PhoneVerified}, err
}

// profileVersion tells two states of a profile apart.
func profileVersion(user accounts.User) (string, error) {
	text, err := json.Marshal(profile.Of(user))
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:12]), err
}

// errChangedMeanwhile says that a profile is not what the person was shown.
var errChangedMeanwhile = errors.New("the profile was changed meanwhile")

// POST /account/profile: changes what the person tells of themselves, if it still is what they were
// shown.
func (a *Account) postProfile(w http.ResponseWriter, r *http.Request) {
	current, ok := a.owner(w, r)
	if !ok {
		return
	}
	typed, shown := typedProfile(r), r.PostForm.Get("version")
	region := profile.RegionOfLanguage(a.Pages.Language(r))
	stored := current.User
	err := a.edit(r, current, func(u *accounts.User) error {
		stored = *u
		if problems := profile.Set(u, typed, a.Now(), region); len(problems) > 0 {
			return guard.FormError(problems)
		}
		version, err := profileVersion(stored)
		if err == nil && version != shown {
			err = errChangedMeanwhile
		}
		return err
	})
	if err == nil {
		a.Guard.See(w, r, "/account/profile?done="+string(messages.ProfileSaved))
		return
	}
	page, pageErr := profilePage(stored)
	if pageErr != nil {
		err = pageErr
	}
	maps.Copy(page.Values, typed)
	if errors.Is(err, errChangedMeanwhile) {
		page.Problems = map[string]messages.Problem{"": messages.ProfileChanged}
		page.Stored = a.changedMeanwhile(stored, typed, region)
		a.Pages.Render(w, r, http.StatusConflict, page)
		return
	}
	a.Guard.Refuse(w, r, err, func(form pages.Form) pages.Page {
		page.Form, page.Version = form, shown // nothing newer was shown
		return page
	})
}

// edit changes what the person tells of themselves, and notes that they did.
func (a *Account) edit(r *http.Request, current *session.Session, change func(u *accounts.User) error) error {
	if err := a.Throttle.ProfileChange(r.Context(), current.UserID); err != nil {
		return err
	}
	return a.Store.Tx(r.Context(), func(ctx context.Context) error {
		if err := a.Store.Users.EditUser(ctx, current.UserID, change); err != nil {
			return err
		}
		e := audit.OfPerson(audit.UserChanged, r, current.UserID, current.User.Email)
		e.Proof = current.ACR
		return audit.New(a.Store).Record(ctx, e)
	})
}

// typedProfile is what was typed, by field. A form need not have all of them.
func typedProfile(r *http.Request) map[string]string {
	typed := make(map[string]string)
	for _, name := range profile.Fields() {
		if r.PostForm.Has(name) {
			typed[name] = r.PostForm.Get(name)
		}
	}
	return typed
}

// changedMeanwhile is what is stored where it differs from what was typed, by field.
func (a *Account) changedMeanwhile(stored accounts.User, typed map[string]string, region string) map[string]string {
	wanted, values := stored, profile.Of(stored)
	profile.Set(&wanted, typed, a.Now(), region)
	changed := make(map[string]string)
	for name, value := range profile.Of(wanted) {
		if values[name] != value {
			changed[name] = values[name]
		}
	}
	return changed
}
