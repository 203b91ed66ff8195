package freeport_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/maru-auth/maru/internal/freeport"
)

func TestAReservedPortIsListenedOnByNumberAndGivenToNobodyElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a port is merely free at the moment")
	}
	reserved := map[int]bool{}
	for range 50 {
		port, release, err := freeport.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		if reserved[port] {
			t.Fatalf("port %d was given twice", port)
		}
		reserved[port] = true
	}
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if port := l.Addr().(*net.TCPAddr).Port; reserved[port] {
			t.Errorf("port %d was given to another listener", port)
		}
		l.Close()
	}
	for port := range reserved {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
}
