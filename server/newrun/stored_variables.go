package newrun

import (
	"context"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// VariableReader is the store, or a transaction that may have changed variables.
type VariableReader interface {
	GetVariable(ctx context.Context, name string) (*store.Variable, error)
}

// StoredVariables reads stored variables, each at most once.
type StoredVariables struct {
	reader VariableReader
	values map[string]any
	sizes  map[string]int // of the values, in bytes of JSON
	read   map[string]bool
}

// NewStoredVariables makes StoredVariables that have read nothing yet.
func NewStoredVariables(reader VariableReader) *StoredVariables {
	return &StoredVariables{reader: reader, values: map[string]any{}, sizes: map[string]int{}, read: map[string]bool{}}
}

// Read returns the values of the named variables. A variable that does not exist is left out: the check of
// the values that refer to it says where it is missing.
func (s *StoredVariables) Read(ctx context.Context, lists ...[]string) (map[string]any, error) {
	values := map[string]any{}
	for _, names := range lists {
		for _, name := range names {
			if err := s.readOnce(ctx, name); err != nil {
				return nil, err
			}
			if value, ok := s.values[name]; ok {
				values[name] = value
			}
		}
	}
	return values, nil
}

func (s *StoredVariables) readOnce(ctx context.Context, name string) error {
	if s.read[name] {
		return nil
	}
	variable, err := s.reader.GetVariable(ctx, name)
	switch {
	case store.IsCode(err, store.NotFound):
	case err != nil:
		return err
	default:
		value, err := templating.DecodeJSON(variable.Value)
		if err != nil {
			return err
		}
		s.keep(variable, value)
	}
	s.read[name] = true
	return nil
}
