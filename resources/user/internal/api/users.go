package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// GET /v1/users/{id} and GET /v1/users?ids=…

type publicProfile struct {
	_           struct{} `json:"-" additionalProperties:"true"`
	ID          string   `json:"id" doc:"The person's id, opaque."`
	DisplayName string   `json:"display_name" maxLength:"80" doc:"Empty: not known yet." example:"김지수"`
	Bio         string   `json:"bio" maxLength:"500" doc:"May have several lines."`
	AvatarURL   string   `json:"avatar_url" maxLength:"500" doc:"An http or https URL, or empty."`
	Website     string   `json:"website" maxLength:"500" doc:"An http or https URL, or empty." example:"https://jisu.example/"`
}

type publicProfiles struct {
	_     struct{}        `json:"-" additionalProperties:"true"`
	Items []publicProfile `json:"items" doc:"In the order of the ids."`
}

// forAMinute lets callers keep what everybody with a token may see, but not caches that they share.
const forAMinute = "private, max-age=60"

func newPublicProfile(p store.Profile) publicProfile {
	return publicProfile{ID: p.ID, DisplayName: p.DisplayName, Bio: p.Bio, AvatarURL: p.AvatarURL, Website: p.Website}
}

type userInput struct {
	ID          string `path:"id" doc:"The person's id, percent-encoded."`
	IfNoneMatch string `header:"If-None-Match" doc:"ETag of your copy. The answer is 304 if the copy is still good."`
}

func (s *service) getUser(ctx context.Context, in *userInput) (*answer[publicProfile], error) {
	id, err := url.PathUnescape(in.ID) // the router matches paths as they were sent
	if err != nil || !rest.ValidSubject(id) {
		return nil, store.ErrNotFound
	}
	p, err := s.store.ProfileOfAnother(ctx, id)
	if err != nil {
		return nil, err
	}
	return newAnswer(newPublicProfile(p), p.Version, forAMinute).orUnchanged(in.IfNoneMatch, p.Version), nil
}

type usersInput struct {
	IDs []string `query:"ids" required:"true" minItems:"1" maxItems:"100" doc:"Ids, separated by commas."`
}

type usersAnswer struct {
	Status       int
	CacheControl string `header:"Cache-Control"`
	Body         publicProfiles
}

func (s *service) listUsers(ctx context.Context, in *usersInput) (*usersAnswer, error) {
	var ids []string
	seen := make(map[string]bool)
	for _, id := range in.IDs {
		if rest.ValidSubject(id) && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	found, err := s.store.Profiles(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]store.Profile, len(found))
	for _, p := range found {
		byID[p.ID] = p
	}
	items := make([]publicProfile, 0, len(found))
	for _, id := range ids {
		if p, ok := byID[id]; ok {
			items = append(items, newPublicProfile(p))
		}
	}
	return &usersAnswer{Status: http.StatusOK, CacheControl: forAMinute, Body: publicProfiles{Items: items}}, nil
}
