package cli

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
)

// numbers is a list of the numbers below n.
func numbers(n int, array bool) List[int] {
	return List[int]{
		Page: func(_ context.Context, after string, limit int) (page []int, err error) {
			first := 0
			if after != "" {
				if first, err = strconv.Atoi(after); err != nil {
					return nil, err
				}
				first++
			}
			for i := first; i < min(n, first+limit); i++ {
				page = append(page, i)
			}
			return page, nil
		},
		Key:     strconv.Itoa,
		Columns: "NUMBER\tSQUARE",
		Row:     func(i int) string { return strconv.Itoa(i) + "\t" + strconv.Itoa(i*i) },
		JSON:    func(i int) (any, error) { return map[string]any{"n": i, "sign": "<"}, nil },
		Array:   array,
	}
}

func TestAListIsPrintedInItsForm(t *testing.T) {
	for _, test := range []struct {
		n      int
		array  bool
		format string
		want   string
	}{
		{0, true, "text", "NUMBER  SQUARE\n"},
		{2, true, "text", "NUMBER  SQUARE\n0       0\n1       1\n"},
		{0, true, "json", "[]\n"},
		{2, true, "json", "[\n  {\n    \"n\": 0,\n    \"sign\": \"<\"\n  },\n  {\n    \"n\": 1,\n    \"sign\": \"<\"\n  }\n]\n"},
		{0, false, "json", ""},
		{2, false, "json", `{"n":0,"sign":"\u003c"}` + "\n" + `{"n":1,"sign":"\u003c"}` + "\n"},
	} {
		var out bytes.Buffer
		if err := numbers(test.n, test.array).Print(t.Context(), &out, test.format); err != nil || out.String() != test.want {
			t.Errorf("%d as %s: %v\n%s", test.n, test.format, err, out.String())
		}
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	for _, n := range []int{pageSize - 1, pageSize, pageSize + 1, 3 * pageSize} {
		var out bytes.Buffer
		if err := numbers(n, false).Print(t.Context(), &out, "json"); err != nil || strings.Count(out.String(), "\n") != n {
			t.Errorf("of %d, %d are printed, %v", n, strings.Count(out.String(), "\n"), err)
		}
	}
}

func TestAListThatCannotBeReadOrWrittenIsAnError(t *testing.T) {
	gone := errors.New("gone")
	for _, format := range []string{"text", "json"} {
		broken := numbers(2, true)
		broken.Page = func(context.Context, string, int) ([]int, error) { return nil, gone }
		if err := broken.Print(t.Context(), new(bytes.Buffer), format); !errors.Is(err, gone) {
			t.Error(err)
		}
		if err := numbers(2, true).Print(t.Context(), full{}, format); !errors.Is(err, errFull) {
			t.Errorf("%s to a full disk: %v", format, err)
		}
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// Names, notes and errors are other people's text.
func TestOtherPeoplesTextIsOneLineThatMovesNothing(t *testing.T) {
	list := numbers(1, false)
	list.Row = func(int) string { return "\x1b[2J한글\t\u009b31mx\r\n0\u202ey" }
	var out bytes.Buffer
	if err := list.Print(t.Context(), &out, "text"); err != nil {
		t.Fatal(err)
	}
	if err := PrintMembers(&out, []byte(`{"client_name":"a\u001b[31m\nb","contacts":["\u0007"]}`)); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\r\a\u009b\u202e") || strings.Count(text, "\n") != 4 || !strings.Contains(text, "한글") {
		t.Errorf("%q", text)
	}
}
