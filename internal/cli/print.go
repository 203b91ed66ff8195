package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// PrintJSON writes value as people read it.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// List prints what is stored, a page at a time: no more than that is in memory.
type List[T any] struct {
	Page    func(ctx context.Context, after string, limit int) ([]T, error)
	Key     func(T) string // after which the next page begins
	Columns string         // of the table, with tabs between them
	Row     func(T) string
	JSON    func(T) (any, error)
	Array   bool // in JSON, as one array; otherwise a line each
}

// pageSize is how many rows are read at once.
const pageSize = 500

// Print writes the list in a format: "text", a table, or "json".
func (l List[T]) Print(ctx context.Context, out io.Writer, format string) error {
	var write func([]T) error
	var end func() error
	switch {
	case format != "json":
		write, end = l.table(out)
	case l.Array:
		write, end = l.elements(out)
	default:
		write, end = l.lines(out)
	}
	for after := ""; ; {
		page, err := l.Page(ctx, after, pageSize)
		if err != nil {
			return err
		}
		if err := write(page); err != nil {
			return err
		}
		if len(page) < pageSize {
			return end()
		}
		after = l.Key(page[len(page)-1])
	}
}

// table writes rows of aligned columns; those of a page are aligned with each other.
func (l List[T]) table(out io.Writer) (write func([]T) error, end func() error) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, l.Columns)
	return func(page []T) error {
		for _, one := range page {
			fmt.Fprintln(table, printable(l.Row(one)))
		}
		return table.Flush()
	}, func() error { return nil }
}

// printable makes the text of a row fit for a terminal: other people's text in it can neither move the
// cursor nor begin another line.
func printable(row string) string {
	return strings.Map(func(c rune) rune {
		if c != '\t' && !unicode.IsPrint(c) {
			return unicode.ReplacementChar
		}
		return c
	}, row)
}

// lines writes a line of JSON each.
func (l List[T]) lines(out io.Writer) (write func([]T) error, end func() error) {
	encoder := json.NewEncoder(out)
	return func(page []T) error {
		for _, one := range page {
			value, err := l.JSON(one)
			if err == nil {
				err = encoder.Encode(value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func() error { return nil }
}

// elements writes an array, as PrintJSON would write the whole.
func (l List[T]) elements(out io.Writer) (write func([]T) error, end func() error) {
	opening, closing := "[\n  ", "[]\n"
	return func(page []T) error {
			for _, one := range page {
				value, err := l.JSON(one)
				if err != nil {
					return err
				}
				var text bytes.Buffer
				if err := PrintJSON(&text, value); err != nil {
					return err
				}
				element := strings.ReplaceAll(strings.TrimSuffix(text.String(), "\n"), "\n", "\n  ")
				if _, err := io.WriteString(out, opening+element); err != nil {
					return err
				}
				opening, closing = ",\n  ", "\n]\n"
			}
			return nil
		}, func() error {
			_, err := io.WriteString(out, closing)
			return err
		}
}

// PrintMembers writes the members of a JSON object, a line each.
func PrintMembers(w io.Writer, object json.RawMessage) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil { // the opening brace
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if list, ok := value.([]any); ok {
			value = strings.Trim(fmt.Sprint(list), "[]")
		}
		fmt.Fprintln(table, printable(fmt.Sprintf("%s\t%v", name, value)))
	}
	return table.Flush()
}
