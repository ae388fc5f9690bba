package rule

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/berth-dev/berth/templating/manifest"
)

// Names of the types of variables. They appear in messages.
const (
	jobType        = "Job"
	runType        = "Run"
	deploymentType = "Deployment"
	callerType     = "Caller"
	poolType       = "Pool"
	queueType      = "Queue"
	settingsType   = "Settings"
	imageType      = "Image"
	paramsType     = "Params"
)

// typeTable has the fields of each type.
type typeTable map[string]map[string]*types.Type

// baseTypes are the types that every rule may use.
var baseTypes = sync.OnceValue(func() typeTable {
	anyObject := types.NewMapType(types.StringType, types.DynType)
	table := typeTable{
		runType: {
			"id": types.StringType, "name": types.StringType, "attempt": types.IntType,
			"scheduled_time": types.TimestampType, "tags": types.NewListType(types.StringType),
			"parameters": anyObject,
		},
		deploymentType: {"name": types.StringType, "version": types.StringType, "retries": types.IntType},
		callerType:     {"name": types.StringType, "kind": types.StringType, "role": types.StringType},
		poolType:       {"name": types.StringType},
		queueType:      {"name": types.StringType},
		settingsType: {
			"timeout_seconds": types.IntType, "start_deadline_seconds": types.IntType,
			"infrastructure_retries": types.IntType, "stream_output": types.BoolType,
			"cluster_config": anyObject,
		},
		imageType: {
			"registry": types.StringType, "repository": types.StringType,
			"tag": types.StringType, "digest": types.StringType,
		},
	}
	table.add(reflect.TypeFor[manifest.Finished]().Field(0).Type.Elem())
	// Berth's settings stand beside the Job in a preview, under this key.
	table[jobType]["berth"] = types.NewObjectType(settingsType)
	delete(table[jobType], "status")
	return table
})

// add reads the JSON form of a Go struct, and of all that it has in it.
func (t typeTable) add(goType reflect.Type) {
	if _, known := t[goType.Name()]; known {
		return
	}
	fields := map[string]*types.Type{}
	t[goType.Name()] = fields
	t.addFields(fields, goType)
}

func (t typeTable) addFields(fields map[string]*types.Type, goType reflect.Type) {
	for i := range goType.NumField() {
		field := goType.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && (strings.Contains(options, "inline") || field.Anonymous):
			t.addFields(fields, field.Type)
		case name != "":
			fields[name] = t.typeOf(field.Type)
		}
	}
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// typeOf is the CEL type of the JSON that a Go type makes.
func (t typeTable) typeOf(goType reflect.Type) *types.Type {
	if goType.Kind() == reflect.Pointer {
		return t.typeOf(goType.Elem())
	}
	pointer := reflect.PointerTo(goType)
	if pointer.Implements(jsonMarshaler) || pointer.Implements(textMarshaler) {
		switch goType.Name() {
		case "Quantity", "Time", "MicroTime", "Duration":
			return types.StringType
		}
		return types.DynType // such as a port, which is a number or a name
	}
	switch goType.Kind() {
	case reflect.String:
		return types.StringType
	case reflect.Bool:
		return types.BoolType
	case reflect.Int, reflect.Int32, reflect.Int64:
		return types.IntType
	case reflect.Float64:
		return types.DoubleType
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return types.StringType // base64
		}
		return types.NewListType(t.typeOf(goType.Elem()))
	case reflect.Map:
		return types.NewMapType(types.StringType, t.typeOf(goType.Elem()))
	case reflect.Struct:
		t.add(goType)
		return types.NewObjectType(goType.Name())
	}
	return types.DynType
}

// paramFields are the types of a rule's own parameters, read from their values.
func paramFields(params map[string]any) map[string]*types.Type {
	fields := map[string]*types.Type{}
	for name, value := range params {
		fields[name] = typeOfValue(value)
	}
	return fields
}

func typeOfValue(value any) *types.Type {
	switch v := value.(type) {
	case string:
		return types.StringType
	case bool:
		return types.BoolType
	case int64:
		return types.IntType
	case float64:
		return types.DoubleType
	case map[string]any:
		return types.NewMapType(types.StringType, types.DynType)
	case []any:
		if len(v) == 0 {
			return types.NewListType(types.DynType)
		}
		first := typeOfValue(v[0])
		for _, item := range v[1:] {
			if !typeOfValue(item).IsEquivalentType(first) {
				return types.NewListType(types.DynType)
			}
		}
		return types.NewListType(first)
	}
	return types.DynType
}

// provider tells the checker the fields of our types. Values are not structs but the maps that JSON has, so
// that a field has a type and no accessor, and no expression can make a value of these types.
type provider struct {
	*types.Registry
	params map[string]*types.Type
}

func (p provider) fields(typeName string) (map[string]*types.Type, bool) {
	if typeName == paramsType {
		return p.params, true
	}
	fields, ok := baseTypes()[typeName]
	return fields, ok
}

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.fields(name); ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if fields, ok := p.fields(name); ok {
		return slices.Sorted(maps.Keys(fields)), true
	}
	return p.Registry.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	fields, ok := p.fields(name)
	if !ok {
		return p.Registry.FindStructFieldType(name, field)
	}
	if t, ok := fields[field]; ok {
		return &types.FieldType{Type: t}, true
	}
	return nil, false
}

func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := p.fields(name); ok {
		return types.NewErr("a rule cannot make a value of type %s", name)
	}
	return p.Registry.NewValue(name, fields)
}
