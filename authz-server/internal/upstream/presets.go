package upstream

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
)

const presetApple = "apple"

// preset is what is known of a provider.
type preset struct {
	Settings

	// read reads who the person is with an access token; nil: the ID token says it.
	read func(ctx context.Context, c caller) (Person, error)
	// trusts tells whether the provider answers for an address that it says is verified; nil: it
	// does.
	trusts func(claims answer, email string) bool
	// verified tells whether the address is verified, where no claim of the usual name does; nil: that
	// does.
	verified func(claims answer) bool
	// anew asks the person to log in there once more, and choose to choose an account; nil: as OpenID
	// Connect has it, or, without ID tokens, nothing does.
	anew, choose url.Values
}

// chooser is all that some have.
var chooser = url.Values{"prompt": {"select_account"}}

// presets are what operators can choose from, by name; "" is any OpenID provider.
var presets = map[string]preset{
	"": {Settings: Settings{Scope: "openid profile email", Addresses: ByClaim}},
	"google": {
		Settings: Settings{Title: "Google", Issuer: "https://accounts.google.com", Scope: "openid profile email", Addresses: ByClaim},
		trusts:   trustsGoogle,
		anew:     chooser, // other values of prompt are refused ("OpenID Connect", authentication URI parameters)
	},
	presetApple: {Settings: Settings{Title: "Apple", Issuer: "https://appleid.apple.com", Scope: "openid name email",
		AuthMethod: authPost, ResponseMode: modeFormPost, Addresses: ByClaim}},
	presetMicrosoft: {
		Settings: Settings{Title: "Microsoft", Issuer: "https://login.microsoftonline.com/common/v2.0", Scope: "openid profile email", Addresses: ByClaim},
		verified: verifiedByMicrosoft,
	},
	"github": {
		Settings: Settings{Title: "GitHub", Issuer: "https://github.com", Scope: "read:user user:email",
			Authorization: "https://github.com/login/oauth/authorize", Token: "https://github.com/login/oauth/access_token",
			UserInfo: "https://api.github.com/user", Emails: "https://api.github.com/user/emails", AuthMethod: authPost, Addresses: ByClaim},
		read: readGitHub, anew: chooser, choose: chooser,
	},
	"kakao": {
		Settings: Settings{Title: "Kakao", Issuer: "https://kauth.kakao.com", Scope: "account_email profile_nickname",
			Authorization: "https://kauth.kakao.com/oauth/authorize", Token: "https://kauth.kakao.com/oauth/token",
			UserInfo: "https://kapi.kakao.com/v2/user/me", AuthMethod: authPost, Addresses: ByClaim},
		read: readKakao, anew: url.Values{"prompt": {"login"}}, choose: chooser,
	},
	"naver": {
		Settings: Settings{Title: "NAVER", Issuer: "https://nid.naver.com",
			Authorization: "https://nid.naver.com/oauth2.0/authorize", Token: "https://nid.naver.com/oauth2.0/token",
			UserInfo: "https://openapi.naver.com/v1/nid/me", AuthMethod: authPost, Addresses: Never},
		read: readNaver, anew: url.Values{"auth_type": {"reauthenticate"}}, choose: url.Values{"auth_type": {"reauthenticate"}},
	},
	"oauth2": {
		Settings: Settings{Addresses: Never},
		read:     readOAuth,
	},
}

// caller asks an upstream with an access token.
type caller struct {
	*Settings
	fetch         *fetch.Client
	authorization string // the header's value
	cause         fetch.Cause
}

// get returns the JSON at an address.
func (c caller) get(ctx context.Context, address string, into any) error {
	body, err := c.fetch.GetAs(ctx, address, c.authorization, c.cause)
	if err != nil {
		return err
	}
	return readJSON(body, into)
}

// userInfo is what the upstream says of the person.
func (c caller) userInfo(ctx context.Context) (answer, error) {
	var a answer
	if err := c.get(ctx, c.UserInfo, &a); err != nil {
		return nil, err
	}
	return a, nil
}

// trustsGoogle: Google answers for the addresses of its own mail service, and of organizations that
// have their accounts there (hd). It has checked others once, but they can have changed hands since
// ("Authenticate with a backend server": "Google is authoritative").
func trustsGoogle(claims answer, email string) bool {
	domain := strings.ToLower(email[strings.LastIndexByte(email, '@')+1:])
	return domain == "gmail.com" || domain == "googlemail.com" || claims.text("hd") != ""
}

// verifiedByMicrosoft: any tenant can write any address into email. Microsoft says of one, if the
// operator asks for that there, that the domain's owner was verified ("Optional claims reference",
// xms_edov); it has been seen as a truth, a number and a text.
func verifiedByMicrosoft(claims answer) bool {
	return claims.bool("xms_edov") || claims.text("xms_edov") == "1"
}

// readGitHub reads GET /user and GET /user/emails. The address is the primary one, which counts as
// verified if GitHub says so there: that in /user is one that the person shows, and says nothing.
func readGitHub(ctx context.Context, c caller) (Person, error) {
	user, err := c.userInfo(ctx)
	if err != nil {
		return Person{}, err
	}
	p := user.person(c.Claims, map[string]string{"sub": "id", "name": "name", "nickname": "login", "picture": "avatar_url"})
	p.Email, p.EmailVerified = "", false
	if p.Name == "" {
		p.Name = p.Nickname
	}
	var emails []answer
	if err := c.get(ctx, c.Emails, &emails); err != nil {
		return Person{}, err
	}
	for _, one := range emails {
		if one.bool("primary") {
			p.Email, p.EmailVerified = one.text("email"), one.bool("verified")
		}
	}
	return p, nil
}

// readKakao reads GET /v2/user/me. An address that has passed to another account is not valid any
// more, though it was verified once.
func readKakao(ctx context.Context, c caller) (Person, error) {
	user, err := c.userInfo(ctx)
	if err != nil {
		return Person{}, err
	}
	p := user.person(c.Claims, map[string]string{"sub": "id", "email": "kakao_account.email", "name": "kakao_account.profile.nickname",
		"nickname": "kakao_account.profile.nickname", "picture": "kakao_account.profile.profile_image_url"})
	p.EmailVerified = user.bool("kakao_account.is_email_valid") && user.bool("kakao_account.is_email_verified")
	return p, nil
}

// readNaver reads GET /v1/nid/me. Its address is one that the person gave as a contact, and nothing
// says that it was verified.
func readNaver(ctx context.Context, c caller) (Person, error) {
	user, err := c.userInfo(ctx)
	if err != nil {
		return Person{}, err
	}
	if user.text("resultcode") != "00" {
		return Person{}, errors.New("the profile has another resultcode than 00")
	}
	return user.person(c.Claims, map[string]string{"sub": "response.id", "email": "response.email", "name": "response.name",
		"nickname": "response.nickname", "picture": "response.profile_image"}), nil
}

// readOAuth reads what an operator says where it is.
func readOAuth(ctx context.Context, c caller) (Person, error) {
	user, err := c.userInfo(ctx)
	if err != nil {
		return Person{}, err
	}
	return user.person(c.Claims, nil), nil
}
