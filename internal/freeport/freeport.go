// Package freeport finds TCP ports of loopback for programs that cannot choose one by themselves,
// and keeps others off a port until the program listens on it.
package freeport

// Reserve returns a port on which nothing listens. On Linux nobody is given the port until release
// is called: neither a listener that leaves the choice to the kernel nor an outgoing connection;
// and a program that asks for this port by its number can listen on it meanwhile. Elsewhere the
// port is merely free at the moment.
func Reserve() (port int, release func(), err error) { return reserve() }
