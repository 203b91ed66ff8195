package jose

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
)

// maxKept bounds the buffers that a Reader keeps from one JWT to the next.
const maxKept = 16 << 10

// A Reader takes apart one JWT after another, with the same buffers, and with
// what it knows of the header before, which most of an issuer's JWTs have in
// common. It is for one goroutine at a time; its zero value is ready.
type Reader struct {
	text  string
	name  [sha256.Size]byte
	jwt   JWT
	hash  hash.Hash
	bytes []byte // of the text, for hashing; then the payload and the signature

	digest [sha256.Size]byte
	head   string // the header of known, in base64url; empty: none
	known  JWT    // has what head says, and nothing else
}

// Read begins with another JWT, which [Reader.Parse] then takes apart, and
// returns a name to know it again by: the SHA-256 of all of its text, followed
// by salt. No two texts have one name, as long as the salt is equally long.
// The caller bounds the length of text.
func (r *Reader) Read(text string, salt []byte) (name [sha256.Size]byte) {
	if r.hash == nil {
		r.hash = sha256.New()
	}
	r.text = text
	// One pass gives both hashes, of what is signed and of everything.
	r.bytes = append(r.bytes[:0], text...)
	head, body, _, _ := cut(text)
	signed := r.bytes[:min(len(head)+1+len(body), len(text))]
	r.hash.Reset()
	r.hash.Write(signed)
	r.hash.Sum(r.digest[:0])
	r.hash.Write(r.bytes[len(signed):])
	r.hash.Write(salt)
	r.hash.Sum(r.name[:0])
	return r.name
}

// Parse is the function [Parse] for the text that was read. The JWT is good
// until the next Read or Reset.
func (r *Reader) Parse() (*JWT, error) {
	head, body, signature, ok := cut(r.text)
	if !ok {
		return nil, errCompact
	}
	if err := r.parseHeader(head); err != nil {
		return nil, err
	}
	t := &r.jwt
	*t = r.known
	t.message, t.digest = r.text[:len(r.text)-len(signature)-1], &r.digest
	payload, err := appendBase64(r.bytes[:0], body)
	if err != nil {
		return nil, errCompact
	}
	both, err := appendBase64(payload, signature)
	if err != nil {
		return nil, errCompact
	}
	r.bytes = both
	t.payload, t.signature = both[:len(payload):len(payload)], both[len(payload):]
	return t, nil
}

// parseHeader makes known what the header says.
func (r *Reader) parseHeader(head string) error {
	if head == r.head {
		return nil
	}
	r.head, r.known = "", JWT{}
	header, err := decodeBase64(head)
	if err != nil {
		return errCompact
	}
	if err := r.known.parseHeader(string(header)); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if len(head) <= maxKept {
		r.head = strings.Clone(head) // must not keep all of the text
	}
	return nil
}

// Reset forgets the JWT, and buffers that are too large to keep.
func (r *Reader) Reset() {
	r.text, r.jwt = "", JWT{}
	if cap(r.bytes) > maxKept {
		r.bytes = nil
	}
}
