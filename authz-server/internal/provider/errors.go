package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// refuse is kind with a description that tells the developer of a client what to change, in place of fosite's.
func refuse(kind *fosite.RFC6749Error, description string) *fosite.RFC6749Error {
	e := kind.WithDescription(description)
	e.HintField = ""
	return e
}

// refusal is err as an OAuth error. What is no refusal is a failure of ours: logged whole, answered without detail.
func (s *Server) refusal(ctx context.Context, err error) *fosite.RFC6749Error {
	if errors.Is(err, store.ErrUnavailable) {
		s.log.ErrorContext(ctx, "request failed", "request", httpd.RequestID(ctx), "error", err)
		return refuse(fosite.ErrTemporarilyUnavailable, "the server cannot answer at the moment; try again in a few seconds")
	}
	var known *fosite.RFC6749Error
	if errors.As(err, &known) && (known.CodeField < http.StatusInternalServerError || known.CodeField == http.StatusServiceUnavailable) {
		return known
	}
	if !errors.Is(err, context.Canceled) {
		s.log.ErrorContext(ctx, "request failed", "request", httpd.RequestID(ctx), "error", err)
	}
	return refuse(fosite.ErrServerError, "the server failed; try again later, and tell its operator the request id "+httpd.RequestID(ctx))
}

// slowDown turns a quota that is used up, and work that too many others wait for, into a refusal, and sets when to try again
// (RFC 9110 §10.2.3). Every other err stays what it is.
func (s *Server) slowDown(w http.ResponseWriter, r *http.Request, err error) error {
	refusal := fosite.RFC6749Error{ErrorField: "temporarily_unavailable", CodeField: http.StatusServiceUnavailable}
	wait, text := 5*time.Second, "too many requests are being served; try again in some seconds"
	var full *store.QuotaError
	switch {
	case errors.As(err, &full) && full.Quota.Shared: // others make room by finishing what they began
		wait, text = min(full.Wait, time.Minute), "too many requests are waiting already; try again later"
	case errors.As(err, &full):
		wait, text = full.Wait, "too many requests came from the same address; try again later"
		refusal.CodeField = http.StatusTooManyRequests
	case !login.IsBusy(err):
		return err
	}
	if full != nil {
		s.log.WarnContext(r.Context(), "slowed down", "request", httpd.RequestID(r.Context()), "quota", full.Quota.Subject)
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	return refuse(&refusal, text)
}

// maxDescription is the longest description of an error, in bytes.
const maxDescription = 500

// describe is a refusal's text in the characters that RFC 6749 §5.2 allows, so that it can neither break a header nor a URL.
func describe(e *fosite.RFC6749Error) string {
	text := e.DescriptionField
	if e.HintField != "" {
		text += " " + e.HintField
	}
	if len(text) > maxDescription { // it repeats what was sent
		text = text[:maxDescription] + "..."
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r == '\\' || r < ' ' || r > '~':
			return ' '
		}
		return r
	}, text)
}

// writeError answers a back-channel endpoint's request with an error (RFC 6749 §5.2).
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	err = s.slowDown(w, r, err)
	e := s.refusal(r.Context(), err)
	if e.CodeField == http.StatusUnauthorized && usesBasic(r) { // RFC 6749 §5.2: of the scheme that was used; browsers ask people for a password
		w.Header().Set("WWW-Authenticate", `Basic realm="`+s.issuer+`", charset="UTF-8"`)
	}
	if e.CodeField == http.StatusServiceUnavailable {
		httpd.SetRetryAfter(w.Header())
	}
	if e.ErrorField == errUseDPoPNonce.ErrorField {
		w.Header().Set("DPoP-Nonce", s.nonce(s.now()))
	}
	s.noteClient(w, r)
	writeRefusal(w, e.CodeField, e.ErrorField, describe(e))
}

// writeRefusal answers a program with an error (RFC 6749 §5.2), and notes it for the log.
func writeRefusal(w http.ResponseWriter, status int, code, description string) {
	httpd.NoteRefusal(w, code, description)
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

// noteClient notes for the log which client a refused request says that it is from, unless that is known already. A name in
// the Authorization header counts only if a client has it: a secret can stand in its place by mistake.
func (s *Server) noteClient(w http.ResponseWriter, r *http.Request) {
	form := r.Form // nil if the request could not be read
	id := form.Get("client_id")
	if user, _, ok := r.BasicAuth(); id == "" && ok {
		if id, _ = url.QueryUnescape(user); id != "" {
			if _, err := s.store.Client(r.Context(), id); err != nil {
				id = ""
			}
		}
	}
	if id == "" && form.Has("client_assertion") {
		id, _ = assertedClient(form.Get("client_assertion")) // then it is unknown
	}
	httpd.NoteClient(w, id)
}

// writeJSON answers with what must not be kept by any cache.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // nobody is left to tell
}

// errTooLarge refuses a body that is larger than what an endpoint can need (RFC 9110 §15.5.14).
var errTooLarge = refuse(&fosite.RFC6749Error{ErrorField: "invalid_request", CodeField: http.StatusRequestEntityTooLarge}, "the request's body is too large")

// errNotText refuses what no database could store, and no page could show.
var errNotText = refuse(fosite.ErrInvalidRequest, "the request's parameters must be UTF-8 without U+0000")

// checkText refuses requests whose path, query or kept headers are not text, before any handler sees them: on a page where
// people are, and as JSON elsewhere. Bodies are checked where they are read.
func (s *Server) checkText(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := httpd.NotText(r)
		if part == "" {
			next.ServeHTTP(w, r)
			return
		}
		err := refuse(fosite.ErrInvalidRequest, "the request cannot be read: "+part+" must be UTF-8 without U+0000")
		s.refuseRequest(w, r, err.CodeField, err.ErrorField, describe(err))
	})
}
