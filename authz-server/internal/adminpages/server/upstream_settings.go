package server

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
)

// The inputs of a provider, which the steps and the page of a change share. They are called as the
// settings are, but for the two of Apple's key.

const (
	oauthPreset = "oauth2" // one of which an operator says everything
	applePreset = "apple"  // whose secret is a key

	microsoftPreset = "microsoft" // which has tenants
)

// ruleInputs say whom a provider lets in. answered: boxes are as they were ticked.
func ruleInputs(v *frame.Visit, s upstream.Settings, answered bool) []frame.Input {
	words := v.T.Admin.Server.Upstreams
	addresses := frame.Input{Kind: "radios", Name: "addresses", Label: words.Labels["addresses"], Needed: true}
	chosen := v.Value("addresses", string(s.Addresses))
	for _, one := range []upstream.AddressRule{upstream.ByClaim, upstream.Never, upstream.InsecureAlways} {
		addresses.Options = append(addresses.Options, frame.Choice{Value: string(one), Label: words.Rules[string(one)],
			Hint: words.RuleHints[string(one)], Chosen: chosen == string(one)})
	}
	all := []frame.Input{
		addresses,
		{Kind: "area", Name: "address_domains", Label: words.Labels["address_domains"],
			Hint: words.Hints["address_domains"], Inexact: true, Rows: 2,
			Value: v.Value("address_domains", strings.Join(s.AddressDomains, "\n"))},
		{Kind: "check", Name: "signups", Label: words.Signups, Ticked: answered && v.Typed.Has("signups") ||
			!answered && !s.NoSignup},
		{Kind: "area", Name: "strong_acr", Label: words.Labels["strong_acr"], Hint: words.Hints["strong_acr"],
			Inexact: true, Rows: 2,
			Value: v.Value("strong_acr", strings.Join(s.StrongACR, "\n"))},
	}
	if s.OpenID() { // others have no log-out to lead to
		all = append(all, frame.Input{Kind: "check", Name: "logout", Label: words.Hints["logout"],
			Ticked: answered && v.Typed.Has("logout") || !answered && s.Logout})
	}
	return all
}

// connectInputs say how this server speaks with a provider. secret: the secret is asked for, too.
func connectInputs(v *frame.Visit, s upstream.Settings, secret bool) (all []frame.Input) {
	words := v.T.Admin.Server.Upstreams
	text := func(name, kind, stored string, needed bool) frame.Input {
		in := frame.Input{Kind: kind, Name: name, Label: words.Labels[name], Hint: words.Hints[name],
			Value: v.Value(name, stored), Needed: needed, Inexact: true}
		if !needed && in.Hint == "" {
			in.Hint = words.Optional
		}
		return in
	}
	switch s.Preset {
	case "", oauthPreset:
		all = append(all, text("issuer", "url", s.Issuer, true))
	case microsoftPreset:
		issuer := text("issuer", "url", s.Issuer, true)
		issuer.Hint = words.Hints["issuer_microsoft"]
		all = append(all, issuer, frame.Input{
			Kind: "area", Name: "tenants", Label: words.Labels["tenants"], Hint: words.Hints["tenants"],
			Value: v.Value("tenants", strings.Join(s.Tenants, "\n")), Inexact: true, Rows: 2,
		})
	}
	if s.Preset == oauthPreset {
		all = append(all, text("authorization_endpoint", "url", s.Authorization, true),
			text("token_endpoint", "url", s.Token, true),
			text("userinfo_endpoint", "url", s.UserInfo, true))
		claims := text("claims", "area", claimLines(s.Claims), true)
		claims.Rows = 4
		all = append(all, claims)
	}
	all = append(all, text("client_id", "text", s.ClientID, true))
	switch {
	case s.Preset == applePreset:
		key := upstream.AppleKey{}
		if s.Apple != nil {
			key = *s.Apple
		}
		all = append(all, text("team_id", "text", key.TeamID, true), text("key_id", "text", key.KeyID, true))
		if secret {
			all = append(all, secretInput(v, s))
		}
	case secret:
		all = append(all, secretInput(v, s))
	}
	if s.Preset == "" || s.Preset == oauthPreset {
		method := frame.Input{Kind: "select", Name: "auth_method", Label: words.Labels["auth_method"], Needed: true}
		for _, one := range []string{"", "client_secret_basic", "client_secret_post", "none"} {
			method.Options = append(method.Options,
				frame.Choice{Value: one, Label: words.Methods[one], Chosen: v.Value("auth_method", s.AuthMethod) == one})
		}
		all = append(all, method)
	}
	scope := text("scope", "text", s.Scope, false)
	scope.Hint = words.Hints["scope"] + " " + words.Optional
	return append(all, scope)
}

// secretInput asks for the secret, which is never shown: nor what was typed into it.
func secretInput(v *frame.Visit, s upstream.Settings) frame.Input {
	words := v.T.Admin.Server.Upstreams
	if s.Preset == applePreset {
		return frame.Input{Kind: "area", Name: "client_secret", Label: words.Labels["private_key"],
			Hint: words.Hints["private_key"], Needed: true,
			Inexact: true, Rows: 6}
	}
	return frame.Input{Kind: "password", Name: "client_secret", Label: words.Labels["client_secret"],
		Hint:   words.Hints["client_secret"],
		Needed: s.AuthMethod != "none", Inexact: true}
}

// claimLines are the paths of claims, one a line.
func claimLines(claims map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		lines = append(lines, name+" = "+claims[name])
	}
	return strings.Join(lines, "\n")
}

// typedSettings changes settings to what was typed. What the form did not ask for stays.
func typedSettings(typed url.Values, s *upstream.Settings) error {
	for name, into := range map[string]*string{
		"title": &s.Title, "client_id": &s.ClientID, "scope": &s.Scope, "issuer": &s.Issuer,
		"authorization_endpoint": &s.Authorization, "token_endpoint": &s.Token, "userinfo_endpoint": &s.UserInfo,
		"auth_method": &s.AuthMethod,
	} {
		if typed.Has(name) {
			*into = strings.TrimSpace(typed.Get(name))
		}
	}
	if typed.Has("addresses") { // and so the other rules
		s.Addresses = upstream.AddressRule(typed.Get("addresses"))
		s.NoSignup, s.Logout = !typed.Has("signups"), typed.Has("logout") && s.OpenID()
	}
	for name, into := range map[string]*[]string{
		"address_domains": &s.AddressDomains, "strong_acr": &s.StrongACR, "tenants": &s.Tenants,
	} {
		if typed.Has(name) {
			*into = frame.Lines(typed.Get(name))
		}
	}
	if typed.Has("team_id") && s.Preset == applePreset {
		s.Apple = &upstream.AppleKey{TeamID: strings.TrimSpace(typed.Get("team_id")),
			KeyID: strings.TrimSpace(typed.Get("key_id"))}
	}
	if !typed.Has("claims") {
		return nil
	}
	s.Claims = map[string]string{}
	for _, line := range frame.Lines(typed.Get("claims")) {
		claim, path, ok := strings.Cut(line, "=")
		claim, path = strings.TrimSpace(claim), strings.TrimSpace(path)
		if _, twice := s.Claims[claim]; !ok || twice || path == "" {
			return guard.FormError{"claims": messages.AdminUpstreamClaims}
		}
		s.Claims[claim] = path
	}
	return nil
}

func editUpstreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Upstreams
	f, u, people, err := upstreamForm(v, words.EditTitle, words.EditIntro)
	if err != nil {
		return f, err
	}
	movable := u.Preset == "" || u.Preset == oauthPreset || u.Preset == microsoftPreset
	if people.Number > 0 && movable {
		f.Intro = append(f.Intro, howMany(v, people)+" "+words.IssuerWarning)
	}
	f.Button, f.Hidden = v.T.SaveButton, []frame.Input{{Name: "version", Value: v.Value("version", u.Version)}}
	f.Inputs = []frame.Input{titleInput(v, u.Title, true)}
	f.Inputs = append(f.Inputs, connectInputs(v, u.Settings, false)...)
	if movable && u.HasSecret {
		again := secretInput(v, u.Settings)
		again.Hint, again.Needed = words.Hints["secret_again"], false
		f.Inputs = append(f.Inputs, again)
	}
	f.Inputs = append(f.Inputs, ruleInputs(v, u.Settings, v.Typed != nil)...)
	if u.Preset != oauthPreset { // which has them above
		claims := frame.Input{Kind: "area", Name: "claims", Label: words.Labels["claims"],
			Hint: words.Hints["claims_differ"], Inexact: true, Rows: 2,
			Value: v.Value("claims", claimLines(u.Claims))}
		f.Inputs = append(f.Inputs, claims)
	}
	f.Inputs = append(f.Inputs, v.ReasonInput(false))
	return f, nil
}

func titleInput(v *frame.Visit, stored string, needed bool) frame.Input {
	words := v.T.Admin.Server.Upstreams
	return frame.Input{Kind: "text", Name: "title", Label: words.Labels["title"], Hint: words.Hints["title"],
		Value: v.Value("title", stored), Needed: needed}
}

func editUpstream(v *frame.Visit) (frame.Outcome, error) {
	change := admin.UpstreamChange{
		Settings: func(s *upstream.Settings) error { return typedSettings(v.Typed, s) },
		Secret:   strings.TrimSpace(v.Typed.Get("client_secret")),
	}
	_, err := v.Admin.UpdateUpstream(v.R.Context(), v.Actor, v.In("name"), v.Typed.Get("version"), change,
		v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(upstreamPath(v.In("name")), "saved")
}

func upstreamSecretForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Upstreams
	f, u, _, err := upstreamForm(v, words.SecretTitle, words.SecretIntro)
	in := secretInput(v, u.Settings)
	in.Needed = true
	f.Button, f.Inputs = words.SecretButton, []frame.Input{in, v.ReasonInput(false)}
	return f, err
}

func replaceUpstreamSecret(v *frame.Visit) (frame.Outcome, error) {
	secret := strings.TrimSpace(v.Typed.Get("client_secret"))
	if secret == "" {
		return frame.Outcome{}, guard.FormError{"client_secret": messages.AdminUpstreamSecret}
	}
	_, err := v.Admin.UpdateUpstream(v.R.Context(), v.Actor, v.In("name"), "",
		admin.UpstreamChange{Secret: secret}, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(upstreamPath(v.In("name")), "upstream_secret")
}
