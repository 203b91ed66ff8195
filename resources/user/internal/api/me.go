package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// GET and PATCH /v1/me

type profile struct {
	_           struct{}  `json:"-" additionalProperties:"true"`
	ID          string    `json:"id" doc:"The person's id: the subject of their tokens, opaque."`
	DisplayName string    `json:"display_name" maxLength:"80" doc:"Empty: neither the issuer nor the person has said it yet." example:"김지수"`
	Bio         string    `json:"bio" maxLength:"500" doc:"May have several lines."`
	AvatarURL   string    `json:"avatar_url" maxLength:"500" doc:"An http or https URL, or empty."`
	Website     string    `json:"website" maxLength:"500" doc:"An http or https URL, or empty." example:"https://jisu.example/"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

type profilePatch struct {
	DisplayName patchText `json:"display_name,omitempty" nullable:"false" doc:"1 to 80 characters once white space around it is taken away, without control characters. It cannot be removed." example:"김지수"`
	Bio         patchText `json:"bio,omitempty" doc:"At most 500 characters, several lines if need be. null or empty removes it."`
	AvatarURL   patchText `json:"avatar_url,omitempty" doc:"An http or https URL of at most 500 characters. null or empty removes it."`
	Website     patchText `json:"website,omitempty" doc:"An http or https URL of at most 500 characters. null or empty removes it." example:"https://jisu.example/"`
}

// patchText is a member of a merge patch (RFC 7396): absent, null or a text.
type patchText struct {
	present bool
	text    string // empty for null, which removes a text as an empty one does
}

var (
	_ json.Unmarshaler    = (*patchText)(nil)
	_ huma.SchemaProvider = patchText{}
)

// UnmarshalJSON is called for members that are present, null included.
func (p *patchText) UnmarshalJSON(data []byte) error {
	*p = patchText{present: true}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return json.Unmarshal(data, &p.text)
}

// Schema is the member's type, for huma.
func (patchText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// What a read is asked with, and a change.
type (
	readInput struct {
		IfNoneMatch string `header:"If-None-Match" doc:"ETag of the copy that the caller has: 304 if it is still good."`
	}
	changeInput[T any] struct {
		IfMatch string `header:"If-Match" doc:"ETag of what was read and is to be changed, or * for whatever is there."`
		Body    T
	}
	patchInput struct {
		IfMatch string       `header:"If-Match" doc:"ETag of what was read and is to be changed, or * for whatever is there."`
		Body    profilePatch `contentType:"application/merge-patch+json"`
	}
)

// answer is a resource with its entity tag.
type answer[T any] struct {
	Status       int
	ETag         string `header:"ETag" doc:"Strong entity tag of this version, for If-Match and If-None-Match."`
	CacheControl string `header:"Cache-Control"`
	Body         T
}

// private is for what belongs to the caller alone.
const private = "private, no-store"

func newAnswer[T any](body T, version, cacheControl string) *answer[T] {
	return &answer[T]{Status: http.StatusOK, ETag: rest.ETag(version), CacheControl: cacheControl, Body: body}
}

// orUnchanged turns a into a 304 if the caller has that version already.
func (a *answer[T]) orUnchanged(ifNoneMatch, version string) *answer[T] {
	if rest.Unchanged(ifNoneMatch, version) {
		a.Status = http.StatusNotModified
	}
	return a
}

func newProfile(p store.Profile) profile {
	return profile{ID: p.ID, DisplayName: p.DisplayName, Bio: p.Bio, AvatarURL: p.AvatarURL, Website: p.Website, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

// getMe makes the profile on the first call, and fills it once the issuer says something. Until the person edits it, it follows
// what the issuer says, asked once a token. It never fails for the issuer's sake.
func (s *service) getMe(ctx context.Context, in *readInput) (*answer[profile], error) {
	caller := callerOf(ctx)
	p, err := s.store.EnsureProfile(ctx, caller.subject)
	if err != nil {
		return nil, err
	}
	if caller.openID && p.Follows(caller.issued) {
		said, err := s.userinfo.ask(ctx, caller.subject, caller.token)
		switch {
		case err == nil:
			if p, err = s.store.FillProfile(ctx, p.ID, caller.issued, said); err != nil {
				return nil, err
			}
		case !errors.Is(err, errResting):
			s.log.WarnContext(ctx, "the issuer's userinfo is not available; a profile stays as it is until it is", "request", httpd.RequestID(ctx), "error", err)
		}
	}
	return newAnswer(newProfile(p), p.Version, private).orUnchanged(in.IfNoneMatch, p.Version), nil
}

func (s *service) patchMe(ctx context.Context, in *patchInput) (*answer[profile], error) {
	match, err := rest.IfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	var patch store.ProfilePatch
	for _, field := range []struct {
		location string
		sent     patchText
		clean    func(string) (string, error)
		to       **string
	}{
		{"body.display_name", in.Body.DisplayName, displayName, &patch.DisplayName},
		{"body.bio", in.Body.Bio, bio, &patch.Bio},
		{"body.avatar_url", in.Body.AvatarURL, webURL, &patch.AvatarURL},
		{"body.website", in.Body.Website, webURL, &patch.Website},
	} {
		if !field.sent.present {
			continue
		}
		text, err := field.clean(field.sent.text)
		if err != nil {
			return nil, rest.Invalid(field.location, err)
		}
		*field.to = &text
	}
	p, err := s.store.EnsureProfile(ctx, callerOf(ctx).subject)
	if err != nil {
		return nil, err
	}
	if p, err = s.store.PatchProfile(ctx, p.ID, store.Match(match), patch); err != nil {
		return nil, err
	}
	return newAnswer(newProfile(p), p.Version, private), nil
}
