package keys

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// ReadKEK reads a key for [NewKEK], in base64, from text or from the file at path; nil: both are
// empty. flag is the name of the setting, for errors, which do not repeat the key. warning is for
// the operator; empty: none.
func ReadKEK(flag, text, path string) (key []byte, warning string, err error) {
	if text != "" && path != "" {
		return nil, "", fmt.Errorf("%s and %s-file are both set; one is enough", flag, flag)
	}
	if path != "" {
		flag += "-file"
		file, err := os.Open(path) //nolint:gosec // G304: the operator names the file
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", flag, err)
		}
		defer file.Close()
		stat, err := file.Stat()
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", flag, err)
		}
		if stat.Mode().Perm()&0o007 != 0 {
			warning = fmt.Sprintf("everybody on this machine can read %s (setting %s); run chmod 600 on it", path, flag)
		}
		var content [256]byte
		n, err := file.Read(content[:])
		if err != nil && n == 0 {
			return nil, "", fmt.Errorf("%s: %s is empty, or cannot be read", flag, path)
		}
		text = strings.TrimSpace(string(content[:n]))
	}
	if text == "" {
		return nil, "", nil
	}
	// People paste both alphabets, with and without padding.
	key, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "="))
	if err != nil || len(key) != 32 {
		return nil, "", fmt.Errorf("%s must be 32 bytes in base64, such as 'openssl rand -base64 32' prints", flag)
	}
	return key, warning, nil
}
