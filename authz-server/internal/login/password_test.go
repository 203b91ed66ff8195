package login

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func TestAPasswordIsHashedAndChecked(t *testing.T) {
	p := newPasswords()
	const password = "비밀번호 five words more"
	hash, err := p.hash(t.Context(), p.signUp, password)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(hash, err)
	}
	if again, err := p.hash(t.Context(), p.signUp, password); err != nil || again == hash {
		t.Errorf("two hashes have the same salt: %v", err)
	}
	for try, want := range map[string]bool{password: true, norm.NFD.String(password): true, password + " ": false, "": false, strings.ToUpper(password): false} {
		if right, outdated, err := p.check(t.Context(), p.logIn, try, hash); right != want || outdated || err != nil {
			t.Errorf("%q: %v %v %v", try, right, outdated, err)
		}
	}
	if right, _, err := p.check(t.Context(), p.logIn, password, ""); right || err != nil {
		t.Errorf("an account that does not exist: %v %v", right, err)
	}
	if _, _, err := p.check(t.Context(), p.logIn, password, "$2a$10$abc"); !errors.Is(err, errHash) {
		t.Errorf("a foreign hash: %v", err)
	}
}

func TestAnOlderHashIsOutdated(t *testing.T) {
	p := newPasswords()
	old := parameters{memory: 64, time: 1, threads: 1}
	salt := randomBytes(8)
	hash := encodeHash(old, salt, argon2.IDKey([]byte("a password"), salt, old.time, old.memory, old.threads, 16))
	if right, outdated, err := p.check(t.Context(), p.logIn, "a password", hash); !right || !outdated || err != nil {
		t.Error(right, outdated, err)
	}
	if right, outdated, err := p.check(t.Context(), p.logIn, "another", hash); right || outdated || err != nil {
		t.Error(right, outdated, err)
	}
}

func TestAPasswordThatIsTooLongIsNeverRight(t *testing.T) {
	p := newPasswords()
	long := strings.Repeat("x", maxPasswordBytes)
	hash, err := p.hash(t.Context(), p.signUp, long) // no page would have let it become one
	if err != nil {
		t.Fatal(err)
	}
	if right, _, err := p.check(t.Context(), p.logIn, long+"x", hash); right || err != nil {
		t.Errorf("%v %v", right, err)
	}
	if problem := obvious(long + "x"); problem != messages.PasswordTooLong {
		t.Error(problem)
	}
	// Whatever is normalized is short: this would be the most work for it.
	huge := strings.Repeat("a\u0f71\u0315\u0300\u05b0", 8<<10)
	if allocated := testing.AllocsPerRun(1, func() { obvious(huge) }); allocated != 0 {
		t.Errorf("a password of %d bytes is worked on", len(huge))
	}
}

// An account that does not exist must cost what a wrong password costs.
func TestNobodyCostsAsMuchAsSomebody(t *testing.T) {
	p := newPasswords()
	with, salt, key, err := decodeHash(p.dummy)
	if err != nil || with != present || len(salt) != saltLength || len(key) != keyLength {
		t.Error(with, len(salt), len(key), err)
	}
}

func TestOnlyAFewPasswordsAreCheckedAtOnce(t *testing.T) {
	p := &queue{slots: make(chan struct{}, 1), waiting: make(chan struct{}, 2)}
	leave, err := p.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := p.enter(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("waited in vain and got %v", err)
			}
		})
	}
	for deadline := time.Now().Add(10 * time.Second); len(p.waiting) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	if _, err := p.enter(t.Context()); !errors.Is(err, errBusy) {
		t.Errorf("one too many got %v", err)
	}
	cancel()
	wg.Wait()
	leave()
	leave, err = p.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leave()
}

func FuzzDecodeHash(f *testing.F) {
	f.Add(encodeHash(present, make([]byte, 16), make([]byte, 32)))
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8, t=1,p=1 $$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		with, salt, key, err := decodeHash(s)
		if err != nil {
			return
		}
		if encodeHash(with, salt, key) != s {
			t.Errorf("%q is not what its parts make", s)
		}
		if with.memory > 256<<10 || with.time > 16 || with.threads > 16 || with.time < 1 || with.threads < 1 || len(key) < 16 {
			t.Errorf("%q is out of bounds", s)
		}
	})
}
