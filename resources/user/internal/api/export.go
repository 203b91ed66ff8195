package api

import (
	"context"
	"time"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/jwks"
)

// GET /v1/me/export

// exportWithin is how recently a person must have been authenticated to get all of their data at
// once: a browser that was left open is not enough.
const exportWithin = 10 * time.Minute

var mayExport = rest.Access{
	Scopes: []string{"user:read"}, Person: true, Authentication: &jwks.Authentication{Within: exportWithin},
}

// export is everything that the service keeps about a person.
type export struct {
	_             struct{}   `json:"-" additionalProperties:"true"`
	Service       string     `json:"service" doc:"The service that this is from: its audience."`
	ExportedAt    time.Time  `json:"exported_at"`
	Profile       profile    `json:"profile"`
	FollowsIssuer bool       `json:"follows_issuer" doc:"The profile takes over what the issuer says, until the person changes it."`
	IssuerAskedAt *time.Time `json:"issuer_asked_at,omitempty" doc:"When the token was issued with which the issuer was asked last. Absent: never."`
	NameToldAt    *time.Time `json:"name_told_at,omitempty" doc:"When the account got the name that the issuer told of last, by an event. Absent: never."`
	Settings      settings   `json:"settings"`
	Interests     interests  `json:"interests"`
	Unused        unused     `json:"unused"`
}

type unused struct {
	_             struct{} `json:"-" additionalProperties:"true"`
	NotifyEmail   bool     `json:"notify_email" doc:"Kept from an earlier version; nothing uses it."`
	NotifyReplies bool     `json:"notify_replies" doc:"Kept from an earlier version; nothing uses it."`
}

type exportAnswer struct {
	Disposition string `header:"Content-Disposition" doc:"A file name, for browsers."`
	Body        export
}

func (s *service) exportMe(ctx context.Context, _ *struct{}) (*exportAnswer, error) {
	id := rest.CallerOf(ctx).Subject
	if _, err := s.store.EnsureProfile(ctx, id); err != nil {
		return nil, err
	}
	p, err := s.store.Person(ctx, id)
	if err != nil {
		return nil, err
	}
	body := export{
		Service: s.audience, ExportedAt: s.now().UTC(), Profile: newProfile(p.Profile), FollowsIssuer: !p.Edited,
		Settings: newSettings(p.Settings), Interests: interests{p.Interests.Tags}, Unused: unused{NotifyEmail: p.NotifyEmail, NotifyReplies: p.NotifyReplies},
	}
	if p.AskedAt.Unix() > 0 {
		body.IssuerAskedAt = &p.AskedAt
	}
	if !p.NamedAt.IsZero() {
		body.NameToldAt = &p.NamedAt
	}
	return &exportAnswer{`attachment; filename="maru-user.json"`, body}, nil
}
