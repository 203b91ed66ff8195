package attack_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks/rscheck/attack"
)

// run attacks a naive server with some of the checks, and returns the results
// by name. A server that is right is done long before it has used up its patience,
// and one with a flaw may be waited for until the end.
func (n *naive) run(t *testing.T, patience time.Duration, only ...string) map[string]attack.Result {
	t.Helper()
	report, err := attack.Run(t.Context(), n.issuer, attack.Config{
		URL: n.url + "/notes", Audience: audience, Scope: scope, Only: only,
		Patience: max(patience, 10*time.Second), Removal: patience, Revocation: patience,
	})
	if err != nil {
		t.Errorf("%s: %v", n.flaws, err)
		return nil
	}
	results := map[string]attack.Result{}
	for _, r := range report.Results {
		results[r.Name] = r
	}
	return results
}

func TestANaiveServerWithoutFlawsPassesEverything(t *testing.T) {
	t.Parallel()
	n := startNaive(t, newIssuer(t, attack.IssuerConfig{}), "DPoP", "status")
	for _, r := range n.run(t, time.Minute) {
		if r.Verdict != attack.Pass {
			t.Error(r)
		}
	}
}

// flaws are mistakes that servers make, and the checks that must find them. A
// flaw is found by all of its checks, and each check finds a flaw.
var flaws = []struct {
	flaw  string // several are separated by a comma and a space
	found string // names, separated by spaces
}{
	{"alg none", "alg-none alg-header-lies duplicate-header"},
	{"HMAC", "alg-hmac-public-key"},
	{"HMAC of nothing", "alg-hmac-public-key kid-path"},
	{"signature", "signature-altered claims-exchanged alg-other-key kid-unknown kid-missing"},
	{"header ignored", "alg-header-lies"},
	{"any RSA", "alg-not-the-keys"},
	{"jwk", "header-key"},
	{"jku", "header-key header-url-not-fetched"},
	{"jku looked at", "header-url-not-fetched"},
	{"any issuer's keys, iss", "header-url-not-fetched iss-wrong"},
	{"short signatures", "signature-altered"},
	{"crit", "crit"},
	{"b64", "crit-b64"},
	{"JSON", "json-serialization"},
	{"two parts, alg none", "malformed"},
	{"fails", "malformed alg-none"},
	{"falls over", "oversized-token"},
	{"padding", "base64-padding"},
	{"trailing bits", "base64-trailing-bits"},
	{"whitespace", "base64-whitespace"},
	{"alphabet", "base64-alphabet"},
	{"first of duplicates", "duplicate-claims"},
	{"names in any case", "case-claims case-header"},
	{"typ", "id-token other-types typ-missing"},
	{"typ JWT", "id-token"},
	{"typ missing", "typ-missing"},
	{"aud", "aud-wrong aud-missing"},
	{"aud, typ", "id-token-of-a-client"},
	{"aud prefix", "aud-wrong"},
	{"aud missing", "aud-missing"},
	{"iss", "iss-wrong iss-missing"},
	{"iss slash", "iss-wrong"},
	{"exp", "exp-past exp-missing exp-huge skew"},
	{"exp missing", "exp-missing"},
	{"exp text", "exp-malformed exp-text"},
	{"exp as text", "exp-text"},
	{"exp huge", "exp-huge"},
	{"nbf", "nbf-future skew"},
	{"iat", "iat-future"},
	{"leeway", "skew"},
	{"required claims", "required-claims sub-malformed"},
	{"scope", "scope-missing"},
	{"scope by substring", "scope-missing"},
	{"query", "token-in-query"},
	{"two ways", "two-ways"},
	{"two headers", "two-headers"},
	{"many", "many-in-one-header"},
	{"cookie", "no-token"},
	{"any scheme", "no-token"},
	{"no challenge", "challenge challenge-invalid-token challenge-scope"},
	{"other codes", "challenge-invalid-token challenge-scope"},
	{"error without token", "challenge-without-error"},
	{"redirects", "challenge challenge-no-redirect"},
	{"cacheable", "refused-not-cached"},
	{"metadata of another", "resource-metadata-consistent"},
	{"repeats the token", "leak-token"},
	{"traces", "leak-trace"},

	{"bound as bearer", "dpop-bound-as-bearer"},
	{"DPoP, bound as bearer", "dpop-bound-as-bearer"},
	{"DPoP, replay", "dpop-replay"},
	{"DPoP, htm", "dpop-other-request"},
	{"DPoP, htu", "dpop-other-request"},
	{"DPoP, ath", "dpop-other-token"},
	{"DPoP, jkt", "dpop-other-key dpop-unbound"},
	{"DPoP, unbound by DPoP", "dpop-unbound"},
	{"DPoP, proof signature", "dpop-other-key dpop-form dpop-bad-key"},
	{"DPoP, proof alg none", "dpop-bad-key"},
	{"DPoP, private keys", "dpop-bad-key"},
	{"DPoP, proof iat", "dpop-time"},
	{"DPoP, proof typ", "dpop-form"},
	{"DPoP, proof crit", "dpop-form"},
	{"DPoP, two proofs", "dpop-form"},
	{"DPoP, jti", "dpop-form"},
	{"DPoP, no DPoP challenge", "dpop-challenge"},

	{"status, revoked", "status-revoked"},
	{"status, fetches the list once", "status-revoked"},
	{"status, indices beyond the list", "status-out-of-range"},
	{"status, old lists", "status-replay"},
	{"status, forged lists", "status-forged"},
	{"status, other lists", "status-other-list"},
	{"status, lists of another type", "status-other-list"},
	{"status, a bad list frees", "status-outage status-forged status-bomb"},
	{"status, bombs", "status-bomb"},

	{"never fetches again", "keys-rotation flood-hides-rotation"},
	{"keeps removed keys", "keys-removed keys-removed-unasked"},
	{"keys for ever", "keys-removed-unasked"},
	{"one bad key spoils all", "keys-broken"},
	{"any purpose, symmetric keys", "keys-purpose"},
	{"reads everything", "keys-oversized"},
	{"forgets at a fault", "keys-nonsense keys-outage"},
	{"locks while fetching", "keys-slow"},
	{"fetches every time", "flood-unknown-keys"},
}

func TestEachFlawIsFound(t *testing.T) {
	t.Parallel()
	// More at once than parallel subtests would be: they mostly wait.
	turns := make(chan struct{}, 8)
	var all sync.WaitGroup
	for _, tc := range flaws {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			only := strings.Fields(tc.found)
			if strings.HasPrefix(tc.found, "leak") {
				only = append(only, "aud-wrong")
			}
			issuer, err := attack.NewIssuer(attack.IssuerConfig{})
			if err != nil {
				t.Error(err)
				return
			}
			defer issuer.Close()
			results := startNaive(t, issuer, strings.Split(tc.flaw, ", ")...).run(t, 3*time.Second, only...)
			for name := range strings.FieldsSeq(tc.found) {
				if r := results[name]; r.Verdict != attack.Fail {
					t.Errorf("%s: %s does not find it: %v", tc.flaw, name, r)
				}
			}
		})
	}
	all.Wait()
}

// A check that no flaw makes fail could be one that never fails.
func TestEachCheckFindsAFlaw(t *testing.T) {
	var found []string
	for _, tc := range flaws {
		found = append(found, strings.Fields(tc.found)...)
	}
	for _, c := range attack.Checks() {
		if c.Level != attack.Info && !slices.Contains(found, c.Name) && !strings.HasPrefix(c.Want, "accepted") {
			t.Errorf("no flaw is found by %s", c.Name)
		}
	}
}
