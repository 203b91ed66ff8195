package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/admin/provisioning"
	"github.com/maru-auth/maru/authz-server/internal/adminaccess"
	"github.com/maru-auth/maru/authz-server/internal/scim/language"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/httpd"
)

// problem is an error as SCIM has it (RFC 7644 §3.12).
type problem struct {
	Status int
	Type   string // scimType; empty: none
	Detail string
}

func (p *problem) Error() string { return p.Detail }

// The types of errors beside the language's (RFC 7644 §3.12, RFC 9865 §2.1).
const (
	tooMany       = "tooMany"
	uniqueness    = "uniqueness"
	invalidCursor = "invalidCursor"
	invalidCount  = "invalidCount"
)

func bad(scimType, detail string) error { return &language.Error{Type: scimType, Detail: detail} }

// tooOften says that an actor asks more often than [rates] lets them.
type tooOften struct{ wait time.Duration }

func (e *tooOften) Error() string {
	return "too many requests; the next is answered in " + e.wait.String()
}

const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var access *adminaccess.Refused
	if !errors.As(err, &access) {
		access = s.cfg.Refused(r, err)
	}
	p := problemOf(err)
	switch {
	case p == nil && access != nil:
		access.SetHeaders(w.Header())
		p = &problem{Status: access.Status, Detail: access.Detail}
	case p == nil:
		p = s.unknown(r.Context(), w, err)
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter(err)))
	}
	httpd.NoteRefusal(w, p.Type, p.Detail)
	body := map[string]any{"schemas": []string{errorSchema}, "status": strconv.Itoa(p.Status), "detail": p.Detail}
	if p.Type != "" {
		body["scimType"] = p.Type
	}
	write(w, p.Status, body)
}

// fields are SCIM's names of what package admin finds fault with.
var fields = map[string]string{
	"email": "userName", "name": "displayName", "external_id": "externalId", "claims": "the attributes",
	"members": "members",
}

// problemOf is the answer to an error that is about the request; nil: it is another.
func problemOf(err error) *problem {
	var p *problem
	var message *language.Error
	var field *admin.FieldError
	var refused *admin.Refused
	var often *tooOften
	switch {
	case errors.As(err, &often):
		return &problem{
			Status: http.StatusTooManyRequests,
			Detail: fmt.Sprintf("A client gets %d requests a second. Retry-After says when to go on.", ratePerSecond),
		}
	case errors.As(err, &p):
		return p
	case errors.As(err, &message):
		return &problem{http.StatusBadRequest, message.Type, message.Detail}
	case errors.As(err, &field):
		name := fields[field.Field]
		if field.Field == "claims" {
			return &problem{http.StatusBadRequest, language.InvalidValue, "A value is not right: " + field.Problem + "."}
		}
		return &problem{http.StatusBadRequest, language.InvalidValue, name + " " + field.Problem + "."}
	case errors.As(err, &refused) && refused.Why == admin.NotKept:
		return &problem{
			Status: http.StatusForbidden,
			Detail: "This directory does not keep the resource, or a member: somebody else made it. " +
				"An operator of the server can give it to the directory.",
		}
	case errors.As(err, &refused) && refused.Why == admin.NeedsPerson, errors.Is(err, store.ErrNotFound):
		return &problem{Status: http.StatusNotFound, Detail: "There is no such resource."}
	case errors.Is(err, store.ErrExists):
		return &problem{http.StatusConflict, uniqueness, "Another resource has this userName or displayName. " +
			"It may be one that directories do not see, or that this one does not keep until an operator of the " +
			"server gives it to it."}
	case errors.Is(err, store.ErrStale):
		return &problem{
			Status: http.StatusPreconditionFailed,
			Detail: "The resource has changed: its version is another than the one in If-Match.",
		}
	case errors.Is(err, provisioning.ErrContended):
		return &problem{
			Status: http.StatusServiceUnavailable,
			Detail: "Others are changing the resource at the same time, and nothing was done. Try again in a few seconds.",
		}
	case errors.Is(err, provisioning.ErrLeaving):
		return &problem{
			Status: http.StatusServiceUnavailable,
			Detail: "The account that had this userName is being deleted. Try again in a minute.",
		}
	case errors.Is(err, provisioning.ErrTooMany):
		return &problem{http.StatusBadRequest, tooMany, "That is more than this server does at once: a group has " +
			"at most 10,000 members here, of whom 1,000 can change at once."}
	}
	return nil
}

// unknown is the answer to an error that is the server's.
func (s *Server) unknown(ctx context.Context, w http.ResponseWriter, err error) *problem {
	if errors.Is(err, store.ErrUnavailable) {
		return &problem{
			Status: http.StatusServiceUnavailable,
			Detail: "The database is not available at the moment. Try again in a few seconds.",
		}
	}
	id := httpd.RequestID(ctx)
	if s.cfg.Log != nil && ctx.Err() == nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "SCIM request failed", slog.String("request", id), slog.Any("error", err))
	}
	return &problem{
		Status: http.StatusInternalServerError,
		Detail: "This server failed. Its log has the reason, by the id of the request: " + id + ".",
	}
}

func retryAfter(err error) int {
	var often *tooOften
	if errors.As(err, &often) {
		return int(math.Ceil(often.wait.Seconds()))
	}
	if errors.Is(err, provisioning.ErrLeaving) {
		return 60
	}
	return 5
}
