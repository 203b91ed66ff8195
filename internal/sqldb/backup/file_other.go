//go:build !unix

package backup

import "errors"

// unused cannot tell here.
func unused(string) error {
	return errors.New("the database that is there is broken, and it cannot be found out whether a process uses it: move it away first")
}

// noFollow is none.
const noFollow = 0

// adopt does nothing: files have the owner of their folder.
func adopt(_, _ string) {}
