package passwords

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func bcryptOf(t *testing.T, password, version string, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return version + string(hash[4:])
}

func TestAnImportedHashIsCheckedAndOutdated(t *testing.T) {
	t.Parallel()
	p := New()
	const password = "안녕하세요 five words"
	salt := randomBytes(16)
	for name, hash := range map[string]string{
		"bcrypt $2a$": bcryptOf(t, password, "$2a$", 4),
		"bcrypt $2b$": bcryptOf(t, password, "$2b$", 5),
		"bcrypt $2y$": bcryptOf(t, password, "$2y$", 10), // PHP's
		"argon2id, more memory": encodeHash(parameters{memory: 64 << 10, time: 1, threads: 4}, salt,
			argon2.IDKey([]byte(password), salt, 1, 64<<10, 4, 32)),
		"argon2id, a shorter key": encodeHash(present, salt,
			argon2.IDKey([]byte(password), salt, present.time, present.memory, present.threads, 16)),
	} {
		if err := Importable(hash); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if right, outdated, err := p.Check(t.Context(), p.LogIn, password, hash); !right || !outdated || err != nil {
			t.Errorf("%s: %v %v %v", name, right, outdated, err)
		}
		if right, outdated, err := p.Check(t.Context(), p.LogIn, password+" ", hash); right || outdated || err != nil {
			t.Errorf("%s, another password: %v %v %v", name, right, outdated, err)
		}
	}
}

// From public test vectors: what another program made must be right here.
func TestHashesOfOtherProgramsAreRight(t *testing.T) {
	t.Parallel()
	p := New()
	for hash, password := range map[string]string{
		// OpenBSD's, in the test suite of crypt_blowfish
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "U*U",
		"$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK": "U*U*",
		// longer than 72 bytes: the rest counts for nothing there, and must not here
		"$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui": "0123456789abcdefghijklmnopqrstuvwxyz" +
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored",
		// the reference implementation's, in its test.c
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
	} {
		if right, _, err := p.Check(t.Context(), p.LogIn, password, hash); !right || err != nil {
			t.Errorf("%s: %v %v", hash, right, err)
		}
	}
}

func TestAHashThatTakesTooMuchOrIsNoneIsRefused(t *testing.T) {
	p := New()
	argon := func(memory, time uint32, threads uint8, salt, key int) string {
		return encodeHash(parameters{memory, time, threads}, make([]byte, salt), make([]byte, key))
	}
	good := bcryptOf(t, "x", "$2b$", 4)
	for name, test := range map[string]struct {
		hash string
		want error
	}{
		"bcrypt of cost 15":         {"$2b$15" + good[6:], errWork},
		"bcrypt of cost 31":         {"$2b$31" + good[6:], errWork},
		"bcrypt of cost 99":         {"$2b$99" + good[6:], errWork},
		"bcrypt of cost 3":          {"$2b$03" + good[6:], errWork},
		"bcrypt with a sign":        {"$2b$-4" + good[6:], errHash},
		"bcrypt with a space":       {"$2b$ 4" + good[6:], errHash},
		"the faulty bcrypt":         {"$2x$" + good[4:], errHash},
		"the first bcrypt":          {"$2$04$" + good[7:] + "a", errHash},
		"bcrypt, cut":               {good[:59], errHash},
		"bcrypt, longer":            {good + "a", errHash},
		"bcrypt, another alphabet":  {good[:59] + "+", errHash},
		"bcrypt, a NUL":             {good[:59] + "\x00", errHash},
		"argon2id of 1 GiB":         {argon(1<<20, 1, 1, 16, 32), errWork},
		"argon2id of 256 MiB":       {argon(256<<10, 5, 1, 16, 32), errWork}, // five times
		"argon2id of many passes":   {argon(8, 11, 1, 16, 32), errWork},
		"argon2id of all passes":    {argon(8, 1<<32-1, 1, 16, 32), errWork},
		"argon2id that overflows":   {argon(1<<16, 1<<16, 1, 16, 32), errWork},
		"argon2id of many threads":  {argon(1<<10, 1, 17, 16, 32), errWork},
		"argon2id without a thread": {argon(1<<10, 1, 0, 16, 32), errWork},
		"argon2id, a short salt":    {argon(1<<10, 1, 1, 7, 32), errWork},
		"argon2id, a short key":     {argon(1<<10, 1, 1, 16, 4), errWork},
		"argon2id, a huge key":      {argon(1<<10, 1, 1, 16, 1<<20), errHash},
		"argon2i":                   {strings.Replace(argon(1<<10, 1, 1, 16, 32), "argon2id", "argon2i", 1), errHash},
		"an old argon2id":           {strings.Replace(argon(1<<10, 1, 1, 16, 32), "v=19", "v=16", 1), errHash},
		"scrypt":                    {"$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", errHash},
		"SHA-256 in hex":            {strings.Repeat("ab", 32), errHash},
		"the password itself":       {"five wooden words here", errHash},
		"huge":                      {"$2b$04$" + strings.Repeat("a", 64<<20), errHash},
		"dollars":                   {strings.Repeat("$", 64<<20), errHash},
	} {
		if err := Importable(test.hash); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if right, outdated, err := p.Check(t.Context(), p.LogIn, "x", test.hash); right || outdated || !errors.Is(err, test.want) {
			t.Errorf("%s: %v %v %v", name, right, outdated, err)
		}
	}
	if err := Importable(""); !errors.Is(err, errHash) {
		t.Errorf("no hash: %v", err)
	}
	huge := strings.Repeat("$", 1<<20)
	if allocated := testing.AllocsPerRun(1, func() { _, _ = parse(huge) }); allocated != 0 {
		t.Errorf("a hash of %d bytes is worked on", len(huge))
	}
}

func FuzzDecodeHash(f *testing.F) {
	f.Add(encodeHash(present, make([]byte, 16), make([]byte, 32)))
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8, t=1,p=1 $$")
	f.Add("$$$$$")
	f.Add("$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	f.Add("$pbkdf2-sha256$i=10000$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("pbkdf2_sha512$10000$saltsalt$AAAAAAAAAAAAAAAAAAAAAA==")
	f.Fuzz(func(t *testing.T, s string) {
		if stored, err := Import(s); err == nil {
			if again, err := Import(stored); err != nil || again != stored {
				t.Errorf("%q becomes %q, and that %q: %v", s, stored, again, err)
			}
		}
		if known, err := parse(s); err == nil && known.bcrypt != "" {
			if cost, err := bcrypt.Cost([]byte(s)); err != nil || cost < minBcryptCost || cost > maxBcryptCost {
				t.Errorf("%q is bcrypt of cost %d: %v", s, cost, err)
			}
		}
		with, salt, key, err := decodeHash(s)
		if err != nil {
			return
		}
		if encodeHash(with, salt, key) != s {
			t.Errorf("%q is not what its parts make", s)
		}
		if with.memory > 256<<10 || with.time > 10 || uint64(with.memory)*uint64(with.time) > 1<<20 || with.threads > 16 ||
			with.time < 1 || with.threads < 1 || len(key) < 16 {
			t.Errorf("%q is out of bounds", s)
		}
	})
}

// Costs a second: run it to see what the most expensive hashes take.
func BenchmarkTheMostExpensiveHashes(b *testing.B) {
	for name, hash := range map[string]string{
		"ours":     encodeHash(present, make([]byte, 16), make([]byte, 32)),
		"argon2id": encodeHash(parameters{memory: maxMemory, time: maxWork / maxMemory, threads: 1}, make([]byte, 16), make([]byte, 32)),
		"bcrypt":   "$2b$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"pbkdf2":   "$pbkdf2-sha512$i=2000000$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 86),
		"bcrypt10": "$2b$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	} {
		b.Run(name, func(b *testing.B) {
			known, err := parse(hash)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				known.fits("a password")
			}
		})
	}
}

// Many who log in at once with hashes that were imported do not take all memory.
func TestHashesThatTakeMuchMemoryAreCheckedOneAtATime(t *testing.T) {
	t.Parallel()
	p := New()
	hash := func(memory uint32) string {
		with, salt := parameters{memory: memory, time: 1, threads: 1}, randomBytes(8)
		return encodeHash(with, salt, argon2.IDKey([]byte("a password"), salt, with.time, with.memory, with.threads, 16))
	}
	heavy, light := hash(heavyMemory+1), hash(heavyMemory)
	leave, err := p.heavy.Enter(t.Context()) // somebody else's is being checked
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // where there is a slot, one of two is taken although nobody waits any more
		if _, _, err := p.Check(ended, p.LogIn, "a password", heavy); !errors.Is(err, context.Canceled) {
			t.Fatalf("a second one is checked beside it: %v", err)
		}
	}
	if right, _, err := p.Check(t.Context(), p.LogIn, "a password", light); err != nil || !right {
		t.Errorf("one that takes less waits for it: %v %v", right, err)
	}
	leave()
	if right, outdated, err := p.Check(t.Context(), p.LogIn, "a password", heavy); err != nil || !right || !outdated {
		t.Errorf("afterwards: %v %v %v", right, outdated, err)
	}
}
