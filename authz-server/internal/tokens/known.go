package tokens

import (
	"context"
	"errors"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// Known is a subject, other than the account's id, by which clients know a person.
type Known struct {
	Subject string
	Clients []string // their ids
}

// KnownAs are the subjects by which clients know a person that are not the account's id: those with
// the given ids, and the operator's own, which ask nobody and whose grants are long over (see
// [Issuer.TrustedPairwise]). Resource services may know the person by each.
func (i *Issuer) KnownAs(ctx context.Context, userID string, ids []string, trusted []client.Client) (all []Known, err error) {
	clients := slices.Clone(trusted)
	for _, id := range ids {
		found, err := i.store.Clients.Registered(ctx, id) // services know the person, though the client is disabled
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		clients = append(clients, found)
	}
	for _, one := range clients {
		subject := i.Subject(&one, userID)
		at := slices.IndexFunc(all, func(k Known) bool { return k.Subject == subject })
		switch {
		case subject == userID:
		case at < 0:
			all = append(all, Known{subject, []string{one.ID}})
		case !slices.Contains(all[at].Clients, one.ID):
			all[at].Clients = append(all[at].Clients, one.ID)
		}
	}
	return all, nil
}

// TrustedPairwise returns the clients with pairwise subjects that an operator trusts.
func (i *Issuer) TrustedPairwise(ctx context.Context) (found []client.Client, err error) {
	const page = 200
	for after := ""; ; {
		all, err := i.store.Clients.ListClients(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			if one.Trusted && one.SubjectType == client.SubjectPairwise {
				found = append(found, one)
			}
			after = one.ID
		}
		if len(all) < page {
			return found, nil
		}
	}
}
