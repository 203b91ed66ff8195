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

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/ssf"
	"github.com/maru-auth/maru/authz-server/internal/ssf/delivery"
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

// listedStream is a stream, as 'stream list' prints it.
type listedStream struct {
	ID           string         `json:"stream_id"`
	Client       string         `json:"client_id,omitempty"`
	Service      string         `json:"service,omitempty"`
	Audience     string         `json:"aud"`
	Endpoint     string         `json:"endpoint_url,omitempty"` // empty: it polls
	Events       []streams.Type `json:"events_delivered"`
	Description  string         `json:"description,omitempty"`
	Status       streams.Status `json:"status"`
	Reason       string         `json:"reason,omitempty"`
	Waiting      int64          `json:"waiting"` // 1000 stands for more
	Oldest       *time.Time     `json:"oldest_at,omitempty"`
	Refused      int64          `json:"refused"` // 1000 stands for more
	Dropped      int64          `json:"dropped"`
	FailingSince *time.Time     `json:"failing_since,omitempty"`
	NextAt       *time.Time     `json:"next_at,omitempty"`
	Error        string         `json:"error,omitempty"`
}

func listed(ctx context.Context, s *store.Store, one *streams.Stream) (listedStream, error) {
	depth, err := s.Streams.Depth(ctx, one.ID)
	l := listedStream{
		ID: one.ID, Client: one.ClientID, Service: one.Service, Audience: one.Audience, Endpoint: one.Endpoint, Events: one.Delivered,
		Description: one.Description, Status: one.Status, Reason: one.Reason, Waiting: depth.Waiting, Refused: depth.Refused,
		Dropped: one.Dropped, Error: one.LastError,
	}
	if !depth.Oldest.IsZero() {
		l.Oldest = &depth.Oldest
	}
	if !one.FailingSince.IsZero() {
		l.FailingSince, l.NextAt = &one.FailingSince, &one.DueAt
	}
	return l, err
}

type streamList struct {
	Format string `help:"text or json (one stream a line)." enum:"text,json" default:"text" env:"-"`
}

func (cmd streamList) Run(ctx context.Context, p *program) error {
	return p.withStore(ctx, func(s *store.Store) error {
		all, err := s.Streams.List(ctx)
		if err != nil {
			return err
		}
		shown := make([]listedStream, len(all))
		for i := range all {
			if shown[i], err = listed(ctx, s, &all[i]); err != nil {
				return err
			}
		}
		return cli.List[listedStream]{
			Page: func(_ context.Context, after string, _ int) ([]listedStream, error) {
				if after != "" {
					return nil, nil
				}
				return shown, nil
			},
			Key:     func(l listedStream) string { return l.ID },
			Columns: "ID\tRECEIVER\tDELIVERY\tSTATUS\tWAITING\tOLDEST\tREFUSED\tDROPPED\tERROR",
			Row: func(l listedStream) string {
				oldest, way := "", "poll"
				if l.Oldest != nil {
					oldest = l.Oldest.Format(time.RFC3339)
				}
				if l.Endpoint != "" {
					way = "push"
				}
				return fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s", l.ID, l.Client+l.Service, way, l.Status, l.Waiting, oldest, l.Refused,
					l.Dropped, strings.Trim(l.Reason+" "+l.Error, " "))
			},
			JSON: func(l listedStream) (any, error) { return l, nil },
		}.Print(ctx, p.out, cmd.Format)
	})
}

// streamArg names a stream.
type streamArg struct {
	ID string `arg:"" help:"The stream's id, as 'list' shows it."`
}

// with runs f with the stream.
func (arg streamArg) with(ctx context.Context, p *program, f func(s *store.Store, one streams.Stream) error) error {
	return p.withStore(ctx, func(s *store.Store) error {
		one, err := s.Streams.Stream(ctx, arg.ID)
		if err == nil {
			err = f(s, one)
		}
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no stream %q; 'stream list' shows them all", arg.ID)
		}
		return err
	})
}

type streamShow struct{ streamArg }

// refusedSet is an event that a receiver refused.
type refusedSet struct {
	ID        string       `json:"jti"`
	Type      streams.Type `json:"type"`
	CreatedAt time.Time    `json:"created_at"`
	Attempts  int64        `json:"attempts"`
	NextAt    *time.Time   `json:"next_at,omitempty"`
	GivenUpAt *time.Time   `json:"given_up_at,omitempty"`
	Error     string       `json:"error"`
}

func (cmd streamShow) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, one streams.Stream) error {
		shown := struct {
			listedStream
			Requested []string     `json:"events_requested"`
			CreatedAt time.Time    `json:"created_at"`
			UpdatedAt time.Time    `json:"updated_at"`
			Sets      []refusedSet `json:"refused_events"` // the first thousand
		}{Requested: one.Requested, CreatedAt: one.CreatedAt, UpdatedAt: one.UpdatedAt, Sets: []refusedSet{}}
		var err error
		if shown.listedStream, err = listed(ctx, s, &one); err != nil {
			return err
		}
		const page = 500
		for after := ""; len(shown.Sets) < 1000; {
			sets, err := s.Streams.Sets(ctx, one.ID, after, page)
			if err != nil {
				return err
			}
			for _, set := range sets {
				if after = set.ID; set.Attempts == 0 {
					continue
				}
				refused := refusedSet{ID: set.ID, Type: set.Type, CreatedAt: set.CreatedAt, Attempts: set.Attempts, NextAt: &set.DueAt, Error: set.LastError}
				if !set.GivenUpAt.IsZero() {
					refused.NextAt, refused.GivenUpAt = nil, &set.GivenUpAt
				}
				shown.Sets = append(shown.Sets, refused)
			}
			if len(sets) < page {
				break
			}
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
	return p.withStore(ctx, func(s *store.Store) error {
		c, err := s.Clients.Client(ctx, cmd.Client)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no client %q", cmd.Client)
		}
		if err != nil {
			return err
		}
		if !delivery.MayReceive(&c) {
			return fmt.Errorf("the client %q may not have a stream: give it the scope %s or %s", cmd.Client, delivery.ScopeRead, delivery.ScopeManage)
		}
		made, err := cmd.create(ctx, s, rules, &c, wish)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.out, made.ID)
		return err
	})
}

func (cmd streamCreate) create(ctx context.Context, s *store.Store, rules ssf.Rules, c *client.Client, wish ssf.Wish) (streams.Stream, error) {
	stream, err := rules.New(c, wish)
	if err != nil {
		return stream, err
	}
	made, err := s.Streams.Create(ctx, stream)
	if errors.Is(err, store.ErrExists) {
		return made, fmt.Errorf("the client %q has a stream already, or there are %d", cmd.Client, streams.MaxStreams)
	}
	return made, err
}

func (cmd streamCreate) wish() (ssf.Wish, error) {
	requested := []string{}
	for _, one := range streams.Types {
		if len(cmd.Event) == 0 || strings.Contains(" "+strings.Join(cmd.Event, " ")+" ", " "+string(one)+" ") {
			requested = append(requested, one.URI())
		}
	}
	wish := ssf.Wish{Requested: &requested, Description: &cmd.Description}
	if cmd.Endpoint == "" {
		if cmd.HeaderFile != "" {
			return wish, cli.Usage(errors.New("--header-file goes with --endpoint"))
		}
		return wish, nil
	}
	wish.Delivery = &ssf.Delivery{Method: ssf.MethodPush, Endpoint: cmd.Endpoint}
	if cmd.HeaderFile != "" {
		text, err := os.ReadFile(cmd.HeaderFile)
		if err != nil {
			return wish, err
		}
		header := strings.TrimRight(string(text), "\r\n")
		wish.Delivery.Header = &header
	}
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
	return cmd.with(ctx, p, func(s *store.Store, one streams.Stream) error {
		told, err := streams.Updated(one.ID, status, cmd.Reason)
		if err != nil {
			return err
		}
		if err := s.Tx(ctx, func(ctx context.Context) error {
			if one.Status == status {
				return s.Streams.SetStatus(ctx, one.ID, status, cmd.Reason)
			}
			// A stream that is disabled takes nothing: it is told before it stops, and after it begins.
			if status != streams.Disabled {
				if err := s.Streams.SetStatus(ctx, one.ID, status, cmd.Reason); err != nil {
					return err
				}
			}
			if err := s.Streams.Add(ctx, one.ID, told); err != nil {
				return err
			}
			return s.Streams.SetStatus(ctx, one.ID, status, cmd.Reason)
		}); err != nil {
			return err
		}
		if status == streams.Disabled {
			if err := s.Streams.Drop(ctx, one.ID); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(p.out, "%s is %s\n", one.ID, status)
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

type streamRetry struct{ streamArg }

func (cmd streamRetry) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, one streams.Stream) error {
		n, err := s.Streams.Retry(ctx, one.ID)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.out, "the server tries again within seconds: %d\n", n)
		return err
	})
}

type streamDelete struct{ streamArg }

func (cmd streamDelete) Run(ctx context.Context, p *program) error {
	return cmd.with(ctx, p, func(s *store.Store, one streams.Stream) error {
		if one.Own() && slices.Contains(p.settings.dataServices(), one.Service) {
			return fmt.Errorf("the stream is of the service %q: take it from --data-services, or the server makes it again", one.Service)
		}
		if err := s.Streams.Delete(ctx, one.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.out, "deleted %s\n", one.ID)
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
