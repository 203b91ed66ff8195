package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Everything about account i follows from i: a scenario knows the address, the cookies and the
// grants of any of millions of accounts without asking the database.

// Password is that of every account.
const Password = "a measured 마루 password"

// digest is a hash of a name and numbers, which is as random as what the stores make.
func digest(what string, numbers ...int) [sha256.Size]byte {
	return sha256.Sum256(fmt.Append([]byte(what), numbers))
}

// id has the form of rand.Text, which the stores use.
func id(what string, numbers ...int) string {
	sum := digest(what, numbers...)
	return base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// secret has the form of what opaque.New makes.
func secret(what string, numbers ...int) string {
	sum := digest(what, numbers...)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func userID(i int) string {
	sum := digest("user", i)
	one := uuid.UUID(sum[:16])
	one[6], one[8] = one[6]&0x0f|0x40, one[8]&0x3f|0x80 // version 4
	return one.String()
}

var (
	familyNames = []string{"김", "이", "박", "최", "정", "강", "조", "윤", "장", "임"}
	givenNames  = []string{"민지", "서준", "지우", "하은", "도윤", "Ann", "Ben", "Chloé"}
	mailDomains = []string{"example.com", "example.com", "example.com", "mail.example.net", "example.org", "team.example.org", "xn--910b51i.example"}
)

// email is in no order of i, as addresses are in no order of sign-up.
func email(i int) string {
	sum := digest("email", i)
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
	sum := digest("account", i)
	r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), 0)) //nolint:gosec // G404: keeps no secret
	a := account{i: i, id: userID(i), sessions: 1, browsers: 1 + r.IntN(2), events: r.IntN(5), passkey: i%10 == 3, totp: i%10 == 4,
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
		g := grant{id: id("grant", i, k), client: f.someClient(r), offline: r.IntN(2) == 0, age: time.Duration(r.IntN(60*24)) * time.Hour}
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
	return id("client", i)
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
