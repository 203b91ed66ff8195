package main

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/internal/growth"
)

// Everything about account i follows from i: see package growth.

// Password is that of every account.
const Password = "a measured 마루 password"

// secret has the form of what opaque.New makes.
func secret(what string, numbers ...int) string {
	sum := growth.Digest(what, numbers...)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var mailDomains = []string{"example.com", "example.com", "example.com", "mail.example.net", "example.org", "team.example.org", "xn--910b51i.example"}

// email is in no order of i, as addresses are in no order of sign-up.
func email(i int) string {
	sum := growth.Digest("email", i)
	domain := mailDomains[int(sum[0])%len(mailDomains)]
	if sum[1] < 3 { // one in a hundred is not ASCII
		domain = "메일.example"
	}
	return fmt.Sprintf("%s.%d@%s", strings.ToLower(base32.StdEncoding.EncodeToString(sum[2:7])), i, domain)
}

func cookie(i, session int) string { return secret("cookie", i, session) }

// account is what an account has. Most have little, and some have hundreds of everything.
type account struct {
	i        int
	id       string
	sessions int
	browsers int
	events   int // in the security history
	grants   []grant
	passkey  bool
	totp     bool
	created  time.Time
}

type grant struct {
	id      string
	client  int
	offline bool
	age     time.Duration
}

const day = 24 * time.Hour

func accountOf(i int, f *fill) account {
	sum := growth.Digest("account", i)
	r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), 0)) //nolint:gosec // G404: keeps no secret
	a := account{i: i, id: growth.UserID(i), sessions: 1, browsers: 1 + r.IntN(2), events: r.IntN(5), passkey: i%10 == 3, totp: i%10 == 4,
		created: f.now.Add(-time.Duration(r.IntN(700)+1) * day)}
	grants := 1
	switch {
	case i%1000 == 7:
		a.sessions, a.browsers, a.events, grants = 60, 80, 400, 200
	case i%50 == 0:
		a.sessions, a.browsers, a.events, grants = 6, 8, 40, 12
	case i%3 == 0:
		a.sessions, grants = 0, 0
	case i%4 == 0:
		grants = 2
	}
	if i == 0 {
		a.sessions = 1
	}
	for k := range grants {
		g := grant{id: growth.Text("grant", i, k), client: f.someClient(r), offline: r.IntN(2) == 0, age: time.Duration(r.IntN(60*24)) * time.Hour}
		if !g.offline {
			g.age %= 10 * time.Hour
		}
		a.grants = append(a.grants, g)
	}
	return a
}

// Clients: five of the operator's own, a hundred that many people use, and as many that registered
// themselves as a hundredth of the accounts.
const (
	ownClients    = 5
	commonClients = 100
)

func (f *fill) clients() int { return ownClients + commonClients + f.accounts/100 }

func (f *fill) someClient(r *rand.Rand) int {
	switch n := r.IntN(10); {
	case n < 5:
		return r.IntN(ownClients)
	case n < 8:
		return ownClients + r.IntN(commonClients)
	default:
		return r.IntN(f.clients())
	}
}

func clientID(i int) string {
	if i < ownClients {
		return fmt.Sprintf("own-%d", i)
	}
	return growth.Text("client", i)
}

// The first client is the one that the scenarios use.
const (
	callback     = "https://app.example/callback"
	clientSecret = "a secret of measurements, which opens nothing else"
)

func metadata(i int) string {
	c := client.Client{
		ID: clientID(i), Name: fmt.Sprintf("App %d", i), RedirectURIs: []string{callback},
		GrantTypes: []string{client.AuthorizationCode, client.RefreshToken, client.ClientCredentials}, ResponseTypes: []string{"code"},
		Scope: "openid profile email offline_access user:read board:read", TokenEndpointAuthMethod: client.AuthBasic,
		ApplicationType: client.ApplicationWeb, Trusted: i < ownClients,
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // a Client always has a JSON form
	}
	return string(text)
}
