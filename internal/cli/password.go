package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPasswordLine is how much of standard input is read for a password, in bytes.
const maxPasswordLine = 1 << 10

// ReadPassword reads one line from in, without its end: at most 1 KiB.
func ReadPassword(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("standard input has no password: write it there, on one line")
	}
	return line, nil
}
