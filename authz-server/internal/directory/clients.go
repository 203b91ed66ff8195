// Package directory is the directory of OAuth clients: those in the database, those that a document at their client_id
// describes, and what each of them signs with. Whatever it has to fetch for that goes through package fetch.
package directory

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/cache"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/fetch"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/jwks/jose"
)

// Config is what the directory needs. All fields are required but those with a default.
type Config struct {
	Store *store.Store
	Fetch *fetch.Client

	// Policy is for clients that no operator vouched for: those that register themselves, and those of documents.
	Policy client.Policy
	// OperatorPolicy is for clients that an operator registers, by [Clients.Create] and its like.
	OperatorPolicy client.Policy
	// MetadataDocuments lets a client be known by the URL of a document (draft-ietf-oauth-client-id-metadata-document).
	// Anybody can then ask people of this server for their consent, as with open registration.
	MetadataDocuments bool

	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}

// Clients knows every client. It is safe for concurrent use.
type Clients struct {
	cfg       Config
	now       func() time.Time
	documents *cache.Cache[string, documentState]         // by client_id
	keySets   *cache.Cache[string, *keySet]               // by jwks_uri
	inline    *cache.Cache[[sha256.Size]byte, []jose.Key] // by the hash of jwks
}

// How much of documents and key sets is kept in memory, in bytes each; what was used last. A parsed key set counts
// keysPerByte times its text.
const (
	documentBytes = 2 << 20
	keySetBytes   = 8 << 20
	keysPerByte   = 4
)

// New makes a directory.
func New(cfg Config) (*Clients, error) {
	d := &Clients{cfg: cfg, now: cfg.Now}
	if d.now == nil {
		d.now = time.Now
	}
	d.cfg.Policy.Documents = false // a document is checked by document.go alone
	if d.cfg.Policy.MaxBytes == 0 {
		d.cfg.Policy.MaxBytes = client.MaxMetadata
	}
	d.documents = cache.New[string, documentState](documentBytes)
	d.keySets = cache.New[string, *keySet](keySetBytes)
	d.inline = cache.New[[sha256.Size]byte, []jose.Key](keySetBytes)
	return d, nil
}

// Client returns a client and the hashes of its unexpired secrets, as [store.Store.ClientWithSecrets] does and at the same
// cost. A document is read when its client_id is met, and again when what was read is no longer fresh; the client then is a
// row like every other. [store.ErrNotFound]: there is no such client. That is also what a [*DocumentError] is, which says why.
func (d *Clients) Client(ctx context.Context, id string) (client.Client, [][]byte, error) {
	if client.IsDocumentID(id) {
		c, err := d.documentClient(ctx, id)
		return c, nil, err
	}
	return d.cfg.Store.Clients.ClientWithSecrets(ctx, id)
}

// Policy is what clients are checked against that register themselves.
func (d *Clients) Policy() client.Policy { return d.cfg.Policy }

// MetadataDocuments tells whether clients can be known by documents.
func (d *Clients) MetadataDocuments() bool { return d.cfg.MetadataDocuments }
