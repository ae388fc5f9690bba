package store

import "testing"

func TestACacheIsBoundedByTheWeightOfItsValues(t *testing.T) {
	t.Parallel()
	f := cache[int, string]{most: 100, weigh: func(s string) int { return len(s) }, maximum: 10}
	f.put(1, "1234")
	f.put(1, "123456") // the same key does not count twice
	f.put(2, "1234")
	if _, ok := f.get(1); !ok {
		t.Error("a value is gone although there is room")
	}
	f.put(3, "1")
	if _, ok := f.get(1); ok || f.weight != 1 {
		t.Errorf("after the bound the weight is %d, and the first value is there: %v", f.weight, ok)
	}
}

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
