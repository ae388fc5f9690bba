package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

// TestAPageOfLargeValuesEndsEarly: five hundred of them would be 32 MB.
func TestAPageOfLargeValuesEndsEarly(t *testing.T) {
	onEachLayout(t, func(w *world) {
		const variables, size, most = 200, 64 << 10, 6 << 20
		large := json.RawMessage(`"` + strings.Repeat("x", size-2) + `"`)
		for i := range variables {
			w.upsertVariable(fmt.Sprintf("v%03d", i), large, actor)
		}
		var names []string
		page := store.Page{Limit: 500}
		for pages := 1; ; pages++ {
			list, next, err := w.ListVariables(t.Context(), page)
			w.check(err)
			bytes := 0
			for _, v := range list {
				names = append(names, v.Name)
				bytes += len(v.Value)
			}
			if bytes > most {
				t.Errorf("page %d has %d bytes, want at most %d", pages, bytes, most)
			}
			if next == "" {
				break
			}
			page.Cursor = next
		}
		for i := range variables {
			if want := fmt.Sprintf("v%03d", i); i >= len(names) || names[i] != want {
				t.Fatalf("the pages have %d variables, and not %s in its place", len(names), want)
			}
		}
	})
}

func TestAPageOfSmallValuesHasAsManyAsWereAskedFor(t *testing.T) {
	onEachLayout(t, func(w *world) {
		for i := range 70 {
			w.upsertVariable(fmt.Sprintf("v%02d", i), json.RawMessage(`1`), actor)
		}
		for limit, want := range map[int]int{20: 20, 45: 45, 70: 70, 500: 70} {
			list, next, err := w.ListVariables(t.Context(), store.Page{Limit: limit})
			w.check(err)
			if len(list) != want || (next != "") != (want < 70) {
				t.Errorf("limit %d: %d variables, cursor %q", limit, len(list), next)
			}
		}
	})
}
