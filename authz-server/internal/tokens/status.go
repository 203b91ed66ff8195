package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/oauth"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

// Status is the claim that says where a token's place in the status lists is
// (draft-ietf-oauth-status-list-21 §6.1).
type Status struct {
	List StatusRef `json:"status_list"`
}

// StatusRef is a place in a status list.
type StatusRef struct {
	Index int64  `json:"idx"`
	URI   string `json:"uri"`
}

// Place is a place in the status lists for a token that will be issued in a transaction, where none
// can be taken.
type Place struct{ ref status.Ref }

// TakePlace takes a place for a token of a client. Call it outside of transactions.
func (i *Issuer) TakePlace(ctx context.Context, c *client.Client) (Place, error) {
	ref, err := i.nextPlace(ctx, c)
	return Place{ref}, err
}

// ErrHolderChanged says that a client must not have tokens any more as it was read. Nothing was spent
// by then.
var ErrHolderChanged = oauth.InvalidClient.Because("the client was just removed or disabled, or its secret was rotated")

// nextPlace is a place for a token of a client. The error is ErrHolderChanged, or a failure of the
// database.
func (i *Issuer) nextPlace(ctx context.Context, c *client.Client) (status.Ref, error) {
	ref, err := i.status.Next(ctx, statuses.Holder{ClientID: c.ID, Epoch: c.Epoch})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrHolderChanged
	}
	return ref, err
}

func (i *Issuer) claim(ref status.Ref) *Status {
	return &Status{StatusRef{Index: ref.Index, URI: i.status.URI(ref)}}
}

// maxStatuses is the longest list of statuses that a grant's row is told of in a period, in bytes:
// some 60 tokens; each refresh writes the row anew. A client that asks for more gets tokens that
// share a place.
const maxStatuses = 1500

// mostStatuses is the length from which a client gets no token that does not share a place: it revokes
// all its tokens, and asks for many at once.
const mostStatuses = 4 * maxStatuses

var errManyRevoked = oauth.TemporarilyUnavailable.Because("too many tokens of this grant were revoked one by one; ask again in some minutes, or revoke the grant")

// note is what the grant's row is told of a token of a client with this place, and that it need not
// have another any more.
func (i *Issuer) note(c *client.Client, g *grants.Grant, ref status.Ref, drops string) grants.Note {
	return grants.Note{Status: ref.String() + ownerTag(c, g), Lifetime: i.Lifetimes.AccessToken, Drops: drops}
}

// ownerTag marks statuses of tokens that another client than the grant's holds, by exchange, and of
// each epoch of a client and of a grant: the places of those before are revoked.
func ownerTag(c *client.Client, g *grants.Grant) string {
	if c.ID == g.ClientID && c.Epoch == 0 && g.Epoch == 0 {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", c.Epoch, g.Epoch, c.ID))
	return ";" + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// share is the place that a token can share with the last one of the client's. If it is revoked, all
// tokens that had it are: none is to share it, and drops is what the row need not have any more.
func (i *Issuer) share(ctx context.Context, c *client.Client, g *grants.Grant) (ref status.Ref, drops string, ok bool, err error) {
	if ref, ok = i.shared(c, g); !ok {
		return ref, "", false, nil
	}
	revoked, err := i.status.Revoked(ctx, ref)
	switch {
	case err != nil || !revoked:
		return ref, "", err == nil, err
	case len(g.Statuses) >= mostStatuses:
		return ref, "", false, errManyRevoked
	}
	return ref, ref.String() + ownerTag(c, g), false, nil
}

// shared is the place of the last token of the grant that the client got in this period, if there
// is one. The row remembers it for as long as a token that is issued now lives.
func (i *Issuer) shared(c *client.Client, g *grants.Grant) (ref status.Ref, ok bool) {
	if i.now().Sub(g.StatusesSince) >= i.Lifetimes.AccessToken {
		return ref, false
	}
	tag := ownerTag(c, g)
	for one := range strings.FieldsSeq(g.Statuses) {
		if place, owner, _ := strings.Cut(one, ";"); owner == strings.TrimPrefix(tag, ";") {
			if found, valid := status.ParseRef(place); valid {
				ref, ok = found, true
			}
		}
	}
	return ref, ok
}
