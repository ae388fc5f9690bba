package templating_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
)

func TestNearest(t *testing.T) {
	tests := map[string]struct {
		name       string
		candidates []string
		want       string
	}{
		"a missing letter":               {"imge", []string{"memory", "image"}, "image"},
		"two swapped letters count once": {"iamge", []string{"memory", "image"}, "image"},
		"another spelling of the same words": {
			"memory-limit", []string{"memory_limit", "memory"}, "memory_limit",
		},
		"upper and lower case are equal": {"Image", []string{"image"}, "image"},
		"nothing is near":                {"image", []string{"queue", "memory"}, ""},
		"no candidates":                  {"image", nil, ""},
		"a far candidate does not win by its order": {
			"evictions", []string{"eviction", "env_as_secret"}, "eviction",
		},
		"of two equally near ones the first": {"tag", []string{"tax", "tab"}, "tab"},
		"of two equally near ones, sorted":   {"tag", []string{"tab", "tax"}, "tab"},
		"a name that is too long is not compared": {
			strings.Repeat("a", 101), []string{strings.Repeat("a", 100)}, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := templating.Nearest(test.name, test.candidates); got != test.want {
				t.Errorf("Nearest(%q, %q) = %q, want %q", test.name, test.candidates, got, test.want)
			}
		})
	}
}
