package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
)

type compareCommand struct {
	growth.Settings `embed:""`
}

// folder is the program's in the module.
const folder = "authz-server"

func (cmd compareCommand) Run(ctx context.Context) error {
	return growth.Compare(ctx, cmd.Settings, growth.Subject[*world]{
		Name: folder, Marks: "growth", Package: folder, What: "accounts", Scenarios: scenarios, Open: open,
	})
}

// open makes the world of a database, which it fills if it is empty.
func open(ctx context.Context, d *growth.Database) (*world, error) {
	w := &world{fill: &fill{accounts: d.Size, now: time.Now()}}
	if err := w.ensure(ctx, d.Engine, d.URL); err != nil {
		return nil, err
	}
	var err error
	if w.store, err = store.OpenWith(ctx, sqldb.Options{DatabaseURL: d.URL}, time.Now); err != nil {
		return nil, err
	}
	user, err := w.store.Users.UserByEmail(ctx, email(1))
	if err != nil {
		return nil, err
	}
	w.password = user.PasswordHash
	if err := d.Warm(ctx); err != nil {
		return nil, err
	}
	if err := w.warm(ctx); err != nil {
		return nil, err
	}
	w.server, err = d.Start(ctx, variables(d.URL))
	return w, err
}

// warm reads what belongs to those who are active: the question is what more data costs, not how fast
// the disk is.
func (w *world) warm(ctx context.Context) error {
	w.somebody(rand.New(rand.NewPCG(1, 1))) //nolint:gosec // G404: keeps no secret
	for _, i := range w.active {
		id := growth.UserID(i)
		user, err := w.store.Users.UserByEmail(ctx, email(i))
		if err != nil {
			return err
		}
		_, _, err1 := w.store.Sessions.SessionByCookie(ctx, cookie(i, 0))
		_, err2 := w.store.Sessions.SessionsOf(ctx, id)
		_, err3 := w.store.Consents.Connections(ctx, id)
		_, err4 := w.store.Consents.LastUses(ctx, id)
		_, err5 := w.store.Audit.List(ctx, auditlog.Filter{UserID: id, Limit: 50})
		_, err6 := w.store.Browsers.KnownBrowsers(ctx, user.ID)
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			return err
		}
	}
	return nil
}

// ensure fills the database unless that was done before.
func (f *fill) ensure(ctx context.Context, engine, databaseURL string) error {
	s, err := store.Open(ctx, databaseURL, time.Now)
	if err != nil {
		return err
	}
	_, err = s.Users.UserByEmail(ctx, email(1))
	if err := errors.Join(s.Close()); err != nil {
		return err
	}
	if errors.Is(err, store.ErrNotFound) {
		fmt.Printf("%s: fill %d accounts\n", engine, f.accounts)
		return Fill(ctx, databaseURL, f, os.Stdout)
	}
	return err
}

func (w *world) Close() error { return w.store.Close() }

// variables are those with which the server runs on a database.
func variables(databaseURL string) func(address string) []string {
	return func(address string) []string {
		return []string{
			"AUTHZ_DATABASE_URL=" + databaseURL, "AUTHZ_LISTEN=" + address, "AUTHZ_ISSUER=http://" + address,
			"AUTHZ_KEY_ENCRYPTION_KEY=" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)),
			"AUTHZ_LOG_LEVEL=warn", "AUTHZ_SHUTDOWN_DELAY=0s",
		}
	}
}

// ask sends a request, with a form as pages of the server send it; nil: without one.
func (w *world) ask(ctx context.Context, r *rand.Rand, method, path string, form url.Values, header ...string) (growth.Answer, time.Duration, error) {
	if form != nil {
		header = append(header, "Content-Type", "application/x-www-form-urlencoded", "Origin", w.server.Base)
	}
	return w.server.Ask(ctx, r, method, path, form.Encode(), header...)
}
