// Package exactjson walks through JSON that a stranger wrote, where names must
// count to the letter and once.
//
// encoding/json matches names without regard to case and lets the last of two
// members with one name win. Both are wrong for JWTs (RFC 7515 §4, RFC 7519
// §4), so the few objects that matter are walked by hand, after json.Valid has
// checked the syntax.
package exactjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxMembers bounds the members of an object, so that looking for repeated
// names in a hostile one stays cheap.
const maxMembers = 128

var (
	errNotObject = errors.New("not a JSON object")
	errNotArray  = errors.New("not a JSON array")
	errNotString = errors.New("not a string")
	errNotTime   = errors.New("not a time in seconds since 1970")
	errRepeated  = errors.New("repeated member")
	errMembers   = errors.New("too many members")
)

// Members calls f with the name and the raw value of every member of the
// object in data, and fails for invalid JSON and repeated names. The slices
// belong to data, or are scratch: f must not keep them.
func Members(data []byte, f func(name, value []byte) error) error {
	if !Valid(data) {
		return errNotObject
	}
	return MembersOfValid(data, f)
}

// MembersOfValid is [Members] for data that is [Valid].
func MembersOfValid(data []byte, f func(name, value []byte) error) error {
	i := skipSpace(data, 0)
	if data[i] != '{' {
		return errNotObject
	}
	var few [24][]byte // spares the heap for objects of a usual size
	seen := few[:0]
	for i = skipSpace(data, i+1); data[i] != '}'; {
		end := skipValue(data, i)
		name := data[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			s, err := String(data[i:end])
			if err != nil {
				return err
			}
			name = []byte(s)
		}
		for _, s := range seen {
			if bytes.Equal(s, name) {
				return errRepeated
			}
		}
		if len(seen) == maxMembers {
			return errMembers
		}
		seen = append(seen, name)
		i = skipSpace(data, skipSpace(data, end)+1) // over the colon
		end = skipValue(data, i)
		if err := f(name, data[i:end]); err != nil {
			return err
		}
		i = skipSpace(data, end)
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return nil
}

// Valid says whether data is one JSON value in UTF-8.
func Valid(data []byte) bool { return json.Valid(data) && utf8.Valid(data) }

// Elements calls f with the raw value of every element of the array in data,
// which must be valid JSON without space around it, such as a value that
// [Members] gave.
func Elements(data []byte, f func(value []byte) error) error {
	if data[0] != '[' {
		return errNotArray
	}
	for i := skipSpace(data, 1); data[i] != ']'; {
		end := skipValue(data, i)
		if err := f(data[i:end]); err != nil {
			return err
		}
		i = skipSpace(data, end)
		if data[i] == ',' {
			i = skipSpace(data, i+1)
		}
	}
	return nil
}

// skipSpace and skipValue return the index after the white space or the value
// at i. They never leave data, because data is valid JSON.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

func skipValue(data []byte, i int) int {
	depth := 0
	for {
		switch data[i] {
		case '"':
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
		default: // number, true, false, null
			for i < len(data) && bytes.IndexByte([]byte(",:]} \t\n\r"), data[i]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// String decodes a string; value is as for [Elements].
func String(value []byte) (string, error) {
	if value[0] != '"' {
		return "", errNotString
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// Strings decodes an array of strings; value is as for [Elements].
func Strings(value []byte) ([]string, error) {
	var list []string
	err := Elements(value, func(e []byte) error {
		s, err := String(e)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// latestTime is the end of the year 9999, beyond which a time cannot be
// written in RFC 3339.
const latestTime = 253402300799

// NumericDate decodes a time (RFC 7519 §2), seconds since 1970, perhaps with a
// fraction; value is as for [Elements].
func NumericDate(value []byte) (time.Time, error) {
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		if n < 0 || n > latestTime {
			return time.Time{}, errNotTime
		}
		return time.Unix(n, 0), nil
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return time.Time{}, errNotTime
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > latestTime {
		return time.Time{}, errNotTime
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}
