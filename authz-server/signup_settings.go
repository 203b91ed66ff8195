package main

import (
	"fmt"
	"net/url"

	"github.com/maru-auth/maru/authz-server/internal/signup"
)

// signupSettings is who can make an account, and what they agree to.
type signupSettings struct {
	Signup       string   `help:"Who can make an account at /signup: everybody (open), nobody (closed), whoever has an invitation from 'invite create' (invitation), or whoever has an e-mail address at a domain of --signup-domain (domains)." enum:"open,closed,invitation,domains" default:"open"`
	SignupDomain []string `shown:"" help:"A domain of e-mail addresses with which people can sign up, with --signup=domains: example.com, or .example.com for all domains below it, but not itself. Can be repeated." placeholder:"DOMAIN"`
	TermsURL     string   `shown:"" name:"terms-url" help:"The https address of the terms of service. Whoever signs up must agree to them; so must everybody else, once, at their next log-in. Who agreed to which version, when and from where is recorded." placeholder:"URL"`
	TermsVersion string   `shown:"" help:"The version of the terms, such as their date: people are asked again when it changes." placeholder:"TEXT"`
	PrivacyURL   string   `shown:"" name:"privacy-url" help:"The https address of the privacy policy, shown where people sign up." placeholder:"URL"`
}

// signup returns the policy's settings, as far as they can be checked one by one.
func (s *signupSettings) signup() (signup.Config, error) {
	for flag, value := range map[string]string{"--terms-url": s.TermsURL, "--privacy-url": s.PrivacyURL} {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) || u.Host == "") {
			return signup.Config{}, fmt.Errorf("%s must be an https address", flag)
		}
	}
	return signup.Config{
		Mode: signup.Mode(s.Signup), Domains: s.SignupDomain,
		Terms: signup.Terms{URL: s.TermsURL, Privacy: s.PrivacyURL, Version: s.TermsVersion},
	}, nil
}
