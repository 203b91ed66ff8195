package service_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/libcrypto"
	"github.com/maru-auth/maru/internal/service"
)

func TestVersionNeedsNoSettings(t *testing.T) {
	program := service.Program{Name: "board", Listen: "127.0.0.1:9300"}
	var out bytes.Buffer
	parser, err := kong.New(new(service.Commands[service.Settings]), append(program.Options(), kong.Writers(&out, &out))...)
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse([]string{"version", "--json"})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	var build cli.Build
	if err := json.Unmarshal(out.Bytes(), &build); err != nil || build.Version == "" || build.RSA != libcrypto.Name() {
		t.Errorf("%s, %v", out.String(), err)
	}
}
