//go:build !libcrypto || !linux || !(amd64 || arm64)

package libcrypto

import (
	"crypto/rsa"
	"errors"
)

// library is OpenSSL, which a plain build does not have.
type library struct{ version string }

func open() (*library, error) { return nil, unsupported }

// errPlain is not met: there is no library to ask.
var errPlain = errors.New("built without the tag libcrypto")

func (*library) signing(*rsa.PrivateKey, Scheme) (*handle, error)  { return nil, errPlain }
func (*library) verifying(*rsa.PublicKey, Scheme) (*handle, error) { return nil, errPlain }

type handle struct{}

func (*handle) sign([]byte) ([]byte, bool)         { return nil, false }
func (*handle) verify(_, _ []byte) (good, ok bool) { return false, false }
