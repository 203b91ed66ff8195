package keys

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// published is the kids of the RS256 keys in the key set as it is served.
func published(t testing.TB, ring *Ring) []string {
	t.Helper()
	var kids []string
	for _, one := range keySet(t, ring).Keys {
		if one.Algorithm == RS256 {
			kids = append(kids, one.KeyID)
		}
	}
	return kids
}

func keySet(t testing.TB, ring *Ring) jose.JSONWebKeySet {
	t.Helper()
	w := httptest.NewRecorder()
	ring.ServeJWKS(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestKeySetHasTheMembersOfEachType(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	w := httptest.NewRecorder()
	p.ring(t).ServeJWKS(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	members := map[string]string{
		RS256: "alg e kid kty n use", PS256: "alg e kid kty n use",
		ES256: "alg crv kid kty use x y", EdDSA: "alg crv kid kty use x", Ed25519: "alg crv kid kty use x",
	}
	kinds := map[string]string{RS256: "RSA", PS256: "RSA", ES256: "EC P-256", EdDSA: "OKP Ed25519", Ed25519: "OKP Ed25519"}
	for i, key := range set.Keys {
		if key["alg"] != algorithms[i] {
			t.Errorf("key %d is for %s", i, key["alg"])
		}
		if got := strings.Join(slices.Sorted(maps.Keys(key)), " "); got != members[key["alg"]] {
			t.Errorf("%s has %s", key["alg"], got)
		}
		if got := strings.TrimSpace(key["kty"] + " " + key["crv"]); got != kinds[key["alg"]] {
			t.Errorf("%s is of %s", key["alg"], got)
		}
	}
}

func TestKeySetIsServedToBeCached(t *testing.T) {
	t.Parallel()
	p := newPlace(t, sqldbtest.SQLite(t))
	ring := p.ring(t)
	ask := func(method string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		ring.ServeJWKS(w, r)
		return w
	}
	got := ask(http.MethodGet)
	etag := got.Header().Get("ETag")
	for name, want := range map[string]string{
		"Cache-Control": "public, max-age=300", "Content-Type": "application/json",
	} {
		if got.Header().Get(name) != want {
			t.Errorf("%s: %q", name, got.Header().Get(name))
		}
	}
	if strings.Contains(got.Body.String(), `"d"`) || strings.Contains(got.Body.String(), `"p"`) {
		t.Error("a private part is published")
	}
	for _, value := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
		if w := ask(http.MethodGet, "If-None-Match", value); w.Code != http.StatusNotModified || w.Body.Len() != 0 ||
			w.Header().Get("Cache-Control") == "" || w.Header().Get("ETag") != etag {
			t.Errorf("If-None-Match %s: %d", value, w.Code)
		}
	}
	if w := ask(http.MethodGet, "If-None-Match", `"other"`); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	if w := ask(http.MethodHead); w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("ETag") != etag {
		t.Errorf("HEAD: %d", w.Code)
	}
	if err := ring.Rotate(t.Context(), false, EdDSA); err != nil {
		t.Fatal(err)
	}
	if w := ask(http.MethodGet, "If-None-Match", etag); w.Code != http.StatusOK || w.Header().Get("ETag") == etag {
		t.Errorf("after a rotation: %d", w.Code)
	}
}
