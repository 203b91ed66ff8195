package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
)

// Revoked tokens under faults: a service learns of a revocation within the bound, and what it does
// not learn in time it refuses. See deploy/FAULTS.md.

// revocationBound is within how long both services refuse a token that was revoked.
const revocationBound = 5 * time.Second

// bothServices are the scopes of a token for both.
const bothServices = "user:lookup board:read"

// sampleService is how the client of that name authenticates.
var sampleService = "Basic " + base64.StdEncoding.EncodeToString([]byte("sample-service:sample-secret-for-development-only"))

// shownAt is where a token with the scopes of bothServices is shown to each service.
func (r *running) shownAt() map[string]string {
	return map[string]string{"user": r.API + "/user/v1/users?ids=one", "board": r.API + "/board/v1/boards?limit=1"}
}

// revoke revokes a token of sample-service, and returns when that was acknowledged.
func (r *running) revoke(t *testing.T, token string) time.Time {
	t.Helper()
	a := call(t, "POST", r.Issuer+"/oauth2/revoke", "", url.Values{"token": {token}}, "Authorization", sampleService)
	if a.Status != http.StatusOK {
		t.Fatalf("the revocation: %s", a)
	}
	return time.Now()
}

// until shows a token to a service until it answers with the status, and returns when it did. Each
// answer before must be one of the others.
func until(t *testing.T, address, token string, status int, others ...int) time.Time {
	t.Helper()
	var at time.Time
	testenv.Eventually(t, address+" answers "+http.StatusText(status), func() bool {
		time.Sleep(50 * time.Millisecond)
		a := call(t, "GET", address, token, nil)
		at = time.Now()
		if a.Status != status && !slices.Contains(others, a.Status) {
			t.Errorf("%s: %s, waiting for %d", address, a, status)
		}
		return a.Status == status
	})
	return at
}

// atEach runs f for each service at once.
func (r *running) atEach(f func(name, address string)) {
	var both sync.WaitGroup
	for name, address := range r.shownAt() {
		both.Go(func() { f(name, address) })
	}
	both.Wait()
}

func TestTokensWhileTheIssuerIsAwayForLongerThanServicesPutUpWith(t *testing.T) {
	t.Parallel()
	// Less than 8 s would mean nothing: a list counts for its ttl of 3 s and the 5 s of a fetch.
	const failOpen = 15 * time.Second
	r := start(t, 1, "USER_STATUS_FAIL_OPEN_FOR="+failOpen.String(), "BOARD_STATUS_FAIL_OPEN_FOR="+failOpen.String())
	valid, revoked := service(t, r, bothServices), service(t, r, bothServices)
	r.atEach(func(_, address string) {
		until(t, address, valid, http.StatusOK)
		until(t, address, revoked, http.StatusOK)
	})
	var before string
	testenv.Eventually(t, "the user service's file has the list", func() bool {
		before = r.savedStatuses(t, "user", revoked)
		return before != ""
	})
	acknowledged := r.revoke(t, revoked)
	r.atEach(func(name, address string) {
		if took := until(t, address, revoked, http.StatusUnauthorized, http.StatusOK).Sub(acknowledged); took > revocationBound {
			t.Errorf("%s took the revoked token for %v", name, took)
		}
	})
	// What a service learns it saves within a second or so, and it is not to be killed before.
	testenv.Eventually(t, "the user service's file has the revocation", func() bool {
		return r.savedStatuses(t, "user", revoked) != before
	})
	// Each fetches its list every three seconds: it has been confirmed since this moment, unless the
	// machine is so busy that a fetch takes long.
	confirmed := time.Now().Add(-6 * time.Second)
	if err := r.Kill("authz-server"); err != nil {
		t.Fatal(err)
	}
	away := time.Now()

	// The user service loses its memory too, and has its files.
	if err := r.Kill("user"); err != nil {
		t.Fatal(err)
	}
	if err := r.Launch("user"); err != nil {
		t.Fatal(err)
	}
	r.atEach(func(name, address string) {
		began := until(t, address, revoked, http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable)
		late := began.Sub(away) > failOpen-2*time.Second
		if late {
			t.Logf("%s was back only after %v", name, began.Sub(away))
		}
		accepted := 0
		for ended := false; !ended; time.Sleep(100 * time.Millisecond) {
			if a := call(t, "GET", address, revoked, nil); a.Status != http.StatusUnauthorized && a.Status != http.StatusServiceUnavailable {
				t.Errorf("%s, the revoked token: %s", name, a)
			}
			sent := time.Now()
			a := call(t, "GET", address, valid, nil)
			switch {
			case a.Status == http.StatusOK && sent.Sub(away) > failOpen:
				t.Errorf("%s takes a token %v after the issuer's end", name, sent.Sub(away))
				return
			case a.Status == http.StatusOK:
				accepted++
			case a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "":
				t.Errorf("%s, the valid token: %s %v", name, a, a.Header)
				return
			case name == "board" && time.Since(confirmed) < failOpen: // the user service's file may be older
				t.Errorf("%s refuses a valid token %v after the issuer's end", name, time.Since(away))
				return
			default:
				ended = true
			}
		}
		if accepted == 0 && !late {
			t.Errorf("%s took no valid token while the issuer was away", name)
		}
	})

	r.launch(t, "authz-server")
	back := time.Now()
	r.atEach(func(name, address string) {
		if took := until(t, address, valid, http.StatusOK, http.StatusServiceUnavailable).Sub(back); took > 2*revocationBound {
			t.Errorf("%s took no valid token for %v after the issuer's return", name, took)
		}
		if a := call(t, "GET", address, revoked, nil); a.Status != http.StatusUnauthorized {
			t.Errorf("%s, the revoked token after the issuer's return: %s", name, a)
		}
	})
}

// savedStatuses is what a service's file has of the list that a token refers to, in the form of the file;
// empty: nothing.
func (r *running) savedStatuses(t *testing.T, name, token string) string {
	t.Helper()
	text, err := json.Marshal(claims(t, token)["status"])
	if err != nil {
		t.Fatal(err)
	}
	var of struct {
		List struct{ URI string } `json:"status_list"`
	}
	if err := json.Unmarshal(text, &of); err != nil || of.List.URI == "" {
		t.Fatalf("the token has the status %s (%v)", text, err)
	}
	var saved struct {
		Lists []struct{ URI, Lst string }
	}
	if text, err = os.ReadFile(filepath.Join(r.dir, name+"-status.json")); err != nil || json.Unmarshal(text, &saved) != nil {
		return ""
	}
	for _, one := range saved.Lists {
		if one.URI == of.List.URI {
			return one.Lst
		}
	}
	return ""
}

// forgedKey returns the token with another key's id, one that nobody knows.
func forgedKey(t *testing.T, token string) string {
	t.Helper()
	first, rest, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	header["kid"] = rand.Text()
	if text, err = json.Marshal(header); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text) + "." + rest
}

// keyOf is the id of the key that signed a token.
func keyOf(t *testing.T, token string) string {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	return header.Kid
}

// All keys are withdrawn, also the one that services know already as the next: so the list that
// tells them is signed with a key that they have to fetch. Meanwhile somebody sends tokens of
// unknown keys, so that no other token can have one fetched for ten seconds.
func TestAWithdrawnKeyIsRefusedInTimeAlsoWhileUnknownKeysFloodTheServices(t *testing.T) {
	t.Parallel()
	r := start(t, 2, postgres(t)...)
	old := service(t, r, bothServices)
	flood := newLoad(t)
	r.atEach(func(name, address string) {
		until(t, address, old, http.StatusOK)
		flood.worker(name, func() error {
			_, err := try("GET", address, forgedKey(t, old), nil)
			time.Sleep(50 * time.Millisecond)
			return err
		})
	})
	stolen := keyIDs(t, r, 0)
	if out, err := r.Authz(context.Background(), "", append([]string{"keys", "withdraw", "--reason=stolen"}, stolen...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	withdrawn := time.Now()
	var fresh string
	testenv.Eventually(t, "a new key signs", func() bool {
		time.Sleep(50 * time.Millisecond)
		fresh = service(t, r, bothServices)
		return !slices.Contains(stolen, keyOf(t, fresh))
	})
	r.atEach(func(name, address string) {
		if took := until(t, address, old, http.StatusUnauthorized, http.StatusOK).Sub(withdrawn); took > revocationBound {
			t.Errorf("%s took the stolen key's token for %v", name, took)
		}
		// Until it has the key it cannot tell the token from those of the flood.
		if took := until(t, address, fresh, http.StatusOK, http.StatusUnauthorized).Sub(withdrawn); took > revocationBound {
			t.Errorf("%s refused the new key's token for %v", name, took)
		}
		for range 10 {
			time.Sleep(50 * time.Millisecond)
			if a := call(t, "GET", address, old, nil); a.Status != http.StatusUnauthorized {
				t.Errorf("%s, the stolen key's token later: %s", name, a)
			}
			if a := call(t, "GET", address, fresh, nil); a.Status != http.StatusOK {
				t.Errorf("%s, the new key's token later: %s", name, a)
			}
		}
	})
	if _, failed := flood.end(); len(failed) > 0 {
		t.Errorf("the flood: %v", failed[0])
	}
}
