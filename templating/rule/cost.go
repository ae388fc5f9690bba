package rule

import (
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
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
