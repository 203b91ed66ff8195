package admin

import (
	"context"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

// What needs attention.
const (
	QueueFailing  = "queue_failing"   // deliveries were given up
	QueueLate     = "queue_late"      // the oldest has waited for a quarter of an hour
	StreamFailing = "stream_failing"  // a receiver does not answer, or refuses
	StreamStopped = "stream_stopped"  // events wait or are dropped, because the stream is paused or disabled
	KeyOld        = "key_old"         // a signing key should have been followed by another
	KeyMissing    = "key_missing"     // nothing signs for an algorithm
	ClockWrong    = "clock_wrong"     // this machine's clock differs from the database's
	LogLate       = "log_late"        // entries of the audit log wait for their places
	Guessing      = "guessing"        // many tries fail for one account, or from one network
	Hammered      = "client_hammered" // a client's token requests are refused far more often than usual
	NoAdmin       = "no_administrator"
)

// Attention is something that an operator should look at.
type Attention struct {
	What  string    `json:"what"`
	About string    `json:"about,omitempty"` // a queue, stream, key, client, or what tries are counted under
	Count int64     `json:"count,omitempty"` // 1000 stands for more
	Since time.Time `json:"since,omitzero"`
	Error string    `json:"error,omitempty"`
}

// The bounds beyond which something needs attention.
const (
	lateAfter     = 15 * time.Minute
	logLateAfter  = 5 * time.Minute
	keyOverdue    = 14 * 24 * time.Hour // after its turn has ended
	keyAge        = 400 * 24 * time.Hour
	guessesBefore = 50

	refusalsBefore  = 100 // of a client, within an hour
	refusalsTimes   = 5   // as many as in an hour of the day before
	hammeredClients = 20  // that are looked at
)

// Attention returns what needs attention now; nothing, if all is well.
func (a *Admin) Attention(ctx context.Context, actor Actor) ([]Attention, error) {
	if err := a.read(ctx, actor, Read); err != nil {
		return nil, err
	}
	all := []Attention{}
	for _, look := range []func(context.Context) ([]Attention, error){
		a.lookAtQueues, a.lookAtStreams, a.lookAtKeys, a.lookAtServer, a.lookAtTries, a.lookAtClients,
	} {
		found, err := look(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (a *Admin) lookAtQueues(ctx context.Context) (all []Attention, err error) {
	for _, kind := range QueueKinds {
		given, err := a.Store.Outbox.GivenUp(ctx, kind)
		if err != nil {
			return nil, err
		}
		if given.Count > 0 {
			all = append(all, Attention{
				What: QueueFailing, About: kind, Count: given.Count, Since: given.Oldest, Error: given.LastError,
			})
		}
		depth, err := a.Store.Outbox.Depth(ctx, kind)
		if err != nil {
			return nil, err
		}
		if !depth.Oldest.IsZero() && a.Now().Sub(depth.Oldest) > lateAfter {
			all = append(all, Attention{What: QueueLate, About: kind, Count: depth.Waiting, Since: depth.Oldest})
		}
	}
	return all, nil
}

func (a *Admin) lookAtStreams(ctx context.Context) (all []Attention, err error) {
	found, err := a.Store.Streams.List(ctx)
	for i := range found {
		one := &found[i]
		switch {
		case !one.FailingSince.IsZero():
			all = append(all, Attention{
				What: StreamFailing, About: one.ID, Count: one.Attempts, Since: one.FailingSince, Error: one.LastError,
			})
		case one.Status != streams.Enabled:
			all = append(all, Attention{
				What: StreamStopped, About: one.ID, Count: one.Dropped, Since: one.UpdatedAt, Error: one.Reason,
			})
		}
	}
	return all, err
}

func (a *Admin) lookAtKeys(ctx context.Context) (all []Attention, err error) {
	if a.ListKeys == nil {
		return nil, nil
	}
	found, err := a.ListKeys(ctx)
	if err != nil {
		return nil, err
	}
	most := keyAge
	if a.KeyRotation > 0 {
		most = a.KeyRotation + keyOverdue
	}
	signs := map[string]bool{}
	for _, one := range found {
		signs[one.Alg] = signs[one.Alg] || one.State == "current"
		if one.State == "current" && a.Now().Sub(one.Since) > most {
			all = append(all, Attention{What: KeyOld, About: one.KID, Since: one.Since})
		}
	}
	for alg, ok := range signs {
		if !ok && alg != "" {
			all = append(all, Attention{What: KeyMissing, About: alg})
		}
	}
	return all, nil
}

func (a *Admin) lookAtServer(ctx context.Context) (all []Attention, err error) {
	if err := a.Store.CheckClock(ctx); err != nil {
		all = append(all, Attention{What: ClockWrong, Error: err.Error()})
	}
	since, err := a.Store.Audit.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	if !since.IsZero() && a.Now().Sub(since) > logLateAfter {
		all = append(all, Attention{What: LogLate, Since: since})
	}
	has, err := a.Store.HasAdministrator(ctx)
	if err == nil && !has {
		all = append(all, Attention{What: NoAdmin})
	}
	return all, err
}

func (a *Admin) lookAtTries(ctx context.Context) (all []Attention, err error) {
	failures, err := a.latestFailures(ctx)
	for _, one := range failures {
		if one.Count >= guessesBefore {
			all = append(all, Attention{What: Guessing, About: one.Of, Count: one.Count, Since: one.Last})
		}
	}
	return all, err
}

// lookAtClients finds clients whose token requests were refused, or put off, in the last hour or so far
// more often than in the day before: by an app that goes on with what it should have forgotten, or by
// somebody who tries secrets or codes.
func (a *Admin) lookAtClients(ctx context.Context) (all []Attention, err error) {
	hour := a.Now().Add(-time.Hour)
	refused, err := a.Store.Refusals.Since(ctx, hour)
	if err != nil {
		return nil, err
	}
	for _, one := range refused[:min(len(refused), hammeredClients)] {
		if one.Count < refusalsBefore {
			break
		}
		before, err := a.Store.Refusals.Of(ctx, one.ClientID, hour.Add(-24*time.Hour), hour)
		if err != nil {
			return nil, err
		}
		if one.Count*24 >= before*refusalsTimes {
			all = append(all, Attention{What: Hammered, About: one.ClientID, Count: one.Count, Since: one.Last})
		}
	}
	return all, nil
}
