package function_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

func TestQuantities(t *testing.T) {
	w := world{variables: object{"n": int64(2), "f": 0.5, "l": list()}}
	w.run(t, []evaluation{
		{name: "the shortest form", source: `{{ quantity "1024Mi" }}`, want: "1Gi"},
		{name: "thousands of millis are units", source: `{{ quantity "1500m" }}`, want: "1500m"},
		{name: "2000m is 2", source: `{{ quantity "2000m" }}`, want: "2"},
		{name: "zero has no unit", source: `{{ quantity "0Mi" }}`, want: "0"},
		{name: "white space around", source: `{{ quantity " 5Gi " }}`, want: "5Gi"},
		{name: "an exponent", source: `{{ quantity "1e3" }}`, want: "1k"},
		{name: "an upper-case exponent", source: `{{ quantity "2E3" }}`, want: "2k"},
		{name: "E alone is exa", source: `{{ quantity "2E" }}`, want: "2E"},
		{name: "a fraction of bytes", source: `{{ quantity "1.5Gi" }}`, want: "1536Mi"},
		{name: "a fraction of units", source: `{{ quantity "0.1" }}`, want: "100m"},
		{name: "a negative quantity", source: `{{ quantity "-5" }}`, want: "-5"},
		{name: "a number", source: `{{ quantity .n }}`, want: "2"},
		{name: "a float", source: `{{ quantity .f }}`, want: "500m"},
		{name: "below a billionth is rounded up", source: `{{ quantity "0.0000000001" }}`, want: "1n"},

		{name: "addition", source: `{{ quantity "500m" "+" "1" }}`, want: "1500m"},
		{name: "addition of different units", source: `{{ quantity "1Gi" "+" "512Mi" }}`, want: "1536Mi"},
		{name: "subtraction", source: `{{ quantity "1Gi" "-" "256Mi" }}`, want: "768Mi"},
		{name: "multiplication", source: `{{ quantity "256Mi" "*" 2 }}`, want: "512Mi"},
		{name: "multiplication with a fraction", source: `{{ quantity "1Gi" "*" 1.5 }}`, want: "1536Mi"},
		{name: "division", source: `{{ quantity "1" "/" 4 }}`, want: "250m"},
		{
			name: "division of bytes is rounded up to whole bytes", source: `{{ quantity "1Ki" "/" 3 }}`,
			want: "342",
		},
		{
			name: "division that does not end is rounded up", source: `{{ quantity "1" "/" 3 }}`,
			want: "333333334n",
		},
		{name: "division by zero", source: `{{ quantity "1" "/" 0 }}`, err: "quantity: division by zero"},
		{
			name: "the smaller one keeps its form", source: `{{ quantity "1Gi" "min" "1000Mi" }}`,
			want: "1000Mi",
		},
		{name: "the larger one", source: `{{ quantity "1" "max" "1500m" }}`, want: "1500m"},
		{name: "less", source: `{{ quantity "999Mi" "<" "1Gi" }}`, want: true},
		{name: "equal in different units", source: `{{ quantity "1Gi" "==" "1024Mi" }}`, want: true},
		{name: "at least", source: `{{ quantity "1" ">=" "1001m" }}`, want: false},
		{name: "at most", source: `{{ quantity "1" "<=" "1" }}`, want: true},
		{name: "greater", source: `{{ quantity "1M" ">" "1Mi" }}`, want: false},

		{
			name: "an unknown operator", source: `{{ quantity "1" "%" "2" }}`,
			err: `quantity: unknown operator "%"; the operators are`,
		},
		{
			name: "two arguments", source: `{{ quantity "1" "+" }}`,
			err: "quantity: takes one quantity, or two with an operator between them",
		},
		{
			name: "a unit that does not exist", source: `{{ quantity "5MB" }}`,
			err: `quantity: invalid quantity "5MB"`,
		},
		{name: "a unit without a number", source: `{{ quantity "Mi" }}`, err: `invalid quantity "Mi"`},
		{name: "nothing", source: `{{ quantity "" }}`, err: `invalid quantity ""`},
		{
			name: "an exponent beyond all machines", source: `{{ quantity "1e999999999" }}`,
			err: "invalid quantity",
		},
		{name: "an exponent with a unit", source: `{{ quantity "1e3Mi" }}`, err: "invalid quantity"},
		{name: "a fraction of two numbers", source: `{{ quantity "1/3" }}`, err: "invalid quantity"},
		{name: "a text that is too long", source: `{{ quantity (repeat 65 "1") }}`, err: "invalid quantity"},
		{
			name: "a list", source: `{{ quantity .l }}`,
			err: "quantity: argument 1 must be a string, number or boolean, not a list",
		},
	})
}

// TestQuantitiesAreThoseOfKubernetes holds that a quantity has the same amount to Kubernetes before and
// after.
func TestQuantitiesAreThoseOfKubernetes(t *testing.T) {
	suffixes := []string{
		"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e2", "E-3",
	}
	for _, number := range []string{"0", "1", "3", "1.5", "-2", "100", "1024", "0.001", "7.25", ".5", "5."} {
		for _, suffix := range suffixes {
			text := number + suffix
			want, err := resource.ParseQuantity(text)
			if err != nil {
				continue
			}
			got, err := world{}.evaluate(t, `{{ quantity "`+text+`" }}`)
			if err != nil {
				// Kubernetes takes amounts beyond its own range and cuts them; here that is an error.
				if !strings.Contains(text, "E") {
					t.Errorf("%s: %v", text, err)
				}
				continue
			}
			ours, err := resource.ParseQuantity(got.(string))
			if err != nil || ours.Cmp(want) != 0 {
				t.Errorf("%s became %s (%v), which is %s to Kubernetes and was %s", text, got, err, &ours,
					&want)
			}
		}
	}
}
