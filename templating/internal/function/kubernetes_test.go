package function_test

import (
	"regexp"
	"testing"

	"github.com/google/uuid"
)

func TestSlug(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "words are joined with dashes", source: `{{ slug "ETL: daily #4" }}`, want: "etl-daily-4"},
		{name: "what cannot be used is dropped", source: `{{ slug "--é--" }}`, want: ""},
		{name: "at most 63 characters", source: `{{ slug (repeat 100 "a") | len }}`, want: int64(63)},
		{
			name:   "no dash at the end of a text that is cut",
			source: `{{ slug (cat (repeat 62 "a") "b") | len }}`, want: int64(62),
		},
	})
}

func TestUUIDsAreDerived(t *testing.T) {
	seed := uuid.MustParse("00000000-0000-7000-8000-000000000000")
	w := world{seed: seed, place: "/job_configuration/a"}
	source := `{{ (uuidv4) }}`
	first, err := w.evaluate(t, source)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).
		MatchString(first.(string)) {
		t.Errorf("%v is not a version 4 UUID", first)
	}
	if again, _ := w.evaluate(t, source); again != first {
		t.Errorf("a second render gave %v, the first %v", again, first)
	}
	for name, other := range map[string]world{
		"another place":   {seed: seed, place: "/job_configuration/b"},
		"another attempt": {seed: uuid.MustParse("00000000-0000-7000-8000-000000000001"), place: w.place},
	} {
		if v, _ := other.evaluate(t, source); v == first {
			t.Errorf("%s gave the same UUID", name)
		}
	}
	if v, err := w.evaluate(t, `{{ eq (uuidv4) (uuidv4) }}`); err != nil || v != false {
		t.Errorf("two calls gave the same UUID (%v)", err)
	}
}
