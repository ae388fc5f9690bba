package store

import "testing"

func TestAFullCacheForgetsItsOldEntries(t *testing.T) {
	t.Parallel()
	f := cache[int, string]{most: 2}
	if _, ok := f.get(1); ok {
		t.Error("an empty cache has a value")
	}
	for k, v := range map[int]string{1: "one", 2: "two"} {
		f.put(k, v)
	}
	one, ok := f.get(1)
	two, also := f.get(2)
	if !ok || !also || one != "one" || two != "two" {
		t.Errorf("it remembers %q, %v and %q, %v", one, ok, two, also)
	}
	f.put(3, "three")
	if _, ok := f.get(3); !ok || len(f.known) > f.most {
		t.Errorf("%d are remembered, 3 among them: %v", len(f.known), ok)
	}
}
