// Package inbox is where mail arrives in development: a mail server on loopback that takes letters
// to everybody, keeps the last ones in memory, and shows them on a page.
package inbox

import (
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/emersion/go-message/mail"
	gosmtp "github.com/emersion/go-smtp"
)

// Mail is a letter that arrived.
type Mail struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	At      time.Time `json:"at"` // when it arrived

	id string
}

// What the inbox takes.
const (
	maxMails = 200     // in memory; the oldest goes first
	maxBytes = 1 << 20 // of a letter
)

// Inbox keeps letters. It is safe for concurrent use.
type Inbox struct {
	mu    sync.Mutex
	last  int    // the number of the newest
	mails []Mail // newest first
}

// all are the letters, the newest first.
func (i *Inbox) all() []Mail {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]Mail{}, i.mails...)
}

// mail returns a letter by its id.
func (i *Inbox) mail(id string) (Mail, bool) {
	all := i.all()
	n := slices.IndexFunc(all, func(m Mail) bool { return m.id == id })
	if n < 0 {
		return Mail{}, false
	}
	return all[n], true
}

func (i *Inbox) add(m Mail) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	m.id = strconv.Itoa(i.last)
	i.mails = slices.Insert(i.mails, 0, m)
	i.mails = i.mails[:min(len(i.mails), maxMails)]
}

// ServeSMTP takes letters from whoever connects to l, until close is called, which waits for
// nothing.
func (i *Inbox) ServeSMTP(l net.Listener) (close func()) {
	server := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return &session{inbox: i}, nil }))
	server.Domain, server.EnableSMTPUTF8 = "localhost", true
	server.MaxMessageBytes, server.MaxRecipients = maxBytes, 10
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	go server.Serve(l) //nolint:errcheck // it ends with an error when it is closed
	return func() { server.Close() }
}

// session is a connection of a mail client.
type session struct {
	inbox *Inbox
	to    []string
}

var _ gosmtp.Session = (*session)(nil)

func (s *session) Reset()                                 { s.to = nil }
func (s *session) Logout() error                          { return nil }
func (s *session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	m, err := read(r)
	if err != nil {
		return &gosmtp.SMTPError{Code: 554, EnhancedCode: gosmtp.EnhancedCode{5, 6, 0}, Message: "cannot be read: " + err.Error()}
	}
	m.At = time.Now()
	for _, m.To = range s.to {
		s.inbox.add(m)
	}
	return nil
}

// read reads what people see of a message.
func read(r io.Reader) (m Mail, err error) {
	reader, err := mail.CreateReader(r)
	if err != nil {
		return m, err
	}
	if m.Subject, err = reader.Header.Subject(); err != nil {
		return m, err
	}
	for {
		part, err := reader.NextPart()
		if err == io.EOF { //nolint:errorlint // as documented
			return m, nil
		}
		if err != nil {
			return m, err
		}
		inline, ok := part.Header.(*mail.InlineHeader)
		if !ok {
			continue // an attachment
		}
		content, err := io.ReadAll(part.Body)
		if err != nil {
			return m, err
		}
		if kind, _, _ := inline.ContentType(); kind == "text/html" {
			m.HTML = string(content)
		} else {
			m.Text = string(content)
		}
	}
}
