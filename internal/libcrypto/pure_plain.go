//go:build !libcrypto

package libcrypto

// unsupported is no problem: nobody asked for the library.
var unsupported error
