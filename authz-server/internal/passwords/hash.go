// Package passwords hashes and checks passwords, and judges which are too easy to guess.
package passwords

import (
	"context"
	"crypto/rand"
	"runtime"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// parameters of argon2id.
type parameters struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// present is what new passwords are hashed with: OWASP's first choice. A log-in moves older ones to
// it.
var present = parameters{memory: 19 << 10, time: 2, threads: 1}

const (
	saltLength = 16
	keyLength  = 32
)

// Hasher hashes, checks and judges passwords: each takes up to 19 MiB and a processor, and an
// imported hash up to 64 MiB, or 256 one at a time. The pages have queues of their own, so that
// what is done at one never waits for another: anybody can sign up, and that must not keep people
// from logging in. It is safe for concurrent use; make one with [New].
type Hasher struct {
	LogIn, SignUp, Change *throttle.Queue
	Operators             *throttle.Queue // passwords that operators choose for people

	Breaches *Breaches // who is asked about new passwords; nil: nobody

	heavy *throttle.Queue // of imported hashes that take much memory, before the queue of the page
	dummy string          // a hash that no password has
}

// New makes a Hasher with queues that fit the processors.
func New() *Hasher {
	processors := runtime.GOMAXPROCS(0)
	return &Hasher{
		LogIn:  throttle.NewQueue(max(2, processors)),
		SignUp: throttle.NewQueue(max(1, processors/2)),
		Change: throttle.NewQueue(max(1, processors/2)),

		Operators: throttle.NewQueue(1),
		heavy:     throttle.NewQueue(1),
		dummy:     encodeHash(present, randomBytes(saltLength), randomBytes(keyLength)),
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// normal is the form of a password that is hashed. NIST SP 800-63B §5.1.1.2 asks for a
// normalization, so that one password is the same from every keyboard: a Mac decomposes Hangul,
// other systems do not.
func normal(password string) []byte { return norm.NFC.Bytes([]byte(password)) }

// Same tells whether two passwords are the same once they are normalized.
func Same(a, b string) bool { return string(normal(a)) == string(normal(b)) }

// maxPasswordBytes is more than maxPassword characters can take, however they are composed. What is
// longer is neither normalized nor hashed.
const maxPasswordBytes = 4 << 10

// Hash is [Hash], in a queue.
func (h *Hasher) Hash(ctx context.Context, in *throttle.Queue, password string) (string, error) {
	leave, err := in.Enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return Hash(password), nil
}

// Weakness is [Weakness], in a queue unless the reason is obvious; then Breaches are asked, who may
// keep the caller waiting, but no queue.
func (h *Hasher) Weakness(ctx context.Context, in *throttle.Queue, password, email, name string) (messages.Problem,
	error) {
	if problem := Obvious(password); problem != "" {
		return problem, nil
	}
	problem, err := weaknessIn(ctx, in, password, email, name)
	if err == nil && problem == "" && h.Breaches.Known(ctx, password) {
		problem = messages.PasswordBreached
	}
	return problem, err
}

func weaknessIn(ctx context.Context, in *throttle.Queue, password, email, name string) (messages.Problem, error) {
	leave, err := in.Enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return Weakness(password, email, name), nil
}

// Hash is how a password is stored: an argon2id PHC string with a new salt. It takes 19 MiB and
// some 20 ms.
func Hash(password string) string {
	salt := randomBytes(saltLength)
	key := argon2.IDKey(normal(password), salt, present.time, present.memory, present.threads, keyLength)
	return encodeHash(present, salt, key)
}

// Check tells, in a queue, whether the password belongs to the hash, and whether the hash is out of
// date. An empty hash stands for an account that does not exist, may not be used, or has no
// password: it takes as long as one of ours, and no password is right. An imported hash takes what
// its parameters ask for, until the first log-in renews it.
func (h *Hasher) Check(ctx context.Context, in *throttle.Queue, password, hash string) (right, outdated bool,
	err error) {
	possible := hash != "" && len(password) <= maxPasswordBytes
	if hash == "" {
		hash = h.dummy
	}
	password = password[:min(len(password), maxPasswordBytes)]
	known, err := parse(hash)
	if err != nil {
		return false, false, err
	}
	if known.with.memory > heavyMemory {
		leave, err := h.heavy.Enter(ctx)
		if err != nil {
			return false, false, err
		}
		defer leave()
	}
	leave, err := in.Enter(ctx)
	if err != nil {
		return false, false, err
	}
	defer leave()
	right = known.fits(password) && possible
	return right, right && known.outdated(), nil
}
