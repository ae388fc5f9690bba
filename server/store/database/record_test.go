package database

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/uuid"
)

type recordInner struct {
	Word    string  `db:"word"`
	Maybe   *string `db:"maybe"`
	Small   int32   `db:"small"`
	Large   int64   `db:"large"`
	Maybe64 *int64  `db:"maybe64"`
}

type recordRow struct {
	recordInner
	ID      uuid.UUID  `db:"id"`
	NoID    *uuid.UUID `db:"no_id"`
	Flag    bool       `db:"flag"`
	Doc     JSON       `db:"doc"`
	NoDoc   JSON       `db:"no_doc"`
	List    Strings    `db:"list"`
	Unasked string     `db:"unasked"`
	A       struct {
		At   Time  `db:"at"`
		NoAt *Time `db:"no_at"`
	} `db:"a"`
}

func recordsSQL(d Dialect) string {
	at := "TIMESTAMPTZ '2026-11-29 16:47:07.123456+00'"
	if d == SQLite {
		at = "1795970827123456"
	}
	return `
SELECT
	n.item AS id, NULL AS no_id, 'quay ⚓' AS word, NULL AS maybe, 7 AS small, -9007199254740993 AS large,
	CAST(12 AS BIGINT) AS maybe64, 1 = 1 AS flag, '{"a":1}' AS doc, CAST(NULL AS TEXT) AS no_doc, '["x"]' AS list,
	` + at + ` AS "a.at", NULL AS "a.no_at"
FROM ` + d.List("uuid") + ` AS n
ORDER BY n.item DESC`
}

func TestAllRecordsReadsWhatAllReads(t *testing.T) {
	t.Parallel()
	lite, err := Open(t.Context(), Options{URL: "sqlite://" + filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer lite.Close()
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	pooled := openEmpty(t, Options{DirectURL: "the same"}) // nothing is prepared, and answers come as text
	for name, db := range map[string]*DB{"SQLite": lite, "PostgreSQL": openEmpty(t, Options{}), "behind a pooler": pooled} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the first one asks for the columns
				var want, got []*recordRow
				query := recordsSQL(db.Dialect())
				if err := db.Reader().All(t.Context(), &want, query, ListOf(ids)); err != nil {
					t.Fatal(err)
				}
				if err := AllRecords(t.Context(), db.Reader(), &got, query, ListOf(ids)); err != nil {
					t.Fatal(err)
				}
				if len(want) != len(ids) || !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
		})
	}
}

func TestARecordThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	db := openEmpty(t, Options{})
	for query, want := range map[string]string{
		"SELECT NULL AS word WHERE $1 > 0":                "column word: unexpected NULL",
		"SELECT 4000000000 AS small WHERE $1 > 0":         "column small: 4000000000 is too large",
		"SELECT 'x' AS id WHERE $1 > 0":                   "column id: 1 bytes instead of 16",
		"SELECT 1.5 AS large WHERE $1 > 0":                "column large: ",
		"SELECT 1 AS other WHERE $1 > 0":                  "no field for column other",
		"SELECT 'x'::text AS word, 1 / ($1 - 1) AS small": "division by zero",
	} {
		var rows []*recordRow
		if err := AllRecords(t.Context(), db.Reader(), &rows, query, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	for _, at := range []int64{math.MinInt64, math.MaxInt64} {
		if year := timeOfBinary(at).Time().Year(); year > 0 && year < 10_000 {
			t.Errorf("%d is in the year %d", at, year)
		}
	}
}

func TestARecordIsReadToItsEnd(t *testing.T) {
	var row recordRow
	set, err := setterOf(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	q := &recordQuery{columns: []recordColumn{{recordField{"word", reflect.TypeFor[string](), 0}, set}}}
	whole := "\x00\x00\x00\x01\x00\x00\x00\x19\x00\x00\x00\x02hi"
	if err := q.read([]byte(whole), unsafe.Pointer(&row)); err != nil || row.Word != "hi" {
		t.Errorf("%+v, %v", row, err)
	}
	for n := range whole {
		if err := q.read([]byte(whole[:n]), unsafe.Pointer(&row)); err == nil {
			t.Errorf("%d of %d bytes were read", n, len(whole))
		}
	}
}
