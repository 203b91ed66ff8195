package passwords

import (
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestAPasswordIsHashedAndChecked(t *testing.T) {
	t.Parallel()
	p := New()
	const password = "비밀번호 five words more"
	hash, err := p.Hash(t.Context(), p.SignUp, password)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(hash, err)
	}
	if again, err := p.Hash(t.Context(), p.SignUp, password); err != nil || again == hash {
		t.Errorf("two hashes have the same salt: %v", err)
	}
	for try, want := range map[string]bool{password: true, norm.NFD.String(password): true, password + " ": false, "": false,
		strings.ToUpper(password): false} {
		if right, outdated, err := p.Check(t.Context(), p.LogIn, try, hash); right != want || outdated || err != nil {
			t.Errorf("%q: %v %v %v", try, right, outdated, err)
		}
	}
	if right, _, err := p.Check(t.Context(), p.LogIn, password, ""); right || err != nil {
		t.Errorf("an account that does not exist: %v %v", right, err)
	}
}

func TestAnOlderHashIsOutdated(t *testing.T) {
	t.Parallel()
	p := New()
	old := parameters{memory: 64, time: 1, threads: 1}
	salt := randomBytes(8)
	hash := encodeHash(old, salt, argon2.IDKey([]byte("a password"), salt, old.time, old.memory, old.threads, 16))
	if right, outdated, err := p.Check(t.Context(), p.LogIn, "a password", hash); !right || !outdated || err != nil {
		t.Error(right, outdated, err)
	}
	if right, outdated, err := p.Check(t.Context(), p.LogIn, "another", hash); right || outdated || err != nil {
		t.Error(right, outdated, err)
	}
}

func TestAPasswordThatIsTooLongIsNeverRight(t *testing.T) {
	p := New()
	long := strings.Repeat("x", maxPasswordBytes)
	hash, err := p.Hash(t.Context(), p.SignUp, long) // no page would have let it become one
	if err != nil {
		t.Fatal(err)
	}
	if right, _, err := p.Check(t.Context(), p.LogIn, long+"x", hash); right || err != nil {
		t.Errorf("%v %v", right, err)
	}
	if problem := Obvious(long + "x"); problem != messages.PasswordTooLong {
		t.Error(problem)
	}
	// Whatever is normalized is short: this would be the most work for it.
	huge := strings.Repeat("a\u0f71\u0315\u0300\u05b0", 8<<10)
	if allocated := testing.AllocsPerRun(1, func() { Obvious(huge) }); allocated != 0 {
		t.Errorf("a password of %d bytes is worked on", len(huge))
	}
}

// An account that does not exist must cost what a wrong password costs.
func TestNobodyCostsAsMuchAsSomebody(t *testing.T) {
	p := New()
	with, salt, key, err := decodeHash(p.dummy)
	if err != nil || with != present || len(salt) != saltLength || len(key) != keyLength {
		t.Error(with, len(salt), len(key), err)
	}
}
