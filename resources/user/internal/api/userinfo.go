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

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

const (
	userinfoTimeout = 2 * time.Second // for discovery and the answer together: a person waits for it
	userinfoMost    = 64 << 10        // bytes of an answer
	userinfoRest    = 30 * time.Second
	userinfoPlaces  = 32     // questions under way at once
	userinfoRefused = 10_000 // tokens that are remembered as refused
	endpointKept    = time.Hour
)

// What is returned without asking.
var (
	// errResting: the issuer did not answer a moment ago, or would not tell this token anything.
	errResting = errors.New("the issuer did not answer a moment ago")
	// errBusy: too many wait for the issuer's answers.
	errBusy = errors.New("the issuer is asked too much at once")
)

// mayAskUserinfo tells whether a token may be used at userinfo, by this service: it is not bound to
// the client's key.
func mayAskUserinfo(claims *jwks.Claims) bool {
	return claims.HasScope("openid") && claims.KeyThumbprint == ""
}

// userinfo asks the issuer who a person is (OpenID Connect Core §5.3). Many goroutines may use it at once.
type userinfo struct {
	issuer  string
	client  *http.Client
	now     func() time.Time
	timeout time.Duration
	flights singleflight.Group // by token: parallel first calls of an app ask once
	places  chan struct{}

	// refused has the tokens, by SHA-256, to which the issuer said something that a profile cannot use,
	// and until when they are not shown to it again. Each rests for itself: a stranger's token, or one of
	// an app whose answers are signed, is no reason not to ask for others.
	refused *lru.Cache[[sha256.Size]byte, time.Time]

	mu            sync.Mutex
	endpoint      string // as discovered
	endpointUntil time.Time
	restUntil     time.Time
}

func newUserinfo(issuer string, now func() time.Time) *userinfo {
	refused, err := lru.New[[sha256.Size]byte, time.Time](userinfoRefused)
	if err != nil {
		panic(err) // only for a size below one
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = userinfoMost
	transport.MaxIdleConnsPerHost = userinfoPlaces
	return &userinfo{issuer: issuer, now: now, timeout: userinfoTimeout, refused: refused, places: make(chan struct{}, userinfoPlaces), client: &http.Client{
		Transport: transport,
		// A redirect could carry the person's token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask returns what the issuer says about the subject, by the access token that the person sent. It takes two seconds at most.
// When the issuer did not answer, everybody's questions get errResting for half a minute; when it did, but said nothing that
// can be used, only those with this token.
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
		// The answer is for all who wait, so it does not end with the first of them.
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

// errUnanswered tells that the issuer, or the way to it, is at fault, whoever asks.
var errUnanswered = errors.New("the issuer did not answer")

func (u *userinfo) fetch(ctx context.Context, subject, token string) (store.ProfilePatch, error) {
	endpoint, err := u.discover(ctx)
	if err != nil {
		return store.ProfilePatch{}, fmt.Errorf("%w: %w", errUnanswered, err) // which is the same for all tokens
	}
	body, status, err := u.get(ctx, endpoint, token)
	switch {
	case status == 0, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return store.ProfilePatch{}, fmt.Errorf("%w: userinfo: %w", errUnanswered, err)
	case err != nil:
		// What is wrong with this token, or with what the issuer says to it, is no reason to leave other people's profiles empty.
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
	body, _, err := u.get(ctx, strings.TrimSuffix(u.issuer, "/")+"/.well-known/openid-configuration", "")
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	if endpoint, err = parseDiscovery(body, u.issuer); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.endpoint, u.endpointUntil = endpoint, u.now().Add(endpointKept)
	return endpoint, nil
}

func parseDiscovery(body []byte, issuer string) (endpoint string, err error) {
	var document struct {
		Issuer   string `json:"issuer"`
		Endpoint string `json:"userinfo_endpoint"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return "", errors.New("the document is not JSON as it should be")
	}
	if document.Issuer != issuer { // OpenID Connect Discovery §4.3
		return "", errors.New("the document is another issuer's")
	}
	u, err := rest.ParseOrigin(document.Endpoint)
	if err != nil || (u.Scheme == "http" && strings.HasPrefix(issuer, "https:")) {
		return "", errors.New("there is no userinfo endpoint to send a token to")
	}
	return document.Endpoint, nil
}

// get returns the JSON at the address, and the status if there was an answer at all.
func (u *userinfo) get(ctx context.Context, address, token string) (body []byte, status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := u.client.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, answer.StatusCode, fmt.Errorf("the issuer answered with status %d", answer.StatusCode)
	}
	if mediaType, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, answer.StatusCode, errors.New("the issuer's answer is not application/json")
	}
	body, err = io.ReadAll(io.LimitReader(answer.Body, userinfoMost+1))
	if err == nil && len(body) > userinfoMost {
		err = errors.New("the issuer's answer is too long")
	}
	return body, answer.StatusCode, err
}

// parseUserinfo takes from a userinfo answer what a profile can use. Claims that are absent, or not as a profile wants them, are left out.
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

// shorten makes a display name of whatever name the issuer has, or an empty one if nothing is left of it.
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
