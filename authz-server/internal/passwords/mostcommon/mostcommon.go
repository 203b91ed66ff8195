// Package mostcommon has the list of the most common passwords: 100,000 of them, the likelier kept,
// that are long enough to be chosen here and not mere digits, which are refused without a list.
//
// They are in the program as hashes, in 325 KiB. A password that is not in the list is taken for
// one that is with a chance of 1 in 5 million. The list is that of SecLists, which lists ten
// million leaked passwords by how often they occur; see the program generate.
package mostcommon

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// file is what generate made.
//
//go:embed mostcommon.bin
var file []byte

// ours is the list in file. Its test reads it, too: a program whose list is broken was never
// tested.
var ours = sync.OnceValue(func() *list {
	l, err := parse(file)
	if err != nil {
		panic(err)
	}
	return l
})

// Contains tells whether a password is in the list, in upper or lower case. It takes less than a
// microsecond. Normalize the password to NFC before.
func Contains(password string) bool { return ours().contains(hash(password)) }

// The form of a list: magic, the number of passwords (32 bits), how many are in each bucket (8 bits
// for each), and then the remainders, those of a bucket together and in order. The first 15 bits of
// a password's hash are its bucket, and the next 24 are its remainder. So a list of 100,000 has 3
// remainders in a bucket, and another password is taken for one of them with a chance of
// 100,000 / 2^39.
const (
	magic         = "common1\n"
	bucketBits    = 15
	remainderSize = 3 // bytes
	header        = len(magic) + 4
	remainders    = header + 1<<bucketBits // where they begin
)

type list struct {
	starts     [1<<bucketBits + 1]uint32 // the first remainder of each bucket
	remainders []byte
}

// A place is where in a list a password is, if it is there.
type place struct {
	bucket    uint32
	remainder [remainderSize]byte
}

// longest is how many bytes of a password are hashed. Those in the list are shorter.
const longest = 256

// hash returns the place of a password, whatever the case of its letters.
func hash(password string) place {
	var room [longest + utf8.UTFMax]byte
	folded := room[:0]
	for _, c := range password {
		if len(folded) > longest {
			break
		}
		folded = utf8.AppendRune(folded, unicode.ToLower(c))
	}
	sum := sha256.Sum256(folded)
	bits := binary.BigEndian.Uint64(sum[:]) >> (64 - bucketBits - 8*remainderSize)
	return place{
		bucket:    uint32(bits >> (8 * remainderSize)),
		remainder: [remainderSize]byte{byte(bits >> 16), byte(bits >> 8), byte(bits)}, //nolint:gosec // G115: cut on purpose
	}
}

func (l *list) contains(p place) bool {
	for i := l.starts[p.bucket]; i < l.starts[p.bucket+1]; i++ {
		if [remainderSize]byte(l.remainders[i*remainderSize:]) == p.remainder {
			return true
		}
	}
	return false
}

var errFile = errors.New("the list of common passwords is malformed")

// parse reads a list. It keeps data.
func parse(data []byte) (*list, error) {
	if len(data) < remainders || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: its head is not that of a list", errFile)
	}
	l := &list{remainders: data[remainders:]}
	for bucket, n := range data[header:remainders] {
		l.starts[bucket+1] = l.starts[bucket] + uint32(n)
	}
	entries := binary.BigEndian.Uint32(data[len(magic):])
	if l.starts[1<<bucketBits] != entries || uint64(len(l.remainders)) != uint64(entries)*remainderSize {
		return nil, fmt.Errorf("%w: it does not have as many passwords as it says", errFile)
	}
	return l, nil
}

// size is the number of passwords.
func (l *list) size() int { return len(l.remainders) / remainderSize }

// Encode makes a list of passwords, each of which may occur once or more often. The error tells of
// a bucket with more than 255.
func Encode(passwords []string) ([]byte, error) {
	places := make([]place, len(passwords))
	for i, password := range passwords {
		places[i] = hash(password)
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.bucket != b.bucket {
			return int(a.bucket) - int(b.bucket)
		}
		return bytes.Compare(a.remainder[:], b.remainder[:])
	})
	places = slices.Compact(places)
	data := make([]byte, remainders, remainders+len(places)*remainderSize)
	copy(data, magic)
	binary.BigEndian.PutUint32(data[len(magic):], uint32(len(places))) //nolint:gosec // G115: fewer than 2^23 fit the buckets
	for _, p := range places {
		n := &data[header+int(p.bucket)]
		if *n == 255 {
			return nil, errors.New("too many passwords for one list")
		}
		*n++
		data = append(data, p.remainder[:]...)
	}
	return data, nil
}
