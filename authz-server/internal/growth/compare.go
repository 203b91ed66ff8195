package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

type compareCommand struct {
	Small    int           `help:"How many accounts the smaller databases have." default:"10000"`
	Large    int           `help:"How many accounts the larger databases have." default:"1000000"`
	Engines  []string      `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	Each     time.Duration `help:"How long each scenario is repeated on each engine." default:"2s"`
	Only     string        `help:"Only scenarios whose name contains this."`
	Dir      string        `help:"Where the databases are made, and kept. Those that are there are used again for a few hours, for the sessions in them end. Empty: in a temporary folder that is removed. 10⁶ accounts take 5 GB on each engine." placeholder:"PATH"`
	Postgres string        `help:"The URL of a database of Postgres whose account may create databases. Empty: a cluster of its own, from the installed programs." placeholder:"URL"`
	Out      string        `help:"A file for the summary as JSON. Empty: none." env:"OUT" placeholder:"FILE"`
}

// most is the highest ratio of costs that still counts as flat: of a request, and of a call of the
// store, many of which are one look-up of 20 µs, where one more level of an index shows.
const (
	most        = 1.2
	mostOfStore = 2
)

// ofTheStore tells whether the scenario with this name is a call of the store.
func ofTheStore(name string) bool { return strings.HasPrefix(name, "store: ") }

func (f *figure) flat() bool {
	if ofTheStore(f.Scenario) {
		return f.Ratio <= mostOfStore
	}
	return f.Ratio <= most
}

// figure is what one scenario cost on one engine: the times are medians, and the 90th percentile.
type figure struct {
	Engine   string  `json:"engine"`
	Scenario string  `json:"scenario"`
	Runs     int     `json:"runs"`
	SmallUS  float64 `json:"small_us"`
	LargeUS  float64 `json:"large_us"`
	Ratio    float64 `json:"ratio"`
	Small90  float64 `json:"small_p90_us"`
	Large90  float64 `json:"large_p90_us"`
}

type summary struct {
	Small    int                `json:"small_accounts"`
	Large    int                `json:"large_accounts"`
	Starts   map[string]float64 `json:"seconds_until_ready"` // by engine and accounts
	Figures  []figure           `json:"figures"`
	NotFlat  []string           `json:"not_flat"`
	MostFlat float64            `json:"flat_up_to"`
}

func (cmd compareCommand) Run(ctx context.Context) (err error) {
	dir := cmd.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "maru-growth-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	program := filepath.Join(dir, "authz-server")
	if err := build(ctx, program); err != nil {
		return err
	}
	sum := summary{Small: cmd.Small, Large: cmd.Large, Starts: map[string]float64{}, MostFlat: most}
	for _, engine := range cmd.Engines {
		if err := cmd.engine(ctx, engine, dir, program, &sum); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	sum.print(os.Stdout)
	if cmd.Out != "" {
		text, err := json.MarshalIndent(sum, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(cmd.Out, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	if len(sum.NotFlat) > 0 {
		return fmt.Errorf("with %d accounts, this costs more than %.1f times as much, or a call of the store more than %d times: %s", cmd.Large,
			most, mostOfStore, strings.Join(sum.NotFlat, ", "))
	}
	return nil
}

// engine fills what is missing, starts a server on each database of the engine, and measures.
func (cmd compareCommand) engine(ctx context.Context, engine, dir, program string, sum *summary) (err error) {
	ctx, stop := context.WithCancel(ctx) // which ends the servers
	defer stop()
	databases, closing, err := cmd.databases(ctx, engine, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	var worlds []*world
	defer func() {
		stop()
		for _, w := range worlds {
			err = errors.Join(err, w.close())
		}
	}()
	for i, accounts := range []int{cmd.Small, cmd.Large} {
		w, err := open(ctx, engine, databases[i], program, accounts)
		if err != nil {
			return err
		}
		worlds = append(worlds, w)
		sum.Starts[fmt.Sprintf("%s %d", engine, accounts)] = w.server.ready.Seconds()
	}
	for _, one := range scenarios {
		if !strings.Contains(one.name, cmd.Only) {
			continue
		}
		f, err := cmd.measure(ctx, one, worlds)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		f.Engine = engine
		fmt.Printf("  %-9s %-32s %9.0f %9.0f µs  × %.2f\n", engine, f.Scenario, f.SmallUS, f.LargeUS, f.Ratio)
		sum.Figures = append(sum.Figures, f)
		if !f.flat() {
			sum.NotFlat = append(sum.NotFlat, engine+" "+f.Scenario)
		}
	}
	return nil
}

// open makes the world of a database, which it fills if it is empty.
func open(ctx context.Context, engine, databaseURL, program string, accounts int) (*world, error) {
	w := &world{fill: &fill{accounts: accounts, now: time.Now()}, engine: engine, url: databaseURL}
	if err := w.ensure(ctx); err != nil {
		return nil, err
	}
	var err error
	if w.store, err = store.OpenWith(ctx, sqldb.Options{DatabaseURL: databaseURL}, time.Now); err != nil {
		return nil, err
	}
	user, err := w.store.Users.UserByEmail(ctx, email(1))
	if err != nil {
		return nil, err
	}
	w.password = user.PasswordHash
	if err := w.warm(ctx); err != nil {
		return nil, err
	}
	w.server, err = startServer(ctx, program, databaseURL)
	return w, err
}

// warm reads the database into memory, as far as that has room, and then what belongs to those who
// are active: the question is what more data costs, not how fast the disk is.
func (w *world) warm(ctx context.Context) error {
	if path, ok := strings.CutPrefix(w.url, "sqlite:"); ok {
		file, err := os.Open(path) //nolint:gosec // G304: our own database
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, file)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	} else if err := bulk.Prewarm(ctx, w.url); err != nil {
		return err
	}
	w.somebody(rand.New(rand.NewPCG(1, 1))) //nolint:gosec // G404: keeps no secret
	for _, i := range w.active {
		id := userID(i)
		user, err := w.store.Users.UserByEmail(ctx, email(i))
		if err != nil {
			return err
		}
		_, _, err1 := w.store.Sessions.SessionByCookie(ctx, cookie(i, 0))
		_, err2 := w.store.Sessions.SessionsOf(ctx, id)
		_, err3 := w.store.Consents.Connections(ctx, id)
		_, err4 := w.store.Consents.LastUses(ctx, id)
		_, err5 := w.store.History.Events(ctx, id, 50)
		_, err6 := w.store.Browsers.KnownBrowsers(ctx, user.ID)
		if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
			return err
		}
	}
	return nil
}

// ensure fills the database unless that was done before.
func (w *world) ensure(ctx context.Context) error {
	s, err := store.Open(ctx, w.url, time.Now)
	if err != nil {
		return err
	}
	_, err = s.Users.UserByEmail(ctx, email(1))
	if err := errors.Join(s.Close()); err != nil {
		return err
	}
	if errors.Is(err, store.ErrNotFound) {
		fmt.Printf("%s: fill %d accounts\n", w.engine, w.accounts)
		return Fill(ctx, w.url, w.fill, os.Stdout)
	}
	return err
}

func (w *world) close() error {
	if w.server != nil {
		<-w.server.ended // it was told to end
	}
	if w.store == nil {
		return nil
	}
	return w.store.Close()
}

// databases returns the URLs of the small and the large database.
func (cmd compareCommand) databases(ctx context.Context, engine, dir string) (urls [2]string, closing func() error, err error) {
	closing = func() error { return nil }
	sizes := [2]int{cmd.Small, cmd.Large}
	if engine == "sqlite" {
		for i, n := range sizes {
			urls[i] = fmt.Sprintf("sqlite:%s", filepath.Join(dir, fmt.Sprintf("accounts-%d.db", n)))
		}
		return urls, closing, nil
	}
	admin := cmd.Postgres
	if admin == "" {
		if admin, closing, err = sqldbtest.StartDurable(postgresSettings...); err != nil {
			return urls, closing, err
		}
	}
	for i, n := range sizes {
		if urls[i], err = sqldbtest.Create(ctx, admin, fmt.Sprintf("growth_%d", n)); err != nil {
			return urls, closing, err
		}
	}
	return urls, closing, nil
}

// measure repeats a scenario, in turn on each database: whatever else the machine does meets both.
func (cmd compareCommand) measure(ctx context.Context, one scenario, worlds []*world) (figure, error) {
	r := rand.New(rand.NewPCG(1, uint64(len(one.name)))) //nolint:gosec // G404: keeps no secret
	took := make([][]time.Duration, len(worlds))
	const warm, least = 5, 20
	for began, n := time.Now(), 0; n < warm+least || time.Since(began) < cmd.Each; n++ {
		for k := range worlds {
			i := (k + n) % len(worlds)
			d, err := one.once(ctx, worlds[i], r)
			if err != nil {
				return figure{}, err
			}
			if n >= warm {
				took[i] = append(took[i], d)
			}
		}
	}
	for _, one := range took {
		slices.Sort(one)
	}
	at := func(i int, part float64) float64 {
		return float64(took[i][int(part*float64(len(took[i])-1))].Nanoseconds()) / 1e3
	}
	f := figure{Scenario: one.name, Runs: len(took[0]), SmallUS: at(0, 0.5), LargeUS: at(1, 0.5), Small90: at(0, 0.9), Large90: at(1, 0.9)}
	f.Ratio = f.LargeUS / f.SmallUS
	return f, nil
}

func (s *summary) print(out io.Writer) {
	slices.SortStableFunc(s.Figures, func(a, b figure) int { return cmp.Compare(b.Ratio, a.Ratio) })
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nengine\tscenario\t%d accounts\t%d accounts\tratio\tp90\n", s.Small, s.Large)
	for _, f := range s.Figures {
		fmt.Fprintf(table, "%s\t%s\t%.0f µs\t%.0f µs\t%.2f\t%.0f / %.0f µs\n", f.Engine, f.Scenario, f.SmallUS, f.LargeUS, f.Ratio, f.Small90, f.Large90)
	}
	for name, seconds := range s.Starts {
		fmt.Fprintf(table, "%s\tuntil ready\t%.2f s\n", name, seconds)
	}
	table.Flush()
}
