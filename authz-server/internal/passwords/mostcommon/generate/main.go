// Command generate makes the list of common passwords, mostcommon.bin: the first 100,000 of those
// on standard input that people could choose here otherwise. Run it in package mostcommon's folder:
//
//	go run ./generate < 10-million-password-list-top-1000000.txt > mostcommon.bin
//
// That file is of SecLists (https://github.com/danielmiessler/SecLists,
// Passwords/Common-Credentials; MIT licence, © Daniel Miessler): a million passwords, the most
// frequent first, of the ten million that Mark Burnett published for research. Its SHA-256 is
// eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/passwords/mostcommon"
)

const (
	entries  = 100_000
	shortest = 8 // characters: passwords refuses shorter ones by their length
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var list []string
	seen := make(map[string]bool)
	lines := bufio.NewScanner(in)
	rank := 0
	for ; len(list) < entries && lines.Scan(); rank++ {
		password := strings.ToLower(norm.NFC.String(lines.Text()))
		if utf8.RuneCountInString(password) < shortest || strings.Trim(password, "0123456789") == "" || seen[password] {
			continue
		}
		seen[password] = true
		list = append(list, password)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(list) < entries {
		return fmt.Errorf("the input has only %d passwords for the list, of %d", len(list), rank)
	}
	data, err := mostcommon.Encode(list)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d passwords of the first %d, in %d bytes\n", len(list), rank, len(data))
	_, err = out.Write(data)
	return err
}
