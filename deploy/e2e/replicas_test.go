package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"github.com/maru-auth/maru/internal/testenv"
)

// Two authorization servers on one Postgres, behind one gateway. Where a test must know which of
// the two answers, it goes past the gateway to that one, under the issuer's name.

func TestLogInOnOneReplicaAndTokenAtTheOther(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, r.replica(0))
	shown, state, nonce, verifier := sample.request(someone)
	shown = agree(shown.follow("/signup").signUp(r))

	other := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: r.replica(1)})
	token, err := sample.Exchange(other, code(shown, state), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	g := sample.check(t, token, nonce)

	// the session of one is a session of the other
	someone.browser.Transport = r.replica(1)
	if shown, _, _, _ := sample.request(someone); shown.Callback == nil {
		t.Errorf("the other replica does not know the session: %s %s", shown.URL, shown.text())
	}
	// what one revokes is revoked at the other
	form := url.Values{"client_id": {"sample-app"}, "token": {g.RefreshToken}}
	resp, err := (&http.Client{Transport: r.replica(1)}).PostForm(r.Issuer+"/oauth2/revoke", form)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if a, err := tokenRequest(r, r.replica(0), refreshForm(g.RefreshToken)); err != nil || a.Status != http.StatusBadRequest {
		t.Errorf("revoked at one, and the other says %s (%v)", a, err)
	}
}

// race makes n token requests with the same form at once, half of them at each replica.
func race(t *testing.T, r *running, n int, form url.Values) []answer {
	t.Helper()
	answers := make([]answer, n)
	errs := make([]error, n)
	ways := []http.RoundTripper{r.replica(0), r.replica(1)}
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-ready
			answers[i], errs[i] = tokenRequest(r, ways[i%2], form)
		})
	}
	close(ready)
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

func TestARefreshRaceAcrossReplicasHasOneSuccessor(t *testing.T) {
	t.Parallel()
	r := start(t, 2, append(postgres(t), "AUTHZ_REFRESH_GRACE=60s")...) // a busy machine must not be mistaken for a thief
	g := sampleApp(t, r, everyScope...).signUp(newPerson(t, nil))
	last := g.RefreshToken
	for round := range 3 {
		successors := map[string]int{}
		for _, a := range race(t, r, 16, refreshForm(last)) {
			var got tokens
			a.decode(t, http.StatusOK, &got) // within the grace window nobody is turned away, and nothing is revoked
			successors[got.Refresh]++
		}
		if len(successors) != 1 {
			t.Fatalf("round %d: %d successors of one refresh token: %v", round, len(successors), successors)
		}
		for successor := range successors {
			if successor == last {
				t.Fatal("the refresh token was not rotated")
			}
			last = successor
		}
	}
	if a, err := tokenRequest(r, nil, refreshForm(last)); err != nil || a.Status != http.StatusOK {
		t.Errorf("the last successor: %s (%v)", a, err)
	}
}

func TestACodeRaceAcrossReplicasHasOneWinnerAtMost(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	sample.signUp(someone)
	shown, state, _, verifier := sample.request(someone)
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"sample-app"},
		"code": {code(shown, state)}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	var won []tokens
	for _, a := range race(t, r, 16, form) {
		switch a.Status {
		case http.StatusOK:
			var got tokens
			a.decode(t, http.StatusOK, &got)
			won = append(won, got)
		case http.StatusBadRequest:
		default:
			t.Errorf("%s", a)
		}
	}
	if len(won) > 1 {
		t.Fatalf("%d redemptions of one code won", len(won))
	}
	// RFC 6749 §4.1.2: a code that comes twice takes with it what was issued from it.
	for _, w := range won {
		if a, err := tokenRequest(r, nil, refreshForm(w.Refresh)); err != nil || a.Status != http.StatusBadRequest {
			t.Errorf("the winner's refresh token after the replays: %s (%v)", a, err)
		}
	}
}

func TestFailedLogInsAreCountedAcrossReplicas(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	someone := newPerson(t, nil)
	sampleApp(t, r, everyScope...).signUp(someone)
	var statuses []int
	for i := range 6 {
		thief := newPerson(t, r.replica(i%2))
		shown := thief.open(r.Issuer+"/login").press("login", "email", someone.Email, "password", "not-the-password-at-all")
		statuses = append(statuses, shown.Status)
	}
	if statuses[5] != http.StatusTooManyRequests || slices.Contains(statuses[:5], http.StatusTooManyRequests) {
		t.Errorf("six failures over two replicas: %v, want the sixth to be 429 and none before", statuses)
	}
	if at := someone.open(r.Issuer + "/account"); at.Status != http.StatusOK || at.byID("login") != nil {
		t.Errorf("the owner, whose session is open, is shut out: %d %s", at.Status, at.URL)
	}
}

func keyIDs(t *testing.T, r *running, replica int) []string {
	t.Helper()
	resp, err := (&http.Client{Transport: r.replica(replica)}).Get(r.Issuer + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	slices.Sort(ids)
	return ids
}

func TestAKeyRotationReachesBothReplicasAndOldTokensGoOn(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	before := keyIDs(t, r, 0)
	if other := keyIDs(t, r, 1); !slices.Equal(before, other) {
		t.Fatalf("the replicas publish %v and %v", before, other)
	}
	old := service(t, r, "user:lookup")
	if out, err := r.Authz(context.Background(), "", "keys", "rotate"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testenv.Eventually(t, "both replicas publish the new key", func() bool {
		after := keyIDs(t, r, 0)
		return !slices.Equal(before, after) && slices.Equal(after, keyIDs(t, r, 1))
	})
	for _, id := range before {
		if !slices.Contains(keyIDs(t, r, 1), id) {
			t.Errorf("the key %s is gone while its tokens are still valid", id)
		}
	}
	for name, token := range map[string]string{"old": old, "new": service(t, r, "user:lookup")} {
		if a := call(t, "GET", r.API+"/user/v1/users?ids=nobody", token, nil); a.Status != http.StatusOK {
			t.Errorf("the %s token: %s", name, a)
		}
	}
}

func TestTheDeathOfOneReplicaIsNotSeen(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	sample := sampleApp(t, r, everyScope...)
	someone := newPerson(t, nil)
	g := sample.signUp(someone)
	if err := r.Kill("authz-server-2"); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		shown, state, _, _ := sample.request(someone)
		code(shown, state)
		if a := call(t, "GET", r.Issuer+"/oauth2/userinfo", g.AccessToken, nil); a.Status != http.StatusOK {
			t.Fatalf("userinfo after a replica's death, call %d: %s", i, a)
		}
		service(t, r, "user:lookup")
	}
	served := r.log.requestsOf("authz-server-2")
	r.launch(t, "authz-server-2")
	testenv.Eventually(t, "the gateway sends requests to the replica that came back", func() bool {
		call(t, "GET", r.Issuer+"/.well-known/openid-configuration", "", nil)
		return r.log.requestsOf("authz-server-2") > served
	})
	if err := r.Kill("authz-server"); err != nil {
		t.Fatal(err)
	}
	newcomer := newPerson(t, nil)
	sample.signUp(newcomer)
	if !strings.Contains(fmt.Sprint(claims(t, g.AccessToken)["iss"]), r.Issuer) {
		t.Error("a token of another issuer")
	}
}
