// Package exactjson walks through JSON that a stranger wrote, where names must
// count to the letter and once.
//
// encoding/json matches names without regard to case and lets the last of two
// members with one name win. Both are wrong for JWTs (RFC 7515 §4, RFC 7519
// §4), so the few objects that matter are walked by hand, in one pass that
// checks the syntax as it goes.
//
// The strings that a walk gives are parts of the text, and so keep it in
// memory.
package exactjson

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
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
// object in text, and fails for invalid JSON, for repeated names, and with the
// error of f. It calls f as it goes: whatever f did counts only if Members
// returns nil.
func Members(text string, f func(name, value string) error) error {
	i := scanSpace(text, 0)
	if i >= len(text) || text[i] != '{' {
		return errNotObject
	}
	var seen names
	i = scanSpace(text, i+1)
	for more := i >= len(text) || text[i] != '}'; more; {
		end, quoted := scanName(text, i)
		if end < 0 {
			return errNotObject
		}
		name, err := String(quoted)
		if err != nil {
			return err
		}
		if err := seen.add(name); err != nil {
			return err
		}
		i = scanSpace(text, end)
		if end = scanValue(text, i); end < 0 {
			return errNotObject
		}
		if err := f(name, text[i:end]); err != nil {
			return err
		}
		i = scanSpace(text, end)
		if more = i < len(text) && text[i] == ','; more {
			i = scanSpace(text, i+1)
		}
	}
	if i >= len(text) || text[i] != '}' || scanSpace(text, i+1) != len(text) {
		return errNotObject
	}
	return nil
}

// names are those of the members seen so far. Only names with one mark can be
// equal, so that few are compared.
type names struct {
	marks [maxMembers]uint32
	few   [24]string // spares the heap for objects of a usual size
	more  []string
	count int
}

func (n *names) add(name string) error {
	if n.count == maxMembers {
		return errMembers
	}
	mark := uint32(len(name)) << 24 //nolint:gosec // G115: equal names have one mark, whatever is cut off
	if name != "" {
		mark |= uint32(name[0])<<16 | uint32(name[len(name)/2])<<8 | uint32(name[len(name)-1])
	}
	for i, other := range n.marks[:n.count] {
		if other == mark && n.at(i) == name {
			return errRepeated
		}
	}
	n.marks[n.count] = mark
	if n.count < len(n.few) {
		n.few[n.count] = name
	} else {
		n.more = append(n.more, name)
	}
	n.count++
	return nil
}

func (n *names) at(i int) string {
	if i < len(n.few) {
		return n.few[i]
	}
	return n.more[i-len(n.few)]
}

// Valid says whether text is one JSON value in UTF-8, nested at most 128 deep.
func Valid(text string) bool {
	end := scanValue(text, 0)
	return end >= 0 && scanSpace(text, end) == len(text)
}

// Elements calls f with the raw value of every element of the array in text,
// which must be valid JSON without space around it, such as a value that
// [Members] gave.
func Elements(text string, f func(value string) error) error {
	if text[0] != '[' {
		return errNotArray
	}
	for i := scanSpace(text, 1); text[i] != ']'; {
		end := scanValue(text, i)
		if err := f(text[i:end]); err != nil {
			return err
		}
		i = scanSpace(text, end)
		if text[i] == ',' {
			i = scanSpace(text, i+1)
		}
	}
	return nil
}

// String decodes a string; value is as for [Elements].
func String(value string) (string, error) {
	if value[0] != '"' {
		return "", errNotString
	}
	// Faster for short ones than to look for a backslash.
	if end := len(value) - 1; skipPlain(value, 1) == end || strings.IndexByte(value, '\\') < 0 {
		return value[1:end], nil
	}
	var s string
	err := json.Unmarshal([]byte(value), &s)
	return s, err
}

// AppendStrings decodes an array of strings, and appends them to list; value is
// as for [Elements].
func AppendStrings(list []string, value string) ([]string, error) {
	err := Elements(value, func(e string) error {
		s, err := String(e)
		list = append(list, s)
		return err
	})
	return list, err
}

// latestTime is the end of the year 9999, beyond which a time cannot be
// written in RFC 3339.
const latestTime = 253402300799

// NumericDate decodes a time (RFC 7519 §2), seconds since 1970, perhaps with a
// fraction; value is as for [Elements].
func NumericDate(value string) (time.Time, error) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		if n < 0 || n > latestTime {
			return time.Time{}, errNotTime
		}
		return time.Unix(n, 0), nil
	}
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return time.Time{}, errNotTime
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f < 0 || f > latestTime {
		return time.Time{}, errNotTime
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}
