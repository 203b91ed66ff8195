package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Step is how far a [Sender.Probe] came.
type Step string

// The steps of a probe, in their order.
const (
	Dialing  Step = "dial"
	Greeting Step = "greeting"
	Securing Step = "tls"
	LoggedIn Step = "log-in"
	From     Step = "sender"
	Done     Step = "done"
)

// Probe is what a mail server does without being given a letter.
type Probe struct {
	Reached  Step      // which step failed, or Done
	Greeting string    // the server's first line, if it came before TLS
	Expires  time.Time // of the server's certificate; zero: there was none
	TLS      bool
	LoggedIn bool // the server took user and password
}

// Probe goes all the way to the mail server but for the letter: it connects, greets, begins TLS, logs
// in, and asks whether the sender may send. ctx bounds it. Errors have no secret of the
// configuration in them.
func (s *Sender) Probe(ctx context.Context) (p Probe, err error) {
	listening := &listener{}
	probing := *s
	probing.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := s.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		listening.dialed()
		return heardConn{c, listening}, nil
	}
	probing.tls = s.tls.Clone()
	probing.tls.VerifyConnection = listening.secured
	done := make(chan struct{})
	defer close(done)
	client, err := probing.client(ctx, done)
	if err != nil {
		return p, s.redact(err, Message{})
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	p = listening.probe(s)
	if err != nil {
		return p, s.redact(err, Message{})
	}
	p.Reached, p.LoggedIn = From, s.user != ""
	if err := session.Mail("<" + s.from.Address + ">"); err != nil {
		return p, s.redact(err, Message{})
	}
	p.Reached = Done
	session.Reset()                     //nolint:errcheck // the letter that never was
	client.CloseWithSMTPClient(session) //nolint:errcheck // a polite QUIT
	return p, nil
}

// listener hears what comes before the library says anything.
type listener struct {
	mu      sync.Mutex
	dial    bool
	first   bytes.Buffer // what the server said first
	tls     bool
	expires time.Time
}

func (l *listener) dialed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dial = true
}

// secured is called once the certificate has been verified.
func (l *listener) secured(state tls.ConnectionState) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tls = true
	for _, chain := range state.VerifiedChains {
		for _, one := range chain {
			if l.expires.IsZero() || one.NotAfter.Before(l.expires) {
				l.expires = one.NotAfter
			}
		}
	}
	return nil
}

// maxGreeting is how much of the first line is kept, in bytes (RFC 5321 §4.5.3.1.5).
const maxGreeting = 512

// probe is what was heard, for an attempt that may have failed.
func (l *listener) probe(s *Sender) Probe {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, _, greeted := bytes.Cut(l.first.Bytes(), []byte("\n"))
	p := Probe{TLS: l.tls, Expires: l.expires, Reached: LoggedIn}
	switch {
	case !l.dial:
		p.Reached = Dialing
	case s.implicitTLS && !l.tls:
		p.Reached = Securing
	case !s.implicitTLS && !greeted:
		p.Reached = Greeting
	case !s.plain && !l.tls:
		p.Reached = Securing
	}
	if greeted && !s.implicitTLS {
		p.Greeting = s.hide(string(bytes.TrimSpace(line)), Message{})
	}
	return p
}

// heardConn is a connection whose first line is kept.
type heardConn struct {
	net.Conn
	by *listener
}

func (c heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	if room := maxGreeting - c.by.first.Len(); room > 0 {
		c.by.first.Write(b[:min(n, room)])
	}
	return n, err
}
