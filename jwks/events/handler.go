package events

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/maru-auth/maru/jwks"
)

// ErrDuplicate is what HandlerConfig.Apply returns for an event whose ID it has
// seen before. The transmitter gets the acknowledgement that it missed the first
// time.
var ErrDuplicate = errors.New("events: seen before")

// ErrIgnored is what HandlerConfig.Apply may return for an event that means
// nothing to the service. It is acknowledged like any other; only
// HandlerConfig.Observe is told the difference.
var ErrIgnored = errors.New("events: of no interest here")

// HandlerConfig says what a [Handler] does with events.
type HandlerConfig struct {
	// Verifier decides on them. Required.
	Verifier *Verifier
	// Apply does what an event asks for, whole or not at all, and before it
	// returns: the transmitter forgets the event as soon as it is acknowledged.
	// In one transaction, note the event's ID, and if it is noted already, return
	// ErrDuplicate; then act. What takes long is only noted there, and done in
	// the background. Any error but ErrDuplicate and ErrIgnored is answered with
	// status 500, and the transmitter repeats the event. It is called by many
	// goroutines at once. Required.
	Apply func(ctx context.Context, event Event) error

	// Observe is told of every request before it is answered, for metrics. Nil:
	// nobody is told.
	Observe func(w http.ResponseWriter, r *http.Request, outcome Outcome)
	// Log gets errors of Apply, at level error, what cannot be judged now, at
	// level warn, and refused tokens, at level debug: anybody can send those.
	// Never any part of a token. Nil: no log.
	Log *slog.Logger
}

// An Outcome is how a request ended.
type Outcome struct {
	// Code is one of Codes: the err of the answer if the token was refused (RFC
	// 8935 §2.4); otherwise "applied", "duplicate", "ignored", "failed" (an error
	// of Apply) or "unavailable" (nothing is known about the token now).
	Code  string
	Event Event // the zero Event if the token was refused
	Err   error // nil: the event was applied
}

// Codes are all that an Outcome's Code can be.
var Codes = []string{
	"applied", "duplicate", "ignored", "failed", "unavailable",
	invalidRequest, invalidKey, invalidIssuer, invalidAudience, authenticationFailed,
}

// The error codes of RFC 8935 §2.4 that a Handler gives.
const (
	invalidRequest       = "invalid_request"
	invalidKey           = "invalid_key"
	invalidIssuer        = "invalid_issuer"
	invalidAudience      = "invalid_audience"
	authenticationFailed = "authentication_failed"
)

// A Handler is the endpoint to which a transmitter pushes events (RFC 8935). It
// answers 202 without a body once Apply has succeeded; 400 with err and
// description to what can never succeed; 503 while the issuer's keys are not
// known, or the issuer's clock is ahead; and 500 if Apply fails. The sender is
// authenticated by the event's signature alone.
//
// A forged token costs a verification, so bound how many a sender may send.
type Handler struct{ cfg HandlerConfig }

var _ http.Handler = (*Handler)(nil)

// NewHandler returns a Handler. It panics without a Verifier or Apply.
func NewHandler(cfg HandlerConfig) *Handler {
	if cfg.Verifier == nil || cfg.Apply == nil {
		panic("events: NewHandler without a Verifier or Apply")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg}
}

// ServeHTTP is that of [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcome := h.receive(w, r)
	if h.cfg.Observe != nil {
		h.cfg.Observe(w, r, outcome)
	}
	status, description := http.StatusAccepted, outcome.Description()
	switch outcome.Code {
	case "applied", "duplicate", "ignored":
	case "failed":
		status = http.StatusInternalServerError
		h.cfg.Log.ErrorContext(r.Context(), "an event could not be applied; the transmitter will repeat it",
			"event", outcome.Event.Name(), "id", outcome.Event.ID, "error", outcome.Err)
	case "unavailable":
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		h.cfg.Log.WarnContext(r.Context(), "an event cannot be judged now; the transmitter will repeat it", "reason", outcome.Err)
	default:
		status = http.StatusBadRequest
		h.cfg.Log.DebugContext(r.Context(), "an event was refused", "code", outcome.Code, "reason", outcome.Err)
	}
	w.Header().Set("Cache-Control", "no-store")
	if description == "" {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en") // RFC 8935 §2.3
	w.WriteHeader(status)
	// An error means that the transmitter is gone.
	_ = json.NewEncoder(w).Encode(struct {
		Err         string `json:"err"`
		Description string `json:"description"`
	}{outcome.Code, description})
}

// retryAfter is when a transmitter should come back, in seconds.
const retryAfter = 5

// receive does all but answer.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) Outcome {
	token, err := h.body(w, r)
	var event Event
	if err == nil {
		event, err = h.cfg.Verifier.Verify(r.Context(), token)
	}
	switch {
	case errors.Is(err, jwks.ErrKeysUnavailable), errors.Is(err, jwks.ErrNotYetValid):
		return Outcome{Code: "unavailable", Err: err}
	case err != nil:
		return Outcome{Code: refusalOf(err).code, Err: err}
	}
	err = h.cfg.Apply(r.Context(), event)
	code := "failed"
	switch {
	case err == nil:
		code = "applied"
	case errors.Is(err, ErrDuplicate):
		code = "duplicate"
	case errors.Is(err, ErrIgnored):
		code = "ignored"
	}
	return Outcome{code, event, err}
}

var (
	errMethod      = errors.New("events: the method is not POST")
	errContentType = errors.New("events: the content type is not application/secevent+jwt")
	errBody        = errors.New("events: the body was not received")
)

// body reads the token (RFC 8935 §2.1).
func (h *Handler) body(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodPost {
		return "", errMethod
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/"+typeSET {
		return "", errContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.cfg.Verifier.cfg.MaxBytes)))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return "", jwks.ErrTooLarge
	}
	if err != nil {
		return "", errBody
	}
	return string(body), nil
}

// A refusal is the answer to a token that can never be accepted.
type refusal struct {
	err         error
	code        string
	description string // for the transmitter's operator; reveals nothing
}

// refusals has the answers; the first that matches counts.
var refusals = []refusal{
	{errMethod, invalidRequest, "Events are sent with POST."},
	{errContentType, invalidRequest, "The content type must be application/secevent+jwt."},
	{errBody, invalidRequest, "The body was not received to its end."},
	{jwks.ErrTooLarge, invalidRequest, "The security event token is too long."},
	{jwks.ErrMalformed, invalidRequest, "The body is not a signed JWT."},
	{jwks.ErrType, invalidRequest, "The JWT is not a security event token: its typ must be secevent+jwt."},
	{jwks.ErrAlgorithm, invalidKey, "The security event token is signed with an algorithm that is not accepted."},
	{jwks.ErrUnknownKey, invalidKey, "The security event token is signed with an unknown key."},
	{jwks.ErrSignature, authenticationFailed, "The security event token has a wrong signature."},
	{jwks.ErrIssuer, invalidIssuer, "The security event token is from another issuer."},
	{jwks.ErrAudience, invalidAudience, "The security event token is for another receiver."},
	{ErrTooOld, invalidRequest, "The security event token is too old."},
	{ErrEvent, invalidRequest, "The event is not as its definition requires."},
	{jwks.ErrClaims, invalidRequest, "The security event token lacks a claim, has a malformed one, or has sub or exp."},
}

// Description is the description of the answer if the token was refused, and
// otherwise empty.
func (o Outcome) Description() string {
	if o.Err == nil || !o.Refused() {
		return ""
	}
	return refusalOf(o.Err).description
}

// Refused tells whether the token was refused for good.
func (o Outcome) Refused() bool {
	switch o.Code {
	case "applied", "duplicate", "ignored", "failed", "unavailable":
		return false
	}
	return true
}

func refusalOf(err error) refusal {
	for _, one := range refusals {
		if errors.Is(err, one.err) {
			return one
		}
	}
	return refusal{err, invalidRequest, "The security event token cannot be accepted."}
}
