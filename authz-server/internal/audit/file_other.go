//go:build !unix

package audit

import "os"

// lock keeps nobody away here.
func lock(*os.File) error { return nil }
