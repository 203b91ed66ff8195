// Package attack checks, from outside, how an HTTP resource server judges
// OAuth 2 access tokens: it plays the issuer that the server trusts, sends
// good and bad tokens, and reports which it took. Command rscheck is its
// command line; call it from a test to keep an API's front door shut:
//
//	issuer, err := attack.NewIssuer(attack.IssuerConfig{})
//	defer issuer.Close()
//	api := startAPI(issuer.URL(), audience)
//	report, err := attack.Run(ctx, issuer, attack.Config{URL: api.URL + "/notes", Audience: audience, Scope: "notes:read"})
//	for _, failed := range report.Failed(attack.Should) {
//		t.Error(failed)
//	}
//
// The server needs no change and may be written in any language. It must be
// configured with the issuer's URL and one audience, and answer one request,
// which may be repeated some thousand times, with a status of 2xx when the
// token is good.
package attack
