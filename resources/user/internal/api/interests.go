package api

import (
	"context"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/user/internal/store"
)

// GET and PUT /v1/me/interests

type interests struct {
	Tags []string `json:"tags" doc:"At most 30, of 1 to 30 characters each, without control characters, in the order given."`
}

func (s *service) getInterests(ctx context.Context, in *readInput) (*answer[interests], error) {
	p, err := s.store.EnsureProfile(ctx, rest.CallerOf(ctx).Subject)
	if err != nil {
		return nil, err
	}
	v, err := s.store.Interests(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return newAnswer(interests{v.Tags}, v.Version, private).orUnchanged(in.IfNoneMatch, v.Version), nil
}

func (s *service) putInterests(ctx context.Context, in *changeInput[interests]) (*answer[interests], error) {
	match, err := rest.IfMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	list, problem := tags(in.Body.Tags)
	if problem != nil {
		return nil, problem
	}
	p, err := s.store.EnsureProfile(ctx, rest.CallerOf(ctx).Subject)
	if err != nil {
		return nil, err
	}
	v, err := s.store.PutInterests(ctx, p.ID, store.Match(match), store.Interests{Tags: list})
	if err != nil {
		return nil, err
	}
	return newAnswer(interests{v.Tags}, v.Version, private), nil
}
