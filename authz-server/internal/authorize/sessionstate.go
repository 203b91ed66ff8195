package authorize

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// sessionState is the parameter session_state of the answer to an authorization request (OpenID
// Connect Session Management 1.0 §3), or empty for requests that have none: those without openid,
// and those of apps that have no origin. The script of the check_session_iframe makes the same from
// what an application sends it.
func (v *visit) sessionState() (string, error) {
	a := v.request
	origin := browserOrigin(a.RedirectURI)
	if origin == "" || !slices.Contains(strings.Fields(a.Form.Get("scope")), "openid") {
		return "", nil
	}
	current, err := v.session()
	if err != nil {
		return "", err
	}
	salt := rand.Text()
	sum := sha256.Sum256([]byte(a.Client.ID + " " + origin + " " + v.People.BrowserState(v.w, v.r, current) + " " + salt))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt, nil
}

// browserOrigin is the origin of an http or https URI as browsers write it (RFC 6454 §6.2), and
// empty for other URIs.
func browserOrigin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	host := strings.ToLower(u.Host)
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host
}
