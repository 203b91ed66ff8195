package libcrypto

import "log/slog"

// Announce tells the log at the start of a program what computes: as a warning if that is not what
// the program was built for.
func Announce(log *slog.Logger) {
	if err := Problem(); err != nil {
		log.Warn("RSA is computed by Go, more slowly than by the library that this program was built for", "rsa", Name(), "error", err)
		return
	}
	log.Info("RSA signatures", "rsa", Name())
}
