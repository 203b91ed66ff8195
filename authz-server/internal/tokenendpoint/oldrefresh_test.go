package tokenendpoint_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// old is a fixture whose grants can be as the version before left them, in which each refresh token
// had a row.
type old struct {
	*providertest.Fixture
	db *storetest.World
}

func eachOld(t *testing.T, test func(t *testing.T, f old)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, databaseURL string) {
		test(t, old{providertest.New(t, databaseURL), storetest.Beside(databaseURL)})
	})
}

func signature(token string) []byte { return opaque.Hash(token[strings.LastIndexByte(token, '.')+1:]) }

// before takes a grant's only refresh token and returns what the version before had issued instead,
// with the jti id.
func (f old) before(t *testing.T, token, id string) string {
	t.Helper()
	part, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	storetest.OK(t, err)
	var claims tokens.RefreshClaims
	storetest.OK(t, json.Unmarshal(part, &claims))
	grant, _, _ := strings.Cut(claims.ID, ".")
	claims.ID = id
	text, err := json.Marshal(claims)
	storetest.OK(t, err)
	signed, kid, err := f.Ring.Sign(t.Context(), "rt+jwt", text)
	storetest.OK(t, err)
	f.db.Exec(t, `UPDATE grants SET refresh_number = 0, refresh_kid = '', refresh_issued_at = 0, refresh_expires_at = 0 WHERE id = $1`, grant)
	f.db.Exec(t, `INSERT INTO refresh_tokens (token_hash, grant_id, jti, kid, issued_at, expires_at, used_at, successor)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7)`, signature(signed), grant, id, kid, claims.IssuedAt*1e6, claims.Expiry*1e6, []byte{})
	return signed
}

// exchanged makes token one that the version before exchanged just now.
func (f old) exchanged(t *testing.T, token, successor string) {
	t.Helper()
	f.db.Exec(t, `UPDATE refresh_tokens SET used_at = $1, successor = $2 WHERE token_hash = $3`,
		f.Clock.Now().UnixMicro(), signature(successor), signature(token))
}

func TestARefreshTokenOfTheVersionBeforeGoesOnWorking(t *testing.T) {
	t.Parallel()
	eachOld(t, func(t *testing.T, f old) {
		begun := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access")))
		token := f.before(t, begun.Refresh, "ABC")
		if !active(t, f.Fixture, token) {
			t.Error("it is not active")
		}
		f.Clock.Advance(time.Minute)
		var mu sync.Mutex
		seen := map[string]int{}
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				next := f.Tokens(f.Refresh(token))
				mu.Lock()
				defer mu.Unlock()
				seen[next.Refresh]++
			})
		}
		wg.Wait()
		f.Clock.Advance(9 * time.Second)
		next := f.Tokens(f.Refresh(token)).Refresh
		if seen[next] != 32 {
			t.Fatalf("32 refreshes at once got %d different successors", len(seen))
		}
		if _, claims := providertest.Decode(t, next); !strings.HasSuffix(claims["jti"].(string), ".1") {
			t.Errorf("the successor is %v", claims["jti"])
		}
		if active(t, f.Fixture, token) || !active(t, f.Fixture, next) {
			t.Error("introspection does not know the newest")
		}
		if n := f.db.Count(t, "refresh_tokens"); n != 1 {
			t.Errorf("%d rows", n)
		}
		again := f.Tokens(f.Refresh(next)).Refresh
		f.Tokens(f.Refresh(again))
	})
}

func TestReuseOfARefreshTokenOfTheVersionBeforeEndsItsGrant(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// use does with the token a, and its old successor b if it has one, what comes before the
		// reuse of a; it returns the newest token.
		use   func(t *testing.T, f old, a string, successor func() string) string
		after time.Duration
	}{
		"exchanged after the grace window": {func(_ *testing.T, f old, a string, _ func() string) string {
			return f.Tokens(f.Refresh(a)).Refresh
		}, 11 * time.Second},
		"exchanged, and its successor too": {func(_ *testing.T, f old, a string, _ func() string) string {
			return f.Tokens(f.Refresh(f.Tokens(f.Refresh(a)).Refresh)).Refresh
		}, 0},
		"exchanged by the version before": {func(t *testing.T, f old, a string, successor func() string) string {
			b := successor()
			f.exchanged(t, a, b)
			if again := f.Tokens(f.Refresh(a)).Refresh; again != b {
				t.Error("within the grace window came another successor")
			}
			f.Clock.Advance(5 * time.Second)
			next := f.Tokens(f.Refresh(b)).Refresh
			if again := f.Tokens(f.Refresh(a)).Refresh; again != b { // as that version would have it
				t.Error("within the grace window came another successor")
			}
			return next
		}, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachOld(t, func(t *testing.T, f old) {
				begun := f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access"))).Refresh
				token := f.before(t, begun, "A")
				newest := test.use(t, f, token, func() string { return f.before(t, begun, "B") })
				f.Clock.Advance(test.after)
				f.Refresh(token).WantError(t, http.StatusBadRequest, "invalid_grant")
				f.Refresh(newest).WantError(t, http.StatusBadRequest, "invalid_grant")
			})
		})
	}
}

func TestAnUnknownRefreshTokenOfTheVersionBeforeIsRefused(t *testing.T) {
	t.Parallel()
	eachOld(t, func(t *testing.T, f old) {
		token := f.before(t, f.Tokens(f.Redeem(f.Browser().LogIn(f.User).Code("scope", "openid offline_access"))).Refresh, "A")
		f.Refresh(token[:len(token)-4]+"AAAA").WantError(t, http.StatusBadRequest, "invalid_grant")
		f.db.Exec(t, `UPDATE refresh_tokens SET jti = 'another'`)
		f.Refresh(token).WantError(t, http.StatusBadRequest, "invalid_grant")
		f.db.Exec(t, `DELETE FROM refresh_tokens`) // as in a database that was restored
		f.Refresh(token).WantError(t, http.StatusBadRequest, "invalid_grant")
	})
}
