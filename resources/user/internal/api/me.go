package api

import (
	"context"
	"errors"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// GET and PATCH /v1/me

type profile struct {
	_           struct{}  `json:"-" additionalProperties:"true"`
	ID          string    `json:"id" doc:"The person's id: the subject of their tokens, opaque."`
	DisplayName string    `json:"display_name" maxLength:"80" doc:"Empty: neither the issuer nor the person has given one yet." example:"김지수"`
	Bio         string    `json:"bio" maxLength:"500" doc:"May have several lines."`
	AvatarURL   string    `json:"avatar_url" maxLength:"500" doc:"An http or https URL, or empty."`
	Website     string    `json:"website" maxLength:"500" doc:"An http or https URL, or empty." example:"https://jisu.example/"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

type profilePatch struct {
	DisplayName rest.Patch[string]          `json:"display_name,omitempty" doc:"1 to 80 characters, not counting white space around them, without control characters. It cannot be removed." example:"김지수"`
	Bio         rest.RemovablePatch[string] `json:"bio,omitempty" doc:"At most 500 characters, in one line or several. null or empty removes it."`
	AvatarURL   rest.RemovablePatch[string] `json:"avatar_url,omitempty" doc:"An http or https URL of at most 500 characters. null or empty removes it."`
	Website     rest.RemovablePatch[string] `json:"website,omitempty" doc:"An http or https URL of at most 500 characters. null or empty removes it." example:"https://jisu.example/"`
}

func newProfile(p store.Profile) profile {
	return profile{
		ID: p.ID, DisplayName: p.DisplayName, Bio: p.Bio, AvatarURL: p.AvatarURL, Website: p.Website,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
}

// getMe creates the profile on the first call, and fills it once the issuer answers. Until the
// person edits it, the profile follows the issuer, which is asked once for each token. That the
// issuer does not answer is no error.
func (s *service) getMe(ctx context.Context, in *readInput) (*answer[profile], error) {
	caller := rest.CallerOf(ctx)
	p, err := s.store.EnsureProfile(ctx, caller.Subject)
	if err != nil {
		return nil, err
	}
	if mayAskUserinfo(caller.Claims) && p.Follows(caller.Claims.IssuedAt) {
		said, err := s.userinfo.ask(ctx, caller.Subject, caller.Token)
		switch {
		case err == nil:
			if p, err = s.store.FillProfile(ctx, p.ID, caller.Claims.IssuedAt, said); err != nil {
				return nil, err
			}
		case !errors.Is(err, errResting):
			s.log.WarnContext(ctx, "the issuer's userinfo is unavailable; a profile stays as it is for now",
				"request", httpd.RequestID(ctx), "error", err)
		}
	}
	return newAnswer(newProfile(p), p.Version, private).orUnchanged(in.IfNoneMatch, p.Version), nil
}

func (s *service) patchMe(ctx context.Context, in *patchInput) (*answer[profile], error) {
	match, err := rest.IfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	patch, err := newProfilePatch(in.Body)
	if err != nil {
		return nil, err
	}
	p, err := s.store.EnsureProfile(ctx, rest.CallerOf(ctx).Subject)
	if err != nil {
		return nil, err
	}
	if p, err = s.store.PatchProfile(ctx, p.ID, store.Match(match), patch); err != nil {
		return nil, err
	}
	return newAnswer(newProfile(p), p.Version, private), nil
}

// newProfilePatch cleans what was sent.
func newProfilePatch(sent profilePatch) (patch store.ProfilePatch, err error) {
	var name, about, avatar, website error
	patch.DisplayName, name = sent.DisplayName.Value("body.display_name", displayName)
	patch.Bio, about = sent.Bio.Value("body.bio", bio)
	patch.AvatarURL, avatar = sent.AvatarURL.Value("body.avatar_url", webURL)
	patch.Website, website = sent.Website.Value("body.website", webURL)
	return patch, errors.Join(name, about, avatar, website)
}
