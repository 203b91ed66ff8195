//go:build libcrypto && linux && (amd64 || arm64)

package libcrypto

import (
	"crypto"
	"runtime"
	"strings"
	"testing"

	"github.com/ebitengine/purego"

	"github.com/maru-auth/maru/internal/testenv"
)

// opened is the library, without which a test is left out.
func opened(t *testing.T) *library {
	t.Helper()
	lib, err := load()
	if err != nil {
		testenv.Absent(t, err.Error())
	}
	return lib
}

func TestTheLibraryIsUsedAndNamed(t *testing.T) {
	lib := opened(t)
	if Name() != "libcrypto "+lib.version || !strings.HasPrefix(lib.version, "3.") || Problem() != nil {
		t.Errorf("%q, %v", Name(), Problem())
	}
}

func TestALibraryThatIsMissingOrAnotherIsRefused(t *testing.T) {
	for name, want := range map[string]string{
		"libcrypto.so.none": "load libcrypto.so.none: ",
		"libc.so.6":         "libc.so.6: it is no OpenSSL 3: ",
	} {
		if lib, err := openNamed(name); lib != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A library whose functions are not what they are called must not pass for OpenSSL.
func TestALibraryThatGivesAnotherAnswerIsRefused(t *testing.T) {
	lib := opened(t)
	for name, spoil := range map[string]func(*library){
		"its signatures fail":      func(l *library) { l.sign = l.clearErrors },
		"verifies everything":      func(l *library) { l.verify = l.padding },
		"the digest is another":    func(l *library) { l.hashes = map[crypto.Hash]uintptr{crypto.SHA256: lib.hashes[crypto.SHA512]} },
		"private keys do not read": func(l *library) { l.readPrivate = l.readPublic },
	} {
		spoilt := &library{
			version: lib.version, slots: lib.slots, clearErrors: lib.clearErrors, readPrivate: lib.readPrivate, readPublic: lib.readPublic,
			freeKey: lib.freeKey, newContext: lib.newContext, freeContext: lib.freeContext, signInit: lib.signInit, verifyInit: lib.verifyInit,
			padding: lib.padding, digest: lib.digest, saltBytes: lib.saltBytes, sign: lib.sign, verify: lib.verify, hashes: lib.hashes,
		}
		spoil(spoilt)
		if err := spoilt.knownAnswer(); err == nil {
			t.Errorf("%s: it passes", name)
		}
	}
}

// What failed leaves nothing in the queue of errors of any thread, which others of the process
// might take for theirs.
func TestFailuresLeaveNoErrorsBehind(t *testing.T) {
	lib := opened(t)
	so, err := purego.Dlopen(soname, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	peek, err := purego.Dlsym(so, "ERR_peek_error")
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	key := knownKey()
	sum := digest(RS256, "x")
	verifier := NewVerifier(&key.PublicKey, RS256)
	for name, fail := range map[string]func(){
		"a wrong signature": func() { verifier.Verify(sum, make([]byte, key.Size())) },
		"a wrong key":       func() { _, _ = lib.handle(lib.readPrivate, lib.signInit, []byte("no key"), 256, RS256) },
	} {
		fail()
		if code, _, _ := purego.SyscallN(peek); code != 0 {
			t.Errorf("%s leaves error %x", name, code)
		}
	}
}

func TestKeysAreFreedWithTheirOwners(t *testing.T) {
	lib := opened(t)
	key := knownKey()
	var owners []any // until all are counted: the collector may run at any time
	before := lib.keys.Load()
	for range 20 {
		signer, verifier := NewSigner(key, RS256), NewVerifier(&key.PublicKey, PS256)
		owners = append(owners, signer, verifier)
		if _, err := signer.Sign(digest(RS256, "x")); err != nil {
			t.Fatal(err)
		}
		verifier.Verify(digest(PS256, "x"), make([]byte, key.Size()))
	}
	if n := lib.keys.Load(); n < int64(len(owners)) {
		t.Fatalf("%d keys of %d are counted", n, len(owners))
	}
	runtime.KeepAlive(owners)
	testenv.Eventually(t, "all keys are freed", func() bool {
		runtime.GC()
		return lib.keys.Load() <= before
	})
}

// The calls that run at once are bounded, and with them the threads and the contexts of a key.
func TestCallsAreBounded(t *testing.T) {
	lib := opened(t)
	signer := NewSigner(knownKey(), RS256)
	for range cap(lib.slots) {
		lib.slots <- struct{}{}
	}
	done := make(chan error, 16)
	for range cap(done) {
		go func() {
			_, err := signer.Sign(digest(RS256, "x"))
			done <- err
		}()
	}
	select {
	case <-done:
		t.Fatal("a call does not wait for its turn")
	default:
	}
	for range cap(lib.slots) {
		<-lib.slots
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(signer.handle.idle); n < 1 || n > cap(lib.slots) {
		t.Errorf("the key has %d contexts, and there are %d slots", n, cap(lib.slots))
	}
}
