package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// server is a mail server on loopback. Its certificate is for example.com and 127.0.0.1.
type server struct {
	addr string
	ca   string // path of the certificate
	smtp *gosmtp.Server

	mu       sync.Mutex
	refuse   map[string]error // by step: "auth", "mail", "rcpt", "data"
	received []received
	users    []string // who logged in, and by which password
}

type received struct {
	from, to string
	data     []byte
	tls      bool
}

type options struct {
	tls, implicit, utf8 bool
}

func newServer(t *testing.T, o options) *server {
	t.Helper()
	site := httptest.NewTLSServer(nil)
	t.Cleanup(site.Close)
	s := &server{ca: filepath.Join(t.TempDir(), "ca.pem"), refuse: map[string]error{}}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})
	if err := os.WriteFile(s.ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	s.smtp = gosmtp.NewServer(s)
	s.smtp.Domain, s.smtp.EnableSMTPUTF8 = "example.com", o.utf8
	s.smtp.AllowInsecureAuth = true // the client is to know better
	s.smtp.ErrorLog = quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if o.tls || o.implicit {
		s.smtp.TLSConfig = &tls.Config{Certificates: site.TLS.Certificates}
	}
	if o.implicit {
		l = tls.NewListener(l, s.smtp.TLSConfig)
	}
	go s.smtp.Serve(l)
	t.Cleanup(func() { s.smtp.Close() })
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (s *server) answer(step string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refuse[step]
}

func (s *server) NewSession(c *gosmtp.Conn) (gosmtp.Session, error) {
	return &session{server: s, conn: c}, nil
}

type session struct {
	server *server
	conn   *gosmtp.Conn
	received
}

func (s *session) Reset()        { s.received = received{} }
func (s *session) Logout() error { return nil }
func (s *session) Mail(from string, _ *gosmtp.MailOptions) error {
	s.from = from
	return s.server.answer("mail")
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.to = to
	return s.server.answer("rcpt")
}

func (s *session) Data(r io.Reader) (err error) {
	if s.data, err = io.ReadAll(r); err != nil {
		return err
	}
	if err := s.server.answer("data"); err != nil {
		return err
	}
	_, s.tls = s.conn.TLSConnectionState()
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, s.received)
	return nil
}
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.users = append(s.server.users, user+":"+password)
		return s.server.refuse["auth"]
	}), nil
}

// sender sends to the server under the name that its certificate has, which is not loopback.
func (s *server) sender(t *testing.T, change func(*Config)) *Sender {
	t.Helper()
	cfg := Config{URL: "smtp://user:pa%40ss-w0rd@example.com", From: "Maru <no-reply@maru.example>", CAFile: s.ca,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.addr)
		}}
	if change != nil {
		change(&cfg)
	}
	sender, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

const secretLink = "https://login.example/reset?token=hq7ssecretsecretsecretsecret"

func letter() Message {
	return Message{
		ID: "ABC234", To: "person@example.com", Subject: "Choose a new password 새 비밀번호", At: time.Unix(1_790_000_000, 0),
		Text: "안녕하세요.\nOpen " + secretLink + " or enter 123456.\n.\nA dot alone ends nothing.\n",
		HTML: `<p>안녕하세요. <a href="` + secretLink + `">Open</a></p>` + strings.Repeat("long ", 300),
	}
}

func send(t *testing.T, s *Sender, m Message) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return s.Send(ctx, m)
}

// one is the only message that the server got.
func (s *server) one(t *testing.T) received {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.received) != 1 {
		t.Fatalf("the server got %d letters", len(s.received))
	}
	return s.received[0]
}

func TestALetterArrivesAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options options
		change  func(*Config)
		plain   bool
	}{
		"STARTTLS":     {options{tls: true}, nil, false},
		"implicit TLS": {options{implicit: true}, func(c *Config) { c.URL = strings.Replace(c.URL, "smtp:", "smtps:", 1) }, false},
		"loopback":     {options{}, func(c *Config) { c.URL = "smtp://user:pa%40ss-w0rd@127.0.0.1:1025" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.options)
			answer, err := send(t, s.sender(t, test.change), letter())
			if err != nil || answer == "" {
				t.Fatalf("%q, %v", answer, err)
			}
			got := s.one(t)
			if got.from != "no-reply@maru.example" || got.to != "person@example.com" || got.tls == test.plain {
				t.Errorf("from %s to %s, TLS %v", got.from, got.to, got.tls)
			}
			if strings.Join(s.users, " ") != "user:pa@ss-w0rd" {
				t.Errorf("logged in as %v", s.users)
			}
			text, html, header := parts(t, got.data)
			want := letter()
			if text != want.Text || html != want.HTML {
				t.Errorf("text %q\nhtml %q", text, html)
			}
			for field, value := range map[string]string{
				"Subject": want.Subject, "Message-Id": "<ABC234@maru.example>", "Auto-Submitted": "auto-generated",
				"From": `"Maru" <no-reply@maru.example>`, "To": "<person@example.com>", "X-Mailer": "", "User-Agent": "",
			} {
				if got, err := header.Text(field); err != nil || got != value {
					t.Errorf("%s: %q, %v", field, got, err)
				}
			}
		})
	}
}

// parts reads a message as a mail program would. It fails if the parts are not in the order of RFC
// 2046 §5.1.4: the richest last.
func parts(t *testing.T, data []byte) (text, html string, header mail.Header) {
	t.Helper()
	r, err := mail.CreateReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, kind := range []string{"text/plain", "text/html"} {
		part, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got := part.Header.Get("Content-Type"); !strings.HasPrefix(got, kind) {
			t.Errorf("a part of %s, not %s", got, kind)
		}
		content, err := io.ReadAll(part.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.ReplaceAll(string(content), "\r\n", "\n"))
	}
	return all[0], all[1], r.Header
}

func TestNothingIsSentWithoutTLS(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options options
		change  func(*Config)
	}{
		"no STARTTLS":                       {options{}, nil},
		"no STARTTLS, and nobody to log in": {options{}, func(c *Config) { c.URL = "smtp://example.com" }},
		"a certificate of nobody we trust":  {options{tls: true}, func(c *Config) { c.CAFile = "" }},
		"a certificate for another name":    {options{tls: true}, func(c *Config) { c.URL = "smtp://user:password@mail.example" }},
		"the same with implicit TLS":        {options{implicit: true}, func(c *Config) { c.URL = "smtps://user:password@mail.example" }},
		"implicit TLS that is none":         {options{}, func(c *Config) { c.URL = "smtps://user:password@example.com" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, test.options)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := s.sender(t, test.change).Send(ctx, letter()); err == nil || errors.Is(err, ErrRefused) {
				t.Errorf("%v, want an error after which it is tried again", err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.received)+len(s.users) > 0 {
				t.Error("the letter or the password went out in the clear")
			}
		})
	}
}

// 4yz is for later; 5yz is final if it is about the recipient or the letter, and not about us (RFC
// 5321 §4.2.1).
func TestOnlyARefusalOfTheRecipientOrTheLetterIsFinal(t *testing.T) {
	t.Parallel()
	say := func(code int, text string) error {
		return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
	for _, test := range []struct {
		step  string
		code  int
		final bool
	}{
		{"rcpt", 550, true}, {"data", 554, true}, {"rcpt", 450, false}, {"data", 451, false},
		{"auth", 535, false}, {"mail", 550, false}, {"mail", 421, false},
	} {
		s := newServer(t, options{tls: true})
		s.refuse[test.step] = say(test.code, "no, because of it")
		_, err := send(t, s.sender(t, nil), letter())
		if err == nil || errors.Is(err, ErrRefused) != test.final || !strings.Contains(err.Error(), "because of it") {
			t.Errorf("%d at %s: %v", test.code, test.step, err)
		}
		if len(s.received) > 0 {
			t.Errorf("%d at %s: taken all the same", test.code, test.step)
		}
	}
}

// What the server repeats is kept for operators and logged.
func TestNoErrorHasASecret(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"auth", "mail", "rcpt", "data"} {
		s := newServer(t, options{tls: true})
		// By a log-in in which the password begins within a group of base64.
		said := base64.StdEncoding.EncodeToString([]byte("\x00kim\x00pa@ss-w0rd"))
		s.refuse[step] = &gosmtp.SMTPError{Code: 550, Message: "pa@ss-w0rd " + said + " person@example.com <PERSON@Example.com> " + secretLink + " code=123456 see https://help.example/x"}
		_, err := send(t, s.sender(t, func(c *Config) { c.URL = "smtp://kim:pa%40ss-w0rd@example.com" }), letter())
		if err == nil || !strings.Contains(err.Error(), "https://help.example/x") {
			t.Fatalf("%s: %v", step, err)
		}
		for _, secret := range []string{"pa@ss-w0rd", said[len(said)-12:], "secretsecret", "123456", "person@example.com", "PERSON@"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error has %q: %v", step, secret, err)
			}
		}
	}
}

// 'mail test' prints what the server answers.
func TestAnAnswerMovesNoTerminal(t *testing.T) {
	t.Parallel()
	if got := (&Sender{}).hide("250 \x1b[2J\u202eok\r\n", Message{}); got != "250 \ufffd[2J\ufffdok" {
		t.Errorf("%q", got)
	}
}

// A server that acknowledged, or one that knows messages by their id, sees no second message.
func TestAttemptsAreOneMessage(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{tls: true})
	sender := s.sender(t, nil)
	for range 2 {
		if _, err := send(t, sender, letter()); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.received) != 2 || !bytes.Equal(s.received[0].data, s.received[1].data) {
		t.Error("two attempts differ")
	}
}

func TestNoHeaderCanBeInjected(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{tls: true})
	m := letter()
	m.Subject = "Hello\r\nBcc: all@example.com\r\n\r\nbody"
	if _, err := send(t, s.sender(t, nil), m); err != nil {
		t.Fatal(err)
	}
	_, _, header := parts(t, s.one(t).data)
	if header.Has("Bcc") {
		t.Error("a subject made a header")
	}
	if subject, _ := header.Subject(); subject != "Hello Bcc: all@example.com body" {
		t.Errorf("the subject is %q", subject)
	}
	for _, to := range []string{
		"a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "A <a@example.com>", "a@example.com>\r\nDATA", "", "a", "a@", "@example.com",
		"a b@example.com", `"a` + "\n" + `b"@example.com`, "a@exa mple.com", "a@example.com\x00", strings.Repeat("a", 400) + "@example.com",
	} {
		m := letter()
		m.To = to
		if _, err := send(t, s.sender(t, nil), m); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", to, err)
		}
	}
	if len(s.received) != 1 {
		t.Error("a letter went to an address that is none")
	}
}

func TestAddressesBeyondASCII(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		to   string
		utf8 bool
		want string
	}{
		{"person@bücher.example", false, "person@xn--bcher-kva.example"},
		{"마루@마루.example", true, "마루@xn--2s2b1p.example"},
		{"마루@example.com", false, ""},
	} {
		s := newServer(t, options{tls: true, utf8: test.utf8})
		m := letter()
		m.To = test.to
		_, err := send(t, s.sender(t, nil), m)
		if test.want == "" {
			if !errors.Is(err, ErrRefused) || len(s.received) > 0 {
				t.Errorf("%s: %v", test.to, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", test.to, err)
		}
		if got := s.one(t).to; got != test.want {
			t.Errorf("%s: to %s, want %s", test.to, got, test.want)
		}
	}
}

// Before TLS, anybody on the way can answer for the server.
func TestALineWithoutEndIsNotKept(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const most = 64 << 20 // more than any buffer on the way holds
	said := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		n := 0
		for err == nil && n < most {
			var written int
			written, err = c.Write(bytes.Repeat([]byte("a"), 1<<16))
			n += written
		}
		said <- n
	}()
	s := &server{addr: l.Addr().String()}
	if _, err := send(t, s.sender(t, func(c *Config) { c.CAFile = "" }), letter()); err == nil {
		t.Error("sent")
	}
	if n := <-said; n >= most {
		t.Errorf("%d bytes of one line were taken", n)
	}
}

// The name of a machine proves nothing about where it is.
func TestNothingIsSentInTheClearToAnotherMachine(t *testing.T) {
	t.Parallel()
	s := &server{}
	ours, theirs := net.Pipe() // whose address is not on loopback
	defer theirs.Close()
	sender := s.sender(t, func(c *Config) {
		c.URL, c.CAFile = "smtp://user:password@mail.localhost", ""
		c.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	})
	if _, err := send(t, sender, letter()); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Error(err)
	}
	if n, err := theirs.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes were sent", n)
	}
}

// Who reads the mail of an address proves it: a letter must not go to another domain than the one by
// which the account is found.
func TestALetterGoesToTheDomainOfTheAccount(t *testing.T) {
	t.Parallel()
	for r := rune(0x80); r < 0x30000; r++ {
		for _, domain := range []string{"stra" + string(r) + "e.example", string(r) + ".example"} {
			to, _, err := deliverable("person@" + domain)
			if key := accounts.EmailKey("person@" + domain); err == nil && to != key {
				t.Errorf("%U: %s is the account %s, and the letter goes to %s", r, domain, key, to)
			}
		}
	}
	if to, _, err := deliverable("person@straẞe.example"); err != nil || to != "person@xn--strae-oqa.example" {
		t.Errorf("%s %v", to, err)
	}
}

func TestAServerThatHangsIsLeft(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		cancel()
		_, err = c.Read(make([]byte, 1)) // it never greets
		closed <- err
	}()
	s := &server{addr: l.Addr().String()}
	if _, err := s.sender(t, func(c *Config) { c.CAFile = "" }).Send(ctx, letter()); err == nil {
		t.Error("sent")
	}
	if err := <-closed; err == nil {
		t.Error("the connection stays open")
	}
}

func TestAConfigurationIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := Config{URL: "smtp://user@mail.example", PasswordFile: file("password", "s3cr3t \r\nrest\n"), From: "Maru <no-reply@maru.example>"}
	s, err := New(good)
	if err != nil || s.password != "s3cr3t " || s.Server() != "mail.example:587" {
		t.Fatalf("%+v, %v", s, err)
	}
	if s, err := New(Config{}); s != nil || err != nil {
		t.Errorf("nothing set: %v, %v", s, err)
	}
	if s, err := New(Config{URL: "smtps://mail.example/", From: "no-reply@bücher.example"}); err != nil || s.Server() != "mail.example:465" ||
		s.from.Address != "no-reply@xn--bcher-kva.example" {
		t.Errorf("%+v, %v", s, err)
	}
	for want, change := range map[string]func(*Config){
		"--mail-from is set":                 func(c *Config) { *c = Config{From: c.From} },
		"--mail-password-file is set":        func(c *Config) { *c = Config{PasswordFile: c.PasswordFile} },
		"--mail-ca-file is set":              func(c *Config) { *c = Config{CAFile: "x"} },
		"but not --mail-from":                func(c *Config) { c.From = "" },
		"--mail-from must be an address":     func(c *Config) { c.From = "Maru" },
		"--mail-smtp-url must be an address": func(c *Config) { c.URL = "https://user:s3cr3t@mail.example" },
		"write a %, / or @":                  func(c *Config) { c.URL = "smtp://user:s3cr3t%zz@mail.example" },
		"no path, query":                     func(c *Config) { c.URL = "smtp://user@mail.example?tls=no" },
		"a port from 1":                      func(c *Config) { c.URL = "smtp://user@mail.example:99999" },
		"has a password already":             func(c *Config) { c.URL = "smtp://user:s3cr3t@mail.example" },
		"names no user":                      func(c *Config) { c.URL = "smtp://mail.example" },
		"without a password":                 func(c *Config) { c.PasswordFile = "" },
		"is empty":                           func(c *Config) { c.PasswordFile = file("empty", "\n") },
		"no such file":                       func(c *Config) { c.PasswordFile = filepath.Join(dir, "absent") },
		"no certificate in PEM":              func(c *Config) { c.CAFile = c.PasswordFile },
	} {
		cfg := good
		change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
