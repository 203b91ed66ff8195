package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
)

// redeem exchanges a code for tokens, and returns who the person is by them. The tokens are kept
// nowhere, but for the ID token where it is needed for a log-out.
func (u *Upstreams) redeem(ctx context.Context, p *provider, m metadata, secrets secrets, code string, cause fetch.Cause) (Person, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {u.callback(p.Name)},
		"code_verifier": {secrets.verifier}}
	authorization, err := u.authenticate(p, m, form)
	if err != nil {
		return Person{}, err
	}
	status, body, err := u.Fetch.Ask(ctx, m.Token, form, authorization, cause)
	if err != nil {
		return Person{}, err
	}
	var a answer
	if err := readJSON(body, &a); err != nil {
		return Person{}, fmt.Errorf("the token endpoint answers with status %d, and: %w", status, err)
	}
	if status != http.StatusOK || a.text("error") != "" { // GitHub says 200 with an error
		return Person{}, fmt.Errorf("the token endpoint answers with status %d and the error %q", status, clip(a.text("error"), 60))
	}
	// A token can be longer than any claim.
	access, _ := a.at("access_token").(string)
	if !strings.EqualFold(a.text("token_type"), "bearer") || access == "" || strings.ContainsAny(access, " \r\n") {
		return Person{}, errors.New("the token endpoint gives no bearer token")
	}
	asking := caller{&p.Settings, u.Fetch, "Bearer " + access, cause}
	var person Person
	if p.OpenID() {
		idToken, _ := a.at("id_token").(string)
		person, err = u.byIDToken(ctx, p, m, secrets.nonce, idToken, asking)
	} else {
		person, err = presets[p.Preset].read(ctx, asking)
		person.Issuer, person.Proof = p.Issuer, proofs.ByUpstream
	}
	switch {
	case err != nil:
		return Person{}, err
	case !isSubject(person.Subject):
		return Person{}, errSubject
	}
	email, problem := profile.Email(person.Email)
	if problem != "" {
		email = ""
	}
	person.Email = email
	person.EmailVerified = p.proves(person)
	if p.Logout {
		token, _ := a.at("id_token").(string)
		if person.IDToken, err = u.keep(p, person, token); err != nil {
			return Person{}, err
		}
	}
	return person, nil
}

// keep returns an ID token as it is kept for a log-out; empty: it is too long to become part of an address.
func (u *Upstreams) keep(p *provider, person Person, token string) (sealed string, err error) {
	if token == "" || len(token) > maxHint {
		return "", nil
	}
	return sealHint(u.KEK, *person.origin(p.Name), token)
}

// byIDToken reads the ID token, and userinfo for what it does not say.
func (u *Upstreams) byIDToken(ctx context.Context, p *provider, m metadata, nonce, token string, asking caller) (Person, error) {
	claims, all, err := u.verify(ctx, p, m, token, nonce, asking.cause)
	if err != nil {
		return Person{}, err
	}
	proof := proofs.ByUpstream
	for _, one := range append(all.texts("amr"), claims.ACR) {
		if one != "" && slices.Contains(p.StrongACR, one) {
			proof = proofs.ByUpstreamWithCode
		}
	}
	person := all.person(p.Claims, nil)
	if person.Email == "" && m.UserInfo != "" {
		var more answer
		if err := u.Fetch.Check(m.UserInfo); err != nil {
			return Person{}, err
		}
		if err := asking.get(ctx, m.UserInfo, &more); err != nil {
			return Person{}, err
		}
		if more.text("sub") != claims.Subject { // OpenID Connect Core §5.3.2
			return Person{}, errors.New("userinfo is about somebody else than the ID token")
		}
		for name, value := range all {
			more[name] = value
		}
		all = more
		person = all.person(p.Claims, nil)
	}
	person.Issuer, person.Subject, person.Proof, person.authTime = claims.Issuer, claims.Subject, proof, claims.AuthTime.Time
	if sid := all.text("sid"); isSubject(sid) {
		person.Session = sid
	}
	if verified := presets[p.Preset].verified; verified != nil && p.Claims["email"] == "" && p.Claims["email_verified"] == "" {
		person.EmailVerified = verified(all)
	}
	if trusts := presets[p.Preset].trusts; trusts != nil && !trusts(all, person.Email) {
		person.EmailVerified = false
	}
	return person, nil
}

// authenticate adds to form who asks, or returns it as the value of the header Authorization.
func (u *Upstreams) authenticate(p *provider, m metadata, form url.Values) (authorization string, err error) {
	secret := p.secret
	if p.Apple != nil {
		if secret, err = appleSecret(*p.Apple, p.ClientID, p.Issuer, secret, u.Now()); err != nil {
			return "", err
		}
	}
	method := p.AuthMethod
	if method == "" { // OpenID Connect Discovery §3: if it says nothing, client_secret_basic
		method = authBasic
		if len(m.AuthMethods) > 0 && !slices.Contains(m.AuthMethods, authBasic) {
			method = authPost
		}
		if secret == "" {
			method = authNone
		}
	}
	if method == authBasic { // RFC 6749 §2.3.1: both are encoded before
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(p.ClientID)+":"+url.QueryEscape(secret))), nil
	}
	form.Set("client_id", p.ClientID)
	if method == authPost {
		form.Set("client_secret", secret)
	}
	return "", nil
}

// appleSecret makes the client secret that Apple takes: a JWT that the operator's key signs
// ("Creating a client secret"). It is good for a minute, and made for each log-in.
func appleSecret(key AppleKey, clientID, issuer, pemText string, now time.Time) (string, error) {
	private, err := appleKey(pemText)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(map[string]any{"alg": "ES256", "kid": key.KeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"iss": key.TeamID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "aud": issuer, "sub": clientID})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64) // RFC 7518 §3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// appleKey reads the file that Apple gives: a P-256 key in PKCS #8, in PEM.
func appleKey(text string) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("must be the .p8 file of the key, with the preset apple: it is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || private.Curve.Params().BitSize != 256 {
		return nil, errors.New("must be the .p8 file of the key, with the preset apple: it has no P-256 key")
	}
	return private, nil
}
