package mostcommon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTheListHasTheMostCommonPasswords(t *testing.T) {
	t.Parallel()
	l, err := parse(file)
	if err != nil || l.size() != 100_000 {
		t.Fatal(l.size(), err)
	}
	if len(file) > 350<<10 {
		t.Errorf("it takes %d bytes of the program", len(file))
	}
	for _, password := range []string{ // from the first to the last ranks
		"password", "baseball", "football", "qwer1234", "1q2w3e4r", "trustno1", "iloveyou", "asdf1234", "password1",
		"dkssud12" /* 안녕12 */, "blairsville",
		"Password", "PASSWORD1", "BLAIRSVILLE",
	} {
		if !Contains(password) {
			t.Errorf("%q is not in it", password)
		}
	}
	for _, password := range []string{"", "pass", "12345678", "jungle river 9", "비밀번호", "xK9#mQ2$vL",
		strings.Repeat("password", 32)} {
		if Contains(password) {
			t.Errorf("%q is in it", password)
		}
	}
}

// The chance for one is 100,000 / 2^39.
func TestOtherPasswordsAreNotTakenForCommonOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 2_000_000 {
		if Contains(fmt.Sprintf("%016x", random.Uint64())) {
			wrong++
		}
	}
	if wrong > 2 {
		t.Errorf("%d of 2 million are", wrong)
	}
}

func TestAListHasWhatWasPutIntoIt(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprintf("password %d", i/2)) // each twice
	}
	data, err := Encode(all)
	if err != nil {
		t.Fatal(err)
	}
	l, err := parse(data)
	if err != nil || l.size() != 2500 {
		t.Fatal(l.size(), err)
	}
	for _, password := range all {
		if !l.contains(hash(password)) || !l.contains(hash(strings.ToUpper(password))) {
			t.Errorf("%q is missing", password)
		}
	}
	if l.contains(hash("password 2500")) {
		t.Error("it has one more")
	}
	empty, err := Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := parse(empty); err != nil || l.size() != 0 || l.contains(hash("password")) {
		t.Error("an empty list:", l.size(), err)
	}
}

func TestAMalformedListIsRefused(t *testing.T) {
	t.Parallel()
	good, err := Encode([]string{"one", "two", "three"})
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func([]byte)) []byte {
		data := bytes.Clone(good)
		change(data)
		return data
	}
	for name, data := range map[string][]byte{
		"empty":              nil,
		"cut in its head":    good[:header+100],
		"cut at its end":     good[:len(good)-1],
		"longer":             append(bytes.Clone(good), 0, 0, 0),
		"of another version": changed(func(data []byte) { data[6] = '2' }),
		"a larger number":    changed(func(data []byte) { binary.BigEndian.PutUint32(data[len(magic):], 4) }),
		"a huge number":      changed(func(data []byte) { binary.BigEndian.PutUint32(data[len(magic):], 1<<32-1) }),
		"a larger bucket":    changed(func(data []byte) { data[header]++ }),
		"full buckets": changed(func(data []byte) {
			copy(data[header:], bytes.Repeat([]byte{255}, 1<<bucketBits))
			binary.BigEndian.PutUint32(data[len(magic):], 255<<bucketBits)
		}),
	} {
		if _, err := parse(data); !errors.Is(err, errFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := Encode([]string{"one", "two"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "one")
	f.Add([]byte(magic), "")
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		if l, err := parse(data); err == nil {
			l.contains(hash(password))
		}
	})
}

func TestALookUpAllocatesNothing(t *testing.T) {
	huge := strings.Repeat("가", 1<<20)
	if allocated := testing.AllocsPerRun(10, func() { Contains("Correct-Horse9"); Contains(huge) }); allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}

func BenchmarkContains(b *testing.B) {
	Contains("") // reads the list
	b.ReportAllocs()
	for b.Loop() {
		Contains("five wooden words here")
	}
}
