package authorize_test

import (
	"net/http"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
)

// RFC 9470, OIDC Core §5.5.1.1: what an app asks for is met by asking the person for what is
// missing.
func TestTheACRThatAnAppAsksForDecidesWhatIsMissing(t *testing.T) {
	t.Parallel()
	essential := func(values string) []string {
		return []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[` + values + `]}}}`}
	}
	for name, test := range map[string]struct {
		secondStep bool
		ask        []string
		page, fail string // "" and "": a code
	}{
		"nothing is asked for":                       {true, nil, "", ""},
		"what the log-in reaches":                    {true, []string{"acr_values", "1"}, "", ""},
		"more, and the person can":                   {true, []string{"acr_values", "2"}, "/login/verify", ""},
		"more, and the person cannot":                {false, []string{"acr_values", "2"}, "", ""},
		"more or what there is":                      {true, []string{"acr_values", "2 1"}, "", ""},
		"what nobody reaches":                        {true, []string{"acr_values", "9"}, "", ""},
		"more, unasked":                              {true, []string{"acr_values", "2", "prompt", "none"}, "", ""},
		"essential, and the person can":              {true, essential(`"2"`), "/login/verify", ""},
		"essential, unasked":                         {true, append(essential(`"2"`), "prompt", "none"), "", "login_required"},
		"essential, and nobody reaches it":           {true, essential(`"9"`), "", "unmet_authentication_requirements"},
		"essential, and no text":                     {true, essential(`1`), "", "unmet_authentication_requirements"},
		"essential wins over acr_values":             {true, append(essential(`"2"`), "acr_values", "1"), "/login/verify", ""},
		"a person with a second step is not let off": {true, append(essential(`"2"`), "prompt", "login"), "/login", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := providertest.One(t)
			if test.secondStep {
				secondStep(t, f)
			}
			a := f.Browser().LogIn(f.User).Authorize(test.ask...)
			switch {
			case a.Status != http.StatusSeeOther || a.Location == nil:
				t.Fatalf("%d %s", a.Status, a.Body)
			case test.page != "":
				if a.Location.Path != test.page {
					t.Errorf("led to %s", a.Location)
				}
			case a.Parameter("error") != test.fail || (test.fail == "") != (a.Parameter("code") != ""):
				t.Errorf("answered %s", a.Location)
			}
		})
	}
}

// The client is told the value that it asked for, and not more than it understands.
func TestTheAnswerNamesTheACRThatWasAskedFor(t *testing.T) {
	t.Parallel()
	f := providertest.One(t)
	b := f.Browser().LogIn(f.User)
	session, err := f.Store.Sessions.SessionsOf(t.Context(), f.User.ID)
	if err != nil || len(session) != 1 {
		t.Fatal(session, err)
	}
	cookie, err := f.Store.Sessions.RaiseSession(t.Context(), session[0], []string{"swk", "user", "mfa"}, "phr")
	if err != nil {
		t.Fatal(err)
	}
	b.SetSession(cookie)
	for asked, want := range map[string]string{"": "phr", "2": "2", "9 1": "1", "9": "phr"} {
		tokens := f.Tokens(f.Redeem(b.Code("acr_values", asked)))
		for _, token := range []string{tokens.ID, tokens.Access} {
			if _, claims := providertest.Decode(t, token); claims["acr"] != want {
				t.Errorf("acr_values %q: acr %v, not %s", asked, claims["acr"], want)
			}
		}
	}
}

// secondStep turns the person's second step on.
func secondStep(t *testing.T, f *providertest.Fixture) {
	t.Helper()
	secret := []byte("encrypted")
	err := f.Store.Factors.BeginTOTP(t.Context(), f.User.ID, secret)
	if err == nil {
		err = f.Store.Factors.ConfirmTOTP(t.Context(), f.User.ID, secret, secret, 1, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
