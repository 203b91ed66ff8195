// Package directory knows the OAuth clients. It finds them, in the database or by the document at
// their client_id; it verifies what they sign; and it keeps their life cycle, from registration, by
// an operator or by themselves, to removal. What it has to fetch goes through package fetch.
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

	// Policy is for clients that no operator registers: those that register themselves, and those
	// of documents.
	Policy client.Policy
	// OperatorPolicy is for clients that an operator registers, by [Clients.Create] and its like.
	OperatorPolicy client.Policy
	// MetadataDocuments allows the URL of a document as client_id
	// (draft-ietf-oauth-client-id-metadata-document). Anybody can then ask people for their
	// consent, as with open registration.
	MetadataDocuments bool

	// Administration is the address of the resource by which this server is administered, for
	// [client.Client.Administers]; empty: none is known.
	Administration string

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

// How much of documents and key sets is kept in memory, in bytes each: what was used last. A parsed
// key set counts as keysPerByte times its text.
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

// Client returns a client and the hashes of its unexpired secrets. It costs the one statement of
// [store.Store.ClientWithSecrets]. A document is read when its client_id is first used, and
// again when what was read is no longer fresh; its client is a row like every other.
// [store.ErrNotFound]: there is no such client. A [*DocumentError], which says why, is
// [store.ErrNotFound] too.
func (d *Clients) Client(ctx context.Context, id string) (client.Client, [][]byte, error) {
	if client.IsDocumentID(id) {
		c, err := d.documentClient(ctx, id)
		return c, nil, err
	}
	return d.cfg.Store.Clients.ClientWithSecrets(ctx, id)
}

// Remembered is Client, but what it returns may be remembered: see [registry.Clients.Remembered].
func (d *Clients) Remembered(ctx context.Context, id string) (c client.Client, hashes [][]byte, remembered bool, err error) {
	if client.IsDocumentID(id) {
		c, err = d.documentClient(ctx, id)
		return c, nil, false, err
	}
	return d.cfg.Store.Clients.Remembered(ctx, id)
}

// Policy returns [Config.Policy].
func (d *Clients) Policy() client.Policy { return d.cfg.Policy }

// MetadataDocuments tells whether a client_id can be the URL of a document.
func (d *Clients) MetadataDocuments() bool { return d.cfg.MetadataDocuments }
