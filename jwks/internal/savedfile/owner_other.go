//go:build !unix

package savedfile

import "io/fs"

// onlyOurs cannot tell here: the directory's access rules must.
func onlyOurs(fs.FileInfo) error { return nil }
