// Package wire converts between the types of the API and the records of the store. A function named for an
// API type returns that type; a function named Read… returns the record. It decides nothing and reads
// nothing.
package wire

// Or returns what p points to, or fallback when p is nil.
func Or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// OrNil returns a pointer to v, or nil when v is the zero value: the field is then left out.
func OrNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// NonNil returns items, or an empty list when items is nil: a list of the API is never null.
func NonNil[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// Each converts every item of a list. The result is never nil.
func Each[From, To any](items []From, convert func(From) To) []To {
	converted := make([]To, len(items))
	for i, item := range items {
		converted[i] = convert(item)
	}
	return converted
}
