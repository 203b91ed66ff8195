package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/jose"
)

// ErrInvalid means that a JWT is not valid, which is the client's fault. The text of an error that
// wraps it says what to change.
var ErrInvalid = errors.New("the JWT is not valid")

type invalidError struct {
	reason string
	cause  error
}

func (e *invalidError) Error() string { return e.reason }

func (e *invalidError) Unwrap() []error { return []error{ErrInvalid, e.cause} }

func invalid(format string, args ...any) error {
	return &invalidError{fmt.Sprintf(format, args...), ErrInvalid}
}

// maxJWT is the longest JWT where a [Rule] says nothing else, in bytes.
const maxJWT = 16 << 10

// Rule says what a JWT's header must say. Its claims are for the caller to check.
type Rule struct {
	Algs     []string // of [client.Algorithms]; nil: all of them
	Types    []string // what the header may say in typ, without "application/"; "": nothing. nil: anything
	MaxBytes int      // the longest JWT; 0: 16 KiB
}

// Verify checks the signature of a JWT that c made with one of its keys, and returns its claims and
// the algorithm. Keys come from what c registered and from nowhere else: jwk, jku, x5c and x5u in
// the header make no difference. An unknown kid, or a signature that no key made, causes jwks_uri
// to be read again, at most once a minute: its keys may have been rotated.
func (d *Clients) Verify(ctx context.Context, c *client.Client, jwt string, rule Rule) (claims []byte, alg string, err error) {
	if most := cmp.Or(rule.MaxBytes, maxJWT); len(jwt) > most {
		return nil, "", invalid("it must be at most %d bytes long", most)
	}
	t, err := jose.Parse(jwt)
	if err != nil {
		return nil, "", invalid("it must be a signed JWT in compact form, header.payload.signature: %v", err)
	}
	if err := rule.check(t); err != nil {
		return nil, "", err
	}
	keys, err := d.keys(ctx, c, false)
	if err != nil {
		return nil, "", err
	}
	claims, ok := verified(t, keys)
	if !ok && c.JWKSURI != "" {
		if keys, err = d.keys(ctx, c, true); err != nil {
			return nil, "", err
		}
		claims, ok = verified(t, keys)
	}
	switch {
	case ok:
		return claims, t.Algorithm, nil
	case t.KeyID != "" && !slices.ContainsFunc(keys, func(key jose.Key) bool { return key.ID() == t.KeyID }):
		return nil, "", invalid("its kid is not in the client's key set")
	}
	return nil, "", invalid("its signature was not made by a key of the client that fits its alg")
}

// check checks what the header says.
func (rule Rule) check(t *jose.JWT) error {
	algs := rule.Algs
	if algs == nil {
		algs = client.Algorithms
	}
	// A client that registered EdDSA may say Ed25519, and the other way round.
	named := func(alg string) bool { return jose.SameAlgorithm(alg, t.Algorithm) }
	if !slices.ContainsFunc(algs, named) || !slices.Contains(client.Algorithms, t.Algorithm) {
		return invalid("its header must have alg as one of %s", strings.Join(algs, ", "))
	}
	if rule.Types != nil && !t.HasType(rule.Types...) {
		return invalid("its header must have typ as one of %q", rule.Types)
	}
	return nil
}

// verified returns the claims of a JWT that one of the keys signed. kid and alg say which keys can
// have done so; without kid, that may be several.
func verified(t *jose.JWT, keys []jose.Key) (claims []byte, ok bool) {
	for _, key := range keys {
		if t.KeyID != "" && key.ID() != t.KeyID {
			continue
		}
		if claims, ok = t.VerifiedBy(key); ok {
			return claims, true
		}
	}
	return nil, false
}

// How long the keys of a jwks_uri are used, whatever its own caching says; how often it is read
// because they do not fit; and how long they go on being used when it cannot be read.
const (
	minKeysAge   = time.Minute
	maxKeysAge   = time.Hour
	rereadEvery  = time.Minute
	keysOnOutage = time.Hour
	retryOutage  = 10 * time.Second
)

// keySet is what is known of a client's keys.
type keySet struct {
	reads singleflight.Group // by the network that causes them: none waits for a place behind another

	mu      sync.Mutex // guards what follows; never held while the set is read
	keys    []jose.Key
	until   time.Time // not read again before, unless the keys do not fit
	dead    time.Time // not used any more from here on
	read    time.Time // tried last
	reread  time.Time // tried last because the keys did not fit
	failure error     // of the last try
}

// due tells whether the set is to be read. again says that its keys did not fit.
func (s *keySet) due(now time.Time, again bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return again && now.Sub(s.reread) >= rereadEvery ||
		!now.Before(s.until) && (s.failure == nil || now.Sub(s.read) >= retryOutage)
}

// keys returns the keys of c. again says that what was returned before did not fit.
func (d *Clients) keys(ctx context.Context, c *client.Client, again bool) ([]jose.Key, error) {
	if c.JWKSURI == "" {
		return d.inlineKeys(c)
	}
	id := c.JWKSURI
	if c.Unvouched {
		id = "stranger " + id // as package fetch keeps them apart
	}
	set := d.keySets.GetOrAdd(id, &keySet{}, len(id))
	err := d.refresh(ctx, c, id, set, again)
	set.mu.Lock()
	defer set.mu.Unlock()
	switch {
	case d.now().Before(set.dead):
		return set.keys, nil
	case err != nil:
		return nil, err
	case set.failure != nil:
		return nil, set.failure
	}
	return set.keys, nil
}

// refresh reads a set when that is due, once for all callers from one network that wait for it. Its
// error concerns this caller alone: the outcome of a read that took place is in the set.
func (d *Clients) refresh(ctx context.Context, c *client.Client, id string, set *keySet, again bool) error {
	if !set.due(d.now(), again) {
		return nil
	}
	result := set.reads.DoChan(strings.Join(causeOf(ctx, c).Networks, " "), func() (any, error) {
		if !set.due(d.now(), again) { // another caller was faster
			return nil, nil //nolint:nilnil // there is nothing to return but an error
		}
		return nil, d.readKeys(context.WithoutCancel(ctx), c, id, set, again)
	})
	select {
	case got := <-result:
		return got.Err
	case <-ctx.Done():
		return ctx.Err() // the read goes on, for the next one
	}
}

// readKeys reads a jwks_uri. An error means that it did not try, and nothing changes in the set: a
// sender at its limit must not spend the tries of others.
func (d *Clients) readKeys(ctx context.Context, c *client.Client, id string, set *keySet, again bool) error {
	uri := c.JWKSURI
	body, expires, err := d.cfg.Fetch.Get(ctx, uri, causeOf(ctx, c)) // how long they count is decided here
	tried := !fetch.NotTried(err)
	var keys []jose.Key
	if err == nil {
		keys, err = client.ParseKeys(body)
	}
	if err != nil {
		d.cfg.Log.WarnContext(ctx, "cannot read a client's key set", "request", httpd.RequestID(ctx),
			"jwks_uri", uri, "error", err, "cause", errors.Unwrap(err))
		err = &invalidError{"the client's jwks_uri cannot be used: " + err.Error(), err}
	}
	if !tried {
		return err
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	now := d.now()
	set.read, set.failure = now, err
	if again {
		set.reread = now
	}
	if err != nil {
		return nil
	}
	set.keys = keys
	set.until = clamp(expires, now.Add(minKeysAge), now.Add(maxKeysAge))
	set.dead = set.until.Add(keysOnOutage)
	d.keySets.Add(id, set, len(id)+keysPerByte*len(body))
	return nil
}

// inlineKeys parses a jwks member once a text.
func (d *Clients) inlineKeys(c *client.Client) ([]jose.Key, error) {
	if len(c.JWKS) == 0 {
		return nil, invalid("the client has registered no keys: give it jwks or jwks_uri")
	}
	text := sha256.Sum256(c.JWKS)
	if keys, ok := d.inline.Get(text); ok {
		return keys, nil
	}
	keys, err := client.ParseKeys(c.JWKS)
	if err != nil {
		return nil, &invalidError{err.Error(), err}
	}
	d.inline.Add(text, keys, keysPerByte*len(c.JWKS))
	return keys, nil
}
