package statuslist

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"
)

// The examples of draft-ietf-oauth-status-list §4.1 and its test vectors.
func TestStatusesOfTheSpecification(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bits int
		lst  string
		want []byte
	}{
		"one bit":  {1, "eNrbuRgAAhcBXQ", []byte{1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1}},
		"two bits": {2, "eNo76fITAAPfAgc", []byte{1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3}},
	} {
		l, err := parse(claims(t, test.bits, test.lst), 1<<20)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, want := range test.want {
			if got, ok := l.at(uint64(i)); got != want || !ok {
				t.Errorf("%s: status %d is %d, want %d", name, i, got, want)
			}
		}
		if _, ok := l.at(uint64(len(test.want))); ok {
			t.Errorf("%s: there is no status %d", name, len(test.want))
		}
	}
}

func TestStatusesOfFourAndEightBits(t *testing.T) {
	t.Parallel()
	four := statuses{4, []byte{0xB9, 0xA3}}
	for i, want := range []byte{9, 11, 3, 10} {
		if got, ok := four.at(uint64(i)); got != want || !ok {
			t.Errorf("status %d is %d, want %d", i, got, want)
		}
	}
	eight := statuses{8, []byte{0xB9, 0xFF}}
	for i, want := range []byte{0xB9, 0xFF} {
		if got, ok := eight.at(uint64(i)); got != want || !ok {
			t.Errorf("status %d is %d, want %d", i, got, want)
		}
	}
	if _, ok := eight.at(math.MaxUint64); ok {
		t.Error("there is no such status")
	}
}

func TestRoomForAMillionStatuses(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1, 2, 4, 8} {
		l, err := parse(claims(t, bits, deflate(make([]byte, 1<<20*bits/8))), DefaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.at(1<<20 - 1); !ok {
			t.Errorf("%d bits: no room", bits)
		}
	}
}

func TestMergingOnlyRevokes(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{1, 2, 4, 8} {
		mine, other := statuses{bits, []byte{0x9c, 0x00, 0x51}}, statuses{bits, []byte{0x35, 0xf0}}
		merged := mine.with(&other)
		for i := range uint64(24 / bits) {
			a, _ := mine.at(i)
			b, _ := other.at(i)
			want := a
			if a == 0 {
				want = b
			}
			if got, _ := merged.at(i); got != want {
				t.Errorf("%d bits, status %d: %d and %d make %d", bits, i, a, b, got)
			}
		}
	}
}

func claims(tb testing.TB, bits int, lst string) []byte {
	tb.Helper()
	data, err := json.Marshal(map[string]any{"sub": "https://i.example/1", "iat": 1, "exp": 2, "ttl": 3,
		"status_list": map[string]any{"bits": bits, "lst": lst}})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// FuzzParse looks for claims that break the parser, or a bound of its.
func FuzzParse(f *testing.F) {
	f.Add(claims(f, 1, "eNrbuRgAAhcBXQ"))
	f.Add(claims(f, 2, "eNo76fITAAPfAgc"))
	f.Add(claims(f, 8, deflate(bytes.Repeat([]byte{1, 0}, 1000))))
	f.Add(claims(f, 1, deflate(make([]byte, 5000))))
	f.Add([]byte(`{"sub":"u","iat":1,"exp":2,"ttl":1e400,"status_list":{"bits":1,"lst":"eJwDAAAAAAE"},"withdrawn_keys":["a","\u0061"]}`))
	f.Add([]byte(`{"status_list":{"bits":1,"bits":2}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		const most = 4096
		l, err := parse(payload, most)
		if err != nil {
			return
		}
		if len(l.bytes) > most || len(l.withdrawn) > maxWithdrawn || l.ttl < 0 || l.uri == "" || l.expires.IsZero() {
			t.Errorf("%+v", l)
		}
		n := uint64(len(l.bytes)) * uint64(8/l.bits)
		if _, ok := l.at(n); ok {
			t.Error("a status beyond the list")
		}
		if n > 0 {
			if _, ok := l.at(n - 1); !ok {
				t.Error("the last status is missing")
			}
		}
		again, err := inflate(deflate(l.bytes), most)
		if err != nil || !bytes.Equal(again, l.bytes) {
			t.Error("it does not survive the file")
		}
		f := &Follower{cfg: Config{MinRefresh: time.Second, MaxRefresh: time.Minute}}
		if d := f.lifetime(l); d < time.Second || d > time.Minute {
			t.Errorf("fresh for %v", d)
		}
	})
}
