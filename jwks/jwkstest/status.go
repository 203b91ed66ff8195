package jwkstest

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/jwks"
)

const (
	statusPath = "/oauth2/status/1"
	// statusSize is how many statuses the list has.
	statusSize = 1 << 16
	// revokedIndex is revoked from the start, so that every list that a service
	// may hold says so.
	revokedIndex = 0
	// A list is signed again when it changed, and when it is statusResign old.
	statusResign   = 10 * time.Second
	statusLifetime = 30 * time.Second
)

// statusList is the list that an issuer publishes. The issuer's mutex guards
// it.
type statusList struct {
	published bool
	next      int // index of the last token
	bits      [statusSize / 8]byte
	withdrawn []string
	ttl       time.Duration
	down      bool
	answer    http.Handler // in place of the list; nil: none
	fetches   int

	signed   string // the last that was served; empty: it has changed
	signedAt time.Time
	version  int
}

// PublishStatusLists makes the issuer publish a status list
// (draft-ietf-oauth-status-list), as an authorization server of Maru does: its
// metadata announce it, and access tokens minted from now on refer to it.
func (i *Issuer) PublishStatusLists() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status.published = true
	i.status.bits[revokedIndex/8] |= 1 << (revokedIndex % 8)
}

// StatusListURL returns where the list is.
func (i *Issuer) StatusListURL() string { return i.URL() + statusPath }

// Revoke revokes an access token. It must have been minted after
// PublishStatusLists.
func (i *Issuer) Revoke(tb testing.TB, token string) {
	tb.Helper()
	var claims struct {
		Status struct {
			List *struct {
				Index int    `json:"idx"`
				URI   string `json:"uri"`
			} `json:"status_list"`
		} `json:"status"`
	}
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	list := claims.Status.List
	if err != nil || list == nil || list.URI != i.StatusListURL() || list.Index < 0 || list.Index >= statusSize {
		tb.Fatal("jwkstest: Revoke: not a token of this issuer's with a status; see PublishStatusLists")
	}
	i.changeStatus(func(s *statusList) { s.bits[list.Index/8] |= 1 << (list.Index % 8) })
}

// WithdrawKey withdraws a key as compromised: it leaves the key set, and lists
// name it. The current key is rotated before.
func (i *Issuer) WithdrawKey(keyID string) {
	if keyID == i.KeyID() {
		i.Rotate()
	}
	i.mu.Lock()
	i.published = slices.DeleteFunc(slices.Clone(i.published), func(k *signingKey) bool { return k.id == keyID })
	i.mu.Unlock()
	i.changeStatus(func(s *statusList) { s.withdrawn = append(s.withdrawn, keyID) })
}

// SetStatusDown makes the issuer break off requests for the list, or answer
// them again. Everything else it answers.
func (i *Issuer) SetStatusDown(down bool) { i.changeStatus(func(s *statusList) { s.down = down }) }

// SetStatusTTL sets the ttl of the list, 3 seconds at first.
func (i *Issuer) SetStatusTTL(d time.Duration) { i.changeStatus(func(s *statusList) { s.ttl = d }) }

// SetStatusAnswer has the handler answer requests for the list, to attack who
// fetches it; nil: the issuer does again. StatusList makes lists to answer
// with.
func (i *Issuer) SetStatusAnswer(handler http.Handler) {
	i.changeStatus(func(s *statusList) { s.answer = handler })
}

// StatusFetches returns how often the list was asked for while the issuer was
// not down.
func (i *Issuer) StatusFetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.status.fetches
}

// StatusList signs the list as it is now, after mutate, if it is not nil, has
// changed what it likes.
func (i *Issuer) StatusList(mutate func(header, claims map[string]any)) string {
	now := i.Now()
	i.mu.Lock()
	key := i.current
	header, claims := i.statusClaims(now)
	i.mu.Unlock()
	if mutate != nil {
		mutate(header, claims)
	}
	return key.sign(header, claims)
}

// StatusLists returns the lists of the issuer as a verifier follows them, by
// the keys and the issuer's clock. They end with the test.
func (i *Issuer) StatusLists(tb testing.TB, keys jwks.KeySource) *jwks.StatusLists {
	tb.Helper()
	lists, err := jwks.NewStatusLists(tb.Context(), jwks.StatusConfig{Issuer: i.URL(), Keys: keys, Now: i.Now})
	if err != nil {
		tb.Fatalf("jwkstest: %v", err)
	}
	return lists
}

func (i *Issuer) changeStatus(change func(*statusList)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.status)
	i.status.signed = ""
}

// takeStatus returns the claim status of a new token; nil: there are no lists.
func (i *Issuer) takeStatus() map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.status.published {
		return nil
	}
	i.status.next = i.status.next%(statusSize-1) + 1 // never revokedIndex
	index := i.status.next
	return map[string]any{"status_list": map[string]any{"idx": index, "uri": i.StatusListURL()}}
}

// statusClaims makes the claims of the list. The caller holds the mutex.
func (i *Issuer) statusClaims(now time.Time) (header, claims map[string]any) {
	var compressed bytes.Buffer
	writer := zlib.NewWriter(&compressed)
	// Writing to memory does not fail.
	_, _ = writer.Write(i.status.bits[:])
	_ = writer.Close()
	header = map[string]any{"alg": "RS256", "typ": "statuslist+jwt", "kid": i.current.id}
	claims = map[string]any{
		"iss": i.URL(), "sub": i.StatusListURL(),
		"iat": now.Unix(), "exp": now.Add(statusLifetime).Unix(), "ttl": i.status.ttl.Seconds(),
		"status_list": map[string]any{"bits": 1, "lst": base64url(compressed.Bytes())},
	}
	if len(i.status.withdrawn) > 0 {
		claims["withdrawn_keys"] = slices.Clone(i.status.withdrawn)
	}
	return header, claims
}

func (i *Issuer) serveStatusList(w http.ResponseWriter, r *http.Request) {
	now := i.Now()
	i.mu.Lock()
	s := &i.status
	published, down, answer := s.published, s.down, s.answer
	if published && !down {
		s.fetches++
	}
	if s.signed == "" || now.Sub(s.signedAt).Abs() >= statusResign {
		header, claims := i.statusClaims(now)
		s.signed, s.signedAt = i.current.sign(header, claims), now
		s.version++
	}
	text, etag := s.signed, strconv.Quote("list-"+strconv.Itoa(s.version))
	i.mu.Unlock()

	switch {
	case !published:
		http.NotFound(w, r)
		return
	case down:
		panic(http.ErrAbortHandler) // breaks the connection off, silently
	case answer != nil:
		answer.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "max-age=1")
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/statuslist+jwt")
	write(w, []byte(text))
}

// serveStatusLists names no list, so that none is fetched ahead: a test decides
// by its first token when its verifier fetches one.
func (i *Issuer) serveStatusLists(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	published := i.status.published
	i.mu.Unlock()
	if !published {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, mustJSON(map[string]any{"status_lists": []string{}}))
}
