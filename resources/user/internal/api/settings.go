package api

import (
	"context"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// GET and PUT /v1/me/settings

type settings struct {
	Locale   string `json:"locale" doc:"Language as a BCP 47 tag. Empty: not chosen." example:"ko-KR"`
	TimeZone string `json:"time_zone" doc:"Name in the IANA time zone database. Empty: not chosen." example:"Asia/Seoul"`
	Theme    string `json:"theme" enum:"system,light,dark"`
}

func newSettings(v store.Settings) settings {
	return settings{Locale: v.Locale, TimeZone: v.TimeZone, Theme: v.Theme}
}

func (s *service) getSettings(ctx context.Context, in *readInput) (*answer[settings], error) {
	p, err := s.store.EnsureProfile(ctx, rest.CallerOf(ctx).Subject)
	if err != nil {
		return nil, err
	}
	v, err := s.store.Settings(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return newAnswer(newSettings(v), v.Version, private).orUnchanged(in.IfNoneMatch, v.Version), nil
}

func (s *service) putSettings(ctx context.Context, in *changeInput[settings]) (*answer[settings], error) {
	match, err := rest.IfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	change := store.Settings{Theme: in.Body.Theme}
	if change.Locale, err = locale(in.Body.Locale); err != nil {
		return nil, rest.Invalid("body.locale", err)
	}
	if change.TimeZone, err = timeZone(in.Body.TimeZone); err != nil {
		return nil, rest.Invalid("body.time_zone", err)
	}
	p, err := s.store.EnsureProfile(ctx, rest.CallerOf(ctx).Subject)
	if err != nil {
		return nil, err
	}
	v, err := s.store.PutSettings(ctx, p.ID, store.Match(match), change)
	if err != nil {
		return nil, err
	}
	return newAnswer(newSettings(v), v.Version, private), nil
}
