// Command growth measures whether what the user service does costs the same however many profiles
// there are. See internal/growth/README.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/maru-auth/maru/internal/growth"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

type config struct {
	Compare compareCommand `cmd:"" help:"Fill databases of two sizes on each engine, and compare what each scenario costs."`
}

func main() { growth.Main(new(config)) }

type compareCommand struct {
	growth.Settings `embed:""`
}

// Run compares.
func (cmd compareCommand) Run(ctx context.Context) (err error) {
	issuer, err := growth.NewIssuer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, issuer.Close()) }()
	return growth.Compare(ctx, cmd.Settings, growth.Subject[*world]{
		Name: "user", Marks: "growth-user", Package: "resources/user", What: "profiles", Scenarios: scenarios,
		Open: func(ctx context.Context, d *growth.Database) (*world, error) { return open(ctx, d, issuer) },
	})
}

// fill is a database with so many profiles. Everything about profile i follows from i.
type fill struct {
	profiles int
	now      time.Time
}

// Fill makes the schema by the store, and fills it. It tells out how far it is.
func Fill(ctx context.Context, databaseURL string, f *fill, out io.Writer) error {
	s, err := store.Open(ctx, databaseURL, time.Now)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	_, err = bulk.Fill(ctx, databaseURL, f, tables, out, fmt.Sprint(f.profiles, " profiles"))
	return err
}

var tables = []bulk.Table[*fill]{
	{
		Name: "people",
		Columns: "id display_name bio avatar_url website filled edited asked_at profile_version locale time_zone theme notify_email notify_replies " +
			"settings_version tags interests_version created_at updated_at",
		Rows: func(f *fill, add func(...any)) {
			for i := range f.profiles {
				at, bio := sqldb.Micros(f.now.Add(-time.Duration(i%700+1)*24*time.Hour)), ""
				if i%4 == 0 {
					bio = strings.Repeat("마루에 앉아 차를 마셔요. ", 1+i%5)
				}
				add(growth.UserID(i), growth.UserName(i), bio, "https://images.example/"+growth.Text("image", i), "", true, true, at, growth.Text("profile", i),
					"ko", "Asia/Seoul", store.ThemeSystem, true, true, growth.Text("settings", i), `["차","music"]`, growth.Text("interests", i), at, at)
			}
		},
	},
	{Name: "received_events", Columns: "id expires_at", Rows: func(f *fill, add func(...any)) {
		for i := range f.profiles / 20 {
			add(growth.Text("event", i), sqldb.Micros(f.now.Add(24*time.Hour)))
		}
	}},
}

// world is a filled database, a service on it, and the store itself beside the service.
type world struct {
	*fill
	server *growth.Server
	store  *store.Store
	issuer *growth.Issuer
	active []int // people who are
}

// open makes the world of a database, which it fills if it is empty.
func open(ctx context.Context, d *growth.Database, issuer *growth.Issuer) (w *world, err error) {
	w = &world{fill: &fill{profiles: d.Size, now: time.Now()}, issuer: issuer}
	if w.store, err = store.Open(ctx, d.URL, time.Now); err != nil {
		return nil, err
	}
	if _, err = w.store.Profile(ctx, growth.UserID(0)); errors.Is(err, store.ErrNotFound) {
		fmt.Printf("%s: fill %d profiles\n", d.Engine, w.profiles)
		if err = w.store.Close(); err == nil {
			err = Fill(ctx, d.URL, w.fill, os.Stdout)
		}
		if err == nil {
			w.store, err = store.Open(ctx, d.URL, time.Now)
		}
	}
	if err := errors.Join(err, d.Warm(ctx)); err != nil {
		return nil, err
	}
	w.active = growth.Active(w.profiles, func(int) bool { return true })
	for _, i := range w.active {
		if _, err := w.store.Profile(ctx, growth.UserID(i)); err != nil {
			return nil, err
		}
	}
	w.server, err = d.StartService(ctx, "user", issuer)
	return w, err
}

// Close closes the store.
func (w *world) Close() error { return w.store.Close() }

type scenario = growth.Scenario[*world]

// scenarios are requests to the service.
var scenarios = []scenario{
	{Name: "read one's own profile", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodGet, "/v1/me", w.some(r), nil)
	}},
	{Name: "first visit", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodGet, "/v1/me", growth.Text("newcomer", r.Int(), int(w.now.UnixNano())), nil)
	}},
	{Name: "change one's own profile", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodPatch, "/v1/me", w.some(r), map[string]string{"bio": growth.Text("bio", r.Int())}, "If-Match", "*")
	}},
	{Name: "read one's own settings", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodGet, "/v1/me/settings", w.some(r), nil)
	}},
	{Name: "change one's own interests", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		tags := map[string][]string{"tags": {"차", growth.Text("tag", r.Int())}}
		return w.ask(ctx, r, http.MethodPut, "/v1/me/interests", w.some(r), tags, "If-Match", "*")
	}},
	{Name: "read a public profile", Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		return w.ask(ctx, r, http.MethodGet, "/v1/users/"+w.some(r), w.some(r), nil)
	}},
	lookUp(20),
	lookUp(100),

	growth.OfStore("profile", func(ctx context.Context, w *world, r *rand.Rand) error {
		_, err := w.store.Profile(ctx, w.some(r))
		return err
	}),
	growth.OfStore("sweep that finds nothing", func(ctx context.Context, w *world, _ *rand.Rand) error {
		_, err := w.store.Sweep(ctx)
		return err
	}),
}

// lookUp is what the board does for the names of so many authors.
func lookUp(n int) scenario {
	return scenario{Name: fmt.Sprintf("look up %d profiles", n), Once: func(ctx context.Context, w *world, r *rand.Rand) (time.Duration, error) {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = w.some(r)
		}
		return w.ask(ctx, r, http.MethodGet, "/v1/users?ids="+strings.Join(ids, ","), "board", nil)
	}}
}

// some is the id of one of the people who are active.
func (w *world) some(r *rand.Rand) string { return growth.UserID(w.active[r.IntN(len(w.active))]) }

// ask sends a request of a person; body is sent as JSON, nil: none.
func (w *world) ask(ctx context.Context, r *rand.Rand, method, path, person string, body any, header ...string) (time.Duration, error) {
	bearer, err := w.issuer.Bearer("user", person, "user:read user:write user:lookup")
	if err != nil {
		return 0, err
	}
	a, took, err := w.server.AskJSON(ctx, r, method, path, body, append(header, "Authorization", bearer)...)
	return took, cmp.Or(err, a.Want(http.StatusOK))
}
