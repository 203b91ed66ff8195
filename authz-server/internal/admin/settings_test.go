package admin_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
)

func TestASettingThatMayBeASecretIsHidden(t *testing.T) {
	type mail struct {
		MailFrom     string `shown:"" help:"x"`
		MailPassword string
	}
	type everything struct {
		mail
		DatabaseURL string        `name:"database-url"`
		Tokens      []string      `help:"x"`
		Mode        string        `enum:"a,b"`
		Level       slog.Level    `help:"x"`
		Wait        time.Duration `help:"x"`
		IDLifetime  int64
		On          bool
		Extra       map[string]string
		Pointer     *string
		Bytes       []byte
		Now         func() time.Time `kong:"-"`
		inside      string
	}
	secret := "S3CRET"
	all := admin.SettingsOf(&everything{
		mail: mail{"Maru <a@example.com>", secret}, DatabaseURL: secret, Tokens: []string{secret}, Mode: "a", Level: slog.LevelWarn,
		Wait: time.Minute, IDLifetime: 5, On: true, Extra: map[string]string{"k": secret}, Pointer: &secret, Bytes: []byte(secret), inside: secret,
	})
	if text := fmt.Sprintf("%+v", all); strings.Contains(text, secret) || strings.Contains(text, "83 51") {
		t.Errorf("a secret is shown: %s", text)
	}
	got := map[string]string{}
	for _, one := range all {
		got[one.Name] = fmt.Sprint(one.Value, " ", one.Hidden, " ", one.Set)
	}
	for name, want := range map[string]string{
		"mail-from": "Maru <a@example.com> false true", "mail-password": " true true", "database-url": " true true", "tokens": " true true",
		"mode": "a false true", "level": "WARN false true", "wait": "1m0s false true", "id-lifetime": "5 false true", "on": "true false true",
		"extra": " true true", "pointer": " true true", "bytes": " true true",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(got) != 12 {
		t.Errorf("%v", got)
	}
}
