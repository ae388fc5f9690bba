package manifest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/berth-dev/berth/templating"
)

// decodeJob decodes a tree into a Job, strictly: unknown fields, wrong types and bad quantities are all
// reported, each with its pointer below base.
func decodeJob(tree map[string]any, base pointer) (*batchv1.Job, templating.Problems) {
	job := &batchv1.Job{}
	d := &decoder{base: base}
	d.decode(tree, reflect.ValueOf(job).Elem(), jobShape())
	return job, d.problems
}

// decoder walks a tree and a Go value side by side.
type decoder struct {
	base     pointer
	path     []step
	problems templating.Problems
}

// step is a key, or an index where isIndex is set. Pointers are only written when something is wrong.
type step struct {
	key     string
	index   int
	isIndex bool
}

func (d *decoder) pointer() string {
	p := d.base
	for _, step := range d.path {
		if step.isIndex {
			p = p.item(step.index)
		} else {
			p = p.key(step.key)
		}
	}
	return p.String()
}

func (d *decoder) fail(code, format string, args ...any) *templating.Problem {
	return keep(&d.problems, problem(code, d.pointer(), format, args...))
}

func (d *decoder) in(s step, v any, into reflect.Value, shape *shape) {
	d.path = append(d.path, s)
	d.decode(v, into, shape)
	d.path = d.path[:len(d.path)-1]
}

// decode sets into from v. Null leaves the zero value, as it does everywhere in Kubernetes.
func (d *decoder) decode(v any, into reflect.Value, shape *shape) {
	if v == nil {
		return
	}
	switch shape.kind {
	case shapePointer:
		target := reflect.New(shape.elem.typ)
		before := len(d.problems)
		d.decode(v, target.Elem(), shape.elem)
		if len(d.problems) == before {
			into.Set(target)
		}
	case shapeStruct:
		d.decodeStruct(v, into, shape)
	case shapeSlice:
		d.decodeSlice(v, into, shape)
	case shapeMap:
		d.decodeMap(v, into, shape)
	case shapeBytes:
		d.decodeBytes(v, into)
	case shapeQuantity:
		d.decodeQuantity(v, into)
	case shapeIntOrString:
		d.decodeIntOrString(v, into)
	case shapeJSON:
		d.decodeJSON(v, into)
	default:
		d.decodeScalar(v, into)
	}
}

func (d *decoder) decodeStruct(v any, into reflect.Value, shape *shape) {
	object, ok := v.(map[string]any)
	if !ok {
		d.wrongType("an object", v)
		return
	}
	var unknown []string
	for key, item := range object {
		field, ok := shape.fields[key]
		if !ok {
			unknown = append(unknown, key)
			continue
		}
		d.in(step{key: key}, item, into.FieldByIndex(field.index), field.shape)
	}
	slices.Sort(unknown)
	for _, key := range unknown {
		d.unknownField(key, shape)
	}
}

func (d *decoder) unknownField(key string, of *shape) {
	if len(d.problems) >= maxProblems {
		return
	}
	d.path = append(d.path, step{key: key})
	d.fail(templating.CodeUnknownField, "unknown field %q", key).Suggestion = meant(key, of)
	d.path = d.path[:len(d.path)-1]
}

func (d *decoder) decodeSlice(v any, into reflect.Value, shape *shape) {
	list, ok := v.([]any)
	if !ok {
		d.wrongType("a list", v)
		return
	}
	slice := reflect.MakeSlice(shape.typ, len(list), len(list))
	for i, item := range list {
		d.in(step{index: i, isIndex: true}, item, slice.Index(i), shape.elem)
	}
	into.Set(slice)
}

func (d *decoder) decodeMap(v any, into reflect.Value, shape *shape) {
	object, ok := v.(map[string]any)
	if !ok {
		d.wrongType("an object", v)
		return
	}
	result := reflect.MakeMapWithSize(shape.typ, len(object))
	keyType := shape.typ.Key()
	for key, item := range object {
		if item == nil {
			continue // a null entry is no entry: `nodeSelector: {gpu: null}`
		}
		element := reflect.New(shape.elem.typ).Elem()
		d.in(step{key: key}, item, element, shape.elem)
		result.SetMapIndex(reflect.ValueOf(key).Convert(keyType), element)
	}
	into.Set(result)
}

func (d *decoder) decodeBytes(v any, into reflect.Value) {
	text, ok := v.(string)
	if !ok {
		d.wrongType("a string", v)
		return
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		d.fail(templating.CodeInvalid, "must be base64: %v", err)
		return
	}
	into.SetBytes(data)
}

func (d *decoder) decodeQuantity(v any, into reflect.Value) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		d.wrongType("a quantity such as 500m or 128Mi", v)
		return
	}
	quantity, err := ParseQuantity(text)
	if err != nil {
		d.fail(templating.CodeInvalid, "invalid quantity %.40q", text).Suggestion = quantityHint(text)
		return
	}
	into.Set(reflect.ValueOf(quantity))
}

func (d *decoder) decodeIntOrString(v any, into reflect.Value) {
	switch v := v.(type) {
	case string:
		into.Set(reflect.ValueOf(intstr.FromString(v)))
	case int64:
		if v < math.MinInt32 || v > math.MaxInt32 {
			d.fail(templating.CodeInvalid, "%d is out of range", v)
			return
		}
		into.Set(reflect.ValueOf(intstr.FromInt32(int32(v))))
	default:
		d.wrongType("an integer or a string", v)
	}
}

func (d *decoder) decodeJSON(v any, into reflect.Value) {
	data, err := templating.EncodeJSON(v)
	if err != nil {
		d.fail(templating.CodeInvalid, "%v", err)
		return
	}
	unmarshaler, ok := into.Addr().Interface().(json.Unmarshaler)
	if !ok {
		d.fail(templating.CodeInvalid, "cannot be set in a template")
		return
	}
	if err := unmarshaler.UnmarshalJSON(data); err != nil {
		d.fail(templating.CodeInvalid, "is not valid: %v", err)
	}
}

func (d *decoder) decodeScalar(v any, into reflect.Value) {
	switch into.Kind() {
	case reflect.String:
		if text, ok := v.(string); ok {
			into.SetString(text)
			return
		}
		d.wrongType("a string", v)
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			into.SetBool(b)
			return
		}
		d.wrongType("a boolean", v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, ok := v.(int64)
		switch {
		case !ok:
			d.wrongType("an integer", v)
		case into.OverflowInt(i):
			d.fail(templating.CodeInvalid, "%d is out of range", i)
		default:
			into.SetInt(i)
		}
	case reflect.Float32, reflect.Float64:
		switch v := v.(type) {
		case float64:
			into.SetFloat(v)
		case int64:
			into.SetFloat(float64(v))
		default:
			d.wrongType("a number", v)
		}
	default:
		d.fail(templating.CodeInvalid, "cannot be set in a template")
	}
}

func (d *decoder) wrongType(want string, got any) {
	p := d.fail(templating.CodeType, "must be %s, not %s", want, describe(got))
	switch text, isText := got.(string); {
	case want == "a string" && isScalar(got):
		p.Suggestion = "quote the value, or write text around the placeholder"
	case isText && (want == "an integer" || want == "a boolean"):
		p.Suggestion = unquoteHint(text)
		if is, ok := olderBoolean[strings.ToLower(text)]; ok && want == "a boolean" {
			p.Suggestion = "write " + strconv.FormatBool(is)
		}
	}
}

// olderBoolean are the words that kubectl takes for booleans, because it reads YAML 1.1.
var olderBoolean = map[string]bool{"yes": true, "on": true, "no": false, "off": false}

func unquoteHint(text string) string {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil || text == "true" || text == "false" {
		return "remove the quotes; a placeholder keeps its type only when it is the whole value"
	}
	return ""
}

// quantityHint says what was meant by 64MB or 64 MiB.
func quantityHint(text string) string {
	meant := strings.TrimSuffix(strings.ReplaceAll(text, " ", ""), "B")
	if number, ok := strings.CutSuffix(meant, "K"); ok {
		meant = number + "k" // K is no unit
	}
	if _, err := ParseQuantity(meant); err == nil && meant != text {
		return "did you mean " + meant + "?"
	}
	return "write a number with a unit, such as 500m, 2 or 128Mi"
}

// maxQuantity bounds a quantity: it is the short text of a number that a machine may have.
const maxQuantity = 64

var (
	hugeExponent = regexp.MustCompile(`[eE][-+]?0*[1-9][0-9]{2,}$`)
	errQuantity  = errors.New("invalid quantity: want a number with a unit, such as 500m, 2 or 128Mi")
)

// ParseQuantity reads a quantity as Kubernetes does, but not 1e999999999, with which its library calculates
// for hours, and not Mi alone, which it takes for 0 and which is a placeholder without a value. Every reader
// of a user's quantity uses it.
func ParseQuantity(text string) (resource.Quantity, error) {
	if len(text) > maxQuantity || hugeExponent.MatchString(text) || !strings.ContainsAny(text, "0123456789") {
		return resource.Quantity{}, errQuantity
	}
	return resource.ParseQuantity(text)
}
