package problem

import "strings"

// Nearest returns the candidate that a misspelt name most likely means, or "" when none is near. Of several
// equally near ones it is the first in alphabetical order.
func Nearest(name string, candidates []string) string {
	if len(name) > maxMisspelt {
		return ""
	}
	best, bestDistance := "", 1+max(1, len(name)/3)
	folded := fold(name)
	for _, candidate := range candidates {
		if len(candidate) > 2*maxMisspelt {
			continue
		}
		// One more than the best, so that a distance that is cut off at the bound never ties with it.
		d := distance(folded, fold(candidate), bestDistance+1)
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// maxMisspelt bounds the length of compared names, because the time grows with its square.
const maxMisspelt = 100

// folding drops the separators that different spellings of one name use.
var folding = strings.NewReplacer("_", "", "-", "")

// fold makes the usual spellings of one name equal: memoryLimit, memory-limit, memory_limit.
func fold(s string) string { return folding.Replace(strings.ToLower(s)) }

// distance is the number of insertions, deletions, replacements and swaps of neighbours between a and b, or
// bound if it is not less.
func distance(a, b string, bound int) int {
	if len(a)-len(b) >= bound || len(b)-len(a) >= bound {
		return bound
	}
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return min(above[len(b)], bound)
}
