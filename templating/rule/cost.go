package rule

import (
	"time"

	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// The cost of an expression is counted in CEL's units: about one for each access, comparison or call, and more
// for long texts. A unit takes some tens of nanoseconds.
const (
	// MaxEstimate bounds what an expression may cost on the largest Job that is likely. It is checked at save.
	MaxEstimate = 20_000_000
	// MaxCost bounds what one evaluation may cost. Beyond it the rule counts as not satisfied.
	MaxCost = 1_000_000
	// maxTotal bounds the evaluation of all rules on one Job.
	maxTotal = 4 * MaxCost
	// maxTime bounds the evaluation of all rules on one Job, which takes less than a millisecond as a rule.
	maxTime = 2 * time.Second
)

// Sizes that an estimate assumes of what a Job has in it.
const (
	likelyList = 50
	likelyText = 512
)

// sizes tells the estimate of cost how large the input may be.
type sizes struct{}

func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate { return sizeOf(node.Type()) }

// sizeOf is the likely size of a value of a type; nil for one without a size.
func sizeOf(t *types.Type) *cost.SizeEstimate {
	text := cost.SizeEstimate{Max: likelyText}
	switch t.Kind() {
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Max: likelyList, Key: &text, Elem: &text}
	case types.StringKind, types.BytesKind, types.DynKind:
		return &text
	case types.OpaqueKind:
		if parameters := t.Parameters(); len(parameters) == 1 { // an optional value
			return sizeOf(parameters[0])
		}
	}
	return nil
}

// EstimateCallCost knows our functions, and those of optional values, whose result is as large as a value of
// the input.
func (sizes) EstimateCallCost(
	function, _ string, target *cost.AstNode, args []cost.AstNode,
) *cost.CallEstimate {
	switch function {
	case "quantity", "image":
		return &cost.CallEstimate{CostEstimate: cost.FixedCostEstimate(callCost)}
	case "orValue", "or":
		of := args
		if target != nil {
			of = append([]cost.AstNode{*target}, args...)
		}
		var size *cost.SizeEstimate
		for _, node := range of {
			if size = sizeOf(node.Type()); size != nil {
				break
			}
		}
		return &cost.CallEstimate{CostEstimate: cost.FixedCostEstimate(1), ResultSize: size}
	}
	return nil
}

// callCost is what the functions of this package cost: they parse a short text.
const callCost = 20

// actual counts what our functions cost, which take texts and lists of different sizes.
type actual struct{}

func (actual) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	var total uint64
	switch function {
	case "quantity", "image":
		total = callCost
	case "distinct", "sets.contains", "sets.intersects", "sets.equivalent":
		total = 1
		if len(args) == 1 {
			args = append(args, args[0]) // each item is compared with each other
		}
		for _, arg := range args {
			if list, ok := arg.(traits.Lister); ok {
				n, _ := list.Size().Value().(int64)
				total *= uint64(max(1, n))
			}
		}
	case "join", "replace", "split", "indexOf", "lastIndexOf", "substring", "trim", "lowerAscii", "upperAscii":
		total = 1
		for _, v := range append(args, result) {
			if sized, ok := v.(traits.Sizer); ok {
				n, _ := sized.Size().Value().(int64)
				total += uint64(max(0, n)) / 10
			}
		}
	default:
		return nil
	}
	return &total
}
