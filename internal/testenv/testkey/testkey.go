// Package testkey shares keys among the tests of a process: to make one takes a tenth of a
// second, and most tests do not care which it is.
package testkey

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
)

var shared struct {
	sync.Mutex
	keys map[string]*rsa.PrivateKey
}

// RSA returns a key of 2048 bits. A name stands for one key as long as the process runs, and each
// name for another one.
func RSA(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if key, ok := shared.keys[name]; ok {
		return key
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if shared.keys == nil {
		shared.keys = map[string]*rsa.PrivateKey{}
	}
	shared.keys[name] = key
	return key
}
