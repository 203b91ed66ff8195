package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// Request objects are kept for a moment, whatever their headers say, and one network can have them
// fetched only so often, because anybody can ask for them with any fragment (OpenID Connect Core
// 1.0 §6.2: the content changes only with its fragment). A bound for all networks together would
// let one of them stop all log-ins of a client.
const (
	versionBytes  = 8 << 20
	maxVersion    = 64 << 10 // bytes: a longer one is not kept, because its reader refuses it
	minVersionAge = 10 * time.Second
	versionsMost  = 30 // fetches of one address for one network; for a wider one ten times as many
	versionsPer   = time.Minute
)

// version is the content that was fetched for a fragment.
type version struct {
	fragment string
	body     []byte
	until    time.Time // kept
}

// GetVersion returns the content of an address in the version that a fragment names: its SHA-256
// hash in base64url, or anything else that the address's owner chose. It fetches the content if the
// fragment is not that of the last call, unless it is the hash of what was fetched last, and if the
// content is no longer fresh. One network can cause 30 fetches a minute; then GetVersion returns an
// [*Error].
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

// allowVersion counts a fetch of a version for all networks that cause it.
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
