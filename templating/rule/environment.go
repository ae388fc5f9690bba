package rule

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"github.com/distribution/reference"

	"github.com/berth-dev/berth/templating/manifest"
)

// Bounds of what is parsed and checked.
const (
	maxDepth        = 64
	maxRegexProgram = 500
	maxImage        = 1024
)

// newEnvironment declares what an expression may use.
func newEnvironment(params map[string]any) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the registry of types: %w", err)
	}
	object := types.NewObjectType
	return cel.NewCustomEnv(append(functions(),
		cel.StdLib(),
		cel.CustomTypeProvider(provider{Registry: registry, params: paramFields(params)}),
		cel.CustomTypeAdapter(registry),
		cel.OptionalTypes(),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.EagerlyValidateDeclarations(true),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserErrorRecoveryLimit(maxDepth),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		ext.Bindings(),
		cel.Variable("job", object(jobType)),
		cel.Variable("pod", object("PodSpec")),
		cel.Variable("containers", types.NewListType(object("Container"))),
		cel.Variable("volumes", types.NewListType(object("Volume"))),
		cel.Variable("run", object(runType)),
		cel.Variable("deployment", object(deploymentType)),
		cel.Variable("caller", object(callerType)),
		cel.Variable("pool", object(poolType)),
		cel.Variable("queue", object(queueType)),
		cel.Variable("params", object(paramsType)),
		cel.Function("quantity", cel.Overload("quantity_string", []*types.Type{types.StringType},
			types.DoubleType, cel.UnaryBinding(quantity))),
		cel.Function("image", cel.Overload("image_string", []*types.Type{types.StringType},
			object(imageType), cel.UnaryBinding(image(registry)))),
	)...)
}

// variableNames are the variables of the environment.
func variableNames() []string {
	return []string{
		"job", "pod", "containers", "volumes", "run", "deployment", "caller", "pool", "queue", "params",
	}
}

// quantity is the number that a Kubernetes quantity stands for: quantity("500m") is 0.5.
func quantity(v ref.Val) ref.Val {
	text, ok := v.Value().(string)
	if !ok {
		return types.NewErr("quantity: not a Kubernetes quantity")
	}
	q, err := manifest.ParseQuantity(text)
	if err != nil {
		return types.NewErr("quantity: %.64q is not a Kubernetes quantity such as 500m or 1Gi", text)
	}
	return types.Double(q.AsApproximateFloat64())
}

// image takes the name of an image apart, as a container runtime reads it: "nginx" is the repository
// "library/nginx" of the registry "docker.io". A tag that is not there is "latest", unless a digest is.
func image(adapter types.Adapter) func(ref.Val) ref.Val {
	return func(v ref.Val) ref.Val {
		text, ok := v.Value().(string)
		if !ok || len(text) > maxImage {
			return types.NewErr("image: not the name of an image")
		}
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			return types.NewErr("image: %q is not the name of an image", text)
		}
		parts := map[string]string{
			"registry": reference.Domain(named), "repository": reference.Path(named), "tag": "", "digest": "",
		}
		if tagged, ok := named.(reference.Tagged); ok {
			parts["tag"] = tagged.Tag()
		}
		if digested, ok := named.(reference.Digested); ok {
			parts["digest"] = digested.Digest().String()
		}
		if parts["tag"] == "" && parts["digest"] == "" {
			parts["tag"] = "latest"
		}
		return adapter.NativeToValue(parts)
	}
}
