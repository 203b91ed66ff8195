package passwords

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What other programs made must be right here.
func TestPBKDF2HashesOfOtherProgramsAreRight(t *testing.T) {
	t.Parallel()
	p := New()
	for hash, password := range map[string]string{
		// passlib's documentation
		"$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44": "password",
		// Python's hashlib, in the forms of Django, passlib and ours; the last two have the long keys of Keycloak
		"pbkdf2_sha256$1000000$aVeryLongSaltOfDjango1$QTAnrO84RhTRIDQi8a4vUXsnmYzM180zXGUYbif3gPY=":                                            "안녕 five words",
		"$pbkdf2-sha512$25000$8PHy8/T19vf4.fr7/P3./w$nnbrTuwbI20kSItYzOXoUI4OQxqHWnRQuxAbTbiOicUuc50HGeUQCHIy1BMvWsSORXC5mh7tpy03IEB/3sccLw":   "안녕 five words",
		"$pbkdf2-sha256$i=27500$MDEyMzQ1Njc4OWFiY2RlZg$WP2fEvC5hDclrJIvJKeG4hyi1K8H/f8EaXMMVLWIG4V+reUwj10gjBwjys8rRPY5AAMCU/Guwl6s/YqwayGuDA": "안녕 five words",
		"$pbkdf2-sha1$i=20000$MDEyMzQ1Njc4OWFiY2RlZg$RzbX9dJjo68jn+O8gXsDJM0WkbaAtf5wAGZgdUqeoFskOp11XsfjeoDnrpiwbC99JfaqTp+rzYjjDNMcQ+dPWw":   "안녕 five words",
	} {
		stored, err := Import(hash)
		if err != nil {
			t.Errorf("%s: %v", hash, err)
			continue
		}
		if again, err := Import(stored); again != stored || err != nil {
			t.Errorf("%s is not itself: %s %v", stored, again, err)
		}
		for try, want := range map[string]bool{password: true, password + " ": false} {
			if right, outdated, err := p.Check(t.Context(), p.LogIn, try, stored); right != want || outdated != want || err != nil {
				t.Errorf("%s, %q: %v %v %v", hash, try, right, outdated, err)
			}
		}
	}
}

func TestAPBKDF2HashThatTakesTooMuchOrIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	p := New()
	b64 := func(n int) string { return base64.RawStdEncoding.EncodeToString(make([]byte, n)) }
	phc := func(hash string, iterations, salt, key int) string {
		return fmt.Sprintf("$pbkdf2-%s$i=%d$%s$%s", hash, iterations, b64(salt), b64(key))
	}
	for name, test := range map[string]struct {
		hash string
		want error
	}{
		"most work":                {phc("sha512", maxIterations, 16, 64), nil},
		"a billion iterations":     {phc("sha256", 1_000_000_000, 16, 32), errWork},
		"one more than is allowed": {phc("sha256", maxIterations+1, 16, 32), errWork},
		"twice, by a long key":     {phc("sha256", maxIterations/2+1, 16, 64), errWork},
		"few iterations":           {phc("sha256", 999, 16, 32), errWork},
		"none":                     {phc("sha256", 0, 16, 32), errWork},
		"less than none":           {phc("sha256", -1, 16, 32), errWork},
		"too many to count":        {"$pbkdf2-sha256$i=99999999999999999999$" + b64(16) + "$" + b64(32), errHash},
		"a tiny key":               {phc("sha256", 10000, 16, 4), errWork},
		"no key":                   {phc("sha256", 10000, 16, 0), errWork},
		"a long key":               {phc("sha512", 10000, 16, 65), errWork},
		"a short salt":             {phc("sha256", 10000, 7, 32), errWork},
		"another hash":             {phc("md5", 10000, 16, 32), errHash},
		"a sign":                   {strings.Replace(phc("sha256", 10000, 16, 32), "i=", "i=+", 1), errHash},
		"zeros before":             {strings.Replace(phc("sha256", 10000, 16, 32), "i=", "i=00", 1), errHash},
		"Django, a billion":        {"pbkdf2_sha256$1000000000$saltsalt$" + b64(32) + "=", errWork},
		"Django, a tiny key":       {"pbkdf2_sha256$10000$saltsalt$AAAA", errWork},
		"Django, another hash":     {"pbkdf2_md5$10000$saltsalt$" + b64(32) + "=", errHash},
		"Django, no iterations":    {"pbkdf2_sha256$$saltsalt$" + b64(32) + "=", errHash},
		"passlib, a billion":       {"$pbkdf2-sha256$1000000000$" + b64(16) + "$" + b64(32), errWork},
		"passlib, a sign":          {"$pbkdf2-sha256$+10000$" + b64(16) + "$" + b64(32), errHash},
		"huge":                     {"pbkdf2_sha256$10000$" + strings.Repeat("s", 1<<20) + "$" + b64(32) + "=", errHash},
	} {
		stored, err := Import(test.hash)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if test.want == nil {
			continue
		}
		// One that came into the database in another way costs nothing at a log-in, either.
		for _, hash := range []string{test.hash, stored} {
			if hash == "" {
				continue
			}
			if right, outdated, err := p.Check(t.Context(), p.LogIn, "x", hash); right || outdated || err == nil {
				t.Errorf("%s: %v %v %v", name, right, outdated, err)
			}
		}
	}
	for _, hash := range []string{"sha224", "", "SHA256"} {
		if _, err := ImportPBKDF2(hash, 10000, make([]byte, 16), make([]byte, 32)); err == nil {
			t.Errorf("%q is taken", hash)
		}
	}
	if _, err := ImportArgon2id(1<<21, 1, 1, make([]byte, 16), make([]byte, 32)); !errors.Is(err, errWork) {
		t.Error(err)
	}
}
