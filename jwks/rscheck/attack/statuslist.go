package attack

import (
	"bytes"
	"compress/zlib"
	"maps"
	"net/http"
	"sync"
	"time"
)

// statusPath is the aggregation endpoint, and what a list's URI begins with.
const statusPath = "/oauth2/status"

// statusTTL and statusLife are a list's ttl and the time until its exp.
const (
	statusTTL  = 2 * time.Second
	statusLife = time.Minute
	statusSize = 1024 // indices of a list
	// statusValid is the index of good tokens, which are never revoked.
	statusValid = 0
)

// A listMode is how the issuer answers requests for a status list.
type listMode int

const (
	listHealthy listMode = iota
	listDown
	listReplayed     // one that was made before, with its valid signature
	listForged       // signed by the foreign key, as if it were the issuer's
	listOtherType    // the issuer's signature, typ JWT
	listOtherURI     // the issuer's signature, for another list
	listDecompresses // to 256 MiB
)

// statusLists is the state of the issuer's status list.
type statusLists struct {
	mode    listMode
	revoked map[int]bool
	saved   string // a list from before, for listReplayed
	fetches int
}

func newStatusLists() statusLists { return statusLists{revoked: map[int]bool{}} }

func (i *Issuer) statusURI() string { return i.base() + statusPath + "/1" }

// setStatus sets or clears the bit of an index.
func (i *Issuer) setStatus(index int, revoked bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lists.revoked[index] = revoked
}

// setListMode changes how lists are answered. Before listReplayed, call
// saveList.
func (i *Issuer) setListMode(m listMode) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lists.mode = m
}

// saveList keeps the list as it is now, to be replayed.
func (i *Issuer) saveList() {
	list := i.statusList()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lists.saved = list
}

// listFetches returns how often a status list was asked for.
func (i *Issuer) listFetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.lists.fetches
}

// statusList makes the list as the mode demands (draft-ietf-oauth-status-list
// §5.1).
func (i *Issuer) statusList() string {
	i.mu.Lock()
	mode, revoked, signer := i.lists.mode, maps.Clone(i.lists.revoked), i.current
	i.mu.Unlock()
	if mode != listHealthy && mode != listOtherType && mode != listOtherURI && mode != listForged && mode != listDecompresses {
		mode = listHealthy
	}
	bits := make([]byte, statusSize/8)
	for index, set := range revoked {
		if set && (mode == listHealthy || mode == listDecompresses) {
			bits[index/8] |= 1 << (index % 8)
		}
	}
	lst := deflated(bits)
	uri, typ := i.statusURI(), "statuslist+jwt"
	kid := signer.id
	switch mode {
	case listForged:
		signer = i.foreign
	case listOtherType:
		typ = "JWT"
	case listOtherURI:
		uri += "0"
	case listDecompresses:
		lst = bomb()
	}
	now := time.Now()
	return signer.signed(
		mustJSON(map[string]any{"alg": signer.alg, "typ": typ, "kid": kid}),
		mustJSON(map[string]any{
			"iss": i.url, "sub": uri, "iat": now.Unix(), "exp": now.Add(statusLife).Unix(), "ttl": int(statusTTL / time.Second),
			"status_list": map[string]any{"bits": 1, "lst": base64url(lst)},
		}))
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// bomb is some 256 KiB that become 256 MiB of zeros. The first call takes a while.
var bomb = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	zeros := make([]byte, 1<<20)
	for range 256 {
		_, _ = z.Write(zeros) // a buffer takes everything
	}
	_ = z.Close()
	return out.Bytes()
})

// serveStatus serves the aggregation (§9.3) and the lists.
func (i *Issuer) serveStatus(w http.ResponseWriter, r *http.Request, rest string) {
	i.mu.Lock()
	mode, saved := i.lists.mode, i.lists.saved
	if rest != "" {
		i.lists.fetches++
	}
	i.mu.Unlock()
	switch {
	case rest == "":
		// None is named, so that none is fetched ahead: the attacks say when one is.
		writeJSON(w, "application/json", mustJSON(map[string]any{"status_lists": []string{}}))
	case rest != "/1":
		http.NotFound(w, r)
	case mode == listDown:
		panic(http.ErrAbortHandler) // breaks the connection off, silently
	default:
		list := saved
		if mode != listReplayed {
			list = i.statusList()
		}
		w.Header().Set("Cache-Control", "max-age=1")
		writeJSON(w, "application/statuslist+jwt", []byte(list))
	}
}
