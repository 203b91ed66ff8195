//go:build !linux

package stack

import "syscall"

// childAttributes puts a child in a process group of its own, because a Ctrl-C at the terminal is
// for the runner, which stops its parts in order. Without Linux's parent-death signal, a part
// outlives a runner that was killed by kill -9.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
