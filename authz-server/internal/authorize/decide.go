package authorize

import (
	"errors"

	"github.com/maru-auth/maru/authz-server/internal/consent"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/session"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// step is what comes next for an authorization request: a page, or the answer.
type step struct {
	page     string // "/login", "/login/verify", "/login/setup", "/restore", "/signup", "/agree" or "/consent"; empty: answer
	login    *session.Session
	answered bool     // the person was asked about this very request, and agreed
	granted  []string // words of package consent
	declined []string // those that the person just left out
}

// decide finds out what is missing until the request can be answered.
func (v *visit) decide() (step, error) {
	current, err := v.session()
	if err != nil {
		return step{}, err
	}
	if current != nil && v.request.prompts("none") && !v.request.Client.Trusted {
		// Any page can send its visitors here and get them back at once. An app that the person
		// allowed nothing learns that somebody is logged in, and not who (claims, id_token_hint),
		// since when (max_age) or by what (acr).
		if agreed, err := v.agreed(current); err != nil {
			return step{}, err
		} else if !agreed {
			return step{}, errUnasked
		}
	}
	page, err := v.decideLogin(current)
	if err != nil || page != "" {
		return step{page: page}, err
	}
	if !current.User.DeleteAt.IsZero() { // the account waits to be deleted
		if v.request.prompts("none") {
			return step{}, oauth.LoginRequired.Because("the person asked for their account to be deleted")
		}
		return step{page: "/restore"}, nil
	}
	if page, err = v.decideAgreement(current); err != nil || page != "" {
		return step{page: page}, err
	}
	return v.decideConsent(current)
}

// errUnasked refuses what the person would have to be asked for.
var errUnasked = oauth.ConsentRequired.Because("the person has not agreed to this yet")

// agreed tells whether the person has allowed the client anything.
func (v *visit) agreed(current *session.Session) (bool, error) {
	_, err := v.Store.Consents.Consent(v.r.Context(), current.UserID, v.request.Client.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// decideLogin finds out whether somebody has to log in, and where; "": nobody has to (OIDC Core
// §3.1.2.1, §3.1.2.3).
func (v *visit) decideLogin(current *session.Session) (page string, err error) {
	a := v.request
	fresh, old, err := v.ageOf(current)
	if err != nil {
		return "", err
	}
	again := a.prompts("login") || a.prompts("select_account") || a.prompts("create") || a.MaxAge == 0 || old
	switch {
	case current != nil && (fresh || !again):
	case a.prompts("none"):
		return "", oauth.LoginRequired.Because("nobody is logged in, or not recently enough")
	case a.prompts("create"):
		return "/signup", nil
	default:
		return "/login", nil
	}
	subject := v.Tokens.Subject(&a.Client, current.UserID)
	if !a.Claims.IDToken["sub"].Allows(subject) || !a.Claims.Userinfo["sub"].Allows(subject) {
		return "", oauth.LoginRequired.Because("another person than the one that the claims parameter names is logged in")
	}
	if a.IDTokenHint == "" {
		return v.decideProof(current)
	}
	hinted, err := v.Tokens.Hint(v.r.Context(), a.IDTokenHint)
	if errors.Is(err, tokens.ErrInvalid) {
		return "", oauth.InvalidRequest.Because("id_token_hint is not an ID token of this server")
	}
	if err != nil {
		return "", err
	}
	if hinted.Subject == subject {
		return v.decideProof(current)
	}
	if a.prompts("none") || fresh {
		return "", oauth.LoginRequired.Because("another person than the one in id_token_hint is logged in")
	}
	return "/login", nil
}

// ageOf tells whether somebody logged in after the request began, which is fresh enough for every
// prompt and every max_age; and whether they did too long ago for max_age. Another provider may have
// let them in because they were logged in there: then its time counts, and none at all if it told
// none.
func (v *visit) ageOf(current *session.Session) (fresh, old bool, err error) {
	if current == nil {
		return false, false, nil
	}
	a, proof := v.request, proofs.Proof(current.AMR)
	fresh = v.waiting != nil && !current.CreatedAt.Before(v.waiting.CreatedAt)
	age := v.Now().Sub(current.AuthTime)
	old = a.MaxAge >= 0 && age > a.MaxAge
	if !a.wantsFresh() || !proof.Federated() || proof.Local() {
		return fresh, old, nil
	}
	dated, err := v.People.Dated(v.r.Context(), current)
	least := v.Now().Add(-a.maxAge())
	if v.waiting != nil && a.maxAge() == 0 {
		least = v.waiting.CreatedAt
	}
	fresh = fresh && dated && !current.AuthTime.Before(least.Add(-proofs.ClocksDiffer))
	return fresh, old || a.MaxAge >= 0 && !dated, err
}

// decideProof finds out whether the person who is logged in has to prove more (RFC 9470, OIDC Core
// §5.5.1.1), and where; "": nothing more. What is asked for voluntarily is asked of the person if
// they can prove it, and they are not asked with prompt=none.
func (v *visit) decideProof(current *session.Session) (page string, err error) {
	asked := v.request.Proof
	switch owed := asked.Owed(current.Provable(), current.Login()); {
	case owed == proofs.Nothing || v.request.prompts("none") && !asked.Essential:
		return "", nil
	case owed == proofs.SetUp && asked.MetBy(proofs.PasswordAndCode) && !v.request.prompts("none"):
		return "/login/setup", nil
	case owed == proofs.SetUp || owed == proofs.Unreachable:
		return "", oauth.UnmetRequirements.Because("the log-in cannot reach the acr that the claims parameter calls essential")
	case v.request.prompts("none"):
		return "", oauth.LoginRequired.Because("the log-in does not reach the acr that the claims parameter calls essential")
	}
	return "/login/verify", nil
}

// decideAgreement finds out whether the person has to agree to the server's own terms first, and
// where; "": they need not.
func (v *visit) decideAgreement(current *session.Session) (page string, err error) {
	owes, err := v.People.Policy.OwesAgreement(v.r.Context(), current.UserID)
	switch {
	case err != nil || !owes:
		return "", err
	case v.request.prompts("none"):
		return "", oauth.InteractionRequired.Because("the person has not agreed to the server's present terms yet")
	}
	return "/agree", nil
}

// decideConsent finds out whether the person has to be asked, and what they grant.
func (v *visit) decideConsent(current *session.Session) (step, error) {
	a := v.request
	asked := consent.Asked(a.Form)
	ungranted, err := v.Store.Roles.Ungranted(v.r.Context(), current.UserID, asked)
	if err != nil {
		return step{}, err
	}
	if some := len(asked) > 0; some {
		if asked = oauth.Without(asked, ungranted); len(asked) == 0 {
			return step{}, oauth.AccessDenied.Because("the person has no role that the scope is for")
		}
	}
	if v.waiting != nil && v.waiting.ConsentSID == current.ID {
		switch v.waiting.Consent {
		case requests.ConsentDeny:
			return step{}, oauth.AccessDenied.Because("the person did not agree")
		case requests.ConsentAllow:
			granted := oauth.Intersect(asked, v.waiting.ConsentScope)
			return step{login: current, answered: true, granted: granted, declined: oauth.Without(asked, v.waiting.ConsentScope)}, nil
		}
	}
	needed, granted := !a.Client.Trusted, asked
	if needed {
		given, err := v.Store.Consents.Consent(v.r.Context(), current.UserID, a.Client.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return step{}, err
		}
		// An app sends the same request at every log-in, so do not ask again for what the person
		// left out before, unless the app insists with prompt=consent.
		granted = oauth.Intersect(asked, given.Scope)
		unasked := oauth.Without(oauth.Without(asked, given.Scope), given.Declined)
		needed = errors.Is(err, store.ErrNotFound) || len(unasked) > 0 || len(granted) == 0 && len(asked) > 0
	}
	switch {
	case !needed && !a.prompts("consent"):
		return step{login: current, granted: granted}, nil
	case a.prompts("none"):
		return step{}, errUnasked
	}
	return step{page: "/consent"}, nil
}
