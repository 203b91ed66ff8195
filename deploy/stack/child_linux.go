package stack

import "syscall"

// childAttributes puts a child in a process group of its own, because a Ctrl-C at the terminal is
// for the runner, which stops its parts in order; and has the kernel kill it when the runner dies,
// even by kill -9.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
