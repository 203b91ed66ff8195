package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/auditlog"
	"github.com/maru-auth/maru/internal/machine"
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

	machine.Output
}

// most is the highest ratio of costs that still counts as flat: of a request, and of a call of the
// store, many of which are one look-up of 20 µs, where one more level of an index shows.
const (
	most        = 1.2
	mostOfStore = 2
)

// ofTheStore tells whether the scenario with this name is a call of the store.
func ofTheStore(name string) bool { return strings.HasPrefix(name, "store: ") }

// What a figure tells.
const (
	flat    = "flat"
	dearer  = "costs more"
	unclear = "unclear" // the machine was too busy to tell
)

// judge says what the ratio tells: where it lies for certain must be on one side of the bound.
func (f *figure) judge() string {
	bound := most
	if ofTheStore(f.Scenario) {
		bound = mostOfStore
	}
	switch {
	case f.Low > bound:
		return dearer
	case f.High <= bound:
		return flat
	}
	return unclear
}

// figure is what one scenario cost on one engine: the times are medians, and the 90th percentile. The
// ratio lies between Low and High with a confidence of 96 %.
type figure struct {
	Engine   string  `json:"engine"`
	Scenario string  `json:"scenario"`
	Runs     int     `json:"runs"`
	SmallUS  float64 `json:"small_us"`
	LargeUS  float64 `json:"large_us"`
	Ratio    float64 `json:"ratio"`
	Low      float64 `json:"ratio_low"`
	High     float64 `json:"ratio_high"`
	Verdict  string  `json:"verdict"`
	Small90  float64 `json:"small_p90_us"`
	Large90  float64 `json:"large_p90_us"`
}

type summary struct {
	Machine  machine.Machine               `json:"machine"`
	Small    int                           `json:"small_accounts"`
	Large    int                           `json:"large_accounts"`
	Starts   map[string]map[string]float64 `json:"seconds_until_ready"` // by engine, and the accounts
	Figures  []figure                      `json:"figures"`
	NotFlat  []string                      `json:"not_flat"`
	Unclear  []string                      `json:"unclear"`
	MostFlat float64                       `json:"flat_up_to"`
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
	sum := summary{Small: cmd.Small, Large: cmd.Large, Machine: machine.This(), Starts: map[string]map[string]float64{}, MostFlat: most}
	for _, engine := range cmd.Engines {
		if err := cmd.engine(ctx, engine, dir, program, &sum); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	text := sum.markdown()
	fmt.Print("\n", text)
	if err := cmd.Write("growth", sum, text); err != nil {
		return err
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
		if sum.Starts[engine] == nil {
			sum.Starts[engine] = map[string]float64{}
		}
		sum.Starts[engine][strconv.Itoa(accounts)] = w.server.ready.Seconds()
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
		fmt.Printf("  %-9s %-32s %9.0f %9.0f µs  × %.2f (%.2f to %.2f) %s\n", engine, f.Scenario, f.SmallUS, f.LargeUS, f.Ratio, f.Low, f.High, f.Verdict)
		sum.Figures = append(sum.Figures, f)
		switch f.Verdict {
		case dearer:
			sum.NotFlat = append(sum.NotFlat, engine+" "+f.Scenario)
		case unclear:
			sum.Unclear = append(sum.Unclear, engine+" "+f.Scenario)
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
		_, err5 := w.store.Audit.List(ctx, auditlog.Filter{UserID: id, Limit: 50})
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

// measure repeats a scenario, in turn on each database: whatever else the machine does meets both. If
// it is not clear then that the cost is flat, it goes on for up to four times as long: of so many
// scenarios one seems dearer by chance now and then.
func (cmd compareCommand) measure(ctx context.Context, one scenario, worlds []*world) (figure, error) {
	r := rand.New(rand.NewPCG(1, uint64(len(one.name)))) //nolint:gosec // G404: keeps no secret
	took := make([][]time.Duration, len(worlds))
	const warm, least = 5, 3 * parts
	n := 0
	for longer := range 4 {
		for began := time.Now(); n < warm+least || time.Since(began) < cmd.Each; n++ {
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
		if f := newFigure(one.name, took[0], took[1]); f.Verdict == flat || longer == 3 {
			return f, nil
		}
	}
	panic("not reached")
}

// parts is how many parts of a run have a ratio of their own. In order, the median of what they stand
// for lies between the fourth and the twelfth of 15 with a probability of 96.5 %.
const parts = 15

// newFigure compares what was measured in turn.
func newFigure(scenario string, small, large []time.Duration) figure {
	at := func(took []time.Duration, part float64) float64 {
		sorted := slices.Sorted(slices.Values(took))
		return float64(sorted[int(part*float64(len(sorted)-1))].Nanoseconds()) / 1e3
	}
	var ratios []float64
	for i := range parts {
		from, to := i*len(small)/parts, (i+1)*len(small)/parts
		ratios = append(ratios, at(large[from:to], 0.5)/at(small[from:to], 0.5))
	}
	slices.Sort(ratios)
	f := figure{Scenario: scenario, Runs: len(small), SmallUS: at(small, 0.5), LargeUS: at(large, 0.5), Small90: at(small, 0.9), Large90: at(large, 0.9)}
	f.Ratio, f.Low, f.High = f.LargeUS/f.SmallUS, ratios[3], ratios[11]
	f.Verdict = f.judge()
	return f
}

// markdown is the table of a README: a row for each scenario, with all engines.
func (s *summary) markdown() string {
	var engines, names []string
	for _, f := range s.Figures {
		if !slices.Contains(engines, f.Engine) {
			engines = append(engines, f.Engine)
		}
		if !slices.Contains(names, f.Scenario) {
			names = append(names, f.Scenario)
		}
	}
	titles := []string{"µs, medians"}
	for _, engine := range engines {
		titles = append(titles, fmt.Sprintf("%s: %d>", engine, s.Small), fmt.Sprintf("%d>", s.Large), "×>", "between>", "")
	}
	var rows [][]string
	for _, name := range names {
		row := []string{name}
		for _, engine := range engines {
			i := slices.IndexFunc(s.Figures, func(f figure) bool { return f.Engine == engine && f.Scenario == name })
			if i < 0 {
				row = append(row, "–", "–", "–", "–", "")
				continue
			}
			f := s.Figures[i]
			verdict := f.Verdict
			if verdict != flat {
				verdict = "**" + verdict + "**"
			}
			row = append(row, fmt.Sprintf("%.0f", f.SmallUS), fmt.Sprintf("%.0f", f.LargeUS), fmt.Sprintf("%.2f", f.Ratio),
				fmt.Sprintf("%.2f, %.2f", f.Low, f.High), verdict)
		}
		rows = append(rows, row)
	}
	starts := []string{"from start until ready, s"}
	for _, engine := range engines {
		of := s.Starts[engine]
		starts = append(starts, fmt.Sprintf("%.2f", of[strconv.Itoa(s.Small)]), fmt.Sprintf("%.2f", of[strconv.Itoa(s.Large)]), "", "", "")
	}
	text := fmt.Sprintf("`make growth`: %s; %d beside %d accounts, in turn. A ratio lies between the two with a confidence of 96 %%; flat is up to %.1f, and up to %d for "+
		"single calls of the store.\n\n", s.Machine, s.Small, s.Large, most, mostOfStore) + machine.Table(titles, append(rows, starts))
	count := func(what string, of []string) string {
		if len(of) == 0 {
			return ""
		}
		return fmt.Sprintf("\n%s: %s.\n", what, strings.Join(of, ", "))
	}
	return text + count("Costs more", s.NotFlat) + count("Unclear, for the machine was too busy", s.Unclear)
}
