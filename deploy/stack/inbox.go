package stack

import (
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/maru-auth/maru/deploy/inbox"
	"github.com/maru-auth/maru/internal/freeport"
)

// planInbox decides whether mail goes to an inbox of the stack, and on which port it is taken.
func (cfg *Config) planInbox() (err error) {
	if cfg.Ports.Inbox == 0 || cfg.getenv("AUTHZ_MAIL_SMTP_URL") != "" {
		return nil
	}
	cfg.smtpPort, _, err = freeport.Reserve()
	return err
}

// mail is the settings by which the authorization server sends mail to the inbox.
func (cfg *Config) mail() []string {
	if cfg.smtpPort == 0 {
		return nil
	}
	env := []string{"AUTHZ_MAIL_SMTP_URL=smtp://" + address(cfg.smtpPort)}
	if cfg.getenv("AUTHZ_MAIL_FROM") == "" {
		env = append(env, "AUTHZ_MAIL_FROM=Maru <no-reply@maru.example>")
	}
	return env
}

// Inbox is the address of the inbox where mail arrives; empty: there is none, because the
// environment names another mail server. [inbox.Wait] reads it.
func (s *Stack) Inbox() string {
	if s.cfg.smtpPort == 0 {
		return ""
	}
	return "http://localhost:" + strconv.Itoa(s.cfg.Ports.Inbox)
}

// openInbox opens the inbox, if there is to be one, and returns what closes it.
func (s *Stack) openInbox() (closing func(), err error) {
	if s.cfg.smtpPort == 0 {
		return func() {}, nil
	}
	smtp, err := net.Listen("tcp", address(s.cfg.smtpPort))
	if err != nil {
		return nil, err
	}
	page, err := net.Listen("tcp", address(s.cfg.Ports.Inbox))
	if err != nil {
		smtp.Close()
		return nil, err
	}
	box := &inbox.Inbox{}
	closeSMTP := box.ServeSMTP(smtp)
	server := &http.Server{Handler: box.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(page) //nolint:errcheck // it ends with an error when it is closed
	return func() {
		closeSMTP()
		server.Close()
	}, nil
}
