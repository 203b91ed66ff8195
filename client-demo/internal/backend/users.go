package backend

import (
	"context"
	"encoding/json"
	"time"

	"github.com/maru-auth/maru/internal/httpd"
)

// Profile is a person's profile; times are zero in another person's.
type Profile struct {
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	Bio         string    `json:"bio"`
	AvatarURL   string    `json:"avatar_url"`
	Website     string    `json:"website"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// ProfileChange is what a person may change of their profile.
type ProfileChange struct {
	DisplayName string `json:"display_name"`
	Bio         string `json:"bio"`
	AvatarURL   string `json:"avatar_url"`
	Website     string `json:"website"`
}

// Settings are a person's settings.
type Settings struct {
	Locale   string `json:"locale"`
	TimeZone string `json:"time_zone"`
	Theme    string `json:"theme"` // system, light or dark
}

// Interests are a person's tags.
type Interests struct {
	Tags []string `json:"tags"`
}

// Users is the user service.
type Users struct{ service }

// NewUsers calls the user service at base.
func NewUsers(base string, calls httpd.Calls) Users {
	return Users{newService("user", base, calls, time.Now)}
}

// Me returns the profile of the token's subject, and its ETag.
func (u Users) Me(ctx context.Context, token TokenFunc) (profile Profile, etag string, err error) {
	etag, err = u.do(ctx, token, call{method: "GET", path: path{"me"}, out: &profile})
	return profile, etag, err
}

// ChangeMe changes the profile if it still has etag; else the error is an [Error] of status 412, as
// with every change that takes an etag.
func (u Users) ChangeMe(ctx context.Context, token TokenFunc, etag string, change ProfileChange) (p Profile, err error) {
	_, err = u.do(ctx, token, call{method: "PATCH", path: path{"me"}, ifMatch: etag, in: change, out: &p})
	return p, err
}

// Settings returns the person's settings and their ETag.
func (u Users) Settings(ctx context.Context, token TokenFunc) (settings Settings, etag string, err error) {
	etag, err = u.do(ctx, token, call{method: "GET", path: path{"me", "settings"}, out: &settings})
	return settings, etag, err
}

// PutSettings replaces the settings if they still have etag.
func (u Users) PutSettings(ctx context.Context, token TokenFunc, etag string, settings Settings) error {
	_, err := u.do(ctx, token, call{method: "PUT", path: path{"me", "settings"}, ifMatch: etag, in: settings})
	return err
}

// Interests returns the person's interests and their ETag.
func (u Users) Interests(ctx context.Context, token TokenFunc) (interests Interests, etag string, err error) {
	etag, err = u.do(ctx, token, call{method: "GET", path: path{"me", "interests"}, out: &interests})
	return interests, etag, err
}

// PutInterests replaces the interests if they still have etag.
func (u Users) PutInterests(ctx context.Context, token TokenFunc, etag string, interests Interests) error {
	_, err := u.do(ctx, token, call{method: "PUT", path: path{"me", "interests"}, ifMatch: etag, in: interests})
	return err
}

// Export returns all that the service keeps about the person, as it is. The error is an [Error]
// with StepUp if they must log in again first.
func (u Users) Export(ctx context.Context, token TokenFunc) (document json.RawMessage, err error) {
	_, err = u.do(ctx, token, call{method: "GET", path: path{"me", "export"}, out: &document})
	return document, err
}

// User returns another person's public profile.
func (u Users) User(ctx context.Context, token TokenFunc, id string) (profile Profile, err error) {
	_, err = u.do(ctx, token, call{method: "GET", path: path{"users", id}, out: &profile})
	return profile, err
}
