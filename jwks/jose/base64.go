package jose

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
)

// base64url encodes as RFC 7515 wants it. What strangers encoded is decoded by
// decodeBase64.
var base64url = base64.RawURLEncoding

var errBase64 = errors.New("not base64url")

// notBase64 marks what is no character of the alphabet in base64Bits.
const notBase64 = 1 << 31

// base64Bits has the bits of each character where the first, second, third and
// fourth of a group has them.
var base64Bits = func() (table [4][256]uint32) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for place := range table {
		for c := range table[place] {
			table[place][c] = notBase64
		}
		for value, c := range []byte(alphabet) {
			table[place][c] = uint32(value) << (18 - 6*place)
		}
	}
	return table
}()

// decodeBase64 decodes base64url as RFC 7515 wants it: no padding, and no stray
// bits at the end, so that a text has one spelling only. Unlike the decoder of
// encoding/base64 it does not read over line breaks.
func decodeBase64(text string) ([]byte, error) {
	return appendBase64([]byte{}, text)
}

// appendBase64 is decodeBase64, and appends to buf.
func appendBase64(buf []byte, text string) ([]byte, error) {
	first, second, third, fourth := &base64Bits[0], &base64Bits[1], &base64Bits[2], &base64Bits[3]
	start := len(buf)
	buf = slices.Grow(buf, len(text)/4*3+2)[:start+len(text)/4*3]
	var all uint32 // has notBase64 as soon as one character is none
	to := buf[start:]
	// Two groups at a time, written as eight bytes, of which two are overwritten.
	for ; len(text) >= 8 && len(to) >= 8; text, to = text[8:], to[6:] {
		one := first[text[0]] | second[text[1]] | third[text[2]] | fourth[text[3]]
		two := first[text[4]] | second[text[5]] | third[text[6]] | fourth[text[7]]
		all |= one | two
		binary.BigEndian.PutUint64(to, uint64(one)<<40|uint64(two)<<16)
	}
	for ; len(text) >= 4 && len(to) >= 3; text, to = text[4:], to[3:] {
		group := first[text[0]] | second[text[1]] | third[text[2]] | fourth[text[3]]
		all |= group
		to[0], to[1], to[2] = byte(group>>16), byte(group>>8), byte(group) //nolint:gosec // G115: a byte of it
	}
	switch len(text) {
	case 1:
		return nil, errBase64
	case 2:
		group := first[text[0]] | second[text[1]]
		all |= group
		if group&0xffff != 0 {
			return nil, errBase64
		}
		buf = append(buf, byte(group>>16)) //nolint:gosec // G115: a byte of it
	case 3:
		group := first[text[0]] | second[text[1]] | third[text[2]]
		all |= group
		if group&0xff != 0 {
			return nil, errBase64
		}
		buf = append(buf, byte(group>>16), byte(group>>8)) //nolint:gosec // G115: a byte of it
	}
	if all&notBase64 != 0 {
		return nil, errBase64
	}
	return buf, nil
}
