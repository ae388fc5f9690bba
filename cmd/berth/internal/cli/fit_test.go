package cli

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

func TestColumnsAreMadeNarrowerUntilTheyFit(t *testing.T) {
	for _, test := range []struct {
		name   string
		widths []int
		width  int
		want   []int
	}{
		{"no terminal", []int{36, 100, 100}, 0, []int{36, 100, 100}},
		{"enough room", []int{36, 10, 10}, 60, []int{36, 10, 10}},
		{"the widest gives first", []int{10, 40, 12}, 50, []int{10, 24, 12}},
		{"then all of them", []int{10, 40, 12}, 32, []int{10, 9, 9}},
		{"the last is left out", []int{36, 20, 20}, 50, []int{36, 12}},
		{"short columns are not cut", []int{36, 3, 20}, 52, []int{36, 3, 9}},
		{"the first always stays", []int{36, 20}, 20, []int{36}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := fit(test.widths, test.width); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestATableFitsWhereItIsShown(t *testing.T) {
	type item struct{ id, state, note string }
	items := []item{
		{
			"0199b1a0-0000-7000-8000-000000000001", "\x1b[33mPENDING (InfrastructurePending)\x1b[0m",
			"waits for Grüße aus Zürich, für immer und ewig",
		},
		{"0199b1a0-0000-7000-8000-000000000002", "COMPLETED", "short"},
	}
	columns := []Column[item]{
		{
			Title: "id", Cell: func(i item) string { return i.id },
		}, {Title: "state", Cell: func(i item) string { return i.state }},
		{Title: "note", Cell: func(i item) string { return i.note }},
	}
	for _, test := range []struct {
		columns, want, note string
	}{
		{"", "ID                                    STATE                            NOTE\n" +
			"0199b1a0-0000-7000-8000-000000000001  \x1b[33mPENDING (InfrastructurePending)\x1b[0m  waits for Grüße aus Zürich, für immer und ewig\n" +
			"0199b1a0-0000-7000-8000-000000000002  COMPLETED                        short\n", ""},
		{"80", "ID                                    STATE                 NOTE\n" +
			"0199b1a0-0000-7000-8000-000000000001  \x1b[33mPENDING (Infrastruc\x1b[0m…  waits for Grüße aus…\n" +
			"0199b1a0-0000-7000-8000-000000000002  COMPLETED             short\n", ""},
		{"50", "ID                                    STATE\n" +
			"0199b1a0-0000-7000-8000-000000000001  \x1b[33mPENDING (In\x1b[0m…\n" +
			"0199b1a0-0000-7000-8000-000000000002  COMPLETED\n", "columns hidden because the terminal is too narrow: NOTE; to show all, use -o yaml\n"},
	} {
		var stdout, stderr bytes.Buffer
		app := &App{
			Out: &stdout, Err: &stderr, Env: map[string]string{"COLUMNS": test.columns, "CLICOLOR_FORCE": "1"}, Now: time.Now,
		}
		if err := PrintList(app, Table, items, columns); err != nil {
			t.Fatal(err)
		}
		if stdout.String() != test.want || stderr.String() != test.note {
			t.Errorf("COLUMNS=%s: got\n%q\nwant\n%q\nand %q", test.columns, stdout.String(), test.want,
				stderr.String())
		}
		for line := range strings.Lines(stdout.String()) {
			limit, err := strconv.Atoi(test.columns)
			if n := text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")); err == nil &&
				n > limit {
				t.Errorf("COLUMNS=%s: a line has %d columns: %q", test.columns, n, line)
			}
		}
	}
}
