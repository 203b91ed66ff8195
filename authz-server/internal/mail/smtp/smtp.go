// Package smtp hands letters to the operator's mail server, over TLS. It is the only one that knows
// the library that speaks the protocol (RFC 5321).
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"
)

// Config is what [New] needs: what the operator has set.
type Config struct {
	URL          string // smtp://user:password@host:587 or smtps://host:465; the ports are the defaults
	PasswordFile string // a file with the password, if the URL has none; empty: none
	From         string // "Maru <no-reply@example.com>"
	CAFile       string // a PEM file of certificates to trust besides the system's; empty: none

	// Dial opens the connection; nil: [net.Dialer]. It is for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Sender sends letters. It is safe for concurrent use.
type Sender struct {
	host, port     string
	implicitTLS    bool // from the first byte; otherwise by STARTTLS
	plain          bool // no TLS: the server is on loopback
	user, password string
	from           mail.Address
	tls            *tls.Config
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
}

// New checks the configuration. If nothing is set, it returns nil. Errors name the option, and
// repeat neither the URL nor the password.
func New(cfg Config) (*Sender, error) {
	if cfg.URL == "" {
		for _, one := range [][2]string{{"--mail-from", cfg.From}, {"--mail-password-file", cfg.PasswordFile}, {"--mail-ca-file", cfg.CAFile}} {
			if one[1] != "" {
				return nil, fmt.Errorf("%s is set, but not --mail-smtp-url: set it to the address of your mail server, such as smtp://user@smtp.example.com:587", one[0])
			}
		}
		return nil, nil //nolint:nilnil // nothing is set
	}
	s := &Sender{dial: cfg.Dial}
	if s.dial == nil {
		s.dial = (&net.Dialer{}).DialContext
	}
	if err := s.parseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("--mail-smtp-url %w", err)
	}
	if err := s.readPassword(cfg.PasswordFile); err != nil {
		return nil, fmt.Errorf("--mail-password-file: %w", err)
	}
	if cfg.From == "" {
		return nil, errors.New(`--mail-smtp-url is set, but not --mail-from: set it to the sender's address, such as "Maru <no-reply@example.com>"`)
	}
	from, err := mail.ParseAddress(cfg.From)
	if err != nil {
		return nil, errors.New(`--mail-from must be an address such as "Maru <no-reply@example.com>"`)
	}
	s.from = mail.Address{Name: from.Name}
	if s.from.Address, _, err = deliverable(from.Address); err != nil {
		return nil, fmt.Errorf("--mail-from: %w", err)
	}
	s.tls, err = tlsConfig(s.host, cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("--mail-ca-file: %w", err)
	}
	return s, nil
}

func (s *Sender) parseURL(text string) error {
	u, err := url.Parse(text) // whose error has the password in it
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return errors.New("must be an address such as smtp://user:password@smtp.example.com:587, or smtps:// with port 465; " +
			"write a %, / or @ of the password as %25, %2F or %40, or use --mail-password-file")
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must have no path, query or fragment")
	}
	s.host, s.port, s.implicitTLS = u.Hostname(), u.Port(), u.Scheme == "smtps"
	if s.port == "" {
		s.port = map[bool]string{false: "587", true: "465"}[s.implicitTLS]
	}
	if n, err := strconv.Atoi(s.port); err != nil || n < 1 || n > 65535 {
		return errors.New("must have a port from 1 to 65535")
	}
	s.plain = !s.implicitTLS && loopback(s.host)
	s.user = u.User.Username()
	s.password, _ = u.User.Password()
	return nil
}

// readPassword takes the password from a file, whose first line it is.
func (s *Sender) readPassword(path string) error {
	switch {
	case path != "" && s.password != "":
		return errors.New("--mail-smtp-url has a password already; one is enough")
	case path != "" && s.user == "":
		return errors.New("--mail-smtp-url names no user whose password it could be")
	case path != "":
		content, err := os.ReadFile(path) //nolint:gosec // G304: the operator names the file
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(content), "\n")
		if s.password = strings.TrimSuffix(first, "\r"); s.password == "" {
			return fmt.Errorf("%s is empty", path)
		}
	case s.user != "" && s.password == "":
		return errors.New("must be set, for --mail-smtp-url names a user without a password")
	}
	return nil
}

func tlsConfig(host, caFile string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return nil, err
	}
	if cfg.RootCAs, err = x509.SystemCertPool(); err != nil {
		cfg.RootCAs = x509.NewCertPool()
	}
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", caFile)
	}
	return cfg, nil
}

func loopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// onThisMachine tells whether a connection goes to loopback. A name like mail.localhost may lead
// elsewhere.
func onThisMachine(to net.Addr) bool {
	tcp, ok := to.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Message is a letter to one address.
type Message struct {
	ID                  string // the same at each attempt: with it, all attempts are one message to the server
	To                  string
	Subject, Text, HTML string
	At                  time.Time // of the header Date, the same at each attempt
}

// ErrRefused is in the error of a letter that the server will not take from anybody, or that no
// server can: trying again does not help.
var ErrRefused = errors.New("refused for good")

// Server names the server, without the user and the password.
func (s *Sender) Server() string { return net.JoinHostPort(s.host, s.port) }

// Send makes one attempt, which ctx bounds, and returns what the server answered. After nil, the
// server has taken the letter. Errors have no secret of the letter or of the configuration in them,
// even if the server repeats one.
func (s *Sender) Send(ctx context.Context, m Message) (answer string, err error) {
	to, beyondASCII, err := deliverable(m.To)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	msg, err := s.compose(m, to)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	done := make(chan struct{})
	defer close(done)
	client, err := s.client(ctx, done)
	if err != nil {
		return "", s.redact(err, m)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return "", s.redact(err, m)
	}
	if ok, _ := session.Extension("SMTPUTF8"); beyondASCII && !ok {
		return "", fmt.Errorf("%w: the address has characters that the mail server cannot take (RFC 6531)", ErrRefused)
	}
	err = client.SendWithSMTPClient(session, msg)
	if msg.IsDelivered() { // whatever came after the server's yes
		client.CloseWithSMTPClient(session) //nolint:errcheck // a polite QUIT
		return s.hide(msg.ServerResponse(), m), nil
	}
	if err == nil {
		err = errors.New("the mail server did not take the letter")
	}
	if refused(err) {
		return "", fmt.Errorf("%w: %w", ErrRefused, s.redact(err, m))
	}
	return "", s.redact(err, m)
}

// refused tells whether the server refused the recipient or the letter, and not us: a wrong
// password or an unwelcome sender is ours to mend, and the letter can go out afterwards.
func refused(err error) bool {
	var e *gomail.SendError
	return errors.As(err, &e) && e.ErrorCode() >= 500 &&
		(e.Reason == gomail.ErrSMTPRcptTo || e.Reason == gomail.ErrSMTPDataClose)
}

// step is the longest that one step of the protocol may take.
const step = 20 * time.Second

// client makes a client for one letter. The library leaves connections open when something fails;
// those that it opens here are closed when done is, or when ctx ends.
func (s *Sender) client(ctx context.Context, done <-chan struct{}) (*gomail.Client, error) {
	dial := func(dialing context.Context, network, _ string) (net.Conn, error) {
		c, err := s.dial(dialing, network, s.Server())
		if err != nil {
			return nil, err
		}
		if s.plain && !onThisMachine(c.RemoteAddr()) {
			c.Close()
			return nil, fmt.Errorf("%s is not on this machine: name it otherwise, so that TLS is used", s.host)
		}
		c = &boundedConn{Conn: c, left: maxAnswers}
		if s.implicitTLS {
			secure := tls.Client(c, s.tls)
			if err := secure.HandshakeContext(dialing); err != nil {
				c.Close()
				return nil, err
			}
			c = secure
		}
		go func() {
			select {
			case <-done:
			case <-ctx.Done():
			}
			c.Close()
		}()
		return c, nil
	}
	policy := gomail.TLSMandatory
	if s.plain || s.implicitTLS {
		policy = gomail.NoTLS
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	options := []gomail.Option{
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(s.tls), gomail.WithDialContextFunc(dial), gomail.WithHELO(domain),
		gomail.WithTimeout(step), gomail.WithoutNoop(),
	}
	if s.user != "" {
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password), gomail.WithOpportunisticSMTPAuth(
			gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return gomail.NewClient(s.host, options...)
}

// maxAnswers is how much a server may say for one letter, in bytes, its certificates included.
const maxAnswers = 1 << 20

// boundedConn is a connection from which so much is read: the library keeps a line until it ends, and
// before TLS anybody on the way can send one without end.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the mail server says more than a megabyte")
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// compose makes the message. It is the same, byte by byte, at each attempt.
func (s *Sender) compose(m Message, to string) (*gomail.Msg, error) {
	_, domain, _ := strings.Cut(s.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("maru-"+m.ID))
	msg.FromMailAddress(&s.from)
	msg.AddToMailAddress(&mail.Address{Address: to})
	msg.Subject(strings.Join(strings.Fields(m.Subject), " "))
	msg.SetDateWithValue(m.At)
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	// RFC 3834 §5: vacation programs do not answer.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	if strings.ContainsFunc(m.ID, func(r rune) bool { return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9') }) {
		return nil, errors.New("the letter's id is none")
	}
	return msg, nil
}

// deliverable returns an address as servers take it: its domain as DNS has it. beyondASCII says
// that its local part has characters that only some servers take.
func deliverable(address string) (to string, beyondASCII bool, err error) {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address || len(address) > maxAddress {
		return "", false, errors.New("the address is none that mail can be sent to")
	}
	i := strings.LastIndexByte(address, '@')
	local, domain := address[:i], strings.ToLower(strings.ReplaceAll(address[i+1:], "İ", "i\u0307")) // as in accounts.EmailKey
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	} else if !isASCII(domain) {
		return "", false, errors.New("the domain of the address is none that DNS can have")
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' }) {
		return "", false, errors.New("the address is none that mail can be sent to")
	}
	return local + "@" + domain, !isASCII(local), nil
}

// maxAddress is the longest address, in bytes (RFC 5321 §4.5.3.1).
const maxAddress = 64 + 1 + 255

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}
