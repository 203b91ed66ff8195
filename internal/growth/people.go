package growth

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// Everything about the i-th of what is filled follows from i: a scenario knows the ids of any of
// millions without asking the database.

// Digest is a hash of a name and numbers, which is as random as what the stores make.
func Digest(what string, numbers ...int) [sha256.Size]byte {
	return sha256.Sum256(fmt.Append([]byte(what), numbers))
}

// Text has the form of rand.Text, which the stores use for ids.
func Text(what string, numbers ...int) string {
	sum := Digest(what, numbers...)
	return base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// UserID is the id of the i-th account, in the issuer's form.
func UserID(i int) string {
	sum := Digest("user", i)
	one := uuid.UUID(sum[:16])
	one[6], one[8] = one[6]&0x0f|0x40, one[8]&0x3f|0x80 // version 4
	return one.String()
}

var (
	familyNames = []string{"김", "이", "박", "최", "정", "강", "조", "윤", "장", "임"}
	givenNames  = []string{"민지", "서준", "지우", "하은", "도윤", "Ann", "Ben", "Chloé"}
)

// UserName is the name of the i-th account.
func UserName(i int) string {
	return familyNames[i%len(familyNames)] + givenNames[i/7%len(givenNames)]
}

// active is how many of a kind the scenarios are about, at each size: as few of all are in use at the
// same time.
const active = 2000

// Active returns the numbers below size of those that the scenarios are about, of which there are as
// many at each size: they may be so, and are all over the rest. Some come twice if size is small.
func Active(size int, may func(i int) bool) []int {
	chosen := make([]int, 0, active)
	for n := 0; len(chosen) < active; n++ {
		sum := Digest("active", n)
		if i := int(binary.LittleEndian.Uint32(sum[:])) % size; may(i) {
			chosen = append(chosen, i)
		}
	}
	return chosen
}
