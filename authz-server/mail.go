package main

import (
	"context"
	"fmt"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/internal/cli"
)

// mailSettings is how mail leaves.
type mailSettings struct {
	MailSMTPURL      string `name:"mail-smtp-url" help:"The mail server that takes mail to people: smtp://USER@HOST:587 (STARTTLS) or smtps://USER@HOST:465. TLS and a valid certificate are required, unless smtp:// names a loopback host. Unset: no mail is sent, and operators' links take its place." placeholder:"URL"`
	MailPasswordFile string `help:"A file whose first line is USER's password. In a URL it would have to be percent-encoded, and others can see a command line." placeholder:"PATH"`
	MailFrom         string `help:"Whom mail is from, such as \"Maru <no-reply@example.com>\"." placeholder:"ADDRESS"`
	MailCAFile       string `name:"mail-ca-file" help:"A PEM file of certificates to trust at the mail server, besides the system's." placeholder:"PATH"`
}

// sender is how mail leaves; nil: it is not configured.
func (s *mailSettings) sender() (*smtp.Sender, error) {
	return smtp.New(smtp.Config{URL: s.MailSMTPURL, PasswordFile: s.MailPasswordFile, From: s.MailFrom, CAFile: s.MailCAFile})
}

type mailCommands struct {
	Test mailTest `cmd:"" help:"Send a letter to an address at once, and say what the mail server answers."`
}

type mailTest struct {
	Address  string `arg:"" help:"Where to send it."`
	Language string `help:"The letter's language, such as ko." default:"en" env:"-"`
}

func (cmd mailTest) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	letters, err := p.letters("")
	if err != nil {
		return cli.Usage(err)
	}
	sender, err := p.settings.sender()
	if err != nil {
		return cli.Usage(err)
	}
	if sender == nil {
		return cli.Usage(mail.ErrNotConfigured)
	}
	answer, err := mail.SendNow(ctx, sender, letters, cmd.Address, cmd.Language, mail.Test{}, p.now())
	if err != nil {
		return fmt.Errorf("%s: %w", sender.Server(), err)
	}
	_, err = fmt.Fprintf(p.out, "%s took the letter: %s\n", sender.Server(), answer)
	return err
}

// letters is what the letters look like. logo is the address of the product's logo; empty: none is
// shown.
func (p *program) letters(logo string) (*mail.Letters, error) {
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return nil, err
	}
	look, err := p.settings.brand()
	if err != nil {
		return nil, err
	}
	return mail.NewLetters(look, logo, at)
}
