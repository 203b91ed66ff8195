package statuslist

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/jwks/internal/exactjson"
)

const (
	// maxWithdrawn bounds the keys that one list may name, and those remembered.
	maxWithdrawn = 1024
	// maxKeyID bounds the length of a key's id, in bytes.
	maxKeyID = 256
)

// A list is the content of a Status List Token (draft-ietf-oauth-status-list
// §5.1). It is immutable.
type list struct {
	issuer, uri     string
	issued, expires time.Time
	notBefore       time.Time
	ttl             time.Duration // as the issuer says; zero: it does not
	withdrawn       []string      // ids of keys that were compromised
	statuses
}

// statuses are what a list says of tokens (§4.1): status i has bits bits, packed
// into bytes from the least significant bit on.
type statuses struct {
	bits  int // 1, 2, 4 or 8
	bytes []byte
}

// at returns the status at an index, and whether the list has that index.
func (s *statuses) at(index uint64) (status byte, ok bool) {
	perByte := uint64(8 / s.bits) //nolint:gosec // G115: 1 to 8
	at := index / perByte
	if at >= uint64(len(s.bytes)) {
		return 0, false
	}
	shift := int(index%perByte) * s.bits //nolint:gosec // G115: below 8
	return s.bytes[at] >> shift & byte(1<<s.bits-1), true
}

// with returns the statuses with those that the older ones refuse, and these
// do not.
func (s *statuses) with(older *statuses) statuses {
	if s.bits != older.bits {
		return *s
	}
	merged := slices.Clone(s.bytes)
	mask := byte(1<<s.bits - 1)
	for i := range min(len(merged), len(older.bytes)) {
		if older.bytes[i] == 0 {
			continue
		}
		for shift := 0; shift < 8; shift += s.bits {
			if merged[i]>>shift&mask == 0 {
				merged[i] |= older.bytes[i] & (mask << shift)
			}
		}
	}
	return statuses{s.bits, merged}
}

var (
	errBits       = errors.New("status_list: bits is not 1, 2, 4 or 8")
	errCompressed = errors.New("status_list: lst is not zlib in base64url")
	errTTL        = errors.New("ttl is not a positive number")
	errWithdrawn  = errors.New("withdrawn_keys: too many, or too long")
	errRequired   = errors.New("sub, iat, exp and status_list are required")
)

// parse reads the claims of a Status List Token, whose statuses are most bytes
// at most.
func parse(payload []byte, most int64) (*list, error) {
	l := &list{}
	err := exactjson.Members(string(payload), func(name, value string) (err error) {
		switch name {
		case "iss":
			l.issuer, err = exactjson.String(value)
		case "sub":
			l.uri, err = exactjson.String(value)
		case "iat":
			l.issued, err = exactjson.NumericDate(value)
		case "exp":
			l.expires, err = exactjson.NumericDate(value)
		case "nbf":
			l.notBefore, err = exactjson.NumericDate(value)
		case "ttl":
			l.ttl, err = ttlValue(value)
		case "status_list":
			l.statuses, err = statusesValue(value, most)
		case "withdrawn_keys":
			l.withdrawn, err = withdrawnValue(value)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if l.uri == "" || l.issued.IsZero() || l.expires.IsZero() || l.bits == 0 {
		return nil, errRequired
	}
	return l, nil
}

// ttlValue reads a positive number of seconds. What is too long for a Duration
// is the longest.
func ttlValue(value string) (time.Duration, error) {
	if value[0] == '"' {
		return 0, errTTL
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || !(seconds > 0) {
		return 0, errTTL
	}
	if seconds >= math.MaxInt64/1e9 {
		return math.MaxInt64, nil
	}
	return max(time.Duration(seconds*1e9), 1), nil
}

func withdrawnValue(value string) ([]string, error) {
	ids, err := exactjson.AppendStrings(nil, value)
	if err != nil {
		return nil, err
	}
	for i := range ids {
		ids[i] = strings.Clone(ids[i]) // must not keep all of the list
	}
	if len(ids) > maxWithdrawn || slices.ContainsFunc(ids, func(id string) bool { return len(id) > maxKeyID }) {
		return nil, errWithdrawn
	}
	return ids, nil
}

func statusesValue(value string, most int64) (s statuses, err error) {
	var compressed string
	err = exactjson.Members(value, func(name, value string) (err error) {
		switch name {
		case "bits":
			s.bits, err = strconv.Atoi(value)
			if err != nil || s.bits != 1 && s.bits != 2 && s.bits != 4 && s.bits != 8 {
				return errBits
			}
		case "lst":
			compressed, err = exactjson.String(value)
		}
		return err
	})
	switch {
	case err != nil:
		return statuses{}, err
	case s.bits == 0:
		return statuses{}, errBits
	case compressed == "":
		return statuses{}, errCompressed
	}
	s.bytes, err = inflate(compressed, most)
	return s, err
}

// inflate decodes base64url and decompresses, up to most bytes.
func inflate(text string, most int64) ([]byte, error) {
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errCompressed
	}
	source := bytes.NewReader(compressed)
	reader, err := zlib.NewReader(source)
	if err != nil {
		return nil, errCompressed
	}
	// A little text can become a lot: the bound is on what comes out.
	inflated, err := io.ReadAll(io.LimitReader(reader, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errCompressed, err)
	case int64(len(inflated)) > most:
		return nil, fmt.Errorf("status_list: more than %d bytes of statuses", most)
	case source.Len() > 0:
		return nil, errCompressed
	}
	return inflated, nil
}

// deflate is the reverse of inflate.
func deflate(inflated []byte) string {
	var compressed bytes.Buffer
	writer := zlib.NewWriter(&compressed)
	// Writing to memory does not fail.
	_, _ = writer.Write(inflated)
	_ = writer.Close()
	return base64.RawURLEncoding.EncodeToString(compressed.Bytes())
}
