package attack

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var keySetChecks = []Check{
	{"keys-rotation", Should, "OIDC Core §10.1.1", "a token by a key that was just added to the key set", "accepted soon, without a restart; tokens by the key before still accepted", rotation},
	{"keys-removed", Must, "OIDC Core §10.1.1", "a token by a key that left the set, once the server has fetched the new set", refused401, removed},
	{"keys-broken", Should, "RFC 7517 §5", "a key set with malformed keys and unknown types beside a good key", "the good key is used", brokenKeys},
	{"keys-purpose", Should, "RFC 7517 §4.2; RFC 7518 §3.3", "tokens by published keys that are for encryption, symmetric, or RSA of 1024 bits", refused401, purposes},
	{"keys-oversized", Should, "CWE-770", "a key set of 64 MiB", "the server does not read it all, and good tokens go on working", oversizedSet},
	{"keys-nonsense", Should, "CWE-400", "an HTML page, and status 500, in place of the key set", "good tokens go on working", nonsense},
	{"keys-slow", Should, "CWE-400", "a key set that takes 4 s, while unknown keys make the server fetch it", "good tokens are answered within 2 s", slowSet},
	{"keys-outage", Should, "CWE-400", "an issuer that breaks off all connections", "good tokens go on working, forged ones are refused", outage},
	{"keys-removed-unasked", Should, "OIDC Core §10.1.1; RFC 9111 §5.2.2.1", "a token by a key that left the set (max-age 5 s), and nothing else", "refused within the time that was named", removedUnasked},
}

var floodChecks = []Check{
	{"flood-unknown-keys", Should, "CWE-400", "many forged tokens, each with a kid of its own", "at most a fetch of the key set for twenty tokens, or three in a second; good tokens are answered meanwhile", flood},
	{"flood-hides-rotation", Should, "OIDC Core §10.1.1", "right after the flood, a token by a new key", "accepted soon", func(r *run) outcome { return rotation(r) }},
}

// A refetch says what came of a new key in the set.
type refetch struct {
	fetched, accepted bool
	restarted         bool // the server, because it did not fetch otherwise
	took              time.Duration
}

// follow sends tokens by a key that the set has now, until the server takes
// one. If it never asks for the set, it is restarted, if that can be done.
func (r *run) follow(k *key) refetch {
	before := r.issuer.fetched()
	attempt := func() refetch {
		accepted, took := eventually(r.ctx, r.cfg.Patience, 200*time.Millisecond, func() bool { return r.send(bearer(r.tokenBy(k))).accepted() })
		return refetch{fetched: r.issuer.fetched() > before, accepted: accepted, took: took}
	}
	result := attempt()
	if !result.fetched && !result.accepted && r.cfg.Restart != nil && r.cfg.Restart(r.ctx) == nil {
		result = attempt()
		result.restarted = true
	}
	return result
}

func (r *run) notFetched() outcome {
	return unclear("the server did not fetch the key set within %v", r.cfg.Patience)
}

// next makes a key.
func (r *run) next() *key {
	k, err := r.issuer.newKey()
	if err != nil {
		panic("attack: " + err.Error()) // the algorithm is one that there is
	}
	return k
}

func rotation(r *run) outcome {
	old, k := r.issuer.signer(), r.next()
	r.issuer.publish(old, k)
	start := r.issuer.fetched()
	accepted, took := eventually(r.ctx, r.cfg.Patience, 200*time.Millisecond, func() bool { return r.send(bearer(r.tokenBy(k))).accepted() })
	fetches := r.issuer.fetched() - start
	if !accepted {
		return fail("refused for %v, %d fetches", took.Round(time.Second), fetches)
	}
	if a := r.send(bearer(r.tokenBy(old))); !a.accepted() {
		return fail("a token by the key before, which is still published, got %v", a)
	}
	r.issuer.sign(k)
	return pass("accepted after %v, %d fetches", took.Round(time.Millisecond), fetches)
}

func removed(r *run) outcome {
	old, k := r.issuer.signer(), r.next()
	r.issuer.publish(k)
	after := r.follow(k)
	if !after.accepted {
		r.issuer.publish(old) // as it was
		if !after.fetched {
			return r.notFetched()
		}
		return unclear("the new key was not used within %v", after.took.Round(time.Second))
	}
	r.issuer.sign(k)
	if after.restarted {
		return r.notFetched() // a server that was restarted has forgotten everything
	}
	if a := r.send(bearer(r.tokenBy(old))); a.accepted() {
		return fail("the new set was fetched, and the key that left it is trusted")
	}
	return pass("refused with the new set, %v after it was published", after.took.Round(time.Millisecond))
}

// brokenKeys are what a set may have beside good keys, and a verifier should
// ignore (RFC 7517 §5).
func brokenKeys(r *run) outcome {
	old, k := r.issuer.signer(), r.next()
	r.issuer.publish(
		map[string]any{"kty": "RSA", "kid": "broken-n", "n": "not base64url!", "e": "AQAB"},
		map[string]any{"kty": "RSA", "kid": "no-e", "n": k.jwk()["n"]},
		map[string]any{"kty": "EC", "kid": "off-the-curve", "crv": "P-256", "x": base64url(make([]byte, 32)), "y": base64url(make([]byte, 32))},
		map[string]any{"kty": "EC", "kid": "unknown-curve", "crv": "P-999", "x": "AQAB", "y": "AQAB"},
		map[string]any{"kty": "AKP", "kid": "unknown-type", "alg": "ML-DSA-44", "pub": "AQAB"},
		map[string]any{"kid": "no-type"},
		map[string]any{},
		old, k,
		map[string]any{"kty": "OKP", "kid": "unknown-okp", "crv": "X448", "x": "AQAB", "use": "enc"},
	)
	after := r.follow(k)
	works := r.send(bearer(r.tokenBy(old)))
	switch {
	case after.accepted && works.accepted():
		r.issuer.sign(k)
		return pass("accepted after %v", after.took.Round(time.Millisecond))
	case !after.fetched:
		r.issuer.publish(old)
		return r.notFetched()
	}
	r.issuer.publish(old)
	return fail("the set was fetched, and for %v its good key not used; the key before got %v", after.took.Round(time.Second), works)
}

func purposes(r *run) outcome {
	old, k, encryption := r.issuer.signer(), r.next(), r.next()
	enc := encryption.jwk()
	enc["kid"], enc["use"] = encryption.id, "enc"
	operations := r.next()
	ops := operations.jwk()
	ops["kid"], ops["key_ops"] = operations.id, []string{"encrypt"}
	secret := []byte("a secret of thirty-two characters")
	set := []any{old, k, enc, ops, map[string]any{"kty": "oct", "kid": "symmetric", "alg": "HS256", "k": base64url(secret)}}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // the point is that it is weak
	small := &key{alg: "RS256", private: weak}
	if err == nil && strings.HasPrefix(r.issuer.alg, "RS") {
		small.id = "small"
		jwk := map[string]any{"kty": "RSA", "kid": small.id, "alg": "RS256", "use": "sig", "n": base64url(weak.N.Bytes()), "e": base64url(big.NewInt(int64(weak.E)).Bytes())}
		set = append(set, jwk)
	}
	r.issuer.publish(set...)
	after := r.follow(k)
	if !after.accepted {
		r.issuer.publish(old)
		if !after.fetched {
			return r.notFetched()
		}
		return unclear("the good key of the set was not used within %v", after.took.Round(time.Second))
	}
	r.issuer.sign(k)
	header, claims := r.parts(setHeader("alg", "HS256"), setHeader("kid", "symmetric"))
	list := map[string]string{
		"use enc": r.tokenBy(encryption), "key_ops encrypt": r.tokenBy(operations), "symmetric": hmacSigned("HS256", header, claims, secret),
	}
	if small.id != "" {
		list["RSA of 1024 bits"] = r.tokenBy(small)
	}
	return r.refused(tokens(list))
}

// disturbed has the issuer answer in a mode, makes the server fetch by tokens
// with a key that is new, and calls during while it does.
func (r *run) disturbed(m mode, during func() outcome) outcome {
	k, old := r.next(), r.issuer.signer()
	r.issuer.setMode(m)
	before := r.issuer.fetched()
	var unknown sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		unknown.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-r.ctx.Done():
					return
				default:
				}
				r.send(bearer(r.tokenBy(k)))
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	defer unknown.Wait()
	defer close(stop)
	fetched, _ := eventually(r.ctx, r.cfg.Patience, 50*time.Millisecond, func() bool { return r.issuer.fetched() > before })
	o := during()
	r.issuer.setMode(healthy)
	r.issuer.publish(old)
	if !fetched && o.verdict == Pass && m != down {
		return r.notFetched()
	}
	return o
}

// goodFor sends good tokens for a while, and fails if one is refused or waits.
func (r *run) goodFor(d time.Duration) outcome {
	var worst time.Duration
	n := 0
	for start := time.Now(); time.Since(start) < d && r.ctx.Err() == nil; n++ {
		a := r.send(r.good())
		worst = max(worst, a.took)
		if !a.accepted() {
			return fail("a good token got %v", a)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if worst > acceptableLatency {
		return fail("a good token waited %v for its answer", worst.Round(time.Millisecond))
	}
	return pass("%d good tokens were answered, the slowest after %v", n, worst.Round(time.Millisecond))
}

func oversizedSet(r *run) outcome {
	return r.disturbed(oversized, func() outcome {
		eventually(r.ctx, r.cfg.Timeout, 50*time.Millisecond, func() bool { return r.issuer.answering() == 0 })
		o := r.goodFor(time.Second)
		taken := r.issuer.oversent()
		// Some MiB are on their way when a server turns away.
		if o.verdict == Pass && taken >= oversizeBytes/4 {
			return fail("the server read %d MiB of it", taken>>20)
		}
		if o.verdict == Pass {
			o.got = fmt.Sprintf("at most %.1f MiB were read; %s", float64(taken)/(1<<20), o.got)
		}
		return o
	})
}

func nonsense(r *run) outcome {
	for _, m := range []mode{page, failing} {
		if o := r.disturbed(m, func() outcome { return r.goodFor(time.Second) }); o.verdict != Pass {
			return o
		}
	}
	return pass("good tokens were answered")
}

func slowSet(r *run) outcome {
	return r.disturbed(slow, func() outcome { return r.goodFor(slowness + time.Second) })
}

func outage(r *run) outcome {
	return r.disturbed(down, func() outcome {
		if a := r.send(bearer(r.tokenBy(r.issuer.foreign))); a.accepted() {
			return fail("a forged token was accepted")
		}
		return r.goodFor(2 * time.Second)
	})
}

func removedUnasked(r *run) outcome {
	old, k := r.issuer.signer(), r.next()
	token := func() request { return bearer(r.tokenBy(old)) }
	r.issuer.publish(k)
	gone, took := eventually(r.ctx, r.cfg.Removal, 500*time.Millisecond, func() bool { return !r.send(token()).accepted() })
	if !gone {
		r.issuer.publish(old) // so that the server has a key that it knows
		return fail("still accepted after %v", took.Round(time.Second))
	}
	r.issuer.sign(k)
	return pass("refused after %v", took.Round(time.Second))
}

// flood sends forged tokens with unknown keys, and good ones beside them. A slow
// server fetches more often while it answers all of them, and a slow machine makes
// everybody wait; neither is a fault.
func flood(r *run) outcome {
	before := r.issuer.fetched()
	jobs := make(chan struct{})
	var senders sync.WaitGroup
	const atOnce = 16
	var accepted atomic.Int64
	slowest := make([]time.Duration, atOnce) // of the forged ones
	for i := range atOnce {
		senders.Go(func() {
			for range jobs {
				a := r.send(bearer(r.tokenBy(r.issuer.foreign, setHeader("kid", randomText()))))
				slowest[i] = max(slowest[i], a.took)
				if a.accepted() {
					accepted.Add(1)
				}
			}
		})
	}
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range r.cfg.Flood {
			select {
			case jobs <- struct{}{}:
			case <-r.ctx.Done():
			}
		}
		close(jobs)
		senders.Wait()
	}()
	var latencies []time.Duration
	var refused string
loop:
	for {
		a := r.send(r.good())
		latencies = append(latencies, a.took)
		if !a.accepted() && refused == "" {
			refused = a.String()
		}
		select {
		case <-done:
			break loop
		case <-time.After(20 * time.Millisecond):
		}
	}
	fetches, took := r.issuer.fetched()-before, time.Since(start)
	worst := slices.Max(latencies)
	got := fmt.Sprintf("%d unknown keys in %v caused %d fetches; of %d good tokens the slowest was answered after %v",
		r.cfg.Flood, took.Round(100*time.Millisecond), fetches, len(latencies), worst.Round(time.Millisecond))
	switch {
	case accepted.Load() > 0:
		return fail("%d forged tokens were accepted", accepted.Load())
	case refused != "":
		return fail("a good token got %s; %s", refused, got)
	case fetches > max(r.cfg.Flood/20, 5, int(3*took.Seconds())), worst > acceptableLatency+slices.Max(slowest):
		return fail("%s", got)
	}
	return pass("%s", got)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
