package store_test

import (
	"testing"

	"github.com/berth-dev/berth/server/store"
)

func TestAnAnswerHoldsAsManyItemsAsFitAndAtLeastOne(t *testing.T) {
	tests := map[string]struct {
		sizes []int
		want  int
	}{
		"none":                      {nil, 0},
		"all fit":                   {[]int{40, 60}, 2},
		"the third is too much":     {[]int{40, 60, 1}, 2},
		"the first alone is larger": {[]int{101, 1}, 1},
		"a small one after a large one stays in order": {[]int{40, 100, 1}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := store.FitBytes(test.sizes, 100); got != test.want {
				t.Errorf("%d fit, want %d", got, test.want)
			}
		})
	}
}
