package rest

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
)

// An answer collects what a handler writes, and sends it as one: with its length, where net/http
// would cut an answer of more than 2 KiB into chunks, each with a system call. If the handler
// panics, nothing has been sent, and the client gets an error instead of half an answer.
type answer struct {
	http.ResponseWriter
	status int // 0: not known yet
	body   *bytes.Buffer
	sent   bool // the rest passes through
}

const (
	// mostCollected is how large an answer may be to be collected, in bytes. Larger are documents
	// from memory, which are written as one anyway.
	mostCollected = 256 << 10
	mostKept      = 64 << 10 // of a buffer that is used again
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// collect lets serve write to an answer of w, and sends it.
func collect(w http.ResponseWriter, serve func(w http.ResponseWriter)) {
	a := &answer{ResponseWriter: w, body: buffers.Get().(*bytes.Buffer)}
	defer func() {
		if a.body.Cap() <= mostKept {
			a.body.Reset()
			buffers.Put(a.body)
		}
	}()
	serve(a)
	if a.status != 0 && !a.sent {
		a.send()
	}
}

func (a *answer) WriteHeader(status int) {
	if status < 200 { // comes before the answer
		a.ResponseWriter.WriteHeader(status)
		return
	}
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if !a.sent && a.body.Len()+len(p) <= mostCollected {
		return a.body.Write(p)
	}
	if !a.sent {
		a.sent = true
		a.ResponseWriter.WriteHeader(a.status)
		if _, err := a.ResponseWriter.Write(a.body.Bytes()); err != nil {
			return 0, err
		}
	}
	return a.ResponseWriter.Write(p)
}

func (a *answer) send() {
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		a.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	}
	a.ResponseWriter.WriteHeader(a.status)
	a.ResponseWriter.Write(a.body.Bytes()) //nolint:errcheck // the client is gone
}

// Unwrap lets http.ResponseController reach the writer below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
