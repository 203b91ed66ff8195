//go:build libcrypto && (!linux || !(amd64 || arm64))

package libcrypto

import (
	"fmt"
	"runtime"
)

var unsupported = fmt.Errorf("OpenSSL is not used on %s/%s", runtime.GOOS, runtime.GOARCH)
