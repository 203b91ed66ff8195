//go:build unix

package keycache_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/jwks/internal/keycache"
	"github.com/maru-auth/maru/jwks/jose"
)

// process is a verifier's process as far as its cache can tell: start ends the
// one before, and begins another with the same file.
type process struct {
	t    *testing.T
	f    *fakeIssuer
	file string
	log  strings.Builder
	stop context.CancelFunc
}

func (p *process) start(change func(*keycache.Config)) *keycache.Cache {
	p.t.Helper()
	if p.stop != nil {
		p.stop()
		synctest.Wait()
	}
	ctx, stop := context.WithCancel(p.t.Context())
	p.stop = stop
	cfg := keycache.Config{Issuer: fakeURL, Client: &http.Client{Transport: p.f}, File: p.file,
		Log: slog.New(slog.NewTextHandler(&p.log, nil))}
	if change != nil {
		change(&cfg)
	}
	c, err := keycache.New(ctx, cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// restarting runs a test with a process whose issuer has the key "a", after a
// first start has saved it.
func restarting(t *testing.T, test func(t *testing.T, p *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &process{t: t, f: &fakeIssuer{kids: []string{"a"}, cache: "max-age=600"}, file: filepath.Join(t.TempDir(), "keys.json")}
		mustReady(t, t.Context(), p.start(nil))
		synctest.Wait() // until it is saved
		test(t, p)
	})
}

func TestASavedKeySetOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		info, err := os.Stat(p.file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		p.f.set(func(f *fakeIssuer) { f.down = true })
		time.Sleep(time.Minute)
		c := p.start(nil)
		wantKey(t, t.Context(), c, "a") // without any wait: it is still fresh
		wantNoKey(t, t.Context(), c, "b", keycache.ErrUnavailable)
		time.Sleep(20 * time.Minute)
		wantKey(t, t.Context(), p.start(nil), "a") // no longer fresh, and the issuer is away

		// A set from the disk is held to the same end as one in memory: 10
		// minutes and 12 hours after it was fetched, restarts or not.
		time.Sleep(12*time.Hour - 12*time.Minute)
		c = p.start(nil)
		wantKey(t, t.Context(), c, "a")
		time.Sleep(time.Minute + time.Second)
		wantNoKey(t, t.Context(), c, "a", keycache.ErrUnavailable)
		wantNoKey(t, t.Context(), p.start(nil), "a", keycache.ErrUnavailable)

		p.f.set(func(f *fakeIssuer) { f.down, f.kids = false, []string{"b"} })
		c = p.start(nil)
		mustReady(t, t.Context(), c)
		wantNoKey(t, t.Context(), c, "a", jose.ErrUnknownKey)
		synctest.Wait()
		p.f.set(func(f *fakeIssuer) { f.down = true })
		wantKey(t, t.Context(), p.start(nil), "b")
		p.stop()
		synctest.Wait()
	})
}

func TestAnOldSavedKeySetGivesWayToTheIssuer(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		p.stop()
		synctest.Wait()
		time.Sleep(time.Hour) // "a" is withdrawn meanwhile
		p.f.set(func(f *fakeIssuer) { f.kids, f.delay = []string{"b"}, 300*time.Millisecond })
		c := p.start(nil)
		wantNoKey(t, t.Context(), c, "a", jose.ErrUnknownKey) // not even before the first answer
		wantKey(t, t.Context(), c, "b")
		p.stop()
		synctest.Wait()
	})
}

func TestAnUnchangedKeySetIsSavedAnew(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		p.f.set(func(f *fakeIssuer) { f.etags = true })
		c := p.start(nil)
		mustReady(t, t.Context(), c)
		time.Sleep(13 * time.Hour) // refreshed by 304 all the time
		p.f.set(func(f *fakeIssuer) { f.down = true })
		if p.f.matched == 0 {
			t.Fatal("nothing was answered by 304")
		}
		wantKey(t, t.Context(), p.start(nil), "a")
		p.stop()
		synctest.Wait()
	})
}

func TestASavedKeySetThatCannotBeTrustedIsNotUsed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, p *process, text string) string{
		"of another issuer": func(_ *testing.T, _ *process, text string) string {
			return strings.Replace(text, fakeURL, "https://other.example", 1)
		},
		"the issuer left out": func(_ *testing.T, _ *process, text string) string {
			return strings.Replace(text, `"issuer"`, `"Issuer"`, 1)
		},
		"the issuer twice":   func(_ *testing.T, _ *process, text string) string { return `{"issuer":"x",` + text[1:] },
		"cut off":            func(_ *testing.T, _ *process, text string) string { return text[:len(text)/2] },
		"empty":              func(*testing.T, *process, string) string { return "" },
		"not an object":      func(*testing.T, *process, string) string { return `[]` },
		"something after it": func(_ *testing.T, _ *process, text string) string { return text + "{}" },
		"without keys": func(_ *testing.T, _ *process, text string) string {
			return text[:strings.Index(text, `"key_set"`)] + `"key_set":{"keys":[]}}`
		},
		"keys that are no set": func(_ *testing.T, _ *process, text string) string {
			return text[:strings.Index(text, `"key_set"`)] + `"key_set":[]}`
		},
		"from the future": func(_ *testing.T, _ *process, text string) string {
			return strings.Replace(text, `"fetched":"2000`, `"fetched":"2001`, 1)
		},
		"of an endless lifetime": func(_ *testing.T, _ *process, text string) string {
			return strings.Replace(text, `"lifetime":600`, `"lifetime":1e300`, 1)
		},
		"of a negative lifetime": func(_ *testing.T, _ *process, text string) string {
			return strings.Replace(text, `"lifetime":600`, `"lifetime":-1`, 1)
		},
		"too long": func(_ *testing.T, _ *process, text string) string { return text + strings.Repeat(" ", 1<<20) },
		"writable by others": func(t *testing.T, p *process, text string) string {
			if err := os.Chmod(p.file, 0o620); err != nil {
				t.Fatal(err)
			}
			return text
		},
		"of another user": func(t *testing.T, p *process, text string) string {
			if err := os.Chown(p.file, 12345, -1); err != nil {
				t.Skip("only root can give a file away")
			}
			return text
		},
		"a pipe": func(t *testing.T, p *process, _ string) string {
			if err := errors.Join(os.Remove(p.file), syscall.Mkfifo(p.file, 0o600)); err != nil {
				t.Fatal(err)
			}
			return ""
		},
		"a directory": func(t *testing.T, p *process, _ string) string {
			if err := errors.Join(os.Remove(p.file), os.Mkdir(p.file, 0o700)); err != nil {
				t.Fatal(err)
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			restarting(t, func(t *testing.T, p *process) {
				p.f.set(func(f *fakeIssuer) { f.down = true })
				p.stop()
				synctest.Wait()
				text, err := os.ReadFile(p.file)
				if err != nil {
					t.Fatal(err)
				}
				spoiled := spoil(t, p, string(text))
				if info, err := os.Stat(p.file); err == nil && info.Mode().IsRegular() {
					if spoiled == string(text) && info.Mode().Perm() == 0o600 && name != "of another user" {
						t.Fatal("nothing was spoiled")
					}
					if err := os.WriteFile(p.file, []byte(spoiled), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				wantNoKey(t, t.Context(), p.start(nil), "a", keycache.ErrUnavailable)
				p.stop()
				synctest.Wait()
				if !strings.Contains(p.log.String(), "the saved key set is not used") {
					t.Errorf("the log does not say why:\n%s", p.log.String())
				}
				p.f.set(func(f *fakeIssuer) { f.down = false })
				mustReady(t, t.Context(), p.start(nil)) // whatever lies there
				p.stop()
				synctest.Wait()
			})
		})
	}
}

func TestASavedKeySetBelongsToItsAddress(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		p.f.set(func(f *fakeIssuer) { f.down = true })
		byURL := func(cfg *keycache.Config) { cfg.JWKSURL = fakeURL + "/keys" }
		wantNoKey(t, t.Context(), p.start(byURL), "a", keycache.ErrUnavailable)
		p.f.set(func(f *fakeIssuer) { f.down = false })
		mustReady(t, t.Context(), p.start(byURL))
		synctest.Wait()
		p.f.set(func(f *fakeIssuer) { f.down = true })
		wantKey(t, t.Context(), p.start(byURL), "a")
		wantNoKey(t, t.Context(), p.start(nil), "a", keycache.ErrUnavailable)
		p.stop()
		synctest.Wait()
	})
}

func TestADiskThatFailsStopsNoVerifier(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		if err := os.RemoveAll(filepath.Dir(p.file)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Dir(p.file), 0o700); err != nil {
			t.Fatal(err)
		}
		c := p.start(nil)
		mustReady(t, t.Context(), c)
		synctest.Wait()
		if err := os.RemoveAll(filepath.Dir(p.file)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wantKey(t, t.Context(), c, "a")
		p.stop()
		synctest.Wait()
		if !strings.Contains(p.log.String(), "saving the key set failed") {
			t.Error("the log does not say that nothing is saved")
		}
		if err := os.Mkdir(filepath.Dir(p.file), 0o700); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNothingIsLeftBesideTheSavedFile(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, p *process) {
		time.Sleep(24 * time.Hour)
		p.stop()
		synctest.Wait()
		entries, err := os.ReadDir(filepath.Dir(p.file))
		if err != nil || len(entries) != 1 {
			t.Errorf("%v (%v)", entries, err)
		}
	})
}

func TestAKilledProcessLeavesNothingForLong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.json")
	old, young, foreign := file+".123.new", file+".456.new", filepath.Join(dir, "other.123.new")
	for name, age := range map[string]time.Duration{old: 2 * time.Hour, young: time.Minute, foreign: 2 * time.Hour} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	c, err := keycache.New(ctx, keycache.Config{Issuer: fakeURL, Client: &http.Client{Transport: &fakeIssuer{kids: []string{"a"}}},
		File: file})
	if err != nil {
		t.Fatal(err)
	}
	mustReady(t, ctx, c)
	testenv.Eventually(t, "the key set is saved, and nothing more will be", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	stop()
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an old leftover: %v", err)
	}
	for _, name := range []string{young, foreign} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if left, err := filepath.Glob(file + ".*.new"); err != nil || len(left) != 1 {
		t.Errorf("left beside the file: %q (%v)", left, err)
	}
}

func TestAPlaceThatIsNotThereIsAnErrorAtTheStart(t *testing.T) {
	t.Parallel()
	_, err := keycache.New(t.Context(), keycache.Config{Issuer: fakeURL, File: filepath.Join(t.TempDir(), "none", "keys.json")})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "CacheConfig.File") {
		t.Errorf("%v", err)
	}
}
