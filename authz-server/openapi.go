package main

import (
	"github.com/maru-auth/maru/authz-server/internal/adminapi"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/internal/cli"
)

type openapiCommand struct{}

// Run prints the document of the interface for operators at the issuer of the settings.
func (openapiCommand) Run(p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	at, err := issuer.Parse(p.settings.Issuer)
	if err != nil {
		return cli.Usage(err)
	}
	document, err := adminapi.Document(at)
	if err != nil {
		return err
	}
	_, err = p.out.Write(document)
	return err
}
