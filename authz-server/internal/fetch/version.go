package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Request objects are kept for a moment whatever their headers say, and fetched anew only so often for one network, for
// everybody can ask for them, with any fragment (OpenID Connect Core 1.0 §6.2: what stands there changes with its fragment alone).
// A count for everybody together would let one network end all log-ins of a client.
const (
	versionBytes  = 8 << 20
	maxVersion    = 64 << 10 // bytes: a longer one is not kept, for its reader refuses it
	minVersionAge = 10 * time.Second
	versionsMost  = 30 // fetches of one address for one network; for a wider one ten times as many
	versionsPer   = time.Minute
)

// version is what was fetched for a fragment.
type version struct {
	fragment string
	body     []byte
	until    time.Time // kept
}

// GetVersion returns what is at an address in the version that a fragment names: the SHA-256 of it in base64url, or anything
// that the address's owner chose. It is fetched when another fragment comes than before, unless that is the hash of what was
// fetched last, and when what was fetched is no longer fresh; but at most 30 times a minute for the network that causes it, beyond which an [*Error] says so.
func (c *Client) GetVersion(ctx context.Context, address, fragment string, cause Cause) ([]byte, error) {
	now := c.now()
	v, ok := c.versions.Get(address)
	if ok && now.Before(v.until) {
		sum := sha256.Sum256(v.body)
		if fragment == v.fragment || fragment == base64.RawURLEncoding.EncodeToString(sum[:]) {
			return v.body, nil
		}
	}
	if !c.allowVersion(address, cause, now) {
		return nil, &Error{URL: address, Reason: "is asked for anew too often; try again in a minute"}
	}
	body, expires, err := c.fly(ctx, address, cause)
	if err != nil {
		return nil, err
	}
	until := now.Add(minVersionAge)
	if expires.After(until) {
		until = expires
	}
	if len(body) <= maxVersion {
		c.versions.Add(address, version{fragment, body, until}, len(address)+len(fragment)+len(body))
	}
	return body, nil
}

// allowVersion counts a fetch of a version for all of the networks that cause it.
func (c *Client) allowVersion(address string, cause Cause, now time.Time) bool {
	networks := cause.Networks
	if len(networks) == 0 {
		networks = []string{""} // the server's own account
	}
	most := versionsMost
	for _, network := range networks {
		if !c.counts.allow("version "+network+" "+address, most, versionsPer, now) {
			return false
		}
		most *= 10
	}
	return true
}
