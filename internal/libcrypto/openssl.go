//go:build libcrypto && linux && (amd64 || arm64)

package libcrypto

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// soname is OpenSSL 3: an older or a newer major version has another name.
const soname = "libcrypto.so.3"

// Constants of OpenSSL's headers.
const (
	initNoLoadConfig = 0x80    // OPENSSL_INIT_NO_LOAD_CONFIG
	initNoAtExit     = 0x80000 // OPENSSL_INIT_NO_ATEXIT
	typeRSA          = 6       // EVP_PKEY_RSA
	paddingPKCS1     = 1       // RSA_PKCS1_PADDING
	paddingPSS       = 6       // RSA_PKCS1_PSS_PADDING
	saltDigest       = -1      // RSA_PSS_SALTLEN_DIGEST
)

// library is OpenSSL's libcrypto, loaded. Functions and what they return are addresses in C's
// memory, which Go's collector neither moves nor frees. What C gets a pointer to is in Go's heap,
// which does not move, and is kept by purego.SyscallN until the call returns (go:uintptrescapes);
// a conversion from a pointer must therefore be in the call itself.
type library struct {
	version string

	// slots has room for as many calls as Go uses processors. A call into C keeps its thread, and Go
	// starts another for the goroutines that wait: without the bound, a burst of requests would make
	// as many threads, which share the processors by the kernel's slices of milliseconds. It holds
	// an element for each call under way.
	slots chan struct{}

	clearErrors                                      uintptr
	readPrivate, readPublic, freeKey                 uintptr
	newContext, freeContext                          uintptr
	signInit, verifyInit, padding, digest, saltBytes uintptr
	sign, verify                                     uintptr
	hashes                                           map[crypto.Hash]uintptr // EVP_MD

	keys atomic.Int64 // how many are in C's memory
}

func open() (*library, error) { return openNamed(soname) }

// openNamed loads the library and has it give its known answer.
func openNamed(soname string) (*library, error) {
	so, err := purego.Dlopen(soname, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", soname, err)
	}
	lib := &library{slots: make(chan struct{}, runtime.GOMAXPROCS(0)), hashes: map[crypto.Hash]uintptr{}}
	if err := lib.bind(so); err != nil {
		return nil, fmt.Errorf("%s: %w", soname, err) // the library stays in memory: what it has set up cannot be undone
	}
	if err := lib.knownAnswer(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", soname, lib.version, err)
	}
	return lib, nil
}

// bind finds the functions that are used.
func (l *library) bind(so uintptr) error {
	var failed error
	find := func(name string) uintptr {
		address, err := purego.Dlsym(so, name)
		if err != nil && failed == nil {
			failed = fmt.Errorf("it is no OpenSSL 3: %w", err)
		}
		return address
	}
	start := find("OPENSSL_init_crypto")
	var version [3]uintptr
	for i, name := range []string{"OPENSSL_version_major", "OPENSSL_version_minor", "OPENSSL_version_patch"} {
		version[i] = find(name) // new in 3.0
	}
	for name, function := range map[string]*uintptr{
		"ERR_clear_error":                  &l.clearErrors,
		"d2i_PrivateKey":                   &l.readPrivate,
		"d2i_PublicKey":                    &l.readPublic,
		"EVP_PKEY_free":                    &l.freeKey,
		"EVP_PKEY_CTX_new":                 &l.newContext,
		"EVP_PKEY_CTX_free":                &l.freeContext,
		"EVP_PKEY_sign_init":               &l.signInit,
		"EVP_PKEY_verify_init":             &l.verifyInit,
		"EVP_PKEY_CTX_set_rsa_padding":     &l.padding,
		"EVP_PKEY_CTX_set_signature_md":    &l.digest,
		"EVP_PKEY_CTX_set_rsa_pss_saltlen": &l.saltBytes,
		"EVP_PKEY_sign":                    &l.sign,
		"EVP_PKEY_verify":                  &l.verify,
	} {
		*function = find(name)
	}
	hashes := map[crypto.Hash]uintptr{
		crypto.SHA256: find("EVP_sha256"), crypto.SHA384: find("EVP_sha384"), crypto.SHA512: find("EVP_sha512"),
	}
	if failed != nil {
		return failed
	}
	// Neither a file that the environment names (OPENSSL_CONF) nor another provider or engine has a
	// say in what signs; and nothing is torn down beneath a call that an exit overtakes.
	if !ok(purego.SyscallN(start, initNoLoadConfig|initNoAtExit, 0)) {
		return errors.New("it does not start")
	}
	for hash, function := range hashes {
		l.hashes[hash], _, _ = purego.SyscallN(function)
	}
	var number [3]uint32
	for i, function := range version {
		r, _, _ := purego.SyscallN(function)
		number[i] = uint32(r) //nolint:gosec // C's unsigned int: the rest of the register is undefined
	}
	l.version = fmt.Sprintf("%d.%d.%d", number[0], number[1], number[2])
	if number[0] != 3 {
		return fmt.Errorf("it is version %s and not 3", l.version)
	}
	return nil
}

// knownAnswer has the library sign and verify what is known: the right signature, and one that is
// wrong.
func (l *library) knownAnswer() error {
	digest := sha256.Sum256([]byte("Maru"))
	want, err := base64.StdEncoding.DecodeString(knownAnswer)
	if err != nil {
		return err
	}
	key := knownKey()
	signing, err := l.signing(key, RS256)
	if err != nil {
		return err
	}
	if signature, ok := signing.sign(digest[:]); !ok || !bytes.Equal(signature, want) {
		return errors.New("its signature is not the known answer")
	}
	verifying, err := l.verifying(&key.PublicKey, RS256)
	if err != nil {
		return err
	}
	good, ok := verifying.verify(digest[:], want)
	want[len(want)/2] ^= 1
	forged, _ := verifying.verify(digest[:], want)
	if !good || !ok || forged {
		return errors.New("it does not tell a signature from another")
	}
	return nil
}

// ok says whether a function that returns 1 for success did.
func ok(result, _, _ uintptr) bool {
	return int32(result) == 1 //nolint:gosec // C's int: the rest of the register is undefined
}

// begin waits for a slot and holds the goroutine to its thread, whose queue of errors end empties.
func (l *library) begin() {
	l.slots <- struct{}{}
	runtime.LockOSThread()
}

// end gives back what begin took. OpenSSL keeps a queue of errors for each thread, and what failed
// is told by the results of the calls: it is emptied, so that nobody else is told of it.
func (l *library) end(failed bool) {
	if failed {
		_, _, _ = purego.SyscallN(l.clearErrors)
	}
	runtime.UnlockOSThread()
	<-l.slots
}

// handle is a key in OpenSSL's memory, for one scheme and either for signing or for verifying.
type handle struct {
	lib    *library
	scheme Scheme
	init   uintptr // EVP_PKEY_sign_init or EVP_PKEY_verify_init
	key    uintptr // EVP_PKEY
	size   int     // of a signature, in bytes

	// idle has contexts that are set up. There are never more than slots.
	idle chan *context
}

// context is an EVP_PKEY_CTX, which serves one call at a time.
type context struct {
	address uintptr
	length  uintptr // size_t: the room for a signature before a call, and its length after
}

var errKey = errors.New("OpenSSL does not read the key")

func (l *library) signing(private *rsa.PrivateKey, scheme Scheme) (*handle, error) {
	der := x509.MarshalPKCS1PrivateKey(private)
	defer clear(der)
	return l.handle(l.readPrivate, l.signInit, der, private.Size(), scheme)
}

func (l *library) verifying(public *rsa.PublicKey, scheme Scheme) (*handle, error) {
	return l.handle(l.readPublic, l.verifyInit, x509.MarshalPKCS1PublicKey(public), public.Size(), scheme)
}

// handle reads a key with one of the d2i functions.
func (l *library) handle(read, init uintptr, der []byte, size int, scheme Scheme) (h *handle, err error) {
	l.begin()
	defer func() { l.end(err != nil) }()
	// The function advances the address that it is given by its address. It is no pointer of Go's,
	// which must not point past the text; so the text is pinned.
	var pin runtime.Pinner
	pin.Pin(&der[0])
	defer pin.Unpin()
	next := uintptr(unsafe.Pointer(&der[0]))
	key, _, _ := purego.SyscallN(read, typeRSA, 0, uintptr(unsafe.Pointer(&next)), uintptr(len(der)))
	if key == 0 {
		return nil, errKey
	}
	h = &handle{lib: l, scheme: scheme, init: init, key: key, size: size, idle: make(chan *context, cap(l.slots))}
	l.keys.Add(1)
	runtime.AddCleanup(h, free, remains{l, key, h.idle})
	first := h.newContext()
	if first == nil {
		return nil, fmt.Errorf("OpenSSL does not take the key for %v", scheme)
	}
	h.idle <- first
	return h, nil
}

// remains is what a handle leaves in C's memory.
type remains struct {
	lib  *library
	key  uintptr
	idle chan *context
}

// free gives a handle's memory back to OpenSSL, which overwrites the private numbers.
func free(r remains) {
	for range len(r.idle) {
		_, _, _ = purego.SyscallN(r.lib.freeContext, (<-r.idle).address)
	}
	_, _, _ = purego.SyscallN(r.lib.freeKey, r.key)
	r.lib.keys.Add(-1)
}

// newContext returns nil if OpenSSL fails. The caller holds a slot.
func (h *handle) newContext() *context {
	l := h.lib
	address, _, _ := purego.SyscallN(l.newContext, h.key, 0)
	if address == 0 {
		return nil
	}
	padding, salt := uintptr(paddingPKCS1), saltDigest
	if h.scheme.PSS {
		padding = paddingPSS
	}
	done := ok(purego.SyscallN(h.init, address)) &&
		ok(purego.SyscallN(l.padding, address, padding)) &&
		ok(purego.SyscallN(l.digest, address, l.hashes[h.scheme.Hash])) &&
		(!h.scheme.PSS || ok(purego.SyscallN(l.saltBytes, address, uintptr(salt))))
	if !done {
		_, _, _ = purego.SyscallN(l.freeContext, address)
		return nil
	}
	return &context{address: address}
}

// take returns a context for one call, or nil.
func (h *handle) take() *context {
	select {
	case c := <-h.idle:
		return c
	default:
		return h.newContext()
	}
}

// put keeps a context for the next call, unless the last one left it in a state that nobody knows.
func (h *handle) put(c *context, failed bool) {
	if failed {
		_, _, _ = purego.SyscallN(h.lib.freeContext, c.address)
		return
	}
	h.idle <- c // has room: there is one for each slot
}

// sign returns false if OpenSSL fails. The digest is as long as the hash.
func (h *handle) sign(digest []byte) (signature []byte, done bool) {
	h.lib.begin()
	defer func() { h.lib.end(!done) }()
	defer runtime.KeepAlive(h)
	c := h.take()
	if c == nil {
		return nil, false
	}
	signature = make([]byte, h.size)
	c.length = uintptr(len(signature))
	done = ok(purego.SyscallN(h.lib.sign, c.address, uintptr(unsafe.Pointer(&signature[0])), uintptr(unsafe.Pointer(&c.length)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))) && c.length == uintptr(len(signature))
	h.put(c, !done)
	return signature, done
}

// verify says whether the signature is good. It returns false for done if OpenSSL fails otherwise.
// The digest is as long as the hash, and the signature is not empty.
func (h *handle) verify(digest, signature []byte) (good, done bool) {
	h.lib.begin()
	defer func() { h.lib.end(!good) }()
	defer runtime.KeepAlive(h)
	c := h.take()
	if c == nil {
		return false, false
	}
	r, _, _ := purego.SyscallN(h.lib.verify, c.address, uintptr(unsafe.Pointer(&signature[0])), uintptr(len(signature)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))
	result := int32(r) //nolint:gosec // C's int: the rest of the register is undefined
	good, done = result == 1, result == 1 || result == 0
	h.put(c, !done)
	return good, done
}
