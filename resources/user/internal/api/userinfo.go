package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/internal/discovery"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

const (
	userinfoTimeout = 2 * time.Second  // for discovery and the answer together: a person is waiting
	userinfoMost    = 64 << 10         // bytes of an answer
	userinfoRest    = 30 * time.Second // without asking, after a failure
	userinfoPlaces  = 32               // requests under way at once
	userinfoRefused = 10_000           // tokens that are remembered as refused
	endpointKept    = time.Hour
)

// Errors of ask without asking.
var (
	// errResting: the issuer failed to answer a moment ago, or gave this token no usable answer.
	errResting = errors.New("the issuer did not answer a moment ago")
	// errBusy: too many requests are waiting for the issuer.
	errBusy = errors.New("the issuer is asked too much at once")
)

// mayAskUserinfo tells whether a token may be used at userinfo, by this service: it is not bound to
// the client's key.
func mayAskUserinfo(claims *jwks.Claims) bool {
	return claims.HasScope("openid") && claims.KeyThumbprint == ""
}

// userinfo asks the issuer who a person is (OpenID Connect Core §5.3). Many goroutines may use it
// at once.
type userinfo struct {
	issuer  string
	client  *http.Client
	now     func() time.Time
	timeout time.Duration
	flights singleflight.Group // by token: parallel first calls of an app ask once
	places  chan struct{}

	// refused has the tokens, by SHA-256, for which the issuer gave no usable answer, and until
	// when they are not sent again. Each rests by itself: a token that fails, or one of an app
	// whose answers are signed, must not keep others from being asked for.
	refused *lru.Cache[[sha256.Size]byte, time.Time]

	mu            sync.Mutex
	endpoint      string // as discovered
	endpointUntil time.Time
	restUntil     time.Time
}

func newUserinfo(issuer string, calls httpd.Calls, now func() time.Time) *userinfo {
	refused, err := lru.New[[sha256.Size]byte, time.Time](userinfoRefused)
	if err != nil {
		panic(err) // only for a size below one
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = userinfoMost
	transport.MaxIdleConnsPerHost = userinfoPlaces
	client := &http.Client{
		Transport: calls.To("issuer", transport),
		// A redirect could take the person's token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &userinfo{
		issuer: issuer, client: client, now: now, timeout: userinfoTimeout,
		refused: refused, places: make(chan struct{}, userinfoPlaces),
	}
}

// ask returns what the issuer says about the subject, to whose access token it answers. It takes
// two seconds at most. After the issuer fails to answer, all calls get errResting for half a
// minute; after an answer that cannot be used, only those with this token.
func (u *userinfo) ask(ctx context.Context, subject, token string) (store.ProfilePatch, error) {
	key := sha256.Sum256([]byte(token))
	now := u.now()
	u.mu.Lock()
	resting := now.Before(u.restUntil)
	u.mu.Unlock()
	if until, ok := u.refused.Get(key); resting || ok && now.Before(until) {
		return store.ProfilePatch{}, errResting
	}
	patch, err, _ := u.flights.Do(string(key[:]), func() (any, error) {
		select {
		case u.places <- struct{}{}:
			defer func() { <-u.places }()
		default:
			return nil, errBusy
		}
		// The answer is for all who wait, so it must not end with the first one's request.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.timeout)
		defer cancel()
		return u.fetch(ctx, subject, token)
	})
	switch {
	case err == nil:
		return patch.(store.ProfilePatch), nil
	case errors.Is(err, errUnanswered):
		u.rest()
	case !errors.Is(err, errBusy):
		u.refused.Add(key, u.now().Add(userinfoRest))
	}
	return store.ProfilePatch{}, err
}

// errUnanswered: the issuer, or the network on the way, is at fault, whichever token is sent.
var errUnanswered = errors.New("the issuer did not answer")

func (u *userinfo) fetch(ctx context.Context, subject, token string) (store.ProfilePatch, error) {
	endpoint, err := u.discover(ctx)
	if err != nil {
		return store.ProfilePatch{}, fmt.Errorf("%w: %w", errUnanswered, err) // the same for all tokens
	}
	body, status, err := u.get(ctx, endpoint, token)
	switch {
	case status == 0, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return store.ProfilePatch{}, fmt.Errorf("%w: userinfo: %w", errUnanswered, err)
	case err != nil:
		// A fault of this token, or of the answer to it, must not leave other people's profiles
		// empty.
		return store.ProfilePatch{}, fmt.Errorf("userinfo: %w", err)
	}
	return parseUserinfo(body, subject)
}

func (u *userinfo) rest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.restUntil = u.now().Add(userinfoRest)
	u.endpointUntil = time.Time{} // it may have moved
}

// discover finds the userinfo endpoint (OpenID Connect Discovery §4).
func (u *userinfo) discover(ctx context.Context) (string, error) {
	u.mu.Lock()
	endpoint, known := u.endpoint, u.now().Before(u.endpointUntil)
	u.mu.Unlock()
	if known {
		return endpoint, nil
	}
	endpoint, err := discovery.Endpoint(ctx, u.client, u.issuer, "userinfo_endpoint")
	if err != nil {
		return "", err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.endpoint, u.endpointUntil = endpoint, u.now().Add(endpointKept)
	return endpoint, nil
}

// get returns the JSON at the address, and the status, or 0 if there was no answer.
func (u *userinfo) get(ctx context.Context, address, token string) (body []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := u.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, answer.StatusCode, fmt.Errorf("the issuer answered with status %d", answer.StatusCode)
	}
	if mediaType, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil ||
		mediaType != "application/json" {
		return nil, answer.StatusCode, errors.New("the issuer's answer is not application/json")
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, userinfoMost+1))
	if err == nil && len(body) > userinfoMost {
		err = errors.New("the issuer's answer is too long")
	}
	return body, answer.StatusCode, err
}

// parseUserinfo returns what a profile can use of a userinfo answer. It leaves out claims that are
// absent or not fit for a profile.
func parseUserinfo(body []byte, subject string) (store.ProfilePatch, error) {
	var claims struct {
		Subject                any `json:"sub"`
		Name, Picture, Website any
	}
	if err := json.Unmarshal(body, &claims); err != nil {
		return store.ProfilePatch{}, errors.New("userinfo: the answer is not a JSON object")
	}
	if claims.Subject != subject { // OpenID Connect Core §5.3.2: it could be about somebody else
		return store.ProfilePatch{}, errors.New("userinfo: the answer is about another subject")
	}
	var patch store.ProfilePatch
	if name, ok := claims.Name.(string); ok {
		if name = shorten(name); name != "" {
			patch.DisplayName = &name
		}
	}
	for _, u := range []struct {
		claim any
		to    **string
	}{{claims.Picture, &patch.AvatarURL}, {claims.Website, &patch.Website}} {
		text, _ := u.claim.(string)
		if address, err := webURL(text); err == nil && address != "" {
			*u.to = &address
		}
	}
	return patch, nil
}

// shorten makes a display name of the issuer's name; it is empty if nothing usable is left.
func shorten(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case rest.Misleading(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.TrimSpace(norm.NFC.String(name))
	if utf8.RuneCountInString(name) > maxDisplayName {
		name = string([]rune(name)[:maxDisplayName])
	}
	name, err := displayName(name)
	if err != nil {
		return ""
	}
	return name
}
