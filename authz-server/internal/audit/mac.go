package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/internal/sqldb"
)

// KeySize is the length of the chain's key, in bytes. Package keys keeps it as the secret "audit".
const KeySize = 32

// chainMAC is the MAC of an entry in its place, and so of all before it. Every field has its length
// in front, so that no two entries are written alike.
func chainMAC(key []byte, before auditlog.Link, e auditlog.Entry) []byte {
	return macOf(key, "maru audit entry 1", before.MAC, number(e.Position), []byte(e.ID), number(sqldb.Micros(e.At)), []byte(e.Kind),
		[]byte(e.ActorKind), []byte(e.ActorID), []byte(e.TargetKind), []byte(e.TargetID), e.ByHash, e.AboutHash)
}

// anchorSeal is what only this server can have set at the old end of the chain. Without it, whoever
// removes old entries could say that they were removed for their age.
func anchorSeal(key []byte, at auditlog.Link) []byte {
	return macOf(key, "maru audit anchor 1", number(at.Position), at.MAC)
}

func macOf(key []byte, purpose string, fields ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, field := range append([][]byte{[]byte(purpose)}, fields...) {
		h.Write(number(int64(len(field))))
		h.Write(field)
	}
	return h.Sum(nil)
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) } //nolint:gosec // G115: it is no amount: any 64 bits will do

// Head is a place in the chain and the MAC there, which stands for everything up to it. Whoever
// keeps one elsewhere finds out that the end of the log was cut off or replaced.
type Head auditlog.Link

// String is the head as "POSITION:MAC", with the MAC in base64url.
func (h Head) String() string { return strconv.FormatInt(h.Position, 10) + ":" + encodeMAC(h.MAC) }

// ParseHead is the inverse of [Head.String].
func ParseHead(text string) (h Head, err error) {
	position, mac, found := strings.Cut(strings.TrimSpace(text), ":")
	if h.Position, err = strconv.ParseInt(position, 10, 64); err != nil || !found || h.Position < 1 {
		return h, errors.New(`a head is written "POSITION:MAC", such as 17:Zm9vYmFy…, as the log and 'audit verify' print it`)
	}
	if h.MAC, err = base64.RawURLEncoding.Strict().DecodeString(mac); err != nil || len(h.MAC) != sha256.Size {
		return h, fmt.Errorf("the MAC of a head is %d bytes in base64url", sha256.Size)
	}
	return h, nil
}

func encodeMAC(mac []byte) string { return base64.RawURLEncoding.EncodeToString(mac) }
