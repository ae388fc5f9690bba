package action

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// numberFunctions are arithmetic. Whole numbers are int64 and overflow is an error, never a wrapped result.
func numberFunctions() []Function {
	group := []Function{
		{Name: "add", Usage: "add N…", Doc: "the sum", Max: -1, run: folding(0, addInt)},
		{Name: "add1", Usage: "add1 N", Doc: "N + 1", Min: 1, Max: 1, run: folding(1, addInt)},
		{Name: "sub", Usage: "sub A B", Doc: "A - B", Min: 2, Max: 2, run: onInts(subInt)},
		{Name: "mul", Usage: "mul N…", Doc: "the product", Min: 1, Max: -1, run: folding(1, mulInt)},
		{Name: "div", Usage: "div A B", Doc: "A / B, without the rest", Min: 2, Max: 2, run: onInts(divInt)},
		{Name: "mod", Usage: "mod A B", Doc: "the rest of A / B", Min: 2, Max: 2, run: onInts(modInt)},
		{
			Name:  "max",
			Usage: "max N…",
			Doc:   "the largest integer",
			Min:   1,
			Max:   -1,
			run:   choosing(func(a, b int64) bool { return a > b }),
		},
		{
			Name:  "min",
			Usage: "min N…",
			Doc:   "the smallest integer",
			Min:   1,
			Max:   -1,
			run:   choosing(func(a, b int64) bool { return a < b }),
		},
		{
			Name:  "addf",
			Usage: "addf X…",
			Doc:   "the sum of decimals",
			Min:   1,
			Max:   -1,
			run:   decimals((*big.Rat).Add),
		},
		{Name: "add1f", Usage: "add1f X", Doc: "X + 1.0", Min: 1, Max: 1, run: runAdd1f},
		{
			Name:  "subf",
			Usage: "subf X…",
			Doc:   "the first less the others",
			Min:   1,
			Max:   -1,
			run:   decimals((*big.Rat).Sub),
		},
		{
			Name:  "mulf",
			Usage: "mulf X…",
			Doc:   "the product of decimals",
			Min:   1,
			Max:   -1,
			run:   decimals((*big.Rat).Mul),
		},
		{
			Name:  "divf",
			Usage: "divf X…",
			Doc:   "the first divided by the others",
			Min:   1,
			Max:   -1,
			run:   runDivf,
		},
		{Name: "maxf", Usage: "maxf X…", Doc: "the largest number", Min: 1, Max: -1, run: folding2(math.Max)},
		{
			Name:  "minf",
			Usage: "minf X…",
			Doc:   "the smallest number",
			Min:   1,
			Max:   -1,
			run:   folding2(math.Min),
		},
		{Name: "floor", Usage: "floor X", Doc: "rounded down", Min: 1, Max: 1, run: rounding(math.Floor)},
		{Name: "ceil", Usage: "ceil X", Doc: "rounded up", Min: 1, Max: 1, run: rounding(math.Ceil)},
		{
			Name:  "round",
			Usage: "round X PLACES",
			Doc:   "rounded to PLACES after the point, half away from zero",
			Min:   2,
			Max:   2,
			run:   runRound,
		},
		{
			Name:  "int",
			Usage: "int VALUE",
			Doc:   "VALUE as an integer; 0 where it is none",
			Min:   1,
			Max:   1,
			run:   runInt,
		},
		{Name: "int64", Usage: "int64 VALUE", Doc: "the same as int", Min: 1, Max: 1, run: runInt},
		{Name: "atoi", Usage: "atoi STRING", Doc: "the same as int", Min: 1, Max: 1, run: runInt},
		{
			Name:  "float64",
			Usage: "float64 VALUE",
			Doc:   "VALUE as a float; 0.0 where it is none",
			Min:   1,
			Max:   1,
			run:   runFloat,
		},
		{
			Name:  "toDecimal",
			Usage: "toDecimal STRING",
			Doc:   "an octal number such as a file mode, as an integer",
			Min:   1,
			Max:   1,
			run:   runToDecimal,
		},
	}
	for i := range group {
		group[i].Group, group[i].Sprig = "numbers", true
	}
	return group
}

func folding(start int64, op func(a, b int64) (int64, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		result := start
		for i := range c.args {
			n, err := c.integer(i)
			if err != nil {
				return nil, err
			}
			if result, err = op(result, n); err != nil {
				return nil, c.errorf("%w", err)
			}
		}
		return result, nil
	}
}

func onInts(op func(a, b int64) (int64, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		a, err := c.integer(0)
		if err != nil {
			return nil, err
		}
		b, err := c.integer(1)
		if err != nil {
			return nil, err
		}
		n, err := op(a, b)
		if err != nil {
			return nil, c.errorf("%w", err)
		}
		return n, nil
	}
}

func addInt(a, b int64) (int64, error) {
	sum := a + b
	if (sum > a) != (b > 0) && b != 0 {
		return 0, errOverflow
	}
	return sum, nil
}

func subInt(a, b int64) (int64, error) {
	difference := a - b
	if (difference < a) != (b > 0) && b != 0 {
		return 0, errOverflow
	}
	return difference, nil
}

func mulInt(a, b int64) (int64, error) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	if hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative {
		return 0, errOverflow
	}
	return a * b, nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func divInt(a, b int64) (int64, error) {
	switch {
	case b == 0:
		return 0, errDivision
	case a == math.MinInt64 && b == -1:
		return 0, errOverflow
	}
	return a / b, nil
}

func modInt(a, b int64) (int64, error) {
	switch b {
	case 0:
		return 0, errDivision
	case -1:
		return 0, nil
	}
	return a % b, nil
}

func choosing(better func(a, b int64) bool) func(*call) (any, error) {
	return func(c *call) (any, error) {
		best, err := c.integer(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var n int64
			if n, err = c.integer(i); err == nil && better(n, best) {
				best = n
			}
		}
		return best, err
	}
}

func folding2(op func(a, b float64) float64) func(*call) (any, error) {
	return func(c *call) (any, error) {
		best, err := c.float(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var x float64
			if x, err = c.float(i); err == nil {
				best = op(best, x)
			}
		}
		return c.finite(best, err)
	}
}

// rat reads a decimal exactly as it is written, so that 0.1 + 0.2 is 0.3.
func (c *call) rat(i int) (*big.Rat, error) {
	f, err := c.float(i)
	if err != nil {
		return nil, err
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return nil, c.wrong(i, "a number")
	}
	return r, c.m.budget.Spend(20)
}

func decimals(op func(z, a, b *big.Rat) *big.Rat) func(*call) (any, error) {
	return func(c *call) (any, error) {
		result, err := c.rat(0)
		for i := 1; i < len(c.args) && err == nil; i++ {
			var next *big.Rat
			if next, err = c.rat(i); err == nil {
				op(result, result, next)
				result, err = c.nearest(result)
			}
		}
		if err != nil {
			return nil, err
		}
		f, _ := result.Float64()
		return c.finite(f, nil)
	}
}

// nearest keeps the terms of an intermediate result as small as a float's.
func (c *call) nearest(r *big.Rat) (*big.Rat, error) {
	if r.Num().BitLen()+r.Denom().BitLen() < 4096 {
		return r, nil
	}
	return nil, c.errorf("%w", errOverflow)
}

func runAdd1f(c *call) (any, error) {
	c.args = append(c.args, int64(1))
	return decimals((*big.Rat).Add)(c)
}

func runDivf(c *call) (any, error) {
	for i := 1; i < len(c.args); i++ {
		if x, err := c.float(i); err != nil || x == 0 {
			return nil, firstError(err, c.errorf("%w", errDivision))
		}
	}
	return decimals((*big.Rat).Quo)(c)
}

// finite is the result of arithmetic: an integral number is an integer, so that it prints, and fits into a
// manifest, as one.
func (c *call) finite(f float64, err error) (any, error) {
	const exact = 1 << 53
	switch {
	case err != nil:
		return nil, err
	case math.IsInf(f, 0) || math.IsNaN(f):
		return nil, c.errorf("%w", errOverflow)
	case f == math.Trunc(f) && math.Abs(f) <= exact:
		return int64(f), nil
	default:
		return f, nil
	}
}

func rounding(op func(float64) float64) func(*call) (any, error) {
	return func(c *call) (any, error) {
		x, err := c.float(0)
		return c.finite(op(x), err)
	}
}

func runRound(c *call) (any, error) {
	x, err := c.float(0)
	if err != nil {
		return nil, err
	}
	places, err := c.integer(1)
	if err != nil {
		return nil, err
	}
	if places < 0 || places > 15 {
		return nil, c.errorf("places must be between 0 and 15")
	}
	power, err := strconv.ParseFloat("1e"+strconv.FormatInt(places, 10),
		64) // math.Pow is not the same on every processor
	rounded := math.Round(x*power) / power
	if math.Abs(x) >= 1<<52 {
		rounded = x // there is nothing after its point
	}
	return c.finite(rounded, err)
}

func runInt(c *call) (any, error) {
	switch v := c.args[0].(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case map[string]any, []any:
		return nil, c.wrong(0, "a number or text")
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := c.float(0)
	if err != nil || f >= math.MaxInt64 || f <= math.MinInt64 {
		if n, ok := c.args[0].(int64); ok {
			return n, nil
		}
		return int64(0), nil
	}
	if n, ok := c.args[0].(int64); ok {
		return n, nil
	}
	return int64(f), nil
}

func runFloat(c *call) (any, error) {
	f, err := c.float(0)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0.0, nil
	}
	return f, nil
}

func runToDecimal(c *call) (any, error) {
	s, err := c.text(0)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(s, 8, 64)
	if err != nil {
		return nil, c.errorf("%q is not an octal number", s)
	}
	return n, nil
}
