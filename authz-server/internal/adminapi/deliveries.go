package adminapi

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
	"github.com/maru-auth/maru/internal/rest"
)

func (s *service) deliveryRoutes() {
	const tag = "queues"
	route(s, tag, "list-deliveries", "GET /v1/queues/{queue}", "List what waits to leave the server, or was given up",
		"What letters say is not shown.", []int{422}, s.listDeliveries)
	route(s, tag, "retry-deliveries", "POST /v1/queues/{queue}/retries", "Try again what was given up", "", nil, s.retryAll)
	route(s, tag, "retry-delivery", "POST /v1/queues/{queue}/{id}/retries", "Try a delivery at once", "", []int{404}, s.retryOne)
	route(s, tag, "drop-delivery", "DELETE /v1/queues/{queue}/{id}", "Drop a delivery", "Whoever it is for is not told.", []int{404}, s.dropDelivery)

	route(s, tag, "list-streams", "GET /v1/streams", "List event streams", "With what waits for each.", nil, s.listStreams)
	route(s, tag, "create-stream", "POST /v1/streams", "Make the event stream of a client",
		"The client has a scope ssf.read or ssf.manage.", []int{404, 409}, s.createStream)
	route(s, tag, "get-stream", "GET /v1/streams/{id}", "Get an event stream, with what its receiver refused", "", []int{404}, s.getStream)
	route(s, tag, "update-stream", "PATCH /v1/streams/{id}", "Change the event stream of a client", mergePatchDoc,
		[]int{404, 409, 412, 428}, s.updateStream)
	route(s, tag, "verify-stream", "POST /v1/streams/{id}/verifications", "Send the receiver of an event stream an event about the stream",
		"By which they see that events arrive (SSF, section 8.1.4).", []int{404, 409}, s.verifyStream)
	route(s, tag, "set-stream-status", "PUT /v1/streams/{id}/status", "Enable, pause or disable an event stream",
		"The receiver is told. What waits for a stream that is disabled is dropped.", []int{404}, s.setStreamStatus)
	route(s, tag, "retry-stream", "POST /v1/streams/{id}/retries", "Try again what a receiver refused", "", []int{404}, s.retryStream)
	route(s, tag, "delete-stream", "DELETE /v1/streams/{id}", "Delete an event stream", "With what waits for it.", []int{404, 409}, s.deleteStream)

	const throttles = "throttles"
	route(s, throttles, "list-throttles", "GET /v1/throttles", "See who tries too often",
		"Without an address: who failed to log in, or to prove something, within the last quarter of an hour.", []int{422}, s.listThrottles)
	route(s, throttles, "lift-throttles", "DELETE /v1/throttles", "Forget what counts against a network address",
		"And against the networks that it is in.", []int{422}, s.liftThrottles)
}

// QueueInput names a queue.
type QueueInput struct {
	Queue string `path:"queue" enum:"mail,logouts"`
}

func (in QueueInput) kind() string {
	return map[string]string{"mail": admin.MailQueue, "logouts": admin.LogoutQueue}[in.Queue]
}

type deliveriesInput struct {
	QueueInput
	PageInput
}

func (s *service) listDeliveries(ctx context.Context, actor admin.Actor, in *deliveriesInput) (*listOf[admin.Delivery], error) {
	return listed(s.admin.Deliveries(ctx, actor, in.kind(), in.Cursor, in.Limit))
}

type retryAllInput struct {
	QueueInput
	rest.CreateInput
	Body struct{ Reason }
}

// retried says how many there were.
type retried struct {
	Retried int64 `json:"retried"`
}

// retriedBefore reads how many there were from what an earlier request noted.
func retriedBefore(made string) (int64, error) { return strconv.ParseInt(made, 10, 64) }

func (s *service) retryAll(ctx context.Context, actor admin.Actor, in *retryAllInput) (*answer[retried], error) {
	n, err := once(ctx, s, in.CreateInput, "retry-deliveries", []any{in.Queue, in.Body}, func(ctx context.Context) (int64, error) {
		return s.admin.RetryAll(ctx, actor, in.kind(), in.Body.Reason.Reason)
	}, retriedBefore)
	return &answer[retried]{retried{n}}, err
}

// DeliveryInput names a delivery.
type DeliveryInput struct {
	QueueInput
	ID Text `path:"id"`
}

type retryInput struct {
	DeliveryInput
	rest.CreateInput
	Body struct{ Reason }
}

func (s *service) retryOne(ctx context.Context, actor admin.Actor, in *retryInput) (*answer[retried], error) {
	n, err := once(ctx, s, in.CreateInput, "retry-delivery", []any{in.Queue, in.ID, in.Body}, func(ctx context.Context) (int64, error) {
		return 1, s.admin.RetryDelivery(ctx, actor, in.kind(), string(in.ID), in.Body.Reason.Reason)
	}, func(string) (int64, error) { return 1, nil })
	return &answer[retried]{retried{n}}, err
}

type dropInput struct {
	DeliveryInput
	ReasonInput
}

func (s *service) dropDelivery(ctx context.Context, actor admin.Actor, in *dropInput) (*nothing, error) {
	return done(s.admin.DropDelivery(ctx, actor, in.kind(), string(in.ID), in.Reason))
}

func (s *service) listStreams(ctx context.Context, actor admin.Actor, _ *struct{}) (*listOf[admin.Stream], error) {
	return all(s.admin.Streams(ctx, actor))
}

// StreamInput names an event stream.
type StreamInput struct {
	ID Text `path:"id"`
}

func (s *service) getStream(ctx context.Context, actor admin.Actor, in *StreamInput) (*versioned[admin.StreamDetail], error) {
	detail, err := s.admin.StreamDetail(ctx, actor, string(in.ID))
	return &versioned[admin.StreamDetail]{rest.ETag(detail.Version), detail}, err
}

type createStreamInput struct {
	rest.CreateInput
	Body struct {
		Reason
		ClientID    string   `json:"client_id" maxLength:"2048"`
		Endpoint    string   `json:"endpoint,omitempty" maxLength:"2000" doc:"Where events are pushed. Absent: the client polls."`
		Header      *string  `json:"header,omitempty" maxLength:"4096" doc:"The value of the header Authorization of pushes. It is kept encrypted, and never shown."`
		Events      []string `json:"events,omitempty" maxItems:"64" doc:"The types that it gets. Absent: all."`
		Description string   `json:"description,omitempty" maxLength:"255"`
	}
}

type createdStream struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Entity tag of this version, for If-Match."`
	Body     admin.StreamDetail
}

func (s *service) createStream(ctx context.Context, actor admin.Actor, in *createStreamInput) (*createdStream, error) {
	b := in.Body
	wish := admin.NewStream{ClientID: b.ClientID, Endpoint: b.Endpoint, Header: b.Header, Description: b.Description}
	for _, one := range b.Events {
		wish.Events = append(wish.Events, streams.Type(one))
	}
	read := func(id string) (admin.StreamDetail, error) { return s.admin.StreamDetail(ctx, actor, id) }
	made, err := once(ctx, s, in.CreateInput, "create-stream", b, func(ctx context.Context) (d admin.StreamDetail, err error) {
		made, err := s.admin.CreateStream(ctx, actor, s.cfg.Streams, wish, b.Reason.Reason)
		if err != nil {
			return d, err
		}
		return read(made.ID)
	}, read)
	if err != nil {
		return nil, err
	}
	return &createdStream{s.api.Location("/v1/streams/" + url.PathEscape(made.ID)), rest.ETag(made.Version), made}, nil
}

type updateStreamInput struct {
	StreamInput
	rest.ChangeInput
	Body struct {
		Reason      string                        `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
		Endpoint    rest.RemovablePatch[string]   `json:"endpoint,omitempty" doc:"Where events are pushed. null: the client polls. Another endpoint has no header, unless one is sent with it."`
		Header      rest.Patch[string]            `json:"header,omitempty" doc:"The value of the header Authorization of pushes. It is kept encrypted, and never shown."`
		Events      rest.RemovablePatch[[]string] `json:"events,omitempty" doc:"The types that it gets. null: all."`
		Description rest.RemovablePatch[string]   `json:"description,omitempty"`
	} `contentType:"application/merge-patch+json"`
}

func (s *service) updateStream(ctx context.Context, actor admin.Actor, in *updateStreamInput) (*versioned[admin.StreamDetail], error) {
	if _, err := rest.IfMatch(in.IfMatch); err != nil {
		return nil, err
	}
	b := in.Body
	var change admin.StreamChange
	var events *[]string
	var errs [4]error
	change.Endpoint, errs[0] = b.Endpoint.Value("body.endpoint", same)
	change.Header, errs[1] = b.Header.Value("body.header", same)
	events, errs[2] = b.Events.Value("body.events", same)
	change.Description, errs[3] = b.Description.Value("body.description", same)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	switch {
	case events != nil && *events == nil:
		change.Events = streams.Types
	case events != nil:
		change.Events = []streams.Type{}
		for _, one := range *events {
			change.Events = append(change.Events, streams.Type(one))
		}
	}
	before, err := s.admin.StreamDetail(ctx, actor, string(in.ID))
	if err == nil {
		err = rest.RequireMatch(in.IfMatch, before.Version)
	}
	if err != nil {
		return nil, err
	}
	version := before.Version
	if in.IfMatch == "*" {
		version = ""
	}
	if err := s.admin.UpdateStream(ctx, actor, s.cfg.Streams, before.ID, version, change, b.Reason); err != nil {
		return nil, err
	}
	return s.getStream(ctx, actor, &in.StreamInput)
}

type verifyStreamInput struct {
	StreamInput
	rest.CreateInput
	Body struct{ Reason }
}

func (s *service) verifyStream(ctx context.Context, actor admin.Actor, in *verifyStreamInput) (*accepted, error) {
	return once(ctx, s, in.CreateInput, "verify-stream", []any{in.ID, in.Body}, func(ctx context.Context) (*accepted, error) {
		return &accepted{}, s.admin.VerifyStream(ctx, actor, string(in.ID), in.Body.Reason.Reason)
	}, func(string) (*accepted, error) { return &accepted{}, nil })
}

type streamStatusInput struct {
	StreamInput
	Body struct {
		Reason
		Status string `json:"status" enum:"enabled,paused,disabled"`
		Words  string `json:"words,omitempty" maxLength:"255" doc:"Why, for the receiver."`
	}
}

func (s *service) setStreamStatus(ctx context.Context, actor admin.Actor, in *streamStatusInput) (*nothing, error) {
	b := in.Body
	return done(s.admin.SetStreamStatus(ctx, actor, string(in.ID), streams.Status(b.Status), b.Words, b.Reason.Reason))
}

type retryStreamInput struct {
	StreamInput
	rest.CreateInput
	Body struct{ Reason }
}

func (s *service) retryStream(ctx context.Context, actor admin.Actor, in *retryStreamInput) (*answer[retried], error) {
	n, err := once(ctx, s, in.CreateInput, "retry-stream", []any{in.ID, in.Body}, func(ctx context.Context) (int64, error) {
		return s.admin.RetryStream(ctx, actor, string(in.ID), in.Body.Reason.Reason)
	}, retriedBefore)
	return &answer[retried]{retried{n}}, err
}

type deleteStreamInput struct {
	StreamInput
	ReasonInput
}

func (s *service) deleteStream(ctx context.Context, actor admin.Actor, in *deleteStreamInput) (*nothing, error) {
	return done(s.admin.DeleteStream(ctx, actor, string(in.ID), s.cfg.Services, in.Reason))
}

type throttlesInput struct {
	Address string `query:"address" maxLength:"64" doc:"What counts against this network address."`
}

func (s *service) listThrottles(ctx context.Context, actor admin.Actor, in *throttlesInput) (*listOf[admin.Throttled], error) {
	if in.Address == "" {
		return all(s.admin.LatestFailures(ctx, actor))
	}
	return all(s.admin.HeldBack(ctx, actor, in.Address))
}

type liftInput struct {
	Address string `query:"address" required:"true" maxLength:"64"`
	ReasonInput
}

func (s *service) liftThrottles(ctx context.Context, actor admin.Actor, in *liftInput) (*listOf[admin.Throttled], error) {
	return all(s.admin.UnlockAddress(ctx, actor, in.Address, in.Reason))
}
