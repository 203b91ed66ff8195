package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/maru-auth/maru/authz-server/internal/passwords"
	"github.com/maru-auth/maru/authz-server/internal/profile"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

type userImport struct {
	File      string `arg:"" help:"A file with one JSON object a line: \"email\", \"name\" and, as far as known, \"password_hash\" (bcrypt or argon2id; none: the account has no password), \"email_verified\", \"roles\" and \"claims\" (as for 'user set-claims'). - is standard input."`
	IfMissing bool   `help:"Leave out, and do not refuse, a line whose address has an account." env:"-"`
}

// maxImportLine is the longest line of a file of accounts, in bytes.
const maxImportLine = 64 << 10

// importedUser is a line of the file.
type importedUser struct {
	Email         string          `json:"email"`
	Name          string          `json:"name"`
	PasswordHash  string          `json:"password_hash"`
	EmailVerified bool            `json:"email_verified"`
	Roles         []string        `json:"roles"`
	Claims        json.RawMessage `json:"claims"`
}

// Run makes an account of every line that is right, and names the others by their numbers. When
// those are put right, --if-missing takes the same file again.
func (cmd userImport) Run(ctx context.Context, p *program) error {
	in := p.in
	if cmd.File != "-" {
		file, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	return p.withStore(ctx, func(s *store.Store) error {
		made, there, refused, err := cmd.lines(ctx, p, s, in)
		text := fmt.Sprintf("accounts imported: %d", made)
		if cmd.IfMissing {
			text += fmt.Sprintf("; already there: %d", there)
		}
		if _, err := fmt.Fprintln(p.out, text); err != nil {
			return err
		}
		if err == nil && refused > 0 {
			err = fmt.Errorf("lines refused: %d", refused)
		}
		return err
	})
}

// lines imports what it reads, line by line. It counts the accounts that it makes, those that are
// there already, and the lines that it refuses. The error tells what ended it.
func (cmd userImport) lines(ctx context.Context, p *program, s *store.Store, in io.Reader) (made, there, refused int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxImportLine)
	number := 0
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		user, err := cmd.read(lines.Bytes(), p)
		if err == nil {
			err = cmd.store(ctx, s, user)
			switch {
			case err == nil:
				made++
				continue
			case errors.Is(err, store.ErrExists) && cmd.IfMissing:
				there++
				continue
			case errors.Is(err, roles.ErrUnknown):
				err = fmt.Errorf("roles: %w", checkDefined(ctx, s, user.Roles))
			case errors.Is(err, store.ErrExists):
				err = fmt.Errorf("%s has an account already; --if-missing accepts that", user.Email)
			default:
				return made, there, refused, fmt.Errorf("line %d: %w", number, err)
			}
		}
		refused++
		if _, err := fmt.Fprintf(p.errs, "line %d: %v\n", number, err); err != nil {
			return made, there, refused, err
		}
	}
	if err = lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("line %d is longer than %d KiB", number+1, maxImportLine>>10)
	}
	return made, there, refused, err
}

// read returns the account that a line describes. Its errors do not repeat the hash.
func (userImport) read(line []byte, p *program) (user accounts.User, err error) {
	var entry importedUser
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&entry); err != nil {
		return user, err
	}
	if decoder.More() {
		return user, errors.New("there is more than one JSON object")
	}
	user.EmailVerified, user.PasswordHash = entry.EmailVerified, entry.PasswordHash
	if user.Email, err = profile.CleanEmail(entry.Email); err != nil {
		return user, fmt.Errorf("email: %w", err)
	}
	if user.Name, err = profile.CleanName(entry.Name); err != nil {
		return user, fmt.Errorf("name: %w", err)
	}
	if user.Roles, err = parseRoles(entry.Roles); err != nil {
		return user, fmt.Errorf("roles: %w", err)
	}
	if entry.PasswordHash != "" {
		if err := passwords.Importable(entry.PasswordHash); err != nil {
			return user, fmt.Errorf("password_hash: %w", err)
		}
	}
	if len(entry.Claims) > 0 {
		if err := (userSetClaims{JSON: string(entry.Claims)}).apply(&user, p.now()); err != nil {
			return user, fmt.Errorf("claims: %w", err)
		}
	}
	return user, nil
}

// store makes the account with all that is known of it, or nothing.
func (userImport) store(ctx context.Context, s *store.Store, user accounts.User) error {
	return s.Tx(ctx, func(ctx context.Context) error {
		made, err := s.Users.CreateUser(ctx, user)
		if err != nil || user.Claims == (accounts.Claims{}) {
			return err
		}
		return s.Users.SetClaims(ctx, made.ID, user.Claims)
	})
}
