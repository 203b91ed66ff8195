// Package growth measures whether what a program does costs the same however much its database has.
//
// A program's own room fills databases of two sizes, and says what is done often; this package runs
// the program on both, compares in turn, judges, and writes the table. See README.md.
package growth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/machine"
	"github.com/maru-auth/maru/internal/sqldb/bulk"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// Main runs the command that the arguments and the environment (GROWTH_…) name. commands is a
// pointer to a struct of kong's commands, whose Run methods take a context.
func Main(commands any) {
	parsed := kong.Parse(commands, kong.Name("growth"), kong.DefaultEnvars("GROWTH"), kong.Description("Measures whether cost grows with the data."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be undone
	}
}

// Settings are those of a comparison, for kong.
type Settings struct {
	Small    int           `help:"How many accounts, posts or profiles the smaller databases have." default:"10000"`
	Large    int           `help:"How many the larger databases have." default:"1000000"`
	Engines  []string      `help:"Which engines." default:"sqlite,postgres" enum:"sqlite,postgres"`
	Each     time.Duration `help:"How long each scenario is repeated on each engine; up to four times as long if that does not tell." default:"2s"`
	Only     string        `help:"Only scenarios whose name contains this."`
	Dir      string        `help:"Where the databases are made, and kept. Those that are there are used again for a few hours, for the sessions in them end. Empty: in a temporary folder that is removed. 10⁶ accounts take 5 GB on each engine, as many posts 2 GB." placeholder:"PATH"`
	Postgres string        `help:"The URL of a database of Postgres whose account may create databases. Empty: a cluster of its own, from the installed programs." placeholder:"URL"`

	machine.Output
}

// A Subject is a program whose cost is measured. W is a filled database, the program on it, and
// whatever else the scenarios need.
type Subject[W World] struct {
	Name      string // of the program, of its part of the JSON, and of its databases
	Marks     string // of its table in a README
	Package   string // the program's folder in the module
	What      string // of what there is more: "accounts"
	Scenarios []Scenario[W]

	// Open fills the database if it is empty, reads into memory what is in use, and starts the
	// program on it ([Database.Start]).
	Open func(ctx context.Context, d *Database) (W, error)
}

// A World is closed after its server has ended.
type World interface{ Close() error }

// A Scenario is something that is done often. Once does it for somebody at random, and returns how
// long it took, without what had to be there before.
type Scenario[W any] struct {
	Name string // begins with "store: " if it calls the store, without the program
	Once func(ctx context.Context, w W, r *rand.Rand) (time.Duration, error)
}

// OfStore is a scenario that times a call of the store.
func OfStore[W any](name string, do func(ctx context.Context, w W, r *rand.Rand) error) Scenario[W] {
	return Scenario[W]{storePrefix + name, func(ctx context.Context, w W, r *rand.Rand) (time.Duration, error) {
		began := time.Now()
		err := do(ctx, w, r)
		return time.Since(began), err
	}}
}

const storePrefix = "store: "

// OfTheStore tells whether the scenario calls the store, without the program.
func (s Scenario[W]) OfTheStore() bool { return strings.HasPrefix(s.Name, storePrefix) }

// A Database is one of the two sizes on an engine.
type Database struct {
	Engine string // "sqlite" or "postgres"
	URL    string
	Size   int // so many of Subject.What

	program string
	server  *Server
}

// Start starts the program on the database with these variables; see [Start].
func (d *Database) Start(ctx context.Context, variables func(address string) []string) (*Server, error) {
	s, err := Start(ctx, d.program, variables)
	d.server = s
	return s, err
}

// Warm reads the database into memory, as far as that has room.
func (d *Database) Warm(ctx context.Context) error {
	path, ok := strings.CutPrefix(d.URL, "sqlite:")
	if !ok {
		return bulk.Prewarm(ctx, d.URL)
	}
	file, err := os.Open(path) //nolint:gosec // G304: our own database
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, file)
	return errors.Join(err, file.Close())
}

// ErrNotFlat is the error of a comparison that ended, and in which something costs more.
var ErrNotFlat = errors.New("it costs more where there is more")

// Compare fills what is missing, measures all scenarios on both sizes and each engine, and writes
// what came out. Error: [ErrNotFlat], or what went wrong.
func Compare[W World](ctx context.Context, set Settings, s Subject[W]) (err error) {
	if s.Scenarios = slices.DeleteFunc(slices.Clone(s.Scenarios), func(one Scenario[W]) bool { return !strings.Contains(one.Name, set.Only) }); len(s.Scenarios) == 0 {
		fmt.Printf("%s has no such scenario\n", s.Name)
		return nil
	}
	if set.Dir == "" {
		if set.Dir, err = os.MkdirTemp("", "maru-growth-"); err != nil {
			return err
		}
		defer os.RemoveAll(set.Dir)
	}
	program := filepath.Join(set.Dir, s.Name)
	if err := Build(ctx, s.Package, program); err != nil {
		return err
	}
	sum := newSummary(s.Name, s.What, set)
	for _, engine := range set.Engines {
		if err := compareOn(ctx, set, s, engine, program, sum); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	text := sum.markdown()
	fmt.Print("\n", text)
	if err := set.WritePart(s.Name, s.Marks, sum, text); err != nil {
		return err
	}
	if len(sum.NotFlat) > 0 {
		return fmt.Errorf("%w: %s", ErrNotFlat, strings.Join(sum.NotFlat, ", "))
	}
	return nil
}

// compareOn has the program run on both databases of an engine, and measures.
func compareOn[W World](ctx context.Context, set Settings, s Subject[W], engine, program string, sum *summary) (err error) {
	ctx, stop := context.WithCancel(ctx) // which ends the servers
	defer stop()
	urls, closing, err := set.databases(ctx, engine, s.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	var databases []*Database
	var worlds []W
	defer func() {
		stop()
		for _, d := range databases {
			if d.server != nil {
				<-d.server.Ended
			}
		}
		for _, w := range worlds {
			err = errors.Join(err, w.Close())
		}
	}()
	for i, size := range []int{set.Small, set.Large} {
		d := &Database{Engine: engine, URL: urls[i], Size: size, program: program}
		databases = append(databases, d)
		w, err := s.Open(ctx, d)
		if err != nil {
			return err
		}
		worlds = append(worlds, w)
		if d.server != nil {
			sum.started(engine, size, d.server.Ready)
		}
	}
	for _, one := range s.Scenarios {
		f, err := measure(ctx, set.Each, one, worlds)
		if err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		f.Engine = engine
		fmt.Printf("  %-9s %-36s %9.0f %9.0f µs  × %.2f (%.2f to %.2f) %s\n", engine, f.Scenario, f.SmallUS, f.LargeUS, f.Ratio, f.Low, f.High, f.Verdict)
		sum.add(f)
	}
	return nil
}

// databases returns the URLs of the small and the large database.
func (set Settings) databases(ctx context.Context, engine, name string) (urls [2]string, closing func() error, err error) {
	closing = func() error { return nil }
	sizes := [2]int{set.Small, set.Large}
	if engine == "sqlite" {
		for i, n := range sizes {
			urls[i] = fmt.Sprintf("sqlite:%s", filepath.Join(set.Dir, fmt.Sprintf("%s-%d.db", name, n)))
		}
		return urls, closing, nil
	}
	admin := set.Postgres
	if admin == "" {
		if admin, closing, err = Postgres(); err != nil {
			return urls, closing, err
		}
	}
	for i, n := range sizes {
		if urls[i], err = sqldbtest.Create(ctx, admin, fmt.Sprintf("growth_%s_%d", strings.ReplaceAll(name, "-", "_"), n)); err != nil {
			return urls, closing, errors.Join(err, closing())
		}
	}
	return urls, closing, nil
}

// Postgres starts a durable cluster with the settings of a small server that has an SSD. stop ends
// and removes it.
func Postgres() (adminURL string, stop func() error, err error) {
	return sqldbtest.StartDurable("shared_buffers=1GB", "max_wal_size=2GB", "random_page_cost=1.1")
}

// Build compiles a program, of which folder is its folder in the module.
func Build(ctx context.Context, folder, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, "github.com/maru-auth/maru/"+folder) //nolint:gosec // G204: the operator names the folder
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
