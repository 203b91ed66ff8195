package consent_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/consent"
)

func TestWhatARequestAsksFor(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ scope, claims, want string }{
		{"", "", ""},
		{"openid email openid", "", "openid email"},
		{"openid", `{"userinfo": {"phone_number": null, "gender": {"essential": true}},
			"id_token": {"email": null, "auth_time": null, "acr": {"values": ["1"]}, "sub": null}}`,
			"openid claims:gender claims:phone_number claims:email"},
		{"openid phone", `{"userinfo": {"phone_number": null, "phone_number_verified": null}}`, "openid phone"},
		{"openid", `{"userinfo": {"email_verified": null, "email": null}, "id_token": {"email": null}}`, "openid claims:email"},
		{"openid", `{"userinfo": {"unknown": null}}`, "openid"},
		{"openid", `{"UserInfo": {"address": null}}`, "openid"},                 // names count to the letter, as where the claims are told
		{"openid", `{"userinfo": {"address": null}, "userinfo": {}}`, "openid"}, // and once
		{"openid", `{"userinfo": null}`, "openid"},
		{"openid", `[`, "openid"},
	} {
		if got := strings.Join(consent.Asked(url.Values{"scope": {test.scope}, "claims": {test.claims}}), " "); got != test.want {
			t.Errorf("%q %s: %q, not %q", test.scope, test.claims, got, test.want)
		}
	}
}

func TestWhatAGrantCovers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		words, claim string
		want         bool
	}{
		{"openid", "auth_time", true}, {"openid", "email", false}, {"openid email", "email_verified", true}, {"openid claims:email",
			"email_verified", true},
		{"openid claims:email", "phone_number", false}, {"profile", "gender", true}, {"", "name", false},
	} {
		if got := consent.Covers(strings.Fields(test.words), test.claim); got != test.want {
			t.Errorf("%q covers %s: %v", test.words, test.claim, got)
		}
	}
}
