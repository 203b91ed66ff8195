package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maru-auth/maru/deploy/load/site"
	"github.com/maru-auth/maru/internal/machine"
)

// Units are what the parts of a request cost by themselves, measured in the same run: processor
// time in milliseconds, and for the disk time.
type Units struct {
	Signature float64 `json:"signature_ms"` // RSA-2048, of the kind that the programs make
	GoRSA     float64 `json:"go_signature_ms"`
	OpenSSL   float64 `json:"openssl_signature_ms,omitempty"` // as `openssl speed` says; 0: not installed
	Verify    float64 `json:"go_verification_ms"`
	Hash      float64 `json:"password_hash_ms"`
	Sync      float64 `json:"disk_sync_ms"` // a page appended and written through, one after another
}

// unitTime is how long each is measured.
const unitTime = 600 * time.Millisecond

// measureUnits measures them. rsaOf is what makes the programs' signatures: "go", or a libcrypto.
// The disk is that of dir.
func measureUnits(ctx context.Context, rsaOf, dir string) (u Units, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return u, err
	}
	digest := sha256.Sum256([]byte("load"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return u, err
	}
	u.GoRSA, err = processorTime(func() error {
		_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		return err
	})
	if err != nil {
		return u, err
	}
	u.Verify, err = processorTime(func() error { return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature) })
	if err != nil {
		return u, err
	}
	u.Hash, err = processorTime(func() error { site.Hash(digest[:16]); return nil })
	if err != nil {
		return u, err
	}
	if u.OpenSSL, err = machine.OpenSSL(ctx, 1); err != nil {
		return u, err
	}
	u.Signature = u.GoRSA
	if rsaOf != "go" && u.OpenSSL > 0 {
		u.Signature = u.OpenSSL
	}
	u.Sync, err = syncTime(filepath.Join(dir, "sync"))
	return u, err
}

// processorTime returns how many milliseconds of a processor one call takes.
func processorTime(do func() error) (float64, error) {
	n, start, began := 0, ownTime(), time.Now()
	for time.Since(began) < unitTime {
		if err := do(); err != nil {
			return 0, err
		}
		n++
	}
	return milliseconds(ownTime()-start) / float64(n), nil
}

// ownTime is the processor time that this process has taken.
func ownTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0 // it fails for other arguments only
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// syncTime returns the median of how many milliseconds it takes to append a page to a file and to
// write that through to the disk.
func syncTime(path string) (float64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	page, times := make([]byte, 4<<10), make([]float64, 0, 200)
	for began := time.Now(); len(times) < 5 || len(times) < cap(times) && time.Since(began) < unitTime; {
		start := time.Now()
		if _, err := file.Write(page); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		times = append(times, milliseconds(time.Since(start)))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}
