package doctor

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/internal/httpd"
)

// header carries a question to a server, and its answer back. Both are encrypted with a key that
// follows from the key-encryption key: who has not got that learns nothing, and cannot ask.
const header = "Maru-Doctor"

// Purposes of the encryption, each with a key of its own.
const (
	questionPurpose = "doctor's question"
	answerPurpose   = "doctor's answer"
)

// Arrival is how a request arrived at the server.
type Arrival struct {
	At             time.Time `json:"at"`   // by the server's clock
	Peer           string    `json:"peer"` // who connected to the server: host:port
	Client         string    `json:"client"`
	Host           string    `json:"host"`
	ForwardedFor   []string  `json:"forwarded_for"`
	ForwardedHost  string    `json:"forwarded_host"`
	ForwardedProto string    `json:"forwarded_proto"`
}

// question makes a header and the nonce in it.
func question(kek *keys.KEK, at issuer.URL) (value, nonce string, err error) {
	nonce = rand.Text()
	sealed, err := kek.Seal(questionPurpose, []byte(nonce), at.String())
	return base64.RawURLEncoding.EncodeToString(sealed), nonce, err
}

// maxQuestion is the longest question, in characters.
const maxQuestion = 256

// Answering answers a question about how a request for the issuer's metadata arrived, and has next
// answer the request itself. next's requests come from an [httpd.Server]. A question may be sent
// again by whoever sees it: all they get is what they cannot read.
func Answering(kek *keys.KEK, at issuer.URL, now func() time.Time, next http.Handler) http.Handler {
	path := at.Path(metadata)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked := r.Header.Get(header); asked != "" && r.URL.Path == path && len(asked) <= maxQuestion {
			if answer, ok := answerTo(asked, kek, at, now(), r); ok {
				w.Header().Set(header, answer)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func answerTo(asked string, kek *keys.KEK, at issuer.URL, now time.Time, r *http.Request) (string, bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(asked)
	if err != nil {
		return "", false
	}
	nonce, _, err := kek.Open(questionPurpose, sealed, at.String())
	if err != nil {
		return "", false
	}
	seen := Arrival{
		At: now, Peer: r.RemoteAddr, Client: httpd.ClientAddr(r.Context()).String(), Host: cut(r.Host),
		ForwardedHost: cut(r.Header.Get("X-Forwarded-Host")), ForwardedProto: cut(r.Header.Get("X-Forwarded-Proto")),
		ForwardedFor: hops(r.Header.Values("X-Forwarded-For")),
	}
	plain, err := json.Marshal(seen)
	if err != nil {
		return "", false
	}
	sealed, err = kek.Seal(answerPurpose, plain, at.String(), string(nonce))
	return base64.RawURLEncoding.EncodeToString(sealed), err == nil
}

// read opens the answer to the question with the nonce.
func read(kek *keys.KEK, at issuer.URL, nonce, answer string) (seen Arrival, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(answer)
	if err != nil {
		return seen, false
	}
	plain, _, err := kek.Open(answerPurpose, sealed, at.String(), nonce)
	return seen, err == nil && json.Unmarshal(plain, &seen) == nil
}
