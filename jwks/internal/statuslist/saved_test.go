package statuslist_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maru-auth/maru/jwks/internal/statuslist"
)

// restarting runs a test in a bubble, with what starts a process anew on the
// same file. The issuer's list revokes index 7.
func restarting(t *testing.T, test func(t *testing.T, f *fakeIssuer, file string, restart func(func(*statuslist.Config)) *process)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.revoked[7] = true
		file := filepath.Join(t.TempDir(), "lists.json")
		stop := func() {}
		test(t, f, file, func(change func(*statuslist.Config)) *process {
			stop()
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			stop = cancel
			return start(t, ctx, f, func(cfg *statuslist.Config) {
				cfg.File = file
				if change != nil {
					change(cfg)
				}
			})
		})
		stop()
	})
}

func TestARestartNeedsNoServer(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, f *fakeIssuer, file string, restart func(func(*statuslist.Config)) *process) {
		p := restart(nil)
		p.want(8, nil)
		synctest.Wait()
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		// A revocation is on disk soon.
		f.set(func(f *fakeIssuer) { f.revoked[9] = true })
		time.Sleep(5 * time.Second)
		f.set(func(f *fakeIssuer) { f.down = true })
		p = restart(nil)
		begin := time.Now()
		p.want(7, statuslist.ErrRevoked)
		p.want(9, statuslist.ErrRevoked)
		p.want(8, nil)
		if time.Since(begin) != 0 {
			t.Error("it waited")
		}
		time.Sleep(2*time.Minute + time.Second) // after the last confirmation, not after the start
		p.want(8, statuslist.ErrUnavailable)
		f.set(func(f *fakeIssuer) { f.down = false })
		time.Sleep(4 * time.Second)
		p.want(8, nil)
	})
}

func TestAConfirmationReachesTheFile(t *testing.T) {
	t.Parallel()
	restarting(t, func(_ *testing.T, f *fakeIssuer, _ string, restart func(func(*statuslist.Config)) *process) {
		p := restart(nil)
		p.want(8, nil)
		time.Sleep(30 * time.Minute) // nothing changes
		f.set(func(f *fakeIssuer) { f.down = true })
		p = restart(nil)
		time.Sleep(100 * time.Second)
		p.want(8, nil)
	})
}

func TestAFileOlderThanThePolicyIsNotUsed(t *testing.T) {
	t.Parallel()
	restarting(t, func(_ *testing.T, f *fakeIssuer, _ string, restart func(func(*statuslist.Config)) *process) {
		p := restart(nil)
		p.want(8, nil)
		time.Sleep(time.Minute)
		f.set(func(f *fakeIssuer) { f.down = true })
		p = restart(nil)
		p.want(8, nil)
		p = restart(func(cfg *statuslist.Config) { cfg.FailOpenFor = -1 })
		time.Sleep(9 * time.Second)
		p.want(8, statuslist.ErrUnavailable)
		p = restart(func(cfg *statuslist.Config) { cfg.FailOpenFor = time.Hour })
		p.want(8, nil)
		time.Sleep(5 * time.Minute)
		p = restart(nil)
		p.want(8, statuslist.ErrUnavailable)
		time.Sleep(2 * time.Hour)
		p = restart(func(cfg *statuslist.Config) { cfg.FailOpenFor = 24 * time.Hour })
		p.want(8, statuslist.ErrUnavailable)
	})
}

func TestWithdrawnKeysOutliveTheProcess(t *testing.T) {
	t.Parallel()
	restarting(t, func(t *testing.T, f *fakeIssuer, _ string, restart func(func(*statuslist.Config)) *process) {
		p := restart(func(cfg *statuslist.Config) { cfg.Announced = func() bool { return true } })
		p.want(8, nil)
		f.set(func(f *fakeIssuer) { f.addKey("b"); f.withdrawn = []string{"a"} })
		time.Sleep(5 * time.Second)
		f.set(func(f *fakeIssuer) { f.down = true })
		p = restart(nil)
		if !p.Withdrawn("a") || !p.SavedAnnounced() {
			t.Error("they are forgotten")
		}
		p.want(8, nil)
	})
}

func TestAFileIsBelievedOnlyIfItIsOurs(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, file string){
		"others may write": func(t *testing.T, file string) { check(t, os.Chmod(file, 0o666)) },
		"nonsense":         func(t *testing.T, file string) { check(t, os.WriteFile(file, []byte(`{"lists":[{"uri":1}]}`), 0o600)) },
		"another issuer": func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(`{"issuer":"https://other.example","lists":[],"withdrawn_keys":["a"]}`), 0o600))
		},
		"foreign list": func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(`{"issuer":"`+fakeURL+`","withdrawn_keys":["a"],"lists":[{"uri":"https://evil.example/","bits":1,"lst":"`+compress([]byte{0})+`"}]}`), 0o600))
		},
		"bits": func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(`{"issuer":"`+fakeURL+`","withdrawn_keys":["a"],"lists":[{"uri":"`+listURL+`","bits":0,"lst":"`+compress([]byte{0})+`"}]}`), 0o600))
		},
		"from the future": func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(`{"issuer":"`+fakeURL+`","withdrawn_keys":["a"],"lists":[{"uri":"`+listURL+`","bits":1,"lst":"`+compress([]byte{0})+`","confirmed":"2100-01-01T00:00:00Z"}]}`), 0o600))
		},
		"zip bomb": func(t *testing.T, file string) {
			check(t, os.WriteFile(file, []byte(`{"issuer":"`+fakeURL+`","withdrawn_keys":["a"],"lists":[{"uri":"`+listURL+`","bits":1,"lst":"`+compress(make([]byte, 8<<20))+`"}]}`), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restarting(t, func(t *testing.T, f *fakeIssuer, file string, restart func(func(*statuslist.Config)) *process) {
				p := restart(nil)
				p.want(8, nil)
				synctest.Wait()
				spoil(t, file)
				f.set(func(f *fakeIssuer) { f.down = true })
				p = restart(nil)
				p.want(8, statuslist.ErrUnavailable)
				if p.Withdrawn("a") || p.log.count("saved status lists are not used") != 1 {
					t.Error("it was used")
				}
			})
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
