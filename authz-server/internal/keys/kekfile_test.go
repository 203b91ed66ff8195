package keys_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/keys"
)

func TestKeyEncryptionKeyIsReadInEveryFormThatIsPasted(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for i, text := range []string{
		"+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8=", "+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8",
		"-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8",
	} {
		if got, _, err := keys.ReadKEK("--k", text, ""); !bytes.Equal(got, want) || err != nil {
			t.Errorf("%s: %x, %v", text, got, err)
		}
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(path, []byte(" "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, warning, err := keys.ReadKEK("--k", "", path); !bytes.Equal(got, want) || warning != "" || err != nil {
			t.Errorf("%s in a file: %x, %q, %v", text, got, warning, err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, warning, err := keys.ReadKEK("--k", "", path); !strings.Contains(warning, path) || err != nil {
			t.Errorf("a file that all may read: %q, %v", warning, err)
		}
	}
	for name, content := range map[string]string{"empty": "", "blank": "\n", "long": strings.Repeat("A", 44) + " more"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if key, _, err := keys.ReadKEK("--k", "", path); err == nil && key != nil {
			t.Errorf("%s: %x", name, key)
		}
	}
}
