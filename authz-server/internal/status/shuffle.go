package status

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

// A shuffle turns the positions of a list into indices: a Feistel network over two halves of ten
// bits, whose round functions are tables from a secret stream.
type shuffle [4][1 << halfBits]uint16

const (
	halfBits = 10
	halfMask = 1<<halfBits - 1
)

// A list has as many positions as a shuffle.
const _ = uint(statuses.ListSize-1<<(2*halfBits)) + uint(1<<(2*halfBits)-statuses.ListSize)

func newShuffle(secret []byte, name string) *shuffle {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("status list " + name))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	stream := make([]byte, 2*len(shuffle{})<<halfBits)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(stream, stream) //nolint:gosec // G407: one key, one stream
	var s shuffle
	for round := range s {
		for half := range s[round] {
			s[round][half] = binary.BigEndian.Uint16(stream) & halfMask
			stream = stream[2:]
		}
	}
	return &s
}

func (s *shuffle) index(position int64) int64 {
	left, right := uint16(position>>halfBits), uint16(position&halfMask) //nolint:gosec // G115: ten bits each
	for round := range s {
		left, right = right, left^s[round][right]
	}
	return int64(left)<<halfBits | int64(right)
}

// maxShuffles is how many are kept; each has 8 KiB.
const maxShuffles = 256

func (l *Lists) shuffle(name string) *shuffle {
	l.shuffling.Lock()
	defer l.shuffling.Unlock()
	s, ok := l.shuffles[name]
	if !ok {
		if len(l.shuffles) >= maxShuffles {
			clear(l.shuffles)
		}
		s = newShuffle(l.cfg.Secret, name)
		l.shuffles[name] = s
	}
	return s
}
