package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNoCommandMakesADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "authz.db")
	for _, args := range [][]string{
		{"client", "list"}, {"client", "create", "--name=x", "--grant-type=client_credentials"}, {"keys", "list"}, {"keys", "rotate"}, {"user", "list"}, {"logout", "list"},
	} {
		var out bytes.Buffer
		p := &program{in: strings.NewReader(""), out: &out, errs: &out, now: time.Now}
		err := p.run(t.Context(), append([]string{"--database-url=sqlite:" + path, "--key-encryption-key=" + testKEK}, args...))
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "--database-url") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a folder now: %v", err)
	}
}

func TestNothingIsSweptByAClockThatIsOff(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log bytes.Buffer
	off := func(context.Context) error {
		time.AfterFunc(10*time.Millisecond, stop)
		return errors.New("a day ahead")
	}
	sweep(ctx, slog.New(slog.NewTextHandler(&log, nil)), off, func(context.Context) (int64, error) {
		t.Error("it swept")
		return 0, nil
	})
	if !strings.Contains(log.String(), "a day ahead") {
		t.Errorf("the log says %q", log.String())
	}
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	swept := false
	sweep(ctx, slog.New(slog.DiscardHandler), func(context.Context) error { return nil }, func(context.Context) (int64, error) {
		swept = true
		stop()
		return 0, nil
	})
	if !swept {
		t.Error("by a right clock nothing was swept either")
	}
}
