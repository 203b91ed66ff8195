package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/jwks/events"
)

// eventsPath is where the issuer pushes events.
const eventsPath = "/v1/events"

// A PersonEvent is an event about a person as a whole.
type PersonEvent struct {
	events.Event
	Person string // the sub of their tokens

	// Until is when the event's ID may be forgotten: from then on the event itself is refused.
	Until time.Time
}

// Events adds POST /v1/events, to which the issuer pushes security events (RFC 8935); the event's
// signature takes the place of a token. apply is [events.HandlerConfig].Apply for those about a
// person; others are acknowledged and ignored. Whoever sends what is refused, or sends an event
// twice, can do so as often as a [SenderLimit] allows. now is the clock.
func (a *API) Events(now func() time.Time, apply func(context.Context, PersonEvent) error) error {
	a.huma.OpenAPI().AddOperation(eventsOperation())
	if a.guard == nil {
		return nil // it is only described
	}
	verifier, err := events.NewVerifier(events.VerifierConfig{
		Issuer: a.cfg.Issuer, Audience: a.cfg.Audience, Keys: a.cfg.Keys, MaxBytes: maxEvent, Now: now,
	})
	if err != nil {
		return err
	}
	senders, received := NewSenderLimit(now), newReceived(a.cfg.Metrics)
	handler := events.NewHandler(events.HandlerConfig{
		Verifier: verifier, Log: a.cfg.Log,
		Apply: func(ctx context.Context, e events.Event) error {
			person := e.Subject.Person(a.cfg.Issuer)
			if !ValidSubject(person) {
				return events.ErrIgnored
			}
			return apply(ctx, PersonEvent{e, person, verifier.Remember()})
		},
		Observe: func(w http.ResponseWriter, r *http.Request, o events.Outcome) {
			kind := o.Event.Name()
			if o.Event.ID == "" {
				kind = "none"
			}
			received.WithLabelValues(kind, o.Code).Inc()
			if o.Refused() {
				httpd.NoteRefusal(w, o.Code, o.Description())
			}
			// An honest issuer is never held up, however much it has to tell.
			if slices.Contains([]string{"applied", "ignored", "failed"}, o.Code) {
				senders.Refund(httpd.ClientAddr(r.Context()))
			}
		},
	})
	a.router.Path(eventsPath).Methods(http.MethodPost).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !senders.Allow(httpd.ClientAddr(r.Context())) {
			received.WithLabelValues("none", "too_many").Inc()
			w.Header().Set("Retry-After", "1")
			httpd.WriteProblem(w, r, httpd.Problem{
				Status: http.StatusTooManyRequests, Detail: "Too many refused events from this network. Wait a second.",
			})
			return
		}
		handler.ServeHTTP(w, r)
	})
	return nil
}

// maxEvent is the longest event in bytes.
const maxEvent = 32 << 10

func newReceived(registry *prometheus.Registry) *prometheus.CounterVec {
	received := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "events_received_total",
		Help: "Security events that were pushed to the service, by type (none: refused) and outcome.",
	}, []string{"type", "outcome"})
	for _, code := range append([]string{"too_many"}, events.Codes...) {
		if (events.Outcome{Code: code}).Refused() {
			received.WithLabelValues("none", code) // from the start, so that the first one shows as an increase
		}
	}
	if registry != nil {
		registry.MustRegister(received)
	}
	return received
}

// eventsOperation is what the OpenAPI document says of it.
func eventsOperation() *huma.Operation {
	text := &huma.Schema{Type: huma.TypeString}
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}
	refused := &huma.Schema{Type: huma.TypeObject, Required: []string{"err", "description"}, Properties: map[string]*huma.Schema{
		"err":         {Type: huma.TypeString, Description: "One of the error codes of RFC 8935 §2.4."},
		"description": {Type: huma.TypeString, Description: "What is wrong, for the transmitter's operator."},
	}}
	return &huma.Operation{
		OperationID: "receive-event", Method: http.MethodPost, Path: eventsPath, Summary: "Receive a security event",
		Description: "For the issuer, which pushes Security Event Tokens here (RFC 8417, RFC 8935, OpenID Shared Signals Framework 1.0). " +
			"No access token is needed: the event is signed by the issuer, for this service. It is acknowledged once it is kept, and a " +
			"repetition changes nothing. Events that mean nothing to the service are acknowledged too.",
		Tags:     []string{"events"},
		Security: []map[string][]string{{}},
		RequestBody: &huma.RequestBody{Required: true, Description: "The token, in compact form.",
			Content: map[string]*huma.MediaType{"application/secevent+jwt": {Schema: text}}},
		Responses: map[string]*huma.Response{
			"202": {Description: "Accepted: the event need not be sent again."},
			"400": {Description: "Refused for good: to send it again is of no use.", Content: map[string]*huma.MediaType{"application/json": {Schema: refused}}},
			"429": {Description: "Too many refused events from this network.", Content: problem},
			"500": {Description: "The event was not applied. Send it again."},
			"503": {Description: "The event cannot be judged now. Send it again after Retry-After."},
		},
	}
}
