package database

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

type sample struct {
	ID     uuid.UUID `json:"id"`
	Word   string    `json:"word"`
	Maybe  *string   `json:"maybe"`
	Number int32     `json:"number"`
	Flag   bool      `json:"flag"`
	List   Strings   `json:"list"`
	At     Time      `json:"at"`
	Absent string    `json:"-"`
}

func samplesSQL(d Dialect) string {
	return `
SELECT word, COALESCE(maybe, 'none') AS maybe, number, flag, list, at
FROM ` + RecordsOf[sample](d) + ` AS n
WHERE id IN ` + d.List("uuid") + `
ORDER BY number`
}

type sampleRow struct {
	Word   string  `db:"word"`
	Maybe  string  `db:"maybe"`
	Number int32   `db:"number"`
	Flag   bool    `db:"flag"`
	List   Strings `db:"list"`
	At     Time    `db:"at"`
}

func TestRecordsArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	lite, err := Open(t.Context(), Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	for name, s := range map[string]*DB{"SQLite": lite, "PostgreSQL": openEmpty(t, Options{})} {
		t.Run(name, func(t *testing.T) {
			var samples []sample
			var ids []uuid.UUID
			for i, word := range []string{"", "NULL", `"`, `\`, `\"`, "{a,b}", "a, b", "quay ⚓", "'", "line\nbreak", " spaced "} {
				one := sample{
					ID: uuid.New(), Word: word, Number: int32(i), Flag: i%2 == 0,
					List: StringsOf([]string{word, "z"}), At: Time(time.UnixMicro(1_763_712_345_678_901).UTC()),
				}
				if i%3 > 0 {
					one.Maybe = &word
				}
				samples, ids = append(samples, one), append(ids, one.ID)
			}
			samples = append(samples, sample{ID: uuid.New(), Word: "not asked for"})
			var rows []sampleRow
			if err := s.Reader().All(t.Context(), &rows, samplesSQL(s.dialect), ListOf(samples), ListOf(ids)); err != nil {
				t.Fatal(err)
			}
			if len(rows) != len(ids) {
				t.Fatalf("%d rows came back, want %d", len(rows), len(ids))
			}
			pointers := make([]*sample, len(samples))
			for i := range samples {
				pointers[i] = &samples[i]
			}
			var again []sampleRow
			if err := s.Reader().All(t.Context(), &again, samplesSQL(s.dialect), ListOf(pointers), ListOf(ids)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(again, rows) {
				t.Errorf("of pointers came %+v, want %+v", again, rows)
			}
			for i, got := range rows {
				sent, maybe := samples[i], "none"
				if sent.Maybe != nil {
					maybe = *sent.Maybe
				}
				same := got.Word == sent.Word && got.Maybe == maybe && got.Number == sent.Number &&
					got.Flag == sent.Flag &&
					slices.Equal(got.List.V, sent.List.V)
				if !same || got.At != sent.At {
					t.Errorf("sent %+v, got %+v", sent, got)
				}
			}
			if err := s.Reader().All(t.Context(), &rows, samplesSQL(s.dialect), ListOf([]sample(nil)), ListOf([]uuid.UUID(nil))); err != nil {
				t.Errorf("nothing at all: %v", err)
			}
		})
	}
}

func TestWhatCanNotBeAnElementIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		list param
		says string
	}{
		{ListOf([]chan int{nil}), "chan int"},
		{ListOf([]int{1 << 40}), "too large"}, // and not another number
		{ListOf([]struct {
			Many *int `json:"many"`
		}{{ptrTo(-1 << 40)}}), "many"},
	} {
		if _, err := Postgres.args([]any{test.list}); err == nil ||
			!strings.Contains(err.Error(), test.says) {
			t.Errorf("got %v, want something with %q", err, test.says)
		}
	}
}

func ptrTo[T any](v T) *T { return &v }
