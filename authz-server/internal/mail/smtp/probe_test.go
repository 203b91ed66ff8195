package smtp

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

func TestAProbeSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	refusal := func(text string) error { return &gosmtp.SMTPError{Code: 550, Message: text} }
	for name, one := range map[string]struct {
		options options
		refuse  string // a step
		change  func(*Config)
		want    Step
	}{
		"STARTTLS":     {options{tls: true}, "", nil, Done},
		"implicit TLS": {options{implicit: true}, "", func(c *Config) { c.URL = strings.Replace(c.URL, "smtp:", "smtps:", 1) }, Done},
		"loopback":     {options{}, "", func(c *Config) { c.URL = "smtp://user:pa%40ss-w0rd@127.0.0.1:1025" }, Done},
		"nobody there": {options{}, "", func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: net.UnknownNetworkError("none")}
			}
		}, Dialing},
		"no STARTTLS":                      {options{}, "", nil, Securing},
		"a certificate of nobody we trust": {options{tls: true}, "", func(c *Config) { c.CAFile = "" }, Securing},
		"a certificate for another name":   {options{tls: true}, "", func(c *Config) { c.URL = "smtp://user:pa%40ss-w0rd@mail.example" }, Securing},
		"implicit TLS that is none":        {options{}, "", func(c *Config) { c.URL = "smtps://user:pa%40ss-w0rd@example.com" }, Securing},
		"implicit TLS that was not meant":  {options{implicit: true}, "", func(c *Config) { c.URL = "smtp://127.0.0.1" }, Greeting},
		"a wrong password":                 {options{tls: true}, "auth", nil, LoggedIn},
		"a sender that may not":            {options{tls: true}, "mail", nil, From},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, one.options)
			server.mu.Lock()
			server.refuse[one.refuse] = refusal("not with pa@ss-w0rd")
			server.mu.Unlock()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			p, err := server.sender(t, one.change).Probe(ctx)
			if p.Reached != one.want || (err == nil) != (one.want == Done) {
				t.Errorf("%+v, %v", p, err)
			}
			if err != nil && strings.Contains(err.Error(), "pa@ss-w0rd") {
				t.Errorf("it tells the password: %v", err)
			}
			if secure := one.options.tls || one.options.implicit; one.want == Done && (p.TLS != secure || p.Expires.IsZero() == secure || !p.LoggedIn) {
				t.Errorf("%+v", p)
			}
			if one.options.tls && !strings.HasPrefix(p.Greeting, "220 example.com") {
				t.Errorf("it greets with %q", p.Greeting)
			}
			if len(server.received) > 0 {
				t.Error("a letter was sent")
			}
		})
	}
}
