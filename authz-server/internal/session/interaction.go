package session

import (
	"context"
	"errors"
	"net/http"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/authz-server/internal/store/requests"
)

// maxRequest is how large a stored authorization request may be, form-encoded, in bytes.
const maxRequest = 16 << 10

// ErrTooLarge is what Begin returns for an authorization request that is too large to be kept.
var ErrTooLarge = errors.New("the authorization request is too large")

// Begin stores an authorization request (ClientID and Form of in; without a ClientID, what a page
// of this server needs to go on) that waits for a person, and binds it to the browser that sent r
// by a cookie. The handle is for the parameter "interaction" of /login, /signup, /consent and
// /oauth2/authorize. It counts in the quotas until it is answered; [*limits.QuotaError]: one is
// used up.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, in requests.Interaction,
	quotas ...limits.Quota) (handle string, err error) {
	if len(in.Form.Encode()) > maxRequest {
		return "", ErrTooLarge
	}
	return s.store.Interactions.CreateInteraction(r.Context(), in, s.EnsureBrowser(w, r), quotas...)
}

// Interaction returns the one with this handle. [store.ErrNotFound]: unknown, expired, spent, or
// another browser's.
func (s *Sessions) Interaction(r *http.Request, handle string) (requests.Interaction, error) {
	return s.find(r, handle, s.store.Interactions.Interaction)
}

// Spent returns an interaction that was answered already, as Interaction does.
func (s *Sessions) Spent(r *http.Request, handle string) (requests.Interaction, error) {
	return s.find(r, handle, s.store.Interactions.SpentInteraction)
}

func (s *Sessions) find(r *http.Request, handle string, in func(_ context.Context, handle,
	browser string) (requests.Interaction, error)) (requests.Interaction, error) {
	browser, ok := s.cookie(r, browserCookie)
	if !ok || !isSecret(handle) {
		return requests.Interaction{}, store.ErrNotFound
	}
	return in(r.Context(), handle, browser)
}

// Decide notes what a person decided in a session: decision is [requests.ConsentAllow] or
// [requests.ConsentDeny], granted the words that it allows. [store.ErrNotFound] is as of
// Interaction.
func (s *Sessions) Decide(r *http.Request, handle string, in *Session, decision string, granted []string) error {
	browser, _ := s.cookie(r, browserCookie)
	return s.store.Interactions.DecideInteraction(r.Context(), handle, browser, in.ID, decision, granted)
}
