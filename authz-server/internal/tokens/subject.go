package tokens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/maru-auth/maru/authz-server/internal/client"
)

// Subject is how a client knows a person: by their id, or, if it registered for pairwise subjects,
// by a name that only clients of the same sector see (OIDC Core §8.1). Without the salt, the names do
// not tell that they are one person's; sid and auth_time do, to clients that join theirs.
func (i *Issuer) Subject(c *client.Client, userID string) string {
	if c.SubjectType != client.SubjectPairwise {
		return userID
	}
	mac := hmac.New(sha256.New, i.pairwiseSalt)
	for _, part := range []string{c.Sector(), userID} {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
