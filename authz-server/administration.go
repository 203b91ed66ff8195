package main

import (
	"context"
	"log/slog"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/notices"
	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/tokens"
)

// administration makes what operators do at this server, for every interface by which they do it.
func (p *program) administration(
	s *store.Store, at issuer.URL, ring *keys.Ring, clients *directory.Clients, mailer *mail.Mailer, hasher *passwords.Hasher,
	resources []client.Resource, toUpstreams *fetch.Client,
) *admin.Admin {
	return admin.New(admin.Config{
		Store: s, Audit: audit.New(s), Now: p.now, Issuer: at, Clients: clients, Passwords: hasher, Mail: mailer,
		Notices:  &notices.Notices{Store: s, Mail: mailer, Now: p.now, Account: at.URL("/account")},
		ListKeys: ring.List, Ring: ring, KEK: ring.KEK(), KeyRotation: p.settings.KeyRotation,
		Settings: admin.SettingsOf(p.settings), Resources: resources, CheckAddress: toUpstreams.Check,
	})
}

// adminTokens makes what tells who acts by an access token at an interface for operators.
func (p *program) adminTokens(
	ctx context.Context, s *store.Store, at issuer.URL, ring *keys.Ring, issued *tokens.Issuer, log *slog.Logger,
) (*adminaccess.Tokens, error) {
	cfg := adminaccess.Config{Issuer: at, Ring: ring, Tokens: issued, Store: s, Now: p.now, Log: log}
	if p.settings.DPoPNonces {
		var err error
		if cfg.NonceKey, err = ring.Secret(ctx, "administrators' proofs", 32); err != nil {
			return nil, err
		}
	}
	return adminaccess.New(cfg)
}
