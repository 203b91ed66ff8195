package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// readJSONLines reads a JSON object a line.
func readJSONLines(in io.Reader, take func(importedLine) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxImported)
	number := 0
	for lines.Scan() {
		number++
		text := lines.Bytes()
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		line := importedLine{at: fmt.Sprintf("line %d", number)}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if line.err = decoder.Decode(&line.user); line.err == nil && decoder.More() {
			line.err = errors.New("there is more than one JSON object")
		}
		if err := take(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); !errors.Is(err, bufio.ErrTooLong) {
		return err
	}
	return fmt.Errorf("line %d is longer than %d KiB", number+1, maxImported>>10)
}

// bounded lets so much of a file be read for one account, so that a quote or a string that never ends
// does not take all memory.
type bounded struct {
	in   io.Reader
	left int
}

// begin lets the next account be read. Readers have a buffer of their own.
func (b *bounded) begin() { b.left = 1 << 20 }

func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("one account takes more than a megabyte; a quote or a bracket is not closed, perhaps")
	}
	n, err := b.in.Read(into[:min(len(into), b.left)])
	b.left -= n
	return n, err
}

// byteOrderMark is what some programs of Microsoft begin a text with.
const byteOrderMark = "\ufeff"

// claimColumns are the claims that a column can have: those that are one text or yes or no.
func claimColumns() (texts, truths []string) {
	t := reflect.TypeFor[accounts.Claims]()
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch field.Type.Kind() { //nolint:exhaustive // the address has parts
		case reflect.String:
			texts = append(texts, name)
		case reflect.Bool:
			truths = append(truths, name)
		}
	}
	return append(texts, "locale"), truths
}

// ownColumns are the members of an account that a column can have.
var ownColumns = []string{"email", "name", "password_hash", "email_verified", "disabled", "roles"}

// readCSV reads a table (RFC 4180) whose first line names its columns. A cell is text, whatever a
// spreadsheet would take it for.
func readCSV(in io.Reader, take func(importedLine) error) error {
	within := &bounded{in: in}
	within.begin()
	buffered := bufio.NewReader(within)
	if mark, err := buffered.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		buffered.Discard(len(byteOrderMark)) //nolint:errcheck // they were peeked at
	}
	table := csv.NewReader(buffered)
	table.ReuseRecord = true
	names, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	names = slices.Clone(names)
	texts, truths := claimColumns()
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if known := slices.Concat(ownColumns, texts, truths); !slices.Contains(known, names[i]) {
			return fmt.Errorf("line 1: there is no column %q; there are %s", names[i], strings.Join(known, ", "))
		}
		if slices.Contains(names[:i], names[i]) {
			return fmt.Errorf("line 1: the column %s stands there twice", names[i])
		}
	}
	if !slices.Contains(names, "email") {
		return errors.New("line 1: there is no column email")
	}
	for {
		within.begin()
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line := importedLine{}
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, csv.ErrFieldCount):
			number, _ := table.FieldPos(0)
			line.at, line.err = fmt.Sprintf("line %d", number), fmt.Errorf("it has %d columns, and not %d", len(record), len(names))
		case errors.As(err, &wrong):
			return fmt.Errorf("line %d: %w", wrong.StartLine, wrong.Err) // where the next begins is not known
		case err != nil:
			return err
		default:
			number, _ := table.FieldPos(0)
			line.at = fmt.Sprintf("line %d", number)
			line.user, line.err = ofRecord(names, record, texts, truths)
		}
		if err := take(line); err != nil {
			return err
		}
	}
}

// ofRecord is the account of a line of a table. An empty cell says nothing.
func ofRecord(names, record []string, texts, truths []string) (u importedUser, err error) {
	claims, size := map[string]any{}, 0
	for i, cell := range record {
		if size += len(cell); size > maxImported {
			return u, fmt.Errorf("it is longer than %d KiB", maxImported>>10)
		}
		if cell == "" {
			continue
		}
		switch name := names[i]; name {
		case "email":
			u.Email = cell
		case "name":
			u.Name = cell
		case "password_hash":
			u.PasswordHash = cell
		case "roles":
			u.Roles = strings.Fields(cell)
		case "email_verified":
			u.EmailVerified, err = truth(name, cell)
		case "disabled":
			u.Disabled, err = truth(name, cell)
		default:
			if slices.Contains(truths, name) {
				claims[name], err = truth(name, cell)
			} else if slices.Contains(texts, name) {
				claims[name] = cell
			}
		}
		if err != nil {
			return u, err
		}
	}
	if len(claims) > 0 {
		u.Claims, err = json.Marshal(claims)
	}
	return u, err
}

func truth(name, cell string) (bool, error) {
	switch strings.ToLower(cell) {
	case "true", "yes", "1":
		return true, nil
	case "false", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%s: %q is neither true nor false", name, cell)
}
