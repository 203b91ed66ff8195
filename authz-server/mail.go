package main

import (
	"context"
	"fmt"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/cli"
)

// mailSettings is how mail leaves.
type mailSettings struct {
	MailSMTPURL      string `name:"mail-smtp-url" help:"The mail server that takes mail to people: smtp://USER@HOST:587 (STARTTLS) or smtps://USER@HOST:465. TLS and a valid certificate are required, unless smtp:// names a loopback host. Unset: no mail is sent, and operators' links take its place." placeholder:"URL"`
	MailPasswordFile string `help:"A file whose first line is USER's password. In a URL it would have to be percent-encoded, and others can see a command line." placeholder:"PATH"`
	MailFrom         string `shown:"" help:"Whom mail is from, such as \"Maru <no-reply@example.com>\"." placeholder:"ADDRESS"`
	MailCAFile       string `shown:"" name:"mail-ca-file" help:"A PEM file of certificates to trust at the mail server, besides the system's." placeholder:"PATH"`
}

// sender is how mail leaves; nil: it is not configured.
func (s *mailSettings) sender() (*smtp.Sender, error) {
	return smtp.New(smtp.Config{URL: s.MailSMTPURL, PasswordFile: s.MailPasswordFile, From: s.MailFrom, CAFile: s.MailCAFile})
}

type mailCommands struct {
	List  mailList  `cmd:"" help:"List the letters that have not been sent: to whom, and why. What they say is not shown."`
	Retry mailRetry `cmd:"" help:"Try again to send one letter, or all that were given up. One whose link has expired stays given up."`
	Test  mailTest  `cmd:"" help:"Send a letter to an address at once, and say what the mail server answers."`
}

type mailTest struct {
	Address  string `arg:"" help:"Where to send it."`
	Language string `help:"The letter's language, such as ko." default:"en" env:"-"`
}

func (cmd mailTest) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	server, answer, err := p.sendNow(ctx, cmd.Address, cmd.Language, mail.Test{})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s took the letter: %s\n", server, answer)
	return err
}

// sendNow sends a letter past the queue, so that an operator sees what the mail server answers.
func (p *program) sendNow(ctx context.Context, to, language string, letter mail.Letter) (server, answer string, err error) {
	letters, err := p.letters(nil)
	if err != nil {
		return "", "", cli.Usage(err)
	}
	sender, err := p.settings.sender()
	if err != nil {
		return "", "", cli.Usage(err)
	}
	if sender == nil {
		return "", "", cli.Usage(mail.ErrNotConfigured)
	}
	answer, err = mail.SendNow(ctx, sender, letters, to, language, letter, p.now())
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", sender.Server(), err)
	}
	return sender.Server(), answer, nil
}

// told tells people what an operator did to their account: in its history, and by mail, if the
// settings say how mail is sent.
func (p *program) told(s *store.Store) (*notices.Notices, error) {
	n := &notices.Notices{Store: s, Now: p.now}
	sender, err := p.settings.sender()
	if err != nil || sender == nil {
		return n, err
	}
	p.findDevelopmentKEK()
	kek, _, err := p.settings.kek()
	if err != nil {
		return nil, err
	}
	n.Mail, err = p.mailer(s, kek, nil)
	return n, err
}

// mailer returns what sends mail to people, if that is configured. rendered is as of letters.
func (p *program) mailer(s *store.Store, kek *keys.KEK, rendered *pages.Pages) (*mail.Mailer, error) {
	sender, err := p.settings.sender()
	if err != nil {
		return nil, err
	}
	letters, err := p.letters(rendered)
	if err != nil {
		return nil, err
	}
	return mail.New(mail.Config{Outbox: s.Outbox, KEK: kek, Letters: letters, Sender: sender, Now: p.now}), nil
}

// letters is what the letters look like. rendered has the product's logo; nil: none is shown.
func (p *program) letters(rendered *pages.Pages) (*mail.Letters, error) {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return nil, err
	}
	look, err := p.settings.brand()
	if err != nil {
		return nil, err
	}
	logo := ""
	if rendered != nil && look.Logo != nil && look.Logo.ContentType == "image/png" { // mail programs show no SVG
		logo = at.Origin() + rendered.Logo()
	}
	return mail.NewLetters(look, logo, at)
}

type mailList struct {
	Format string `help:"text or json (one letter a line)." enum:"text,json" default:"text" env:"-"`
}

// listedMail is a letter, as 'mail list' prints it.
type listedMail struct {
	ID        string     `json:"id"` // also the part before the @ of the header Message-ID
	Letter    string     `json:"letter"`
	To        string     `json:"to"`
	CreatedAt time.Time  `json:"created_at"`
	Attempts  int64      `json:"attempts"`
	NextAt    *time.Time `json:"next_at,omitempty"`
	GivenUpAt *time.Time `json:"given_up_at,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// Run shows whom a letter is to, which the key-encryption key opens, and nothing of what it says.
func (cmd mailList) Run(ctx context.Context, p *program) error {
	p.findDevelopmentKEK()
	kek, warning, err := p.settings.kek()
	if err != nil {
		return cli.Usage(err)
	}
	if warning != "" {
		fmt.Fprintln(p.errs, "authz-server:", warning)
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		a.KEK = kek
		return cli.List[admin.Delivery]{
			Page:    p.page(a, admin.MailQueue),
			Key:     func(d admin.Delivery) string { return d.ID },
			Columns: "ID\tLETTER\tTO\tQUEUED\tATTEMPTS\tNEXT\tERROR",
			Row: func(d admin.Delivery) string {
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%s", d.ID, d.Letter, d.To, d.CreatedAt.Format(time.RFC3339), d.Attempts, nextTry(d), d.Error)
			},
			JSON: func(d admin.Delivery) (any, error) {
				next, givenUp := tries(d)
				return listedMail{d.ID, d.Letter, d.To, d.CreatedAt, d.Attempts, next, givenUp, d.Error}, nil
			},
		}.Print(ctx, p.out, cmd.Format)
	})
}

type mailRetry struct {
	retryFlags
}

func (cmd mailRetry) Run(ctx context.Context, p *program) error {
	return cmd.retry(ctx, p, admin.MailQueue)
}
