package sqldbtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Transient are the SQLSTATEs by which Postgres says that it cannot now.
var Transient = []string{
	"40001", "40P01", // serialization_failure, deadlock_detected
	"57P01", "57P02", "57P03", // admin_shutdown, crash_shutdown, cannot_connect_now
	"08006", "08003", // connection_failure, connection_does_not_exist
	"25006",          // read_only_sql_transaction, after a failover
	"55P03", "57014", // lock_not_available, query_canceled: its time is over
	"53100", "53200", "53300", // disk_full, out_of_memory, too_many_connections
	"58030", "25P03", "40003", // io_error, idle_in_transaction_session_timeout, statement_completion_unknown
}

// A Wire stands between a program and Postgres, and makes statements fail in ways that a test could
// hardly bring about in the server: see [Wire.Fail].
type Wire struct {
	URL string // of the database, by this way

	mu    sync.Mutex
	fault *Fault
}

// A Fault is what happens to statements.
type Fault struct {
	Text  string // in the statements; empty: in all
	Code  string // the SQLSTATE that they fail with. Those of ended sessions (57P…) end the session
	Times int    // how many fail; 0: all

	// Lost closes the connection instead: before the statement reaches Postgres, or with
	// AfterExecuting when Postgres has executed it, before its answer arrives.
	Lost, AfterExecuting bool

	met int
}

// Fail makes the statements fail from now on; nil ends it.
func (w *Wire) Fail(f *Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// Met is how many statements the fault has met since Fail was called.
func (w *Wire) Met() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault.met
}

// strike returns the fault that meets a statement, if any.
func (w *Wire) strike(text string) (f Fault, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == nil || w.fault.Times > 0 && w.fault.met == w.fault.Times ||
		!strings.Contains(strings.ToLower(text), strings.ToLower(w.fault.Text)) {
		return f, false
	}
	w.fault.met++
	return *w.fault, true
}

// StartWire starts a [Wire] to the database, and stops it when the test ends.
func StartWire(t testing.TB, databaseURL string) *Wire {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	if folder := u.Query().Get("host"); strings.HasPrefix(folder, "/") {
		network, address = "unix", filepath.Join(folder, ".s.PGSQL.5432")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	w := &Wire{URL: u.String()}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				client.Close()
				continue
			}
			c := &wireConn{wire: w, client: client, server: server, statements: map[string]string{}, status: 'I'}
			c.end = context.AfterFunc(ctx, c.close)
			all.Go(c.forward)
			all.Go(c.back)
		}
	})
	t.Cleanup(func() {
		stop()
		listener.Close()
		all.Wait()
	})
	return w
}

// A wireConn is one connection through a Wire.
type wireConn struct {
	wire           *Wire
	client, server net.Conn
	end            func() bool
	statements     map[string]string // prepared ones, by name

	mu     sync.Mutex // guards what follows, and writing to client
	status byte       // 'I', 'T' or 'E': of the transaction
	lose   bool       // the next answer does not arrive
}

func (c *wireConn) close() {
	c.client.Close()
	c.server.Close()
}

// forward passes on what the client says, but for the statements that a fault meets.
func (c *wireConn) forward() {
	defer c.end()
	defer c.close()
	if err := c.start(); err != nil {
		return
	}
	skipping := false // up to the next Sync: Postgres does so after an error
	for {
		kind, body, err := message(c.client)
		if err != nil {
			return
		}
		if skipping {
			skipping = kind != 'S'
			if skipping {
				continue
			}
			if c.answer(new(pgproto3.ReadyForQuery)) != nil {
				return
			}
			continue
		}
		if text := c.statement(kind, body); text != "" {
			if f, met := c.wire.strike(text); met && !f.AfterExecuting {
				if f.Lost || c.fail(f) != nil {
					return
				}
				if skipping = kind != 'Q'; !skipping && c.answer(new(pgproto3.ReadyForQuery)) != nil {
					return
				}
				continue
			} else if met {
				c.mu.Lock()
				c.lose = true
				c.mu.Unlock()
			}
		}
		if send(c.server, kind, body) != nil {
			return
		}
	}
}

// start passes on the message that opens a connection, which has no kind.
func (c *wireConn) start() error {
	var size [4]byte
	if _, err := io.ReadFull(c.client, size[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:])-4)
	if _, err := io.ReadFull(c.client, body); err != nil {
		return err
	}
	_, err := c.server.Write(append(size[:], body...))
	return err
}

// statement is the text of the statement that a message has executed, or empty.
func (c *wireConn) statement(kind byte, body []byte) string {
	field := func() string {
		text, rest, _ := strings.Cut(string(body), "\x00")
		body = []byte(rest)
		return text
	}
	switch kind {
	case 'Q':
		return field()
	case 'P':
		name := field()
		c.statements[name] = field()
	case 'B':
		field() // the portal
		return c.statements[field()]
	}
	return ""
}

// fail answers with an error. Its result says that the connection ends with it.
func (c *wireConn) fail(f Fault) error {
	severity := "ERROR"
	over := strings.HasPrefix(f.Code, "57P") || strings.HasPrefix(f.Code, "08")
	if over {
		severity = "FATAL"
	}
	c.mu.Lock()
	if c.status == 'T' {
		c.status = 'E'
	}
	c.mu.Unlock()
	if err := c.answer(&pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: f.Code, Message: "a test's"}); err != nil {
		return err
	}
	if over {
		return io.EOF
	}
	return nil
}

func (c *wireConn) answer(m pgproto3.BackendMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ready, ok := m.(*pgproto3.ReadyForQuery); ok {
		ready.TxStatus = c.status
	}
	text, err := m.Encode(nil)
	if err != nil {
		return err
	}
	_, err = c.client.Write(text)
	return err
}

// back passes on what Postgres says.
func (c *wireConn) back() {
	defer c.close()
	for {
		kind, body, err := message(c.server)
		if err != nil {
			return
		}
		c.mu.Lock()
		lost := c.lose
		if kind == 'Z' && len(body) == 1 {
			c.status = body[0]
		}
		if !lost {
			err = send(c.client, kind, body)
		}
		c.mu.Unlock()
		if err != nil || lost && kind == 'Z' { // by now Postgres has executed it
			return
		}
	}
}

func message(from io.Reader) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size < 4 || size > 64<<20 {
		return 0, nil, errors.New("not a message of Postgres")
	}
	body = make([]byte, size-4)
	_, err = io.ReadFull(from, body)
	return head[0], body, err
}

func send(to io.Writer, kind byte, body []byte) error {
	text := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	_, err := to.Write(append(text, body...))
	return err
}
