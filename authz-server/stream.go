package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/cli"
)

type streamCommands struct {
	List    streamList    `cmd:"" help:"List the event streams, with what waits for each and why."`
	Show    streamShow    `cmd:"" help:"Show a stream, and the events that its receiver refused."`
	Create  streamCreate  `cmd:"" help:"Make the stream of a client, which can also do so itself."`
	Enable  streamEnable  `cmd:"" help:"Have a stream go on: events that wait are delivered."`
	Pause   streamPause   `cmd:"" help:"Hold the events of a stream until it is enabled."`
	Disable streamDisable `cmd:"" help:"Drop the events of a stream, also those that wait."`
	Retry   streamRetry   `cmd:"" help:"Try the events again that a receiver refused and that were given up, and a receiver that does not answer at once."`
	Delete  streamDelete  `cmd:"" help:"Delete a stream, and the events that wait for it."`
}

type streamList struct {
	Format string `help:"text or json (one stream a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd streamList) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		shown, err := a.Streams(ctx, p.machine())
		if err != nil {
			return err
		}
		return cli.List[admin.Stream]{
			Page: func(_ context.Context, after string, _ int) ([]admin.Stream, error) {
				if after != "" {
					return nil, nil
				}
				return shown, nil
			},
			Key:     func(s admin.Stream) string { return s.ID },
			Columns: "ID\tRECEIVER\tDELIVERY\tSTATUS\tWAITING\tOLDEST\tREFUSED\tDROPPED\tERROR",
			Row: func(s admin.Stream) string {
				oldest, way := "", "poll"
				if s.Oldest != nil {
					oldest = s.Oldest.Format(time.RFC3339)
				}
				if s.Endpoint != "" {
					way = "push"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s", s.ID, s.Client+s.Service, way, s.Status, s.Waiting, oldest, s.Refused,
					s.Dropped, strings.Trim(s.Reason+" "+s.Error, " "))
			},
			JSON: func(s admin.Stream) (any, error) { return s, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

// streamArg names a stream.
type streamArg struct {
	ID string `arg:"" help:"The stream's id, as 'list' shows it."`
}

// error says which stream there is not.
func (arg streamArg) error(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no stream %q; 'stream list' shows them all", arg.ID)
	}
	return option(err, map[string]string{"words": "--reason"})
}

type streamShow struct{ streamArg }

func (cmd streamShow) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		shown, err := a.StreamDetail(ctx, p.machine(), cmd.ID)
		if err != nil {
			return cmd.error(err)
		}
		text, err := json.MarshalIndent(shown, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "%s\n", text)
		return err
	})
}

type streamCreate struct {
	reason
	Client      string   `help:"The client whose stream it is." required:"" placeholder:"ID" env:"-"`
	Endpoint    string   `help:"Where events are pushed. Without it, the client polls." placeholder:"URL" env:"-"`
	HeaderFile  string   `help:"A file that holds the value of the header Authorization of the pushes." placeholder:"PATH" env:"-"`
	Event       []string `help:"A type of events that it gets: ${events}. Can be repeated. None: all." enum:"${events}" placeholder:"TYPE" env:"-"`
	Description string   `help:"What it is for, for people." env:"-"`
}

func (cmd streamCreate) Run(ctx context.Context, p *program) error {
	if err := p.settings.check(); err != nil {
		return cli.Usage(err)
	}
	p.findDevelopmentKEK()
	rules, err := p.streamRules()
	if err != nil {
		return err
	}
	wish, err := cmd.wish()
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		made, err := a.CreateStream(ctx, p.machine(), rules, wish, cmd.Reason)
		var wrong *admin.FieldError
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("there is no client %q", cmd.Client)
		case errors.Is(err, store.ErrExists):
			return fmt.Errorf("the client %q has a stream already, or there are %d", cmd.Client, streams.MaxStreams)
		case errors.As(err, &wrong) && wrong.Field == "client":
			return fmt.Errorf("the client %q %s", cmd.Client, wrong.Problem)
		case errors.As(err, &wrong) && wrong.Field == "endpoint":
			return errors.New(wrong.Problem)
		case err != nil:
			return option(err, nil)
		}
		_, err = fmt.Fprintln(p.out, made.ID)
		return err
	})
}

func (cmd streamCreate) wish() (wish admin.NewStream, err error) {
	wish = admin.NewStream{ClientID: cmd.Client, Endpoint: cmd.Endpoint, Description: cmd.Description}
	for _, one := range streams.Types {
		if slices.Contains(cmd.Event, string(one)) {
			wish.Events = append(wish.Events, one)
		}
	}
	if cmd.HeaderFile == "" {
		return wish, nil
	}
	if cmd.Endpoint == "" {
		return wish, cli.Usage(errors.New("--header-file goes with --endpoint"))
	}
	text, err := os.ReadFile(cmd.HeaderFile)
	if err != nil {
		return wish, err
	}
	header := strings.TrimRight(string(text), "\r\n")
	wish.Header = &header
	return wish, nil
}

// streamRules are those of this server.
func (p *program) streamRules() (rules ssf.Rules, err error) {
	if rules.Issuer, err = issuer.Parse(p.settings.Issuer); err != nil {
		return rules, err
	}
	if rules.KEK, _, err = p.settings.kek(); err != nil {
		return rules, err
	}
	rules.Fetch, err = fetch.New(fetch.Config{InsecureLoopback: p.settings.InsecureOutgoingLoopback, Now: p.now})
	return rules, err
}

// statusCommand sets the status of a stream, of which its receiver is told.
type statusCommand struct {
	streamArg

	Reason string `help:"Why, for the receiver." env:"-"`
}

func (cmd statusCommand) set(ctx context.Context, p *program, status streams.Status) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		if err := a.SetStreamStatus(ctx, p.machine(), cmd.ID, status, cmd.Reason, ""); err != nil {
			return cmd.error(err)
		}
		_, err := fmt.Fprintf(p.out, "%s is %s\n", cmd.ID, status)
		return err
	})
}

type (
	streamEnable  struct{ statusCommand }
	streamPause   struct{ statusCommand }
	streamDisable struct{ statusCommand }
)

func (cmd streamEnable) Run(ctx context.Context, p *program) error {
	return cmd.set(ctx, p, streams.Enabled)
}

func (cmd streamPause) Run(ctx context.Context, p *program) error {
	return cmd.set(ctx, p, streams.Paused)
}

func (cmd streamDisable) Run(ctx context.Context, p *program) error {
	return cmd.set(ctx, p, streams.Disabled)
}

type streamRetry struct {
	streamArg
	reason
}

func (cmd streamRetry) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		n, err := a.RetryStream(ctx, p.machine(), cmd.ID, cmd.Reason)
		if err != nil {
			return cmd.error(err)
		}
		_, err = fmt.Fprintf(p.out, "the server tries again within seconds: %d\n", n)
		return err
	})
}

type streamDelete struct {
	streamArg
	reason
}

func (cmd streamDelete) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, func(a *admin.Admin) error {
		err := a.DeleteStream(ctx, p.machine(), cmd.ID, p.settings.dataServices(), cmd.Reason)
		if errors.Is(err, admin.ErrServiceStream) {
			return errors.New("the stream is of a service that the server tells of people: take that from --data-services, or the server makes it again")
		}
		if err != nil {
			return cmd.error(err)
		}
		_, err = fmt.Fprintf(p.out, "deleted %s\n", cmd.ID)
		return err
	})
}

// streamEvents are the types of events, for help.
func streamEvents() string {
	names := make([]string, len(streams.Types))
	for i, one := range streams.Types {
		names[i] = string(one)
	}
	return strings.Join(names, ",")
}
