package httpd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestUnfinishedBodiesTakeBoundedMemory(t *testing.T) {
	const maxBody, connections = 64 << 10, 500
	s := start(t, &Server{MaxBody: maxBody, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // it never ends
	})})
	addr := strings.TrimPrefix(s.url, "http://")
	answers := make(chan string, connections)
	var open []net.Conn
	var once sync.Once
	closeAll := func() {
		once.Do(func() {
			for _, conn := range open {
				conn.Close() // the server may have been faster
			}
		})
	}
	defer closeAll()
	for range connections {
		conn, err := net.Dial("tcp", addr) //nolint:noctx // it is closed above
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", maxBody, strings.Repeat("x", 1000))
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return
			}
			defer response.Body.Close()
			answers <- response.Status + " " + response.Header.Get("Retry-After")
		}()
	}
	for range connections - bodiesOfAddress/maxBody {
		select {
		case got := <-answers:
			if got != "503 Service Unavailable 5" {
				t.Fatal(got)
			}
		case <-time.After(time.Minute):
			t.Fatal("more bodies are being received than there is room for")
		}
	}
	// Forms go on meanwhile.
	resp, err := http.Post(s.url, "text/plain", strings.NewReader(strings.Repeat("x", smallBody))) //nolint:noctx // it is answered at once
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a small body: %d", resp.StatusCode)
	}
}

func TestTheRoomForBodiesIsGivenBack(t *testing.T) {
	budget := new(bodyBudget)
	request := func(size int) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const most = 1 << 20
	unknown := request(100)
	unknown.ContentLength = -1
	var releases []func()
	reserve := func(r *http.Request, sender string) bool {
		release, ok := budget.reserve(r, sender, most)
		if ok {
			releases = append(releases, release)
		}
		return ok
	}
	for range 3 {
		if !reserve(request(most), "a") {
			t.Fatal("refused")
		}
	}
	if !reserve(unknown, "a") { // counts as the largest
		t.Fatal("refused")
	}
	if reserve(request(smallBody+1), "a") {
		t.Error("one address takes more than its part")
	}
	if !reserve(request(smallBody), "a") || !reserve(request(most), "b") {
		t.Error("a small body, or another address, was refused")
	}
	for i := range (bodies - 5*most) / most {
		if !reserve(request(most), fmt.Sprint("address ", i/4)) {
			t.Fatal("refused")
		}
	}
	if reserve(request(most), "c") {
		t.Error("all addresses together take more than there is")
	}
	for _, release := range releases {
		release()
	}
	if budget.taken != 0 || len(budget.of) != 0 {
		t.Errorf("%d bytes of %d senders are still counted", budget.taken, len(budget.of))
	}
}
