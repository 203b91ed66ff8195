// Command growth measures whether what the authorization server does costs the same however many
// accounts there are. It fills databases of both engines, and compares, in one run, what each
// scenario costs at each size. See its README.
package main

import (
	"context"
	"os"
	"time"

	"github.com/maru-auth/maru/internal/growth"
)

type config struct {
	Fill    fillCommand    `cmd:"" help:"Fill an empty database with accounts and all that hangs on them. Everybody's password is in people.go."`
	Compare compareCommand `cmd:"" help:"Fill databases of two sizes on each engine, and compare what each scenario costs."`
	Upgrade upgradeCommand `cmd:"" help:"Fill databases of the version before, and measure how long this version takes until it is ready on them."`
	Stall   stallCommand   `cmd:"" help:"Sweep a backlog of expired rows, and measure what others wait for it."`
}

func main() { growth.Main(new(config)) }

type fillCommand struct {
	DatabaseURL string `arg:"" help:"sqlite:PATH or postgres://…, an empty database."`
	Accounts    int    `help:"How many accounts." default:"1000000"`
	Expired     int64  `help:"How many expired rows each of the ten tables has that are swept most." default:"0"`
}

func (cmd fillCommand) Run(ctx context.Context) error {
	return Fill(ctx, cmd.DatabaseURL, &fill{accounts: cmd.Accounts, expired: cmd.Expired, now: time.Now()}, os.Stdout)
}
