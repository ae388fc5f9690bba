package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
	"github.com/berth-dev/berth/templating"
)

// members takes an object apart, its values as they are written. Nothing is the empty object.
func members(document json.RawMessage) (map[string]json.RawMessage, error) {
	object := map[string]json.RawMessage{}
	if len(document) == 0 {
		return object, nil
	}
	err := json.Unmarshal(document, &object)
	return object, err
}

// decodeObject reads an object in the form that templates work on. Nothing is the empty object.
func decodeObject(document json.RawMessage) (map[string]any, error) {
	if len(document) == 0 {
		return map[string]any{}, nil
	}
	decoded, err := templating.DecodeJSON(document)
	if err != nil {
		return nil, err
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		return nil, errors.New("must be an object")
	}
	return object, nil
}

// encode writes JSON with sorted keys, <, > and & as they are.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// equalJSON compares what two documents say; nothing equals nothing only.
func equalJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, errX := templating.DecodeJSON(a)
	y, errY := templating.DecodeJSON(b)
	if errX != nil || errY != nil {
		return bytes.Equal(a, b)
	}
	return reflect.DeepEqual(x, y)
}

// escape makes a step of a JSON pointer.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// invalid makes a refusal of what templating says of values that were given at a place.
func invalid(code problem.Code, at string, err error) error {
	if err == nil {
		return nil
	}
	problems := templating.AsProblems(err)
	findings := moved(template.Findings(problems), at)
	return &problem.Error{Code: codeOf(code, problems), Detail: findings[0].Message, Findings: findings}
}

// under moves the places of a refusal below a pointer.
func under(err error, at string) error {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		return err
	}
	below := *refusal
	below.Findings = moved(refusal.Findings, at)
	return &below
}

func isCode(err error, code store.Code) bool {
	var known *store.Error
	return errors.As(err, &known) && known.Code == code
}
