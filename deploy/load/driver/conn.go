// Package driver sends HTTP requests as fast as a server takes them (a closed loop), or at a given
// rate (an open loop), and measures the answers. It speaks plain HTTP/1.1 on connections that it
// keeps, one goroutine each, because the machine that it measures is often its own: a request costs
// it a fraction of what net/http's client takes.
package driver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Timeout bounds one request.
const Timeout = 10 * time.Second

// A Request is ready to be sent. Its text is made once, however often it is sent.
type Request struct {
	text   []byte
	method string
}

// NewRequest makes a request for a path (with its query) of host. pairs are names and values of
// headers, in turn. An empty body is none.
func NewRequest(method, host, path, body string, pairs ...string) Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for pair := range slices.Chunk(pairs, 2) {
		b.WriteString(pair[0] + ": " + pair[1] + "\r\n")
	}
	if body != "" || method == http.MethodPost {
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return Request{b.Bytes(), method}
}

// Answer is what came back. Its Body is valid until the connection's next request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Conn is a connection to one address, made when it is first needed and again when it was closed.
// It serves one goroutine.
type Conn struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	body    bytes.Buffer
}

// NewConn returns a connection to host:port.
func NewConn(address string) *Conn { return &Conn{address: address} }

// Close closes it. The next request makes a new one.
func (c *Conn) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Do sends a request and reads the answer. An error is a [*Failure] of the kind "connection",
// "timeout" or "answer". A connection that the server closed while it was idle is made anew once,
// if the request may be sent twice or nothing of an answer came.
func (c *Conn) Do(ctx context.Context, r Request) (Answer, error) {
	kept := c.conn != nil
	a, err := c.once(ctx, r)
	if err != nil && kept && errors.Is(err, errIdle) {
		a, err = c.once(ctx, r)
	}
	if err != nil {
		c.Close()
	}
	return a, err
}

// errIdle says that the server had closed the connection before it read the request.
var errIdle = errors.New("the server had closed the connection")

func (c *Conn) once(ctx context.Context, r Request) (Answer, error) {
	if c.conn == nil {
		conn, err := (&net.Dialer{Timeout: Timeout}).DialContext(ctx, "tcp", c.address)
		if err != nil {
			return Answer{}, failed("connection", err)
		}
		c.conn, c.reader = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	if err := c.conn.SetDeadline(time.Now().Add(Timeout)); err != nil {
		return Answer{}, c.broken(err)
	}
	if _, err := c.conn.Write(r.text); err != nil {
		return Answer{}, c.broken(err)
	}
	if _, err := c.reader.Peek(1); err != nil {
		return Answer{}, c.broken(err)
	}
	resp, err := http.ReadResponse(c.reader, &http.Request{Method: r.method})
	if err != nil {
		return Answer{}, failed("answer", err)
	}
	c.body.Reset()
	_, err = c.body.ReadFrom(io.LimitReader(resp.Body, 8<<20))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Answer{}, failed("answer", err)
	}
	if resp.Close {
		c.Close()
	}
	return Answer{resp.StatusCode, resp.Header, c.body.Bytes()}, nil
}

// broken closes the connection, and tells why it failed before an answer came.
func (c *Conn) broken(err error) error {
	c.Close()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failed("timeout", err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failed("connection", errIdle)
	}
	return failed("connection", err)
}

// Failure is a request that failed. Those of one kind are counted together.
type Failure struct {
	Kind string // such as "timeout" or "status 503"
	Err  error  // nil: the kind says it all
}

func failed(kind string, err error) *Failure { return &Failure{kind, err} }

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Kind
	}
	return f.Kind + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Want returns a [*Failure] unless the answer has the status.
func (a Answer) Want(status int) error {
	if a.Status == status {
		return nil
	}
	return failed("status "+strconv.Itoa(a.Status), fmt.Errorf("want %d: %.300s", status, a.Body))
}
