package backend

import (
	"net/http"
	"strings"
	"testing"
)

func TestAChallengeSaysWhatLogInIsNeeded(t *testing.T) {
	const error470 = `error="insufficient_user_authentication"`
	for name, tc := range map[string]struct {
		challenges []string
		want       *StepUp
	}{
		"both":              {[]string{`Bearer ` + error470 + `, error_description="d", acr_values="2 phr", max_age="600"`}, &StepUp{"2 phr", 600}},
		"a time alone":      {[]string{`Bearer ` + error470 + `, max_age="0"`}, &StepUp{"", 0}},
		"without quotes":    {[]string{`bearer max_age=5, Error=insufficient_user_authentication`}, &StepUp{"", 5}},
		"nothing named":     {[]string{`Bearer ` + error470}, &StepUp{"", -1}},
		"no number":         {[]string{`Bearer ` + error470 + `, max_age="soon"`}, &StepUp{"", -1}},
		"before our time":   {[]string{`Bearer ` + error470 + `, max_age="-5"`}, &StepUp{"", -1}},
		"too much":          {[]string{`Bearer ` + error470 + `, acr_values="` + strings.Repeat("x", 201) + `"`}, &StepUp{"", -1}},
		"another error":     {[]string{`Bearer error="invalid_token", max_age="600"`}, nil},
		"within quotes":     {[]string{`Bearer error="invalid_token", error_description="not \"error=insufficient_user_authentication\""`}, nil},
		"a second one":      {[]string{`Bearer ` + error470 + `, max_age="60", DPoP algs="ES256", max_age="1"`}, &StepUp{"", 60}},
		"in another header": {[]string{`Bearer error="invalid_token"`, `DPoP ` + error470}, nil},
		"none":              {nil, nil},
	} {
		got := stepUp(challenge(http.Header{"Www-Authenticate": tc.challenges}))
		if (got == nil) != (tc.want == nil) || got != nil && *got != *tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}
