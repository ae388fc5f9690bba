package server

import (
	"math"
	"testing"
)

func TestRequestBodiesTakeAShareOfTheMemoryLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int64]int64{
		math.MaxInt64: 128 << 20, 256 << 20: 32 << 20, 1 << 30: 64 << 20, 64 << 30: 256 << 20,
	} {
		if got := bodyMemoryWithin(limit); got != want {
			t.Errorf("with a limit of %d MiB, bodies take %d MiB, want %d", limit>>20, got>>20, want>>20)
		}
	}
}
