package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/jwks/jose"
)

// metadata is what is read of an upstream's configuration (OpenID Connect Discovery §3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	EndSession    string   `json:"end_session_endpoint"`                           // RP-Initiated Logout §2.1
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
}

// How long documents are used, whatever their own caching says; how long they go on being used when
// they cannot be read again; and how often they are read because a key is unknown.
const (
	freshFor    = time.Hour
	staleFor    = 24 * time.Hour
	rereadEvery = time.Minute
)

// documents are what is known of the upstreams by their metadata. The zero value knows nothing.
type documents struct {
	mu    sync.Mutex
	known map[string]*document // by address; there are two for each upstream
}

// document is one that was read. It may be read by several at once: the last one counts.
type document struct {
	body []byte
	read time.Time // the zero time: not yet
}

// maxDocuments is how many addresses are known at most. They change when operators change issuers,
// or upstreams their key sets.
const maxDocuments = 4 * 20

// get returns a document. again says that what it returned before did not do.
func (d *documents) get(ctx context.Context, from *fetch.Client, address string, cause fetch.Cause, now time.Time, again bool) ([]byte, error) {
	d.mu.Lock()
	have := d.known[address]
	d.mu.Unlock()
	if have != nil {
		if age := now.Sub(have.read).Abs(); age < rereadEvery || age < freshFor && !again {
			return have.body, nil
		}
	}
	body, _, err := from.Get(ctx, address, cause)
	if err != nil {
		if have != nil && now.Sub(have.read).Abs() < staleFor {
			return have.body, nil
		}
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDocuments {
		d.known = map[string]*document{}
	}
	d.known[address] = &document{body, now}
	return body, nil
}

// metadata returns the configuration of an upstream with ID tokens.
func (u *Upstreams) metadata(ctx context.Context, p *provider, cause fetch.Cause) (metadata, error) {
	if !p.OpenID() {
		return metadata{Issuer: p.Issuer, Authorization: p.Authorization, Token: p.Token, UserInfo: p.UserInfo}, nil
	}
	address := strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
	body, err := u.documents.get(ctx, u.Fetch, address, cause, u.Now(), false)
	if err != nil {
		return metadata{}, err
	}
	var m metadata
	if err := jose.UnmarshalExact(body, &m); err != nil {
		return metadata{}, fmt.Errorf("%s: %w", address, err)
	}
	if m.Issuer != p.metadataIssuer() {
		return metadata{}, fmt.Errorf("%s names another issuer than %s", address, p.metadataIssuer())
	}
	for _, one := range []string{m.Authorization, m.Token, m.Keys} {
		if err := u.Fetch.Check(one); err != nil {
			return metadata{}, fmt.Errorf("%s: %w", address, err)
		}
	}
	return m, nil
}

// errToken is what is wrong with an ID token, or a logout token; its text is for the log.
var errToken = errors.New("the token is refused")

func badToken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errToken, fmt.Sprintf(format, args...))
}

// maxIDToken is the longest ID token that is read, in bytes.
const maxIDToken = 32 << 10

// idClaims are those of an ID token that decide whether it counts.
type idClaims struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience audience         `json:"aud"`
	Party    string           `json:"azp"`
	Expires  jose.NumericDate `json:"exp"`
	IssuedAt jose.NumericDate `json:"iat"`
	AuthTime jose.NumericDate `json:"auth_time"`
	Nonce    string           `json:"nonce"`
	ACR      string           `json:"acr"`
}

// audience is a text or a list of texts (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON is that of json.Unmarshaler.
func (a *audience) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*a = make(audience, 1)
		return jose.UnmarshalExact(text, &(*a)[0])
	}
	return jose.UnmarshalExact(text, (*[]string)(a))
}

// verify returns the claims of an ID token that the upstream made for this server and for the
// log-in with this nonce (OpenID Connect Core §3.1.3.7).
func (u *Upstreams) verify(ctx context.Context, p *provider, m metadata, token, nonce string, cause fetch.Cause) (idClaims, answer, error) {
	signed, err := u.signed(ctx, m, token, cause)
	if err != nil {
		return idClaims{}, nil, err
	}
	var c idClaims
	var all answer
	if err := jose.UnmarshalExact(signed.payload, &c); err != nil {
		return c, nil, badToken("%v", err)
	}
	if err := readJSON(signed.payload, &all); err != nil {
		return c, nil, badToken("%v", err)
	}
	now := u.Now()
	issuer, some := p.tokenIssuer(all)
	switch {
	case !some:
		return c, nil, badToken("its tid is no tenant whose people can log in")
	case c.Issuer != issuer:
		return c, nil, badToken("its iss is not the issuer")
	case !p.keyIsOf(signed.keys, signed.keyID, issuer):
		return c, nil, badToken("the key that signed it is not one of its issuer")
	case !slices.Contains(c.Audience, p.ClientID):
		return c, nil, badToken("its aud is another client")
	case len(c.Audience) > 1 && c.Party == "", c.Party != "" && c.Party != p.ClientID:
		return c, nil, badToken("its azp is not this client")
	case c.Expires.Past(now):
		return c, nil, badToken("it has expired")
	case c.IssuedAt.IsZero() || c.IssuedAt.Ahead(now):
		return c, nil, badToken("its iat is missing, or still to come")
	case c.Nonce != nonce:
		return c, nil, badToken("its nonce is that of another log-in")
	case !isSubject(c.Subject):
		return c, nil, badToken("its sub is missing or too long, or has control characters")
	}
	return c, all, nil
}

// signedJWT is a JWT that one of an upstream's keys signed.
type signedJWT struct {
	payload []byte
	keyID   string
	typ     string // as jose.JWT has it
	keys    []byte // the set that has the key
}

// signed reads a JWT that one of the upstream's keys signed. A key that is not known, or none that
// fits, has the set read again.
func (u *Upstreams) signed(ctx context.Context, m metadata, token string, cause fetch.Cause) (signedJWT, error) {
	if len(token) > maxIDToken {
		return signedJWT{}, badToken("it is too long")
	}
	t, err := jose.Parse(token)
	if err != nil {
		return signedJWT{}, badToken("%v", err)
	}
	// Public keys alone: neither none, nor HS256 by a key that everybody can read.
	if !slices.Contains(client.Algorithms, t.Algorithm) {
		return signedJWT{}, badToken("its alg is not one of %s", strings.Join(client.Algorithms, ", "))
	}
	for _, again := range []bool{false, true} {
		body, err := u.documents.get(ctx, u.Fetch, m.Keys, cause, u.Now(), again)
		if err != nil {
			return signedJWT{}, err
		}
		set, err := jose.ParseKeySet(body)
		if err != nil {
			return signedJWT{}, badToken("the key set: %v", err)
		}
		found, _ := set.Keys(ctx, t.KeyID)
		for _, key := range found[:min(len(found), maxKeys)] {
			if payload, ok := t.VerifiedBy(key); ok {
				return signedJWT{payload, t.KeyID, t.Type, body}, nil
			}
		}
	}
	return signedJWT{}, badToken("no key of the upstream made its signature")
}

// maxKeys is how many keys are tried for a token without kid.
const maxKeys = 20
